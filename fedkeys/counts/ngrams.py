"""`NgramCounts`: the counts of all n-grams of the orders 1 to N, as a trie in sorted arrays.

In: levels, one an order. Out: the same, added, renumbered, selected. An n-gram is the row of its prefix in
the level below and the id of its last word, packed into one uint64; a level is sorted by it, which is the
alphabetical order of the n-grams' ids. So a row costs 24 bytes at any order, adding is a sort, and the
prefix of every n-gram is there by construction.

Laws: `merge` is commutative and associative, `merge([a]) == a`; a selection is closed under prefix and
suffix.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Ids = NDArray[np.uint32]
Rows = NDArray[np.int64]
Sums = NDArray[np.int64]
Mask = NDArray[np.bool_]
Number = TypeVar("Number", np.uint64, np.int64)

_WORD_BITS = np.uint64(32)
_WORD_MASK = np.uint64(0xFFFFFFFF)
_PIECE = 1 << 19  # rows of a level that are read together
_FEW = 1 << 11  # below that one sort of the keys is faster than two of their digits


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """All n-grams of one order, sorted by key.

    Attributes:
        keys: uint64[n], strictly ascending: row of the prefix in the level below << 32 | id of the last word
            (row 0 stands for the empty prefix).
        counts: int64[n], how often the n-gram was typed.
        phones: int64[n], the sum of first-time marks, which is the number of distinct phones that have it.
    """

    keys: Keys
    counts: Sums
    phones: Sums

    @classmethod
    def empty(cls) -> "Level":
        """A level without n-grams."""
        none = np.zeros(0, np.int64)
        return cls(none.astype(np.uint64), none, none)

    @classmethod
    def summed(cls, keys: Keys, counts: Sums, phones: Sums) -> "Level":
        """Sort rows by key and add up those of one key."""
        return _grouped(keys, counts, phones)[0]

    @classmethod
    def joined(cls, levels: Sequence["Level"]) -> "Level":
        """Add up the rows of several levels, whose keys mean the same."""
        return cls.summed(
            _joined([level.keys for level in levels]),
            _joined([level.counts for level in levels]),
            _joined([level.phones for level in levels]),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: slice) -> "Level":
        return Level(self.keys[rows], self.counts[rows], self.phones[rows])

    def where(self, mask: Mask) -> "Level":
        """Give the rows that a mask chooses."""
        return Level(self.keys[mask], self.counts[mask], self.phones[mask])

    @property
    def parents(self) -> Rows:
        """int64[n], the row of each n-gram's prefix in the level below."""
        return (self.keys >> _WORD_BITS).view(np.int64)

    @property
    def words(self) -> Ids:
        """uint32[n], the id of each n-gram's last word."""
        return self.keys.astype(np.uint32)  # keeps the low 32 bits


class StoredLevel(Protocol):
    """A level that is read in pieces: one in memory, or one that lies elsewhere."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Level: ...


@dataclass(frozen=True, eq=False)
class NgramCounts:
    """Counts of the n-grams of orders 1 to N; `levels[n - 1]` holds order n.

    Several counts may stand side by side, as a forest: those of part r hang on root r, which is what the
    prefix row of an n-gram of order 1 says. `merge` adds the parts together.

    Attributes:
        levels: one for each order.
        roots: how many counts stand side by side; 1 where nothing else is said.
    """

    levels: tuple[Level, ...]
    roots: int = 1

    @classmethod
    def empty(cls, order: int) -> "NgramCounts":
        """Counts of nothing."""
        return cls(tuple(Level.empty() for _ in range(order)))

    @property
    def order(self) -> int:
        """N, the highest order counted."""
        return len(self.levels)

    def __len__(self) -> int:
        """How many n-grams, of all orders together."""
        return sum(len(level) for level in self.levels)

    def __add__(self, other: "NgramCounts") -> "NgramCounts":
        return merge([self, other])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NgramCounts) or (self.order, self.roots) != (other.order, other.roots):
            return NotImplemented
        return all(
            np.array_equal(mine.keys, theirs.keys)
            and np.array_equal(mine.counts, theirs.counts)
            and np.array_equal(mine.phones, theirs.phones)
            for mine, theirs in zip(self.levels, other.levels, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def renumbered(self, ids: Ids) -> "NgramCounts":
        """The same counts with `ids[old]` for each id; the new ids must be distinct."""
        return merge([self], [ids])

    def child_offsets(self, order: int) -> Rows:
        """int64[rows of order + 1]: the extensions of row r, in order + 1, lie at [out[r], out[r + 1]).

        Of order 0 the rows are the roots.
        """
        below = len(self.levels[order - 1]) if order else self.roots
        sizes = np.bincount(self.levels[order].parents, minlength=below)
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @cached_property
    def suffix_rows(self) -> tuple[Rows, ...]:
        """Per order, the row of each n-gram's suffix in the level below, or -1; the root for order 1."""
        found = [self.levels[0].parents]
        for below, level in pairwise(self.levels):
            wanted = found[-1][level.parents]
            found.append(rows_of(below.keys, wanted, level.words))
        return tuple(found)

    def find(self, other: "NgramCounts", roots: Rows | None = None) -> tuple[Rows, ...]:
        """Per order, the row in self of each n-gram of `other` (same ids, no higher order), or -1.

        Args:
            other: what is looked for.
            roots: for each root of it the one in self, or -1; without it both have one.
        """
        rows: list[Rows] = []
        above = np.zeros(1, np.int64) if roots is None else roots
        for mine, theirs in zip(self.levels, other.levels, strict=False):
            rows.append(rows_of(mine.keys, above[theirs.parents], theirs.words))
            above = rows[-1]
        return tuple(rows)

    def closed(self, masks: Sequence[Mask]) -> tuple[Mask, ...]:
        """Shrink a selection, one mask an order, until each n-gram's prefix and suffix are in it too."""
        kept = [masks[0]]
        for level, suffixes, mask in zip(self.levels[1:], self.suffix_rows[1:], masks[1:], strict=True):
            below = kept[-1]
            kept.append(mask & below[level.parents] & (suffixes >= 0) & below[suffixes])
        return tuple(kept)

    def select(self, masks: Sequence[Mask]) -> "NgramCounts":
        """Keep the n-grams of a closed selection, one mask an order."""
        levels: list[Level] = []
        new_rows = np.arange(self.roots)
        for level, mask in zip(self.levels, masks, strict=True):
            keys = pack_keys(new_rows[level.parents[mask]], level.words[mask])
            levels.append(Level(keys, level.counts[mask], level.phones[mask]))
            new_rows = np.cumsum(mask) - 1
        return NgramCounts(tuple(levels), self.roots)

    def ngrams(self, order: int) -> Ids:
        """uint32[n, order]: the word ids of each n-gram of one order, in the order of its rows."""
        level = self.levels[order - 1]
        last = level.words[:, None]
        return last if order == 1 else np.hstack([self.ngrams(order - 1)[level.parents], last])

    def rows(self) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """Give (ids, count, phones) of each n-gram: for people and tests, not for speed."""
        for order, level in enumerate(self.levels, 1):
            for ids, count, phones in zip(self.ngrams(order), level.counts, level.phones, strict=True):
                yield tuple(ids.tolist()), int(count), int(phones)


def pieces(level: StoredLevel) -> Iterator[tuple[int, Level]]:
    """Read a level in pieces; gives of each its first row, and its rows."""
    for start in range(0, len(level), _PIECE):
        yield start, level[start : start + _PIECE]


def merge(
    parts: Sequence[NgramCounts], ids: Sequence[Ids] | None = None, roots: Sequence[Rows] | None = None
) -> NgramCounts:
    """Add counts together.

    Args:
        parts: counts of the same order, each on one root or on many.
        ids: for each part, the id in the result of each of its ids; without it the ids agree already.
        roots: for each part, the root in the result of each of its roots; without it all become one.

    Each level is one sort: the rows of all parts, their prefixes replaced by the prefixes' rows in the
    result, are grouped by key and added up.
    """
    if not parts:
        raise ValueError("merge needs at least one part; NgramCounts.empty(order) stands for nothing")
    if len({part.order for part in parts}) != 1:
        raise ValueError("merge takes counts of one order; count the shorter ones again")
    levels: list[Level] = []
    below = [part.roots for part in parts]
    new_rows = np.zeros(sum(below), np.int64) if roots is None else np.concatenate(roots)
    new_roots = int(new_rows.max(initial=-1)) + 1
    for order in range(parts[0].order):
        own = [part.levels[order] for part in parts]
        keys = [
            _rebased(level.keys, new_rows[start : start + size], None if ids is None else ids[number])
            for number, (level, start, size) in enumerate(zip(own, _offsets(below), below, strict=True))
        ]
        level, new_rows = _grouped(
            _joined(keys), _joined([level.counts for level in own]), _joined([level.phones for level in own])
        )
        levels.append(level)
        below = [len(level) for level in own]
    return NgramCounts(tuple(levels), new_roots)


def group(keys: Keys) -> tuple[Keys, NDArray[np.intp], NDArray[np.intp], Rows]:
    """Sort keys and find the distinct ones.

    Returns the distinct keys, the order that sorts, where in that order each distinct key begins, and for
    each key as it stood the place of its distinct one.
    """
    order = sorting_order(keys)
    ordered = keys.take(order)
    first = np.empty(len(keys), np.bool_)
    first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    places = np.empty(len(keys), np.int64)
    ranks: Rows = np.cumsum(first)
    ranks -= 1
    places[order] = ranks
    return ordered[starts], order, starts, places


def sorting_order(keys: Keys) -> NDArray[np.intp]:
    """Give the order that sorts keys; equal ones stay as they stand.

    Least significant digit first, 16 bits a digit, each by numpy's radix sort of uint16: 3 times as fast as
    argsort of the whole keys, whose 64 bits are mostly zeros.
    """
    if len(keys) < _FEW:
        return np.argsort(keys, kind="stable")
    word_bits = int(np.bitwise_or.reduce(keys & _WORD_MASK)).bit_length()
    parents = keys >> _WORD_BITS
    bits = int(parents.max()).bit_length() + word_bits
    packed = (parents << np.uint64(word_bits)) | (keys & _WORD_MASK)
    digits = packed.astype("<u8", copy=False).view("<u2").reshape(-1, 4)
    order = np.argsort(digits[:, 0], kind="stable")
    for digit in range(1, -(-bits // 16)):
        order = order.take(np.argsort(digits[:, digit].take(order), kind="stable"))
    return order


def rows_of(keys: Keys, parents: Rows, words: Ids) -> Rows:
    """Find n-grams among sorted keys by prefix row (-1: not there) and last word; -1 where there is none."""
    if not len(keys):
        return np.full(len(parents), -1, np.int64)
    wanted = pack_keys(np.maximum(parents, 0), words)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((parents >= 0) & (keys[at] == wanted), at, -1).astype(np.int64)


def _rebased(keys: Keys, new_rows: Rows, ids: Ids | None) -> Keys:
    """The keys with the rows and ids of the result."""
    words = keys & _WORD_MASK
    return pack_keys(
        new_rows.take((keys >> _WORD_BITS).view(np.int64)),
        words if ids is None else ids.take(words.view(np.int64)),
    )


def _grouped(keys: Keys, counts: Sums, phones: Sums) -> tuple[Level, Rows]:
    if not len(keys):
        return Level(keys, counts, phones), np.zeros(0, np.int64)
    distinct, order, starts, places = group(keys)
    return Level(distinct, _summed(counts, order, starts), _summed(phones, order, starts)), places


def _summed(values: Sums, order: NDArray[np.intp], starts: NDArray[np.intp]) -> Sums:
    """Add up runs of reordered values: what runs up to each end, less what ran up before.

    Groups are short, and for those this takes a third of the time of `np.add.reduceat`; what wraps round in a
    running sum wraps back in the difference.
    """
    running = np.cumsum(values.take(order))
    sums: Sums = running.take(np.append(starts[1:], len(order)) - 1)
    sums[1:] -= sums[:-1].copy()
    return sums


def pack_keys(parents: Rows, words: Ids | Keys) -> Keys:
    """Pack prefix rows and word ids, each below 2^32, into keys."""
    keys = parents.astype(np.uint64)
    keys <<= _WORD_BITS
    keys |= words.astype(np.uint64, copy=False)
    return keys


def _offsets(sizes: Sequence[int]) -> Rows:
    return np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.int64)


def _joined(arrays: Sequence[NDArray[Number]]) -> NDArray[Number]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
