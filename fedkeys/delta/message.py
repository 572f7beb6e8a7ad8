"""`Delta`: one message of one phone, in memory and as bytes; the package's docstring is the specification."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import msgpack
import numpy as np
from numpy.typing import NDArray

from fedkeys.container import (
    SEAL_SIZE,
    check_seal,
    pack_column,
    read_bytes,
    seal,
    unpack_columns,
    unpack_list,
    write_atomically,
)
from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import pack_keys
from fedkeys.delta.checks import DIGEST_SIZE, check_forms, check_head, require
from fedkeys.delta.columns import from_tallies, ngram_columns, read_ngrams, tallies
from fedkeys.errors import FormatError
from fedkeys.words import OTHER

DELTA_FORMAT = "fedkeys.delta"
DELTA_VERSION = 1
MAX_DELTA_BYTES = 8 << 20

_ENTRIES = (
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


@dataclass(frozen=True, eq=False)
class Delta:
    """What one phone sends once.

    Attributes:
        federation: the federation's name.
        phone: 16 bytes, the phone's pseudonym.
        sequence: 0 for its first delta, 1 for the next, ...
        round: the round it was asked for in; 0 where there are no rounds.
        base: digest of the vocabulary that ids refer to; b"" for none.
        known: number of words in that vocabulary.
        bounds: the bounds that the phone applied; None for none.
        words: the words that are not in that vocabulary, ascending.
        ids: uint32[u], ascending: for each local id the id in vocabulary and new words.
        counts: the n-grams, over local ids.
        forms: the written forms; keys are local id << 32 | style, styles from `OTHER` up being places in
            `other_forms`.
        other_forms: written forms without a style.
    """

    federation: str
    phone: bytes
    sequence: int
    round: int
    base: bytes
    known: int
    bounds: Mapping[str, int] | None
    words: tuple[str, ...]
    ids: NDArray[np.uint32]
    counts: NgramCounts
    forms: Level
    other_forms: tuple[str, ...] = field(default=())

    @property
    def identity(self) -> tuple[str, bytes, int]:
        """Federation, phone and sequence number: what makes a second copy a copy."""
        return self.federation, self.phone, self.sequence

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that tell two deltas of one identity apart."""
        return blake2b(self.data, digest_size=DIGEST_SIZE).digest()

    @cached_property
    def data(self) -> bytes:
        """The message as bytes."""
        return _encode(self)

    def to_bytes(self) -> bytes:
        """Give the message as bytes; the same delta gives the same bytes."""
        return self.data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Delta":
        """Read a message.

        Raises:
            FormatError: the bytes are not a sound delta (DamagedError: cut or changed; VersionError: newer).
        """
        delta = _decode(data)
        delta.__dict__["data"] = data
        return delta

    def save(self, path: str | Path, *, durable: bool = True) -> None:
        """Write the message to a file, whole or not at all; `durable` flushes it to the disk."""
        write_atomically(Path(path), self.data, durable=durable)

    @classmethod
    def load(cls, path: str | Path) -> "Delta":
        """Read a message from a file.

        Raises:
            FormatError: the file is not a sound delta.
            FedkeysError: it cannot be read.
        """
        try:
            return cls.from_bytes(read_bytes(Path(path), MAX_DELTA_BYTES))
        except FormatError as error:
            raise error.at(path) from None


def _encode(delta: Delta) -> bytes:
    new_ids = delta.ids.astype(np.int64)
    columns = [
        np.diff(new_ids, prepend=-1) - 1,
        *ngram_columns(delta.counts),
        np.diff(delta.forms.parents, prepend=0),
        np.minimum(delta.forms.words, OTHER).astype(np.int64),
        tallies(delta.forms),
    ]
    head = [
        DELTA_FORMAT,
        DELTA_VERSION,
        delta.federation,
        delta.phone,
        delta.sequence,
        delta.round,
        delta.base,
        delta.known,
        None if delta.bounds is None else dict(delta.bounds),
        delta.words,
        delta.other_forms,
        [*map(len, delta.counts.levels), len(delta.forms)],
        _deflate(b"".join(map(pack_column, columns))),
        bytes(SEAL_SIZE),
    ]
    return seal(msgpack.packb(head)[:-SEAL_SIZE])


def _decode(data: bytes) -> Delta:
    head = unpack_list(data, DELTA_FORMAT, DELTA_VERSION, _ENTRIES)
    check_seal(data)
    check_head(head)
    *sizes, form_size = head["sizes"]
    columns = unpack_columns(head["body"], _column_sizes(sizes, form_size))
    ids = np.cumsum(columns[0] + 1) - 1
    known, words = head["known"], tuple(head["words"])
    if len(ids) and ids[-1] >= FIRST_WORD + known + len(words):
        raise FormatError(f"a word id is {ids[-1]}, but there are {known} known and {len(words)} new words")
    if len(words) != np.count_nonzero(ids >= FIRST_WORD + known):
        raise FormatError("a new word is not used")
    counts = read_ngrams(columns[1:-3], sizes, marks=int(np.count_nonzero(ids < FIRST_WORD)))
    forms = _read_forms(columns[-3:], sizes[0], len(head["forms"]))
    delta = Delta(
        head["federation"],
        head["phone"],
        head["sequence"],
        head["round"],
        head["base"],
        known,
        head["bounds"],
        words,
        ids.astype(np.uint32),
        counts,
        forms,
        tuple(head["forms"]),
    )
    check_forms(ids.tolist(), known, words, forms, tuple(head["forms"]))
    return delta


def _column_sizes(sizes: list[int], form_size: int) -> list[int]:
    """How long each column is: ids and tallies of order 1, three for each further order, three of forms."""
    further = [size for below, own in pairwise(sizes) for size in (below, own, own)]
    return [sizes[0], sizes[0], *further, form_size, form_size, form_size]


def _read_forms(columns: list[NDArray[np.int64]], unigrams: int, others: int) -> Level:
    gap_column, styles, tally = columns
    rows = np.cumsum(gap_column)
    is_other = styles == OTHER
    require(
        not np.any(styles > OTHER) and np.count_nonzero(is_other) == others,
        "the written forms do not fit their styles",
    )
    require(not len(rows) or int(rows[-1]) < unigrams, "a written form belongs to no word")
    keys = pack_keys(rows, np.where(is_other, OTHER + np.cumsum(is_other) - 1, styles).astype(np.uint32))
    require(not np.any(keys[1:] <= keys[:-1]), "the written forms are out of order")
    counts, phones = from_tallies(tally)
    return Level(keys, counts, phones)


def _deflate(raw: bytes) -> bytes:
    compressor = zlib.compressobj(level=6, wbits=-15)
    return compressor.compress(raw) + compressor.flush()
