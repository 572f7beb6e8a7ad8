"""The word lists of the public prior: read, mended, laid out as arrays, kept in one file.

In: the two text files of symspellpy. Out: arrays; a container of format `fedkeys-prior`. Law: the same lists
give the same bytes. The arrays, for n words in alphabetical order and m pairs of words:

    words           uint8, UTF-8, joined by newlines
    unigram         float32[n], p(w)
    by_probability  uint32[n], the places of the words, the most probable first
    low, high       uint32[n], the rows of pairs (v, .) of each word v, half-open; contractions share a row
    successor       uint32[m], the place of w, ascending in a row
    probability     float32[m], p(w | v)
    ranked          uint16[m], where in its row the pairs are, the most probable first

`fedkeys.phone.prior` says where the counts are from, and what is mended in them.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.errors import FormatError, SourceError
from fedkeys.words import is_word

FORMAT = "fedkeys-prior"
VERSION = 2

# Weighs the pairs. Least perplexity on reddit_posts and persuasion_chat together, in steps of 0.1;
# `python -m tests.bench.tune_prior CORPUS...` does it again.
MIX = 0.7

_PACKAGE = "symspellpy"
_SINGLES = "frequency_dictionary_en_82_765.txt"
_PAIRS = "frequency_bigramdictionary_en_243_342.txt"
_SCALE = 64  # every count of a pair is a multiple of it; divided by it, no word has more pairs than counts
_CUT = 100_000  # the least count of a pair, once divided

# How English shortens its second word, and the first words that change as well.
_SHORTENED = {"n't": "not", "'m": "am", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would", "'s": "is"}
_CHANGED = {"can't": ("can", "not"), "won't": ("will", "not"), "let's": ("let", "us")}

_DTYPES: dict[str, Any] = {
    "words": np.uint8,
    "unigram": np.float32,
    "by_probability": np.uint32,
    "low": np.uint32,
    "high": np.uint32,
    "successor": np.uint32,
    "probability": np.float32,
    "ranked": np.uint16,
}


class Lists(NamedTuple):
    """Words and pairs of words, each with a count on the same scale.

    Attributes:
        words: n distinct words, in alphabetical order.
        counts: float64[n].
        first, second: int64[m], the places of the words of each pair.
        pairs: float64[m], the counts of the pairs, each of them once.
    """

    words: Sequence[str]
    counts: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    pairs: NDArray[np.float64]


def version_of_lists() -> str:
    """Give the version of the package that carries the lists, without loading it.

    Raises:
        SourceError: it is not installed.
    """
    try:
        return metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        raise SourceError(
            f"the public prior is read from the package {_PACKAGE}, which is not installed",
            remedy=f"install it (pip install {_PACKAGE}), or go without a prior",
        ) from None


def read_lists() -> Lists:
    """Read the lists of the installed package; words that are none to `fedkeys.words` are left out.

    Raises:
        SourceError: the package is not installed, or its lists are not what they were.
    """
    singles = _columns(_SINGLES, 2)
    pairs = _columns(_PAIRS, 3)
    counted = {word: count for word, count in zip(*singles, strict=True) if is_word(word)}
    words = sorted(counted)
    places = {word: place for place, word in enumerate(words)}
    first = np.array([places.get(word, -1) for word in pairs[0]], np.int64)
    second = np.array([places.get(word, -1) for word in pairs[1]], np.int64)
    known = (first >= 0) & (second >= 0)
    return Lists(
        words,
        _whole([counted[word] for word in words], _SINGLES),
        first[known],
        second[known],
        _whole(pairs[2], _PAIRS)[known] / _SCALE,
    )


def mended(lists: Lists) -> Lists:
    """Count each contraction as often as it is written in full, since the lists could not count it.

    With x y the two words of a contraction, and s = c(x y) / c(x .): its count is c(x) s, and that of a pair with
    any word v before it c(v x) s, where that is no less than the pairs of the lists have. A contraction that has
    pairs already was counted, and is left.
    """
    totals = np.bincount(lists.first, lists.pairs, len(lists.words))
    counted = {*lists.first.tolist(), *lists.second.tolist()}
    counts = lists.counts.copy()
    first, second, pairs = [lists.first], [lists.second], [lists.pairs]
    for place, x, y in _contractions(lists.words):
        both = lists.pairs[(lists.first == x) & (lists.second == y)].sum()
        if not both or place in counted:
            continue
        share = both / totals[x]
        counts[place] = lists.counts[x] * share
        before = np.flatnonzero((lists.second == x) & (lists.pairs * share >= _CUT))
        first.append(lists.first[before])
        second.append(np.full(len(before), place))
        pairs.append(lists.pairs[before] * share)
    return Lists(lists.words, counts, np.concatenate(first), np.concatenate(second), np.concatenate(pairs))


def laid_out(lists: Lists) -> dict[str, NDArray[Any]]:
    """Give the arrays; every probability is the one that `MIX` makes of it."""
    size = len(lists.words)
    unigram = lists.counts / max(lists.counts.sum(), 1)
    totals = np.bincount(lists.first, lists.pairs, size)
    order = np.lexsort((lists.second, lists.first))
    first, second = lists.first[order], lists.second[order]
    probability = MIX * lists.pairs[order] / totals[first] + (1 - MIX) * unigram[second]
    bounds = np.searchsorted(first, np.arange(size + 1))
    low, high = bounds[:-1].copy(), bounds[1:].copy()
    ranked = np.lexsort((second, -probability, first)) - low[first]
    for place, _, y in _contractions(lists.words):
        if low[place] == high[place]:
            low[place], high[place] = bounds[y], bounds[y + 1]
    arrays = {
        "words": np.frombuffer("\n".join(lists.words).encode(), np.uint8),
        "unigram": unigram,
        "by_probability": np.argsort(-unigram, kind="stable"),
        "low": low,
        "high": high,
        "successor": second,
        "probability": probability,
        "ranked": ranked,
    }
    return {name: array.astype(_DTYPES[name]) for name, array in arrays.items()}


def stored(arrays: Mapping[str, NDArray[Any]], lists_version: str) -> bytes:
    """Write the arrays as a container."""
    return pack_arrays(FORMAT, VERSION, {"lists": f"{_PACKAGE} {lists_version}"}, arrays)


def read_back(data: bytes, lists_version: str) -> Mapping[str, NDArray[Any]]:
    """Read what `stored` wrote of lists of this version.

    Raises:
        FormatError: the bytes are anything else.
    """
    container = unpack_arrays(data, FORMAT, VERSION)
    arrays = container.arrays
    if container.header.get("lists") != f"{_PACKAGE} {lists_version}" or not _consistent(arrays):
        raise FormatError(f"not the prior of {_PACKAGE} {lists_version}")
    return arrays


def _consistent(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether no array leads outside another."""
    if {name: array.dtype for name, array in arrays.items()} != _DTYPES:
        return False
    n, m = len(arrays["unigram"]), len(arrays["successor"])
    low, high = arrays["low"], arrays["high"]
    return (
        0 < n == len(low) == len(high) == len(arrays["by_probability"])
        and m == len(arrays["probability"]) == len(arrays["ranked"])
        and int((arrays["words"] == ord("\n")).sum()) == n - 1
        and bool((low <= high).all() and (high <= m).all())
        and all(bool((arrays[name] < n).all()) for name in ("successor", "by_probability"))
    )


def _contractions(words: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Give the places of each contraction and of the two words that it is made of, where all are there."""
    places = {word: place for place, word in enumerate(words)}
    for place, word in enumerate(words):
        full = _in_full(word) if "'" in word else None
        if full and full[0] in places and full[1] in places:
            yield place, places[full[0]], places[full[1]]


def _in_full(word: str) -> tuple[str, str] | None:
    """Give the two words of a contraction.

    >>> _in_full("don't"), _in_full("can't"), _in_full("o'clock")
    (('do', 'not'), ('can', 'not'), None)
    """
    if word in _CHANGED:
        return _CHANGED[word]
    return next(
        ((word.removesuffix(end), full) for end, full in _SHORTENED.items() if word.endswith(end)), None
    )


def _columns(name: str, width: int) -> list[list[str]]:
    """Read one file of the package: lines of `width` fields, a space between them."""
    version = version_of_lists()
    import symspellpy

    try:
        fields = resources.files(symspellpy).joinpath(name).read_text("utf-8-sig").split()
    except OSError:
        raise SourceError(
            f"{_PACKAGE} {version} has no file {name}", remedy=f"install {_PACKAGE} 6.10"
        ) from None
    if len(fields) % width:
        raise SourceError(f"not lines of {width} fields", file=name, remedy=f"install {_PACKAGE} 6.10")
    return [fields[column::width] for column in range(width)]


def _whole(counts: Sequence[str], name: str) -> NDArray[np.float64]:
    try:
        return np.array([int(count) for count in counts], np.float64)
    except ValueError as error:
        raise SourceError(f"a count is {error}", file=name, remedy=f"install {_PACKAGE} 6.10") from None
