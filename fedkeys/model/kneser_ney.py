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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, NgramCounts

Floats = NDArray[np.float64]
Sums = NDArray[np.int64]
Mask = NDArray[np.bool_]

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


def estimate(counts: NgramCounts, released: Sequence[Mask]) -> Estimate:
    """Estimate the probabilities of a closed selection of the n-grams.

    Args:
        counts: everything merged.
        released: per order, which n-grams may be released; closed, and with the marks of order 1.
    """
    adjusted = adjusted_counts(counts)
    discounts = [modified_discounts(counts_of[_is_word(counts, n)]) for n, counts_of in enumerate(adjusted)]
    kept = counts.select(released)
    shares: list[Floats] = []
    weights: list[Floats] = []
    for n, level in enumerate(counts.levels):
        parents = level.parents
        share = _shares(np.where(_is_word(counts, n), adjusted[n], 0), parents, discounts[n])[released[n]]
        left = 1.0 - np.bincount(kept.levels[n].parents, share, minlength=_contexts(kept, n))
        shares.append(share)
        weights.append(np.clip(left, 0.0, 1.0))
    return Estimate(kept, _interpolate(kept, shares, weights), tuple(weights[1:]), tuple(discounts))


def adjusted_counts(counts: NgramCounts) -> list[Sums]:
    """Per order, int64[n]: for the highest order the counts, below it the distinct words before."""
    adjusted = [level.counts for level in counts.levels]
    from_mark = counts.levels[0].words < FIRST_WORD
    for n, (level, above) in enumerate(zip(counts.levels, counts.levels[1:], strict=False)):
        if n:
            from_mark = from_mark[level.parents]
        suffixes = counts.suffix_rows[n + 1]
        followed = suffixes[suffixes >= 0]
        kinds = np.bincount(followed, minlength=len(level))
        explained = np.bincount(followed, above.counts[suffixes >= 0], minlength=len(level))
        adjusted[n] = np.where(from_mark, level.counts, kinds + (level.counts > explained))
    return adjusted


def modified_discounts(adjusted: Sums) -> tuple[float, float, float]:
    """The discounts of n-grams that occur once, twice, three times or more.

    >>> modified_discounts(np.array([1] * 60 + [2] * 20 + [3] * 10 + [4] * 5))
    (0.6, 1.1, 1.8)
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(adjusted == times)) for times in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if not all(0 < discount <= times for times, discount in enumerate(found, 1)):
        return _FALLBACK
    return (round(found[0], 9), round(found[1], 9), round(found[2], 9))


def _is_word(counts: NgramCounts, n: int) -> Mask:
    """Which rows of a level predict a word; the marks of order 1 do not."""
    return counts.levels[n].words >= FIRST_WORD


def _contexts(counts: NgramCounts, n: int) -> int:
    return len(counts.levels[n - 1]) if n else 1


def _shares(adjusted: Sums, parents: Sums, discounts: tuple[float, float, float]) -> Floats:
    """What the discounted count of each n-gram is of all that its prefix has."""
    totals = np.bincount(parents, adjusted)
    discount = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
    return np.asarray((adjusted - discount) / np.maximum(totals, 1.0)[parents], np.float64)


def _interpolate(
    kept: NgramCounts, shares: Sequence[Floats], weights: Sequence[Floats]
) -> tuple[Floats, ...]:
    """p(w | c) = share + weight of c * p(w | c without its first word), from the words up."""
    is_word = _is_word(kept, 0)
    uniform = weights[0][0] / max(1, np.count_nonzero(is_word))
    found: list[Floats] = [np.where(is_word, shares[0] + uniform, 0.0)]
    for n, level in enumerate(kept.levels[1:], 1):
        found.append(shares[n] + weights[n][level.parents] * found[-1][kept.suffix_rows[n]])
    return tuple(found)
