"""Runs: sums that were put on disk because memory is bounded, and merging them without reading them whole.

In: totals that fit memory, or runs. Out: a run. Laws: merging any runs of the same deltas, in any order or tree,
gives the same columns, byte for byte; of a run no more than a slice is in memory at once, beside the counts
of its words.

A run is a directory of columns, raw and little-endian, each level sorted by key over an alphabetical
vocabulary of its own, the words of which stand one a line. A vocabulary and one that holds it are in the same
order, and so are their n-grams: what runs say of an n-gram lies in the same slice of each, and a merge goes
through them slice by slice, as one goes through sorted files.
"""

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, groupby
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.slices import Source, cuts, moved
from fedkeys.aggregator.totals import Totals, joined_forms
from fedkeys.counts import FIRST_WORD, Level, merge
from fedkeys.counts.ngrams import Ids, Rows, pack_keys, pieces
from fedkeys.words import OTHER

_TYPES = {"keys": "<u8", "counts": "<i8", "phones": "<i8"}
_WORDS, _SPELT, _FORMS = "words", "spelt", "forms"


@dataclass(frozen=True)
class Run:
    """Sums in a directory.

    Attributes:
        path: the directory.
        order: the highest order that was counted.
    """

    path: Path
    order: int

    @classmethod
    def write(cls, path: Path, totals: Totals) -> "Run":
        """Put totals into a new directory."""
        path.mkdir()
        run = cls(path, len(totals.levels))
        run.append_words(totals.words)
        with run.writer() as writer:
            for order, level in enumerate(totals.levels, 1):
                writer.append(order, level[:])
        run.write_forms(totals.forms, totals.spelt)
        return run

    def words(self) -> Iterator[str]:
        """Give the words, in order."""
        return iter(_Lines(self.path / _WORDS))

    @cached_property
    def spelt(self) -> list[str]:
        """The written forms of styles from `OTHER` up, in order."""
        return list(_Lines(self.path / _SPELT))

    @property
    def forms(self) -> Level:
        """The written forms, read from the disk."""
        return self._read(_FORMS, 0, self._size(_FORMS))

    def size(self, order: int) -> int:
        """How many n-grams of an order there are; none of orders that were not counted."""
        return self._size(str(order)) if order <= self.order else 0

    def __len__(self) -> int:
        return sum(self.size(order) for order in range(1, self.order + 1))

    def level(self, order: int, start: int, end: int) -> Level:
        """Read some rows of a level."""
        return self._read(str(order), start, end)

    def keys(self, order: int) -> NDArray[np.uint64]:
        """The keys of a level, mapped from the disk, for looking at a few of them."""
        if not self.size(order):
            return np.zeros(0, np.uint64)
        return np.memmap(self._column(str(order), "keys"), _TYPES["keys"], "r")

    def totals(self) -> Totals:
        """Give what a release is made of, to be read from the disk piece by piece."""
        levels = tuple(_LevelOnDisk(self, order) for order in range(1, self.order + 1))
        return Totals(_Lines(self.path / _WORDS), levels, self.forms, self.spelt)

    def append_words(self, words: Iterable[str]) -> None:
        """Write words behind those that are there."""
        with (self.path / _WORDS).open("ab") as file:
            file.writelines(word.encode() + b"\n" for word in words)

    def writer(self) -> "Writer":
        """Begin to write the levels."""
        return Writer(self)

    def write_forms(self, forms: Level, spelt: Sequence[str]) -> None:
        """Write the written forms."""
        with _lines(self.path / _SPELT) as file:
            file.writelines(form.encode() + b"\n" for form in spelt)
        for column in _TYPES:
            getattr(forms, column).tofile(self._column(_FORMS, column))

    def _column(self, level: str, column: str) -> Path:
        return self.path / f"{level}.{column}"

    def _size(self, level: str) -> int:
        return self._column(level, "keys").stat().st_size // 8

    def _read(self, level: str, start: int, end: int) -> Level:
        keys, counts, phones = (
            np.fromfile(self._column(level, column), type_, end - start, offset=8 * start)
            for column, type_ in _TYPES.items()
        )
        return Level(keys, counts, phones)


class Writer:
    """Appends rows to the levels of a run, all columns of which stay open meanwhile."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._files: dict[tuple[int, str], BinaryIO] = {}
        self._stack = ExitStack()
        self.rows = [0] * (run.order + 1)

    def __enter__(self) -> "Writer":
        for order in range(1, self._run.order + 1):
            for column in _TYPES:
                path = self._run._column(str(order), column)
                self._files[order, column] = self._stack.enter_context(path.open("wb"))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def append(self, order: int, level: Level) -> None:
        """Append rows to a level."""
        for column, type_ in _TYPES.items():
            values = np.ascontiguousarray(getattr(level, column), type_)
            self._files[order, column].write(values.data.cast("B"))
        self.rows[order] += len(level)


def merge_runs(runs: Sequence[Run], path: Path, rows_at_once: int) -> Run:
    """Merge runs into a new one.

    Args:
        runs: one or more.
        path: the directory of the new one.
        rows_at_once: how many n-grams of all runs together are read at once. The extensions of one bigram
            are never divided.
    """
    path.mkdir()
    out = Run(path, max(run.order for run in runs))
    ids = _merge_words(runs, path / _WORDS)
    with out.writer() as writer:
        first, places = _merge_first(runs, ids)
        writer.append(1, first)
        sources = [Source(run, rows, map_) for run, map_, rows in zip(runs, ids, places, strict=True)]
        samples = [source.samples() for source in sources]
        slices = -(-sum(int(rows.sum()) for _, rows in samples) // max(1, rows_at_once))
        at = cuts(samples, slices)
        for low, high in zip([0, *at], [*at, None], strict=True):
            parts = [source.slice(low, high, out.order) for source in sources]
            merged = merge(parts, ids, [source.rows for source in sources])
            before = list(writer.rows)
            for order, level in enumerate(merged.levels, 2):
                writer.append(order, moved(level, before[order - 1]) if order > 2 else level)
    out.write_forms(*_merge_forms(runs, ids))
    return out


def without_nothing(run: Run, path: Path) -> Run | None:
    """Copy a run without the n-grams that nobody has sent any more, and their words; None if there are none.

    Each n-gram that remains has its prefix and suffix: whoever sent it sent them.
    """
    masks = [_counted(run, order) for order in range(1, run.order + 1)]
    if all(mask.all() for mask in masks) and (run.forms.counts > 0).all():
        return None
    path.mkdir()
    out = Run(path, max([2, *(order for order, mask in enumerate(masks, 1) if mask.any())]))
    first = run.level(1, 0, run.size(1))
    kept_ids = first.words[masks[0]]
    kept_words = kept_ids[kept_ids >= FIRST_WORD]
    ids = np.zeros(1 + int(first.words.max(initial=FIRST_WORD)), np.uint32)
    ids[:FIRST_WORD] = np.arange(FIRST_WORD)
    ids[kept_words] = np.arange(FIRST_WORD, FIRST_WORD + len(kept_words))
    is_kept = np.zeros(len(ids), np.bool_)
    is_kept[kept_words] = True
    out.append_words(compress(run.words(), is_kept[FIRST_WORD:].tolist()))
    rows = np.zeros(1, np.int64)
    with out.writer() as writer:
        for order, mask in enumerate(masks[: out.order], 1):
            for start, piece in pieces(_LevelOnDisk(run, order)):
                kept = mask[start : start + len(piece)]
                keys = pack_keys(rows[piece.parents[kept]], ids[piece.words[kept]])
                writer.append(order, Level(keys, piece.counts[kept], piece.phones[kept]))
            rows = np.cumsum(mask) - 1
    forms = run.forms
    left = forms.counts > 0
    styles = forms.words[left]
    used = np.unique(styles[styles >= OTHER])
    styles[styles >= OTHER] = OTHER + np.searchsorted(used, styles[styles >= OTHER])
    keys = pack_keys(ids[forms.parents[left]].astype(np.int64), styles)
    spelt = [run.spelt[style - OTHER] for style in used.tolist()]
    out.write_forms(Level(keys, forms.counts[left], forms.phones[left]), spelt)
    return out


def _counted(run: Run, order: int) -> NDArray[np.bool_]:
    """Which n-grams of an order somebody has sent."""
    found = np.empty(run.size(order), np.bool_)
    for start, piece in pieces(_LevelOnDisk(run, order)):
        found[start : start + len(piece)] = piece.counts > 0
    return found


def _merge_words(runs: Sequence[Run], path: Path) -> list[Ids]:
    """Write the words of all runs, each once; gives for each run the new id of each of its ids."""
    ids = [array("I", range(FIRST_WORD)) for _ in runs]
    sorted_ = heapq.merge(*(_numbered(run, number) for number, run in enumerate(runs)))
    with _lines(path) as file:
        for id_, (word, found) in enumerate(groupby(sorted_, lambda item: item[0]), FIRST_WORD):
            file.write(word.encode() + b"\n")
            for _, number in found:
                ids[number].append(id_)
    return [np.frombuffer(map_, np.dtype(map_.typecode)).astype(np.uint32) for map_ in ids]


def _numbered(run: Run, number: int) -> Iterator[tuple[str, int]]:
    for word in run.words():
        yield word, number


def _merge_first(runs: Sequence[Run], ids: Sequence[Ids]) -> tuple[Level, list[Rows]]:
    """Add up order 1; gives for each run the new row of each of its rows."""
    words = 1 + max(int(map_.max()) for map_ in ids)
    counts, phones = np.zeros((2, words), np.int64)
    present = np.zeros(words, np.bool_)  # a count may be 0 where something was taken back
    own_ids = []
    for run, map_ in zip(runs, ids, strict=True):
        level = run.level(1, 0, run.size(1))
        own_ids.append(map_[level.words])
        counts[own_ids[-1]] += level.counts
        phones[own_ids[-1]] += level.phones
        present[own_ids[-1]] = True
    used = np.flatnonzero(present)
    rows = np.cumsum(present) - 1
    level = Level(used.astype(np.uint64), counts[used], phones[used])
    return level, [rows[ids_] for ids_ in own_ids]


def _merge_forms(runs: Sequence[Run], ids: Sequence[Ids]) -> tuple[Level, list[str]]:
    found = []
    for run, map_ in zip(runs, ids, strict=True):
        forms = run.forms
        keys = pack_keys(map_[forms.parents].astype(np.int64), forms.words)
        found.append((Level(keys, forms.counts, forms.phones), run.spelt))
    return joined_forms(found)


@dataclass(frozen=True, slots=True)
class _LevelOnDisk:
    """A level that is read in pieces."""

    run: Run
    order: int

    def __len__(self) -> int:
        return self.run.size(self.order)

    def __getitem__(self, rows: slice) -> Level:
        start, end, _ = rows.indices(len(self))
        return self.run.level(self.order, start, end)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Texts, one a line, as often as they are asked for."""

    path: Path

    def __iter__(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            for line in file:
                yield line[:-1].decode()


def _lines(path: Path) -> BinaryIO:
    return path.open("wb")
