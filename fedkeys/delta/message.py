"""`Delta`: one message of one phone, in memory and as bytes; the package's docstring is the specification."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedkeys.container import read_bytes, write_atomically
from fedkeys.counts import Level, NgramCounts
from fedkeys.delta.batch import Batch, Head, digest_of
from fedkeys.errors import FormatError

MAX_DELTA_BYTES = 8 << 20


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
        return digest_of(self.data)

    @cached_property
    def data(self) -> bytes:
        """The message as bytes."""
        sizes = (*map(len, self.counts.levels), len(self.forms))
        head = Head(
            b"",
            self.federation,
            self.phone,
            self.sequence,
            self.round,
            self.base,
            self.known,
            self.bounds,
            self.words,
            self.other_forms,
            sizes,
            b"",
        )
        return Batch([head], self.ids, self.counts, self.forms, self.other_forms).to_messages()[0]

    def to_bytes(self) -> bytes:
        """Give the message as bytes; the same delta gives the same bytes."""
        return self.data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Delta":
        """Read a message.

        Raises:
            FormatError: the bytes are not a sound delta (DamagedError: cut or changed; VersionError: newer).
        """
        batch = Batch.of([data])
        delta = cls.of(batch.heads[0], batch.ids, batch.counts, batch.forms)
        delta.__dict__["data"] = data
        return delta

    @classmethod
    def of(cls, head: Head, ids: NDArray[np.uint32], counts: NgramCounts, forms: Level) -> "Delta":
        """Put a header and what its columns say together."""
        return cls(
            head.federation,
            head.phone,
            head.sequence,
            head.round,
            head.base,
            head.known,
            head.bounds,
            head.words,
            ids,
            counts,
            forms,
            head.forms,
        )

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
