"""Words: giving each word of all buckets its alphabetical number, where no process holds them all.

In: the words of each bucket, in order. Out: for each bucket the number of each of its words among all. Law: the
numbers are those of one vocabulary: a word's place, from `FIRST_WORD` up.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD
from fedkeys.counts.ngrams import Ids, Rows
from fedkeys.engines.dask.taking import PartSums

_SAMPLES = 1 << 10  # words of a bucket that are looked at to cut them into ranges

Range = tuple[str, str | None]


def word_samples(sums: PartSums) -> tuple[int, list[str]]:
    """Give how many words a bucket has, and some of them, evenly."""
    words = sums.words
    return len(words), words[:: max(1, len(words) // _SAMPLES)]


def word_ranges(samples: Sequence[tuple[int, Sequence[str]]], ranges: int) -> list[Range]:
    """Give about so many ranges of words, each from a word to below another, with about as many in each.

    >>> word_ranges([(4, ["a", "b", "c", "d"])], 2)
    [('', 'c'), ('c', None)]
    """
    # Of each bucket about as many are looked at: those of a large one count for more.
    weighed = sorted((word, count / len(some)) for count, some in samples for word in some)
    before = np.cumsum([0.0, *(weight for _, weight in weighed)])
    at = np.searchsorted(before, before[-1] * np.arange(1, ranges) / max(1, ranges))
    cuts = sorted({weighed[place][0] for place in at.tolist() if 0 < place < len(weighed)})
    return list(zip(["", *cuts], [*cuts, None], strict=True))


def words_between(sums: PartSums, of: Range) -> list[str]:
    """Give the words of a bucket in a range."""
    return sums.words[slice(*_places(sums.words, of))]


def distinct_words(parts: Sequence[Sequence[str]]) -> tuple[list[str], list[NDArray[np.uint32]]]:
    """Give the words of a range in order, each once, and for each bucket the place of each of its words there."""
    words = sorted(set().union(*parts))
    places = {word: place for place, word in enumerate(words)}
    return words, [np.array([places[word] for word in part], np.uint32) for part in parts]


def ids_of(places: Sequence[NDArray[np.uint32]], offsets: Rows) -> Ids:
    """Give for each id of a bucket the one among all.

    Args:
        places: those of its words in each range.
        offsets: how many words come before each range.
    """
    marks = np.arange(FIRST_WORD)
    found = [
        part + np.uint32(FIRST_WORD + offset) for part, offset in zip(places, offsets.tolist(), strict=True)
    ]
    return np.concatenate([marks, *found]).astype(np.uint32)


def _places(words: Sequence[str], of: Range) -> tuple[int, int]:
    low, high = of
    return bisect_left(words, low), len(words) if high is None else bisect_left(words, high)
