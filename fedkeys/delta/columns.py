"""The columns of a delta: a trie of counts as few small whole numbers, and back.

In: `NgramCounts` over local ids (the id of a word is its row in order 1). Out: columns of whole numbers, as
the package's docstring specifies them. Law: what comes back from any columns is closed under prefix and
suffix, or is refused.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import Level, NgramCounts
from fedkeys.counts.ngrams import pack_keys
from fedkeys.errors import FormatError

Column = NDArray[np.int64]


def ngram_columns(counts: NgramCounts) -> Iterator[Column]:
    """Give, for each order, the columns of its n-grams; those of order 1 lack the ids."""
    yield tallies(counts.levels[0])
    for order in range(2, counts.order + 1):
        level = counts.levels[order - 1]
        yield np.diff(counts.child_offsets(order - 1))
        yield gaps(_places(counts, order), level.parents)
        yield tallies(level)


def read_ngrams(columns: Sequence[Column], sizes: Sequence[int], marks: int) -> NgramCounts:
    """Rebuild the counts from the columns of `ngram_columns`.

    Args:
        columns: one for order 1, three for each further order.
        sizes: the number of n-grams of each order.
        marks: how many of the rows of order 1 are marks, which only begin an n-gram.

    Raises:
        FormatError: the columns contradict themselves or each other.
    """
    levels = [_level(np.arange(sizes[0], dtype=np.uint64), columns[0])]
    suffixes = np.zeros(sizes[0], np.int64)
    offsets = np.array([0, sizes[0]])
    for order, size in enumerate(sizes[1:], 2):
        children, gap_column, tally_column = columns[3 * order - 5 : 3 * order - 2]
        if int(children.sum()) != size:
            raise FormatError(f"the n-grams of order {order} are not as many as their prefixes announce")
        parents = np.repeat(np.arange(len(children)), children)
        places = from_gaps(gap_column, parents)
        of_suffix = suffixes[parents]
        suffixes = offsets[of_suffix] + places
        if np.any(suffixes >= offsets[of_suffix + 1]) or (order == 2 and np.any(places < marks)):
            raise FormatError(f"an n-gram of order {order} ends with a word that its suffix does not have")
        levels.append(_level(pack_keys(parents, levels[-1].words[suffixes]), tally_column))
        offsets = np.concatenate([[0], np.cumsum(children)])
    return NgramCounts(tuple(levels))


def tallies(level: Level) -> Column:
    """Fold count and first-time mark of each row into one number."""
    tally: Column = 2 * (level.counts - 1) + (level.phones == 0)
    return tally


def from_tallies(tally: Column) -> tuple[Column, Column]:
    """Give counts and first-time marks back."""
    return tally // 2 + 1, 1 - tally % 2


def gaps(places: Column, groups: Column) -> Column:
    """Write ascending places of each group as the first place, then differences less 1."""
    if not len(places):
        return places
    differences = np.diff(places, prepend=-1) - 1
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    differences[starts] = places[starts]
    return differences


def from_gaps(gap_column: Column, groups: Column) -> Column:
    """Give the places back."""
    if not len(gap_column):
        return gap_column
    running = np.cumsum(gap_column + 1)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    before = running[starts] - gap_column[starts] - 1
    sizes = np.diff(starts, append=len(groups))
    places: Column = running - np.repeat(before, sizes) - 1
    return places


def _places(counts: NgramCounts, order: int) -> Column:
    """The place of each n-gram's suffix among the extensions of the suffix of its prefix."""
    suffixes = counts.suffix_rows[order - 1]
    if order == 2:
        return suffixes
    of_prefix = counts.suffix_rows[order - 2][counts.levels[order - 1].parents]
    return suffixes - counts.child_offsets(order - 2)[of_prefix]


def _level(keys: NDArray[np.uint64], tally: Column) -> Level:
    counts, phones = from_tallies(tally)
    return Level(keys, counts, phones)
