"""Reading: messages out of files, dealt out into buckets by the phone that they are of.

In: spans of files. Out: for each bucket its messages, and what is known of all of them together. Laws: all
messages of a phone go into one bucket; in each they stand in the order of the inputs; what cannot be read keeps
no other out; what is read again is told from what was read first.
"""

import io
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.helpers import phone_of
from fedkeys.aggregator.intake import Filling, are_of_one_phone, sound_phone
from fedkeys.aggregator.messages import messages
from fedkeys.aggregator.reasons import reason_of
from fedkeys.counts.ngrams import Rows
from fedkeys.delta.signed import MAX_MESSAGE_BYTES
from fedkeys.engines.dask.engine import bytes_in
from fedkeys.engines.dask.inputs import Span, digesting
from fedkeys.errors import FedkeysError, FormatError, UsageError


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read.

    Attributes:
        before: how many messages of the task came before it.
        sentence: which file, and why.
        reason: the kind of that.
    """

    before: int
    sentence: str
    reason: str


@dataclass(frozen=True, slots=True)
class About:
    """What who asks is told of the messages of one task.

    Attributes:
        lengths: uint32[n], bytes of each.
        continues: bool[n], which are of the phone of the one before, both sound; False for the first.
        ends: the phones of the first message and of the last; None where that is not sound, or there is none.
        unread: what could not be read.
        digests: of each share.
    """

    lengths: NDArray[np.uint32]
    continues: NDArray[np.bool_]
    ends: tuple[bytes | None, bytes | None]
    unread: tuple[Unread, ...]
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A message.

    Attributes:
        number: its place among those of its task, or of all.
        phone: a number that all messages of a phone have, 0 where there is none; others may have it too.
        name: of its file.
        start: its first byte in a log; -1 for a message that is a file.
        data: its bytes.
    """

    number: int
    phone: int
    name: str
    start: int
    data: bytes


def _column() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Share:
    """The messages of a bucket, out of one task: columns, so that they are moved in one piece.

    Attributes:
        numbers, phones, starts, files, ends: of each message, as in `Found`; files are places in `names`, ends are
            those in `data`.
        names: of files.
        data: the messages, one after the other.
    """

    numbers: "array[int]" = field(default_factory=_column)
    phones: "array[int]" = field(default_factory=_column)
    starts: "array[int]" = field(default_factory=_column)
    files: "array[int]" = field(default_factory=_column)
    ends: "array[int]" = field(default_factory=_column)
    names: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)

    def add(self, found: Found) -> None:
        """Take a message."""
        if not self.names or self.names[-1] != found.name:
            self.names.append(found.name)
        self.numbers.append(found.number)
        self.phones.append(found.phone)
        self.starts.append(found.start)
        self.files.append(len(self.names) - 1)
        self.data += found.data
        self.ends.append(len(self.data))

    def __iter__(self) -> Iterator[Found]:
        start = 0
        for number, phone, file, first, end in zip(
            self.numbers, self.phones, self.files, self.starts, self.ends, strict=True
        ):
            yield Found(number, phone, self.names[file], first, bytes(self.data[start:end]))
            start = end

    def digest(self) -> bytes:
        """Tell it from every other share."""
        seen = digesting()
        for column in (self.numbers, self.phones, self.starts, self.files, self.ends, self.data):
            seen.update(len(column).to_bytes(8, "big"))
            seen.update(column)
        seen.update(repr(self.names).encode())
        return seen.digest()

    def __sizeof__(self) -> int:
        return len(self.data) + 5 * 8 * len(self.numbers) + bytes_in(self.names)


def read(spans: Sequence[Span], buckets: int) -> tuple[About, list[Share]]:
    """Read the messages of some spans, and deal them out.

    Raises:
        FedkeysError: a span is not what it was when it was cut.
    """
    shares = [Share() for _ in range(buckets)]
    unread: list[Unread] = []
    lengths: list[int] = []
    continues: list[bool] = []
    first = last = b""
    phone: bytes | None = None
    for span in spans:
        name, seen, why = span.source.name, digesting(), None
        try:
            for start, data in messages_of(span):
                seen.update(data)
                before, phone = phone, phone_of(data)
                is_same = bool(lengths) and phone is not None and phone == before
                continues.append(is_same and are_of_one_phone(last, data))
                first, last = first if lengths else data, data
                number = _number_of(phone)
                shares[number % buckets].add(Found(len(lengths), number, name, start, data))
                lengths.append(len(data))
        except UsageError:  # without what reads it: one machine would have refused
            raise
        except FedkeysError as error:
            why = error
            unread.append(Unread(len(lengths), str(error.at(name)), reason_of(error)))
        span.check(seen.digest(), why)
    about = About(
        np.array(lengths, np.uint32),
        np.array(continues, np.bool_),
        (sound_phone(first), sound_phone(last)),
        tuple(unread),
        tuple(share.digest() for share in shares),
    )
    return about, shares


def messages_of(span: Span) -> Iterator[tuple[int, bytes]]:
    """Read the messages of a span, and where in a log each begins; -1 for a message that is a file.

    Raises:
        FedkeysError: it cannot be read, or not to its end.
    """
    with span.source.open(span.start) as stream:
        if not span.source.is_log:
            data = stream.read(MAX_MESSAGE_BYTES + 1)
            if len(data) > MAX_MESSAGE_BYTES:
                raise FormatError(f"more than the {MAX_MESSAGE_BYTES:,} bytes that are read")
            yield -1, data
            return
        if span.end is not None:
            stream = io.BytesIO(stream.read(span.end - span.start))
        for start, data in messages(stream):
            yield span.start + start, data
    if span.lost is not None:
        raise span.lost


def first_numbers(abouts: Iterable[About]) -> Rows:
    """Give for each task how many messages came before its first one."""
    counts = [len(about.lengths) for about in abouts]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)[:-1]


def group_starts(abouts: Iterable[About]) -> Rows:
    """Give the number of each message that begins a group, as one machine groups them."""
    starts: list[int] = []
    filling = Filling()
    number = 0
    last: bytes | None = None
    for about in abouts:
        if not len(about.lengths):
            continue
        continues = [last is not None and last == about.ends[0], *about.continues[1:].tolist()]
        for length, is_same in zip(about.lengths.tolist(), continues, strict=True):
            if filling.add(length, is_same.__bool__) or not number:
                starts.append(number)
            number += 1
        last = about.ends[1]
    return np.array(starts, np.int64)


def _number_of(phone: bytes | None) -> int:
    return 0 if phone is None else int.from_bytes(phone[-8:], "big") >> 1 or 1
