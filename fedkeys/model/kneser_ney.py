"""Interpolated modified Kneser-Ney estimation over sorted arrays.

In: merged `NgramCounts`, and which n-grams may be released. Out: per n-gram the probability of its last word
after its prefix, per prefix the weight of the shorter context. Law: over the released words the probabilities
after any context sum to 1.

Chen and Goodman (1998, TR-10-98), section 3: the highest order is estimated from counts, each lower one from
the number of distinct words that an n-gram follows; three discounts an order from the counts of counts
(equation 26). All of that is taken over everything merged, before the release rule, which leaves no
singletons to estimate from; what the rule withholds goes to the shorter context.

N-grams that begin with a mark have nothing before them and keep their counts, as in KenLM (Heafield et al.
2013, section 3.2). An n-gram that was seen where nothing could stand before it, after a gap, counts that as
one more distinct word.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import Ids, Keys, Mask, Rows, StoredLevel, Sums, pack_keys, pieces, rows_of

Floats = NDArray[np.float64]

# Discounts where counts of counts cannot give any, as KenLM's --discount_fallback.
_FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Probabilities of a released selection.

    Attributes:
        counts: the selection.
        probabilities: per order, float64[n], p(last word | prefix); 0 for the marks of order 1.
        weights: per order, float64[n], the weight that the n-gram as a context leaves to the shorter one.
        discounts: per order, the three discounts used.
    """

    counts: NgramCounts
    probabilities: tuple[Floats, ...]
    weights: tuple[Floats, ...]
    discounts: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The released rows of one order, and what is known of all of them.

    Attributes:
        level: the rows; their prefixes are rows of what is released of the order below.
        adjusted: int64[n], what to estimate from; 0 for a mark, which is never predicted.
        totals: float64[n], all that the prefix has of that, released or not.
        counts_of_counts: how many n-grams have 1, 2, 3 and 4 of it, released or not.
    """

    level: Level
    adjusted: Sums
    totals: Floats
    counts_of_counts: Sequence[int]


def estimate(levels: Sequence[StoredLevel], allowed: Callable[[int, Level], Mask]) -> Estimate:
    """Estimate the probabilities of a selection of the n-grams, the largest closed one of those allowed.

    Args:
        levels: everything merged, one level an order. They are read in pieces, twice; of each order below the
            highest some 25 bytes a row are held, of the highest one.
        allowed: given the place of a level and some of its rows, which of them may be released. It must
            allow the marks of order 1.
    """
    return estimate_chosen(_choose(levels, allowed))


def estimate_chosen(chosen: Iterable[Chosen]) -> Estimate:
    """Estimate the probabilities of a closed selection.

    Args:
        chosen: of each order, the lower ones first.
    """
    kept: list[Level] = []
    shares: list[Floats] = []
    weights: list[Floats] = []
    discounts: list[tuple[float, float, float]] = []
    for found in chosen:
        contexts = len(kept[-1]) if kept else 1
        discounts.append(modified_discounts(found.counts_of_counts))
        shares.append(_shares(found, discounts[-1]))
        left = 1.0 - np.bincount(found.level.parents, shares[-1], minlength=contexts)
        weights.append(np.clip(left, 0.0, 1.0))
        kept.append(found.level)
    counts = NgramCounts(tuple(kept))
    of_words = _of_words(counts.levels[0], shares[0], float(weights[0][0]))
    probabilities = interpolate(counts, of_words, shares[1:], weights[1:])
    return Estimate(counts, probabilities, tuple(weights[1:]), tuple(discounts))


def adjusted_counts(rows: Level, from_mark: Mask, kinds: Sums | NDArray[np.int32], explained: Sums) -> Sums:
    """Give the counts that an order below the highest is estimated from.

    Args:
        rows: n-grams.
        from_mark: which of them begin with a mark.
        kinds: how many distinct words were seen before each one.
        explained: how often, together.
    """
    return np.where(from_mark, rows.counts, kinds + (rows.counts > explained))


def predicted(words: Ids, adjusted: Sums) -> Sums:
    """Give the adjusted counts of n-grams by their last words: 0 for marks, which are never predicted."""
    return np.where(words >= FIRST_WORD, adjusted, 0)


def counts_of_counts(adjusted: Sums) -> Sums:
    """Give how many n-grams have 1, 2, 3 and 4."""
    return np.bincount(adjusted[adjusted <= 4], minlength=5)[1:]


def _choose(levels: Sequence[StoredLevel], allowed: Callable[[int, Level], Mask]) -> Iterator[Chosen]:
    """Choose what is released of everything merged, order by order."""
    linked: list[_Linked] = []
    for n, level in enumerate(levels):
        linked.append(_linked(n, level, linked[-1] if linked else None, allowed, n + 1 == len(levels)))
    new_rows = np.zeros(1, np.int64)
    for n, level in enumerate(levels):
        yield _chosen(level, linked[n], new_rows, len(levels[n - 1]) if n else 1)
        new_rows = np.cumsum(linked[n].kept) - 1
        linked[n].forget()


@dataclass(slots=True)
class _Linked:
    """What is held of one order while the ones above and below are looked at.

    Attributes:
        kept: which rows are released.
        keys: of the rows; none for the highest order, and so for what follows.
        suffixes: the row of each one's suffix in the level below, -1 where it has none.
        from_mark: which begin with a mark.
        kinds: how many distinct words were seen before each one.
        explained: how often, together.
    """

    kept: Mask
    keys: Keys
    suffixes: NDArray[np.int32]
    from_mark: Mask
    kinds: NDArray[np.int32]
    explained: Sums

    def forget(self) -> None:
        """Give the memory back."""
        none = np.zeros(0, np.int64)
        self.kept = self.from_mark = none.astype(np.bool_)
        self.keys, self.explained = none.astype(np.uint64), none
        self.suffixes = self.kinds = none.astype(np.int32)

    def adjusted(self, rows: Level, start: int) -> Sums:
        """The counts to estimate some rows from, the first of which is row `start`."""
        if not len(self.keys):
            return rows.counts
        own = slice(start, start + len(rows))
        return adjusted_counts(rows, self.from_mark[own], self.kinds[own], self.explained[own])


def _linked(
    n: int, level: StoredLevel, below: _Linked | None, allowed: Callable[[int, Level], Mask], highest: bool
) -> _Linked:
    """Link a level to the suffixes in the one below, and count there what stands before them."""
    held = 0 if highest else len(level)
    found = _Linked(
        np.empty(len(level), np.bool_),
        np.empty(held, np.uint64),
        np.zeros(held, np.int32),  # rows below 2^31, as many as fit memory
        np.empty(held, np.bool_),
        np.zeros(held, np.int32),
        np.zeros(held, np.int64),
    )
    for start, rows in pieces(level):
        own = slice(start, start + len(rows))
        found.kept[own] = allowed(n, rows)
        from_mark = rows.words < FIRST_WORD
        if below is not None:
            parents = rows.parents
            suffixes = rows_of(below.keys, below.suffixes[parents].astype(np.int64), rows.words)
            has = suffixes >= 0
            np.add.at(below.kinds, suffixes[has], 1)
            np.add.at(below.explained, suffixes[has], rows.counts[has])
            found.kept[own] &= has & below.kept[parents] & below.kept[suffixes]
            from_mark = below.from_mark[parents]
        if not highest:
            found.keys[own], found.from_mark[own] = rows.keys, from_mark
            if below is not None:
                found.suffixes[own] = suffixes
    return found


def _chosen(level: StoredLevel, linked: _Linked, new_rows: Rows, contexts: int) -> Chosen:
    """Choose what is released of one order.

    Args:
        level: everything merged of it.
        linked: which of that is released.
        new_rows: for each row of everything merged of the order below, its row in what is released.
        contexts: how many rows the order below has.
    """
    totals = np.zeros(contexts)
    times = np.zeros(4, np.int64)
    columns = []
    for start, rows in pieces(level):
        kept = linked.kept[start : start + len(rows)]
        parents, words = rows.parents, rows.words
        adjusted = predicted(words, linked.adjusted(rows, start))
        first = int(parents[0])
        sums = np.bincount(parents - first, adjusted)
        totals[first : first + len(sums)] += sums
        times += counts_of_counts(adjusted)
        columns.append((parents[kept], words[kept], rows.counts[kept], rows.phones[kept], adjusted[kept]))
    if not columns:
        none = np.zeros(0, np.int64)
        columns.append((none, none.astype(np.uint32), none, none, none))
    parents, words, counts, phones, adjusted = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    released = Level(pack_keys(new_rows[parents], words), counts, phones)
    return Chosen(released, adjusted, totals[parents], times.tolist())


def modified_discounts(counts_of_counts: Sequence[int]) -> tuple[float, float, float]:
    """The discounts of n-grams that occur once, twice, three times or more.

    Args:
        counts_of_counts: how many occur once, twice, three times and four times.

    >>> modified_discounts([60, 20, 10, 5])
    (0.6, 1.1, 1.8)
    """
    n1, n2, n3, n4 = counts_of_counts
    if not (n1 and n2 and n3 and n4):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if not all(0 < discount <= times for times, discount in enumerate(found, 1)):
        return _FALLBACK
    return (round(found[0], 9), round(found[1], 9), round(found[2], 9))


def _shares(chosen: Chosen, discounts: tuple[float, float, float]) -> Floats:
    """What the discounted count of each n-gram is of all that its prefix has."""
    discount = np.array([0.0, *discounts])[np.minimum(chosen.adjusted, 3)]
    return np.asarray((chosen.adjusted - discount) / np.maximum(chosen.totals, 1.0), np.float64)


def _of_words(first: Level, shares: Floats, left: float) -> Floats:
    """The probabilities of the words, among which what discounts left is spread evenly; 0 for marks."""
    is_word = first.words >= FIRST_WORD
    return np.where(is_word, shares + left / max(1, int(np.count_nonzero(is_word))), 0.0)


def interpolate(
    kept: NgramCounts, of_words: Floats, shares: Sequence[Floats], weights: Sequence[Floats]
) -> tuple[Floats, ...]:
    """p(w | c) = share + weight of c * p(w | c without its first word), from the words up.

    Args:
        kept: a closed selection.
        of_words: float64[n], the probabilities of order 1.
        shares: per order from the second, float64[n], what each n-gram has of its own.
        weights: per order but the last, float64[n], what each n-gram as a context leaves to the shorter one.
    """
    found = [of_words]
    for n, level in enumerate(kept.levels[1:], 1):
        found.append(shares[n - 1] + weights[n - 1][level.parents] * found[-1][kept.suffix_rows[n]])
    return tuple(found)
