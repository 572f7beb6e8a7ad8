"""Counting: from one long sequence of ids to `NgramCounts`.

In: uint32 ids with marks and gaps, many messages in a row. Out: counts of the orders 1 to N. Law: no n-gram
reaches over a mark or a gap; a mark is counted only as the first word of one, directly before a word.
"""

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts.ngrams import Level, NgramCounts, group
from fedkeys.counts.vocabulary import FIRST_WORD, MESSAGE_START_ID

GAP_ID = 0xFFFFFFFF


def count_ngrams(
    sequence: NDArray[np.uint32], order: int, roots: NDArray[np.int64] | None = None
) -> NgramCounts:
    """Count the n-grams of one phone's messages, or of many phones side by side.

    Args:
        sequence: uint32[n], word ids, marks (0 and 1) and `GAP_ID`, one message after the other.
        order: the highest order, 2 or more.
        roots: int64[n], ascending: to which root each belongs; without it there is one. What follows the
            last of a root must be a mark or a gap.

    The counts carry a first-time mark of 1 on every n-gram; a phone that has sent some of them clears theirs.

    >>> counts = count_ngrams(np.array([0, 5, 6, 1, 5, 6], np.uint32), 2)
    >>> list(counts.rows())[:3]
    [((0,), 1, 1), ((1,), 1, 1), ((5,), 2, 1)]
    """
    if roots is None:
        roots = np.zeros(len(sequence), np.int64)
    among = int(roots[-1]) + 1 if len(roots) else 1
    sequence, kept = _effective(sequence)
    levels: list[Level] = []
    starts = np.flatnonzero(sequence != GAP_ID)
    is_word = (sequence >= FIRST_WORD) & (sequence != GAP_ID)
    prefix_rows = roots[kept]
    for reach in range(order):
        if reach:
            starts = starts[starts + reach < len(sequence)]
            starts = starts[is_word[starts + reach]]
        keys = (prefix_rows[starts].astype(np.uint64) << np.uint64(32)) | sequence[starts + reach]
        distinct, _, firsts, places = group(keys)
        counts = np.diff(firsts, append=len(keys)).astype(np.int64)
        levels.append(Level(distinct, counts, np.ones(len(distinct), np.int64)))
        prefix_rows[starts] = places
    return NgramCounts(tuple(levels), among)


def _effective(sequence: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Keep of the marks those directly before a word; of several in a row the start of the message wins."""
    is_mark = sequence < FIRST_WORD
    is_word = ~is_mark & (sequence != GAP_ID)
    before_word = np.append(is_word[1:], False)
    places = np.arange(len(sequence))
    last_start = np.maximum.accumulate(np.where(sequence == MESSAGE_START_ID, places, -1))
    last_other = np.maximum.accumulate(np.where(is_mark, -1, places))
    effective = sequence.copy()
    effective[is_mark & (last_start > last_other)] = MESSAGE_START_ID
    kept = ~is_mark | before_word
    return effective[kept], kept
