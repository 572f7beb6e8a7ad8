"""Partial aggregates: what one aggregator has merged, as a file that another merges whole.

In: totals and a ledger. Out: a file; and from it a run, and the rows of its ledger. Laws: any tree of partial
merges gives the payload of one place, byte for byte; a partial that was cut short or changed is refused, and
leaves nothing; of a partial no more is in memory than one of its pieces, and its ledger.

Format, version 1: messages one after the other, as in a log of deltas. Each is a container of arrays
(`fedkeys.container.arrays`) of the format "fedkeys.partial" with at most 8 MiB, whose header says its `kind`:

    head     federation; bounds, a list of those enforced; round, the last one; enrolled; order, the highest;
             words, rows (a list, one number an order), forms, deltas: how many follow
    ledger   phone and digest (uint8, 16 a delta), sequence (uint32), withdrawn (uint8), by phone and sequence
    words    text (uint8): words, ascending by code point, each followed by a newline, as UTF-8
    level    `order`: keys (uint64), counts and phones (int64), as a run has them, the lower orders first
    spelt    text (uint8): the written forms without a style, likewise
    forms    keys, counts and phones of written forms
    end      pieces: how many came before this one; digest: BLAKE2b-16 over their checksums, in order

A kind may come in several pieces, or in none. A partial is as much to be trusted as the aggregator that wrote
it: whoever can hand one in can claim any number of phones.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.ledger import Row
from fedkeys.aggregator.totals import Totals
from fedkeys.container import SEAL_SIZE, atomic_file, pack_arrays
from fedkeys.counts import Level
from fedkeys.delta.checks import DIGEST_SIZE

PARTIAL_FORMAT, PARTIAL_VERSION = "fedkeys.partial", 1
PARTIAL_SUFFIX = ".partial"

_ROWS = 1 << 18  # in a piece: 6 MiB of a level
_DELTAS, _TEXTS = 1 << 17, 1 << 16

_Arrays = dict[str, NDArray[Any]]


class Account(NamedTuple):
    """What a partial says of how it was made.

    Attributes:
        federation: its name.
        bounds: the bounds that were enforced, None among them for none.
        round: the last round.
        enrolled: whether all its deltas were signed by enrolled phones.
    """

    federation: str
    bounds: list[dict[str, int] | None]
    round: int
    enrolled: bool


def write_partial(path: Path, account: Account, totals: Totals, deltas: int, ledger: Iterator[Row]) -> None:
    """Write a partial aggregate; the same deltas under the same bounds give the same bytes.

    Args:
        path: the file.
        account: how it was made.
        totals: its sums.
        deltas: how many rows the ledger has.
        ledger: the rows, by phone and number.

    Raises:
        FedkeysError: the file cannot be written.
    """
    with atomic_file(path) as file:
        writer = _PieceWriter(file)
        words = sum(1 for _ in totals.words)
        sizes = {
            "order": len(totals.levels),
            "words": words,
            "rows": [len(level) for level in totals.levels],
            "forms": len(totals.forms),
            "deltas": deltas,
        }
        writer.write("head", {**account._asdict(), **sizes}, {})
        while rows := list(islice(ledger, _DELTAS)):
            writer.write("ledger", {}, _ledger_arrays(rows))
        writer.write_texts("words", iter(totals.words))
        for order, level in enumerate(totals.levels, 1):
            for start in range(0, len(level), _ROWS):
                writer.write("level", {"order": order}, _level_arrays(level[start : start + _ROWS]))
        writer.write_texts("spelt", iter(totals.spelt))
        for start in range(0, len(totals.forms), _ROWS):
            writer.write("forms", {}, _level_arrays(totals.forms[start : start + _ROWS]))
        writer.end()


class _PieceWriter:
    """Writes pieces, and at last the one that tells whether all are there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pieces = 0
        self._digest = blake2b(digest_size=DIGEST_SIZE)

    def write(self, kind: str, header: dict[str, Any], arrays: _Arrays) -> None:
        data = pack_arrays(PARTIAL_FORMAT, PARTIAL_VERSION, {"kind": kind, **header}, arrays)
        self._pieces += 1
        self._digest.update(data[-SEAL_SIZE:])
        self._file.write(data)

    def write_texts(self, kind: str, texts: Iterator[str]) -> None:
        while some := list(islice(texts, _TEXTS)):
            text = "".join(f"{text}\n" for text in some).encode()
            self.write(kind, {}, {"text": np.frombuffer(text, np.uint8)})

    def end(self) -> None:
        self.write("end", {"pieces": self._pieces, "digest": self._digest.digest()}, {})


def _ledger_arrays(rows: Sequence[Row]) -> _Arrays:
    return {
        "phone": np.frombuffer(b"".join(row.phone for row in rows), np.uint8),
        "sequence": np.array([row.sequence for row in rows], np.uint32),
        "digest": np.frombuffer(b"".join(row.digest for row in rows), np.uint8),
        "withdrawn": np.array([row.withdrawn for row in rows], np.uint8),
    }


def _level_arrays(level: Level) -> _Arrays:
    return {"keys": level.keys, "counts": level.counts, "phones": level.phones}
