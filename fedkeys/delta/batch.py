"""Reading and writing deltas: one, or thousands in one pass of numpy.

In: messages as bytes. Out: a `Batch`, their n-grams side by side in one forest; and back. Laws: a batch holds
what its messages would give one by one, and gives the same bytes again; of a message only its header, new words
and spelt-out forms are handled by Python code, whatever it counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from fedkeys.container import SEAL_SIZE, check_seal, pack_columns, seal, unpack_columns, unpack_list
from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import Ids, pack_keys
from fedkeys.delta.checks import DIGEST_SIZE, check_form, check_head, require
from fedkeys.delta.columns import (
    differences,
    from_gaps,
    from_tallies,
    gaps,
    ngram_columns,
    read_ngrams,
    tallies,
)
from fedkeys.errors import FormatError
from fedkeys.words import OTHER

DELTA_FORMAT = "fedkeys.delta"
DELTA_VERSION = 1

ENTRIES = (
    "format",
    "version",
    "federation",
    "phone",
    "sequence",
    "round",
    "base",
    "known",
    "bounds",
    "words",
    "forms",
    "sizes",
    "body",
    "checksum",
)


class Head(NamedTuple):
    """What a message says besides its columns, checked; and the columns as they came.

    Attributes:
        digest: 16 bytes of BLAKE2b of the whole message, which tell two deltas of one identity apart; empty
            in a delta that is not a message yet.
        length: bytes of the whole message; 0 likewise.
        sizes: how many n-grams of each order, then how many written forms.
        body: the columns, deflated, not yet looked at; empty likewise.
        federation, phone, sequence, round, base, known, bounds, words, forms: as in `Delta`.
    """

    digest: bytes
    federation: str
    phone: bytes
    sequence: int
    round: int
    base: bytes
    known: int
    bounds: Mapping[str, int] | None
    words: tuple[str, ...]
    forms: tuple[str, ...]
    sizes: tuple[int, ...]
    body: bytes
    length: int = 0

    @classmethod
    def of(cls, data: bytes) -> "Head":
        """Open a message.

        Raises:
            FormatError: it is no delta, or its checksum, header or new words are not sound.
        """
        entries = unpack_list(data, DELTA_FORMAT, DELTA_VERSION, ENTRIES)
        check_seal(data)
        check_head(entries)
        words, forms, sizes = (tuple(entries[name]) for name in ("words", "forms", "sizes"))
        return cls(
            digest_of(data),
            entries["federation"],
            entries["phone"],
            entries["sequence"],
            entries["round"],
            entries["base"],
            entries["known"],
            entries["bounds"],
            words,
            forms,
            sizes,
            entries["body"],
            len(data),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Deltas side by side.

    Attributes:
        heads: one a message.
        ids: uint32[rows of order 1]: the id of each row in its message's vocabulary and new words.
        counts: a forest with a root for each message; the id of a word is its row in order 1.
        forms: written forms; keys are row << 32 | style, styles from `OTHER` up being places in `spelt`.
        spelt: the written forms without a style, of all messages one after the other.
    """

    heads: Sequence[Head]
    ids: Ids
    counts: NgramCounts
    forms: Level
    spelt: Sequence[str]

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """bool[rows of order 1]: whether each is a mark or a word of its message's vocabulary, not a new word."""
        first_new = np.array([FIRST_WORD + head.known for head in self.heads])
        return self.ids < first_new[self.counts.levels[0].parents]

    @classmethod
    def read(cls, heads: Sequence[Head]) -> "Batch":
        """Read the columns of one message or more.

        Raises:
            FormatError: those of some message are not sound.
        """
        orders, sizes, form_sizes = _sizes(heads)
        columns = unpack_columns([head.body for head in heads], _column_sizes(sizes, orders, form_sizes))
        for order in range(3, sizes.shape[1] + 1):
            columns[3 * order - 4] = _filled(columns[3 * order - 4], orders >= order, sizes[:, order - 2])
        messages = np.repeat(np.arange(len(heads)), sizes[:, 0])
        ids = from_gaps(columns[0], sizes[:, 0])
        _check_ids(ids, messages, heads)
        counts = read_ngrams(columns[1:-3], sizes, ids < FIRST_WORD)
        spelt = [form for head in heads for form in head.forms]
        forms = _read_forms(columns[-3:], sizes[:, 0], form_sizes, heads)
        batch = cls(heads, ids.astype(np.uint32), counts, forms, spelt)
        _check_forms(batch, messages)
        return batch

    @classmethod
    def of(cls, messages: Iterable[bytes]) -> "Batch":
        """Read messages, all of which must be sound.

        Raises:
            FormatError: one is not.
        """
        return cls.read([Head.of(data) for data in messages])

    def to_messages(self) -> list[bytes]:
        """Give each delta as bytes."""
        orders, sizes, form_sizes = _sizes(self.heads)
        messages = np.repeat(np.arange(len(self.heads)), sizes[:, 0])
        of_form = messages[self.forms.parents]
        rows = self.forms.parents - (np.cumsum(sizes[:, 0]) - sizes[:, 0])[of_form]
        columns = [
            gaps(self.ids.astype(np.int64), messages),
            *ngram_columns(self.counts),
            differences(rows, of_form),
            np.minimum(self.forms.words, OTHER).astype(np.int64),
            tallies(self.forms),
        ]
        for order in range(3, sizes.shape[1] + 1):
            has = np.repeat(orders >= order, sizes[:, order - 2])
            columns[3 * order - 4] = columns[3 * order - 4][has]
        bodies = pack_columns(columns, _column_sizes(sizes, orders, form_sizes))
        return [_message(head, body) for head, body in zip(self.heads, bodies, strict=True)]


def unsound(heads: Sequence[Head]) -> dict[int, FormatError]:
    """Tell which messages of those that cannot be read together are not sound, and why."""
    found: dict[int, FormatError] = {}
    waiting = [(0, len(heads))]
    while waiting:
        first, end = waiting.pop()
        try:
            Batch.read(heads[first:end])
        except FormatError as error:
            if end - first == 1:
                found[first] = error
            else:
                middle = (first + end) // 2
                waiting += [(first, middle), (middle, end)]
    return found


def _message(head: Head, body: bytes) -> bytes:
    entries = [
        DELTA_FORMAT,
        DELTA_VERSION,
        head.federation,
        head.phone,
        head.sequence,
        head.round,
        head.base,
        head.known,
        None if head.bounds is None else dict(head.bounds),
        head.words,
        head.forms,
        head.sizes,
        body,
        bytes(SEAL_SIZE),
    ]
    return seal(msgpack.packb(entries)[:-SEAL_SIZE])


def digest_of(data: bytes) -> bytes:
    """Give the 16 bytes that tell two deltas of one identity apart."""
    return blake2b(data, digest_size=DIGEST_SIZE).digest()


def _sizes(heads: Sequence[Head]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The order of each message, how many n-grams of each order it has, and how many written forms."""
    orders = np.array([len(head.sizes) - 1 for head in heads])
    none = (0,) * int(orders.max())
    sizes = np.array([(head.sizes[:-1] + none)[: len(none)] for head in heads], np.int64)
    return orders, sizes, np.array([head.sizes[-1] for head in heads])


def _column_sizes(
    sizes: NDArray[np.int64], orders: NDArray[np.int64], form_sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How long each column is: ids and tallies of order 1, three for each further order, three of forms."""
    columns = [sizes[:, 0], sizes[:, 0]]
    for order in range(2, sizes.shape[1] + 1):
        children = np.where(orders >= order, sizes[:, order - 2], 0)
        columns += [children, sizes[:, order - 1], sizes[:, order - 1]]
    return np.stack([*columns, form_sizes, form_sizes, form_sizes], axis=1)


def _filled(
    children: NDArray[np.int64], has: NDArray[np.bool_], below: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Nothing extends the n-grams of a message that does not have the order."""
    if bool(has.all()):
        return children
    filled = np.zeros(int(below.sum()), np.int64)
    filled[np.repeat(has, below)] = children
    return filled


def _check_ids(ids: NDArray[np.int64], messages: NDArray[np.int64], heads: Sequence[Head]) -> None:
    first_new = np.array([FIRST_WORD + head.known for head in heads])
    new = np.array([len(head.words) for head in heads])
    beyond = np.flatnonzero(ids >= (first_new + new)[messages])
    if len(beyond):
        head = heads[messages[beyond[0]]]
        raise FormatError(
            f"a word id is {ids[beyond[0]]}, but there are {head.known} known and {len(head.words)} new words"
        )
    used = np.bincount(messages[ids >= first_new[messages]], minlength=len(heads))
    require(np.array_equal(used, new), "a new word is not used")


def _read_forms(
    columns: Sequence[NDArray[np.int64]],
    unigrams: NDArray[np.int64],
    form_sizes: NDArray[np.int64],
    heads: Sequence[Head],
) -> Level:
    gap_column, styles, tally = columns
    messages = np.repeat(np.arange(len(heads)), form_sizes)
    ends = np.cumsum(form_sizes)
    running = np.concatenate([[0], np.cumsum(gap_column)])
    within = running[1:] - running[ends - form_sizes][messages]
    is_other = styles == OTHER
    others = np.bincount(messages[is_other], minlength=len(heads))
    require(
        not np.any(styles > OTHER) and np.array_equal(others, [len(head.forms) for head in heads]),
        "the written forms do not fit their styles",
    )
    require(bool(np.all(within < unigrams[messages])), "a written form belongs to no word")
    rows = within + (np.cumsum(unigrams) - unigrams)[messages]
    keys = pack_keys(rows, np.where(is_other, OTHER + np.cumsum(is_other) - 1, styles).astype(np.uint32))
    require(not np.any(keys[1:] <= keys[:-1]), "the written forms are out of order")
    require(bool(np.all(tally)), "a written form was counted 0 times")
    counts, phones = from_tallies(tally)
    return Level(keys, counts, phones)


def _check_forms(batch: Batch, messages: NDArray[np.int64]) -> None:
    """Check the forms of new words, and those spelt out; of known words only an aggregator knows the word."""
    rows, styles = batch.forms.parents, batch.forms.words
    require(not np.any(batch.ids[rows] < FIRST_WORD), "a mark has a written form")
    first_new = np.array([FIRST_WORD + head.known for head in batch.heads])[messages[rows]]
    new = batch.ids[rows] - first_new
    for at in np.flatnonzero((new >= 0) | (styles >= OTHER)).tolist():
        words = batch.heads[messages[rows[at]]].words
        style = int(styles[at])
        check_form(
            words[new[at]] if new[at] >= 0 else None,
            style,
            batch.spelt[style - OTHER] if style >= OTHER else None,
        )
    spelt = np.flatnonzero(styles >= OTHER)
    for before, at in pairwise(spelt.tolist()):
        if rows[before] == rows[at]:
            form = batch.spelt[styles[at] - OTHER]
            require(
                batch.spelt[styles[before] - OTHER] < form,
                f"the written forms are out of order at {form[:40]!r}",
            )
