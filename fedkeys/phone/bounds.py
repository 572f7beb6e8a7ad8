"""Applying bounds: of what is new on a phone, that part which it sends.

In: counts of what is new, and what was sent before. Out: the counts that are sent. Laws: over all deltas of a
phone no more than `max_ngrams` distinct n-grams and written forms are sent, and of none more than
`max_count`; what is sent is closed under prefix and suffix; what does not fit is left out, the least useful
first.

Useful is what others are likely to have too: an n-gram is worth how often it was typed, times how often its
rarest word was. Neither is ever more for an n-gram than for its prefix or its suffix, so the best ones are
closed by themselves.
"""

from collections.abc import Sequence

import numpy as np

from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import Mask, Rows, Sums
from fedkeys.delta import Bounds


def bounded(
    new: NgramCounts,
    forms: Level,
    sent: NgramCounts,
    sent_forms: Sums,
    bounds: Bounds,
    left: int,
    most: int,
) -> tuple[NgramCounts, Sums]:
    """Give what may be sent of what is new.

    Args:
        new: what was counted, over the phone's own ids.
        forms: the written forms among it, keys row of order 1 << 32 | anything.
        sent: the sum of what was sent before, over the same ids.
        sent_forms: int64[forms], how often each form was sent before.
        bounds: what the phone may contribute.
        left: how many n-grams and forms it may still send for the first time.
        most: how many of all of them this delta has room for.

    Returns:
        Counts with a mark on each n-gram that is sent for the first time, and for each form how often it is
        sent, 0 for not at all. An n-gram with a count of 0 was sent as often as it may be, and a longer one,
        or a form, needs it.
    """
    found = sent.find(new)
    is_first = [rows < 0 for rows in found]
    before = [_sent_before(level, rows) for level, rows in zip(sent.levels, found, strict=True)]
    votes = bounds.max_norm is not None  # of which nothing that was sent before gets another
    chosen = _chosen(new, forms, [*is_first, sent_forms == 0], left, most, votes)
    counts = [
        np.where(mask, np.minimum(level.counts, bounds.max_count - times), 0)
        for level, mask, times in zip([*new.levels, forms], chosen, [*before, sent_forms], strict=True)
    ]
    levels = tuple(
        Level(level.keys, count, first.astype(np.int64))
        for level, count, first in zip(new.levels, counts, is_first, strict=False)
    )
    needed = forms.parents[counts[-1] > 0]
    return NgramCounts(levels).select(with_parts(new, [count > 0 for count in counts[:-1]], needed)), counts[
        -1
    ]


def _sent_before(sent: Level, rows: Rows) -> Sums:
    """How often each n-gram was sent, given its row among what was sent, or -1."""
    return np.append(sent.counts, 0)[rows]


def _chosen(
    new: NgramCounts, forms: Level, is_first: Sequence[Mask], left: int, most: int, only_first: bool
) -> list[Mask]:
    """Choose the most useful, of what would be sent for the first time no more than are left."""
    rarest = _rarest_word(new)
    levels = [*new.levels, forms]
    rarest.append(rarest[0][forms.parents])
    length = np.repeat(range(len(levels)), [len(level) for level in levels])
    length[len(length) - len(forms) :] = 0  # a form stands behind its word, whose score is no less
    worth = np.concatenate(
        [_capped(level.counts) * _capped(count) for level, count in zip(levels, rarest, strict=True)]
    )
    order = np.lexsort((length, -worth))
    if only_first:
        order = order[np.concatenate(is_first)[order]]
    order = order[: max(0, most)]
    first = np.concatenate(is_first)[order]
    chosen = np.zeros(len(worth), np.bool_)
    chosen[order[~first]] = True
    chosen[order[first][: max(0, left)]] = True
    return np.split(chosen, np.cumsum([len(level) for level in levels])[:-1])


def _capped(counts: Sums) -> Sums:
    """The counts, such that two of them can be multiplied."""
    return np.minimum(counts, (1 << 31) - 1)


def _rarest_word(counts: NgramCounts) -> list[Sums]:
    """For each n-gram of each order, how often its rarest word was typed; marks are not rare."""
    first = counts.levels[0]
    of_word = np.zeros(1 + int(first.words.max(initial=0)), np.int64)
    of_word[first.words] = np.where(first.words < FIRST_WORD, np.iinfo(np.int64).max, first.counts)
    rarest = [of_word[first.words]]
    for level in counts.levels[1:]:
        rarest.append(np.minimum(rarest[-1][level.parents], of_word[level.words]))
    return rarest


def with_parts(counts: NgramCounts, wanted: Sequence[Mask], words: Rows) -> list[Mask]:
    """Add to a selection the prefixes and suffixes of what is in it, and some rows of order 1."""
    masks = [mask.copy() for mask in wanted]
    masks[0][words] = True
    for n in range(counts.order - 1, 0, -1):
        masks[n - 1][counts.levels[n].parents[masks[n]]] = True
        masks[n - 1][counts.suffix_rows[n][masks[n]]] = True
    return masks
