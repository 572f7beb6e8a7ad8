"""The columns of a delta: a trie of counts as few small whole numbers, and back.

In: `NgramCounts` of one message or a forest of many. Out: columns of whole numbers, as the package's docstring
specifies them, each of all messages one after the other. Law: what comes back from any columns is closed under
prefix and suffix, or is refused.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import Level, NgramCounts
from fedkeys.counts.ngrams import pack_keys
from fedkeys.errors import FormatError

Column = NDArray[np.int64]


def ngram_columns(counts: NgramCounts) -> Iterator[Column]:
    """Give, for each order, the columns of its n-grams; those of order 1 lack the ids.

    Of a forest each column holds those of all its roots, one after the other.
    """
    yield tallies(counts.levels[0])
    for order in range(2, counts.order + 1):
        level = counts.levels[order - 1]
        yield np.diff(counts.child_offsets(order - 1))
        yield gaps(_places(counts, order), level.parents)
        yield tallies(level)


def read_ngrams(columns: Sequence[Column], sizes: Column, is_mark: NDArray[np.bool_]) -> NgramCounts:
    """Rebuild the counts of messages from the columns of `ngram_columns`.

    Args:
        columns: one for order 1, three for each further order, all messages one after the other.
        sizes: int64[messages, orders], the number of n-grams of each order of each message; 0 for orders
            that it does not have.
        is_mark: bool[rows of order 1], whether the row is a mark, which only begins an n-gram.

    Returns:
        A forest with a root for each message. The id of a word is its row in order 1.

    Raises:
        FormatError: the columns contradict themselves or each other.
    """
    roots = len(sizes)
    messages = np.repeat(np.arange(roots), sizes[:, 0])
    levels = [_level(pack_keys(messages, np.arange(len(messages), dtype=np.uint32)), columns[0])]
    suffixes = messages
    offsets = _offsets(sizes[:, 0])
    for order in range(2, sizes.shape[1] + 1):
        children, gap_column, tally_column = columns[3 * order - 5 : 3 * order - 2]
        ends = np.cumsum(sizes[:, order - 2])
        below = _offsets(children)
        if np.any(below[ends] - below[ends - sizes[:, order - 2]] != sizes[:, order - 1]):
            raise FormatError(f"the n-grams of order {order} are not as many as their prefixes announce")
        parents = np.repeat(np.arange(len(children)), children)
        places = from_gaps(gap_column, children)
        of_suffix = suffixes.take(parents)
        suffixes = offsets.take(of_suffix) + places
        beyond = np.any(suffixes >= offsets.take(of_suffix + 1))
        if beyond or (order == 2 and np.any(is_mark[suffixes])):
            raise FormatError(f"an n-gram of order {order} ends with a word that its suffix does not have")
        levels.append(_level(pack_keys(parents, levels[-1].words.take(suffixes)), tally_column))
        offsets = below
    return NgramCounts(tuple(levels), roots)


def tallies(level: Level) -> Column:
    """Fold count and first-time mark of each row into one number."""
    tally: Column = 2 * level.counts - level.phones
    return tally


def from_tallies(tally: Column) -> tuple[Column, Column]:
    """Give counts and first-time marks back."""
    return (tally + 1) >> 1, tally & 1


def gaps(places: Column, groups: Column) -> Column:
    """Write ascending places of each group as the first place, then differences less 1."""
    found = differences(places, groups) - 1
    found[_starts(groups)] += 1
    return found


def differences(numbers: Column, groups: Column) -> Column:
    """Write the numbers of each group as the first one, then differences."""
    found: Column = np.diff(numbers, prepend=0)
    starts = _starts(groups)
    found[starts] = numbers[starts]
    return found


def from_gaps(gap_column: Column, sizes: Column) -> Column:
    """Give the places back, of groups of these sizes."""
    running = _offsets(gap_column + 1)
    starts = _offsets(sizes)[:-1]
    places: Column = running[1:] - np.repeat(running[starts] + 1, sizes)
    return places


def _places(counts: NgramCounts, order: int) -> Column:
    """The place of each n-gram's suffix among the extensions of the suffix of its prefix."""
    of_prefix = counts.suffix_rows[order - 2][counts.levels[order - 1].parents]
    return counts.suffix_rows[order - 1] - counts.child_offsets(order - 2)[of_prefix]


def _starts(groups: Column) -> NDArray[np.intp]:
    return np.flatnonzero(np.diff(groups, prepend=-1))


def _offsets(sizes: Column) -> Column:
    found = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=found[1:])
    return found


def _level(keys: NDArray[np.uint64], tally: Column) -> Level:
    counts, phones = from_tallies(tally)
    return Level(keys, counts, phones)
