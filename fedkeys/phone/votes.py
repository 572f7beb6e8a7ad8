"""Votes: what a phone sends instead of counts where its whole contribution has a bound on its length.

In: what it would send of what is new, with first-time marks. Out: the same n-grams and written forms, each that is
sent for the first time with one equal vote, the others with none. Laws: the root of the sum of the squares of all
votes of a phone, in its life, is no more than `max_norm`; none is more than `max_count`; none comes twice.

Under differential privacy noise goes by the length of what one phone can add, so a phone that sends little may say
it louder: with n votes each is max_norm / sqrt(n), as in weighted selection (Gopi et al. 2020, "Differentially
private set union"). One vote for each n-gram, however often it was typed, tells more of what others
have too than votes by count or by its root: on reddit_posts, at an epsilon of 4, 10.2 % against 9.5 and 10.1 % of
next words were at the first place with words and bigrams alone.
"""

from math import isqrt

import numpy as np

from fedkeys.counts import Level, NgramCounts
from fedkeys.counts.ngrams import Mask, Rows, Sums
from fedkeys.phone.bounds import with_parts


def vote_of(votes: int, budget: int, most: int) -> int:
    """Give the size of each of some votes.

    Args:
        votes: how many there are.
        budget: what their squares may add up to.
        most: the greatest that one may be.

    Returns:
        0 where there is not enough for 1 each.

    >>> vote_of(100, 4096**2, 512), vote_of(1, 4096**2, 512), vote_of(5, 4, 512)
    (409, 512, 0)
    """
    return min(most, isqrt(budget // votes)) if votes else 0


def voted(
    counts: NgramCounts, is_first_form: Mask, rows: Rows, budget: int, most: int
) -> tuple[NgramCounts, Sums]:
    """Give votes instead of counts.

    Args:
        counts: what would be sent, closed, with a mark on what is sent for the first time.
        is_first_form: bool[m], which written forms are sent for the first time; the others are not sent.
        rows: int64[m], the row of the word of each in `counts`.
        budget: what the squares of all votes may add up to.
        most: the greatest that one may be.

    Returns:
        Votes for n-grams, and int64[m] for the forms.
    """
    first = [level.phones > 0 for level in counts.levels]
    in_all = sum(map(np.count_nonzero, first)) + np.count_nonzero(is_first_form)
    vote = vote_of(int(in_all), budget, most)
    if not vote:
        return NgramCounts.empty(counts.order), np.zeros(len(rows), np.int64)
    levels = tuple(
        Level(level.keys, np.where(mask, vote, 0), level.phones)
        for level, mask in zip(counts.levels, first, strict=True)
    )
    kept = with_parts(counts, first, rows[is_first_form])
    return NgramCounts(levels).select(kept), np.where(is_first_form, vote, 0)
