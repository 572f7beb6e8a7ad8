"""Estimation from noisy counts, of which those below a threshold are missing.

In: n-grams with noisy counts, closed, none below a threshold, and that threshold. Out: probabilities and weights,
as `fedkeys.model.kneser_ney` gives them. Law: over the words the probabilities after any context sum to 1.

Kneser-Ney wants to know how many n-grams occur once, twice, three times, and how many words an n-gram follows.
Neither outlives noise and a threshold: what is rare is missing, and of what follows a context the frequent part
alone is known. What can be known of a context is how many of its successors came past the threshold; each of them
says that about as much more may be hidden just below. So the weight left to the shorter context is that of Witten
and Bell (1991, "The zero-frequency problem", method C), with the threshold for a count of one:

    p(w | h) = c(h w) / T(h) + (1 - R(h) / T(h)) p(w | h without its first word)
    T(h) = R(h) + HIDDEN threshold (1 + successors of h),  R(h) = the sum of the counts of its successors

Words by themselves have p = c / all, since all of them came past the threshold.
"""

import numpy as np

from fedkeys.counts import FIRST_WORD, NgramCounts
from fedkeys.model.kneser_ney import Estimate, Floats, interpolate

HIDDEN = 0.3  # of a threshold; on reddit_posts 0.1 and 1 give the same recall within 0.05 points


def estimate_noisy(counts: NgramCounts, threshold: int) -> Estimate:
    """Estimate probabilities from what a private release tells.

    Args:
        counts: the n-grams, each with its prefix and its suffix, and noisy counts of 0 or more.
        threshold: below which none was told.
    """
    first = counts.levels[0]
    of_words = np.where(first.words >= FIRST_WORD, first.counts, 0).astype(np.float64)
    shares: list[Floats] = []
    weights: list[Floats] = []
    for below, level in zip(counts.levels, counts.levels[1:], strict=False):
        told = np.bincount(level.parents, level.counts, minlength=len(below))
        successors = np.bincount(level.parents, minlength=len(below))
        hidden = HIDDEN * threshold * (1 + successors)
        shares.append(level.counts / (told + hidden)[level.parents])
        weights.append(hidden / (told + hidden))
    probabilities = interpolate(counts, of_words / max(1.0, of_words.sum()), shares, weights)
    return Estimate(counts, probabilities, tuple(weights), ())
