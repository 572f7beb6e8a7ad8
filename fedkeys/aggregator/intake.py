"""Taking in deltas from files and logs: what is sound is merged, what is not is set aside with its reason.

In: files, directories, logs of many messages, standard input. Out: an `Intake`, which names everything that was
not merged and why. Laws: the files are only read; one bad message never keeps a good one out; in strict mode one
bad message keeps all out.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fedkeys.aggregator.aggregator import Aggregator
from fedkeys.aggregator.messages import messages
from fedkeys.aggregator.partial import PARTIAL_SUFFIX
from fedkeys.aggregator.reasons import reason_of
from fedkeys.container import read_bytes
from fedkeys.delta import Head
from fedkeys.delta.signed import MAX_MESSAGE_BYTES, message_in
from fedkeys.errors import FedkeysError, FormatError, RefusedError, StorageError, UsageError

SUFFIX = ".delta"
LOG_SUFFIX = ".deltas"
WITHDRAWAL_SUFFIX = ".withdrawal"
STDIN = Path("-")
MOST_NAMED = 1000

_GROUP_BYTES = 1 << 21
_GROUP_SIZE = 1 << 12

_Found = tuple[Path, str | None, bytes]


@dataclass(slots=True)
class Filling:
    """How full a group of messages that are merged together is.

    What a phone shows of its earlier deltas stands beside its new one, so neighbours of one phone stay together.

    Attributes:
        messages: how many it has.
        bytes: how long they are together.
    """

    messages: int = 0
    bytes: int = 0

    def add(self, length: int, are_of_one_phone: Callable[[], bool]) -> bool:
        """Take a message; tells whether it begins a new group.

        Args:
            length: of it.
            are_of_one_phone: tells whether it is of the phone of the message before.
        """
        begins = False
        if self.bytes >= _GROUP_BYTES or self.messages >= _GROUP_SIZE:
            too_many = self.bytes >= 2 * _GROUP_BYTES or self.messages >= 2 * _GROUP_SIZE
            begins = too_many or not are_of_one_phone()
        if begins:
            self.messages = self.bytes = 0
        self.messages += 1
        self.bytes += length
        return begins


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of the deltas.

    Attributes:
        merged: how many deltas were merged.
        repeated: how many had been merged before.
        refused: for each message that was set aside, one sentence that names file, place and reason; of
            very many the first `MOST_NAMED`.
        unnamed: how many more were set aside.
        reasons: how many were set aside for each kind of reason.
    """

    merged: int
    repeated: int
    refused: tuple[str, ...]
    unnamed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def delta_files(
    inputs: Iterable[Path], suffixes: Sequence[str] = (SUFFIX, LOG_SUFFIX, PARTIAL_SUFFIX)
) -> list[Path]:
    """Give the files meant by files and directories; of a directory all deltas and logs below it, in order.

    Args:
        inputs: files, directories, or - for standard input.
        suffixes: of the files that are looked for in directories.

    Raises:
        UsageError: an input does not exist, or a directory holds no delta.
    """
    files: list[Path] = []
    for path in inputs:
        if path == STDIN:
            files.append(path)
        elif path.is_dir():
            found = sorted(file for suffix in suffixes for file in path.rglob(f"*{suffix}") if file.is_file())
            if not found:
                raise UsageError(
                    f"no {' or '.join(f'*{suffix}' for suffix in suffixes)} file below it",
                    file=path,
                    remedy=f"make some with fedkeys {'delta' if SUFFIX in suffixes else 'withdraw --key'}",
                )
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise UsageError("no such file or directory", file=path)
    return list(dict.fromkeys(files))


def merge_files(
    aggregator: Aggregator, files: Sequence[Path], *, on_bytes: Callable[[int], None] = lambda _: None
) -> Intake:
    """Merge every sound delta of a list of files.

    Args:
        aggregator: what they are merged into.
        files: single deltas; logs of many, which end in `.deltas`; partial aggregates, which end in `.partial`
            and are merged first; `-` for a log on standard input.
        on_bytes: told how many bytes were dealt with, from time to time.
    """
    merged = repeated = unnamed = 0
    refused: list[str] = []
    reasons: Counter[str] = Counter()
    # One that holds all of another is merged before it, else it could not be: the larger ones first.
    partials = sorted((path for path in files if path.suffix == PARTIAL_SUFFIX), key=_smallness)
    files = [path for path in files if path.suffix != PARTIAL_SUFFIX]
    for path in partials:
        try:
            found = aggregator.add_partial(path, on_bytes)
            merged, repeated = merged + found[0], repeated + found[1]
        except StorageError:
            raise
        except FedkeysError as error:
            refused.append(str(error.at(path)))
            reasons[reason_of(error)] += 1
    for group in _groups(_everything(files, refused, reasons)):
        results = aggregator.add_messages([data for _, _, data in group])
        for (path, place, _), result in zip(group, results, strict=True):
            if isinstance(result, FedkeysError):
                result.place = result.place or place
                reasons[reason_of(result)] += 1
                if len(refused) < MOST_NAMED:
                    refused.append(str(result.at(path)))
                else:
                    unnamed += 1
            elif result:
                merged += 1
            else:
                repeated += 1
        on_bytes(sum(len(data) for _, _, data in group))
    return Intake(merged, repeated, tuple(refused), unnamed, reasons)


def _smallness(path: Path) -> int:
    return -path.stat().st_size if path.is_file() else 0


def each_message(files: Sequence[Path], do: Callable[[bytes], object]) -> tuple[int, tuple[str, ...]]:
    """Do something with every message of a list of files, the last one of each phone first.

    Gives with how many it was done, and why not with the others.
    """
    refused: list[str] = []
    done = 0
    for path, place, data in sorted(_everything(files, refused, Counter()), key=_last_first):
        try:
            do(data)
            done += 1
        except (FormatError, RefusedError) as error:
            error.place = error.place or place
            refused.append(str(error.at(path)))
    return done, tuple(refused)


def _everything(files: Iterable[Path], refused: list[str], reasons: Counter[str]) -> Iterator[_Found]:
    """Read all messages; what cannot be read is told, and counted by its kind."""
    for path in files:
        try:
            for place, data in _messages_of(path):
                yield path, place, data
        except FedkeysError as error:
            refused.append(str(error.at(path)))
            reasons[reason_of(error)] += 1


def _last_first(found: _Found) -> int:
    head = _head_of(found[2])
    return -head.sequence if head else 0


def _groups(found: Iterable[_Found]) -> Iterator[list[_Found]]:
    """Cut messages into groups that are merged together."""
    group: list[_Found] = []
    filling = Filling()
    for message in found:
        if filling.add(len(message[2]), partial(_are_neighbours, group, message)):
            yield group
            group = []
        group.append(message)
    if group:
        yield group


def _are_neighbours(group: Sequence[_Found], message: _Found) -> bool:
    return are_of_one_phone(group[-1][2], message[2])


def are_of_one_phone(one: bytes, other: bytes) -> bool:
    """Tell whether two messages that may be unsound are of the same phone."""
    phone = sound_phone(one)
    return phone is not None and phone == sound_phone(other)


def sound_phone(data: bytes) -> bytes | None:
    """Give the pseudonym in a message; None if it is not sound."""
    head = _head_of(data)
    return None if head is None else head.phone


def _head_of(data: bytes) -> Head | None:
    """Open a message without judging it."""
    try:
        return Head.of(message_in(data))
    except FormatError:
        return None


def _messages_of(path: Path) -> Iterator[tuple[str | None, bytes]]:
    """The messages of a file, and where in a log each begins.

    Raises:
        FedkeysError: the file cannot be read, or not to its end.
    """
    if path != STDIN and path.suffix not in (LOG_SUFFIX, WITHDRAWAL_SUFFIX):
        yield None, read_bytes(path, MAX_MESSAGE_BYTES)
        return
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as stream:
            for start, data in messages(stream):
                yield f"byte {start}", data
    except OSError as error:
        raise FedkeysError(f"cannot be read ({error.strerror})", file=path) from None
