"""Slices: what lies between two bigrams, of sums over words of their own.

In: a trie, and the ids of its words among those of a larger vocabulary. Out: slices of it. Laws: growing from
words to words never changes an order, so what tries say of an n-gram lies in the same slice of each; the
extensions of one bigram are never divided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import Level, NgramCounts
from fedkeys.counts.ngrams import Ids, Keys, Rows, pack_keys

_SAMPLED = 1 << 10  # one bigram in so many is looked at to cut tries into slices

Samples = tuple[Keys, Rows]


class Columns(Protocol):
    """A trie, in memory or on disk."""

    @property
    def order(self) -> int:
        """The highest order."""

    def size(self, order: int) -> int:
        """How many n-grams of an order there are; none of orders that were not counted."""

    def level(self, order: int, start: int, end: int) -> Level:
        """Give some rows of a level."""

    def keys(self, order: int) -> NDArray[np.uint64]:
        """Give the keys of a level, for looking at a few of them."""


@dataclass(frozen=True, slots=True)
class Held:
    """A trie in memory.

    Attributes:
        levels: one an order.
    """

    levels: Sequence[Level]

    @property
    def order(self) -> int:
        """The highest order."""
        return len(self.levels)

    def size(self, order: int) -> int:
        """How many n-grams of an order there are; none of orders that were not counted."""
        return len(self.levels[order - 1]) if order <= self.order else 0

    def level(self, order: int, start: int, end: int) -> Level:
        """Give some rows of a level."""
        return self.levels[order - 1][start:end]

    def keys(self, order: int) -> NDArray[np.uint64]:
        """Give the keys of a level."""
        return self.levels[order - 1].keys if order <= self.order else np.zeros(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Source:
    """A trie that is cut into slices.

    Attributes:
        columns: the trie.
        rows: for each of its rows of order 1 a number in the result, by which slices are cut; ascending.
        ids: for each of its word ids the one in the result, ascending; None where they are the same.
    """

    columns: Columns
    rows: Rows
    ids: Ids | None = None

    def slice(self, low: int, high: int | None, order: int) -> NgramCounts:
        """Read the n-grams from order 2 up whose bigram has a key of the result from low to below high.

        Their roots are the rows of order 1.
        """
        levels = []
        start, end = self._place(low), self.columns.size(2) if high is None else self._place(high)
        before = 0
        for n in range(2, order + 1):
            if n > self.columns.order:
                levels.append(Level.empty())
                continue
            level = self.columns.level(n, start, end)
            levels.append(moved(level, -before) if n > 2 else level)
            before = start
            if n < self.columns.order:
                start, end = np.searchsorted(
                    self.columns.keys(n + 1), np.array([start, end], np.uint64) << np.uint64(32)
                ).tolist()
        return NgramCounts(tuple(levels), self.columns.size(1))

    def _place(self, key: int) -> int:
        """The first bigram of the trie whose key in the result is not below one."""
        row, word = key >> 32, key & 0xFFFFFFFF
        own_row = int(np.searchsorted(self.rows, row))
        own_word = 0
        if own_row < len(self.rows) and self.rows[own_row] == row:
            own_word = word if self.ids is None else int(np.searchsorted(self.ids, word))
        return int(np.searchsorted(self.columns.keys(2), np.uint64(own_row << 32 | own_word)))

    def samples(self) -> Samples:
        """The keys in the result of some bigrams, and how many n-grams stand from each to the next."""
        at = np.arange(0, self.columns.size(2), _SAMPLED)
        own = self.columns.keys(2)[at]
        words = own.astype(np.uint32)
        keys = pack_keys(
            self.rows[(own >> np.uint64(32)).astype(np.int64)], words if self.ids is None else self.ids[words]
        )
        rows = np.append(at, self.columns.size(2))
        weights = np.diff(rows)
        for order in range(3, self.columns.order + 1):
            rows = np.searchsorted(self.columns.keys(order), rows.astype(np.uint64) << np.uint64(32))
            weights += np.diff(rows)
        return keys, weights


def cuts(samples: Sequence[Samples], slices: int) -> list[int]:
    """Give keys of bigrams that divide what was sampled into about so many slices of about as many rows."""
    keys = np.concatenate([keys for keys, _ in samples])
    weights = np.concatenate([weights for _, weights in samples])
    order = np.argsort(keys, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    wanted = weights.sum() * np.arange(1, slices) / max(1, slices)
    at = np.searchsorted(before, wanted)
    return np.unique(keys[order][at[at < len(keys)]]).tolist() if slices > 1 else []


def moved(level: Level, by: int) -> Level:
    """Give the rows with their prefixes so many rows further on."""
    return Level(level.keys + np.uint64(by % (1 << 32) << 32), level.counts, level.phones)  # wraps round
