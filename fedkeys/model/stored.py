"""The arrays of a model as its file holds them, version 2: three to four bytes an n-gram of real chat.

In: arrays as `fedkeys.model.build` lays them out. Out: the arrays of a file, and back. Laws: what is read from the
arrays of a file, whatever they are, fits together, or is refused; the order of successors is never lost; storing
again what was read loses nothing.

The arrays of a file, for V words and, by their number of words n, n-grams in the order in which they are laid out
(those of one word by id, the two marks before the words):

    words, form_ids, forms, unigram    as laid out
    after                  for each id the rank, from 1, of the word that most often came next; 0 for none
    children_m             u8, for each n-gram of m words how many there are of m + 1 that begin with it; 255
                           stands for 255 or more, and then
    many_m                 u32 has the number, for each such
    weight_m               codes of the weights of those n-grams of m words that have children
    successor_m            the rank of the last word of each n-gram of m + 1 words
    probability_m          codes of their probabilities
    grid_m                 u32[4]: least and shift of the codes of probabilities, then of weights

A rank is a word's place among all words by `unigram`, the most probable first, equal ones in alphabetical order,
so that most ranks are small. Ranks and codes stand in two arrays, `NAME_high_m` and `NAME_low_m`, the low 8 bits
of each and the others. All is deflated but what would hardly become smaller: the low bits of ranks, and the codes
of probabilities, so that there are three bytes in the file for each n-gram that is read from it. (The high bits of
probabilities would become smaller by a quarter, a tenth of the file, and reading would take a seventh longer.)

A code c from 0 to 65535 stands for the float32 whose bits are (least + c - 1) << shift, or for 0 if it is 0. That
is the float32 that was to be stored with its last `shift` bits rounded away, `shift` being the smallest for which
65535 codes reach from the least to the greatest: 12 for probabilities from 2^-31 to 1, a relative error of at most
1/4096. On ubuntu_irc (`python -m tests.bench.model_rounding`) none of 20,748 lists of three words is another for
it; with 16 bits rounded away 19 were, with 19 bits 92.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD
from fedkeys.model.checks import check_dtypes, require

Arrays = Mapping[str, NDArray[Any]]
Codes = NDArray[np.uint32]
Values = NDArray[np.float32]

_MANY = 255
_CODES = 1 << 16
_MOST_BITS = int(np.float32(1 + 1e-6).view(np.uint32))

_WHOLE = (np.uint8, np.uint16, np.uint32)
_DTYPES: Mapping[str, Sequence[type]] = {
    "words": (np.uint8,),
    "form_ids": (np.uint32,),
    "forms": (np.uint8,),
    "unigram": (np.float32,),
    "after": _WHOLE,
}
_DTYPES_OF_LEVELS: Mapping[str, Sequence[type]] = {
    "children": (np.uint8,),
    "many": (np.uint32,),
    "weight_high": (np.uint8,),
    "weight_low": (np.uint8,),
    "successor_high": _WHOLE,
    "successor_low": (np.uint8,),
    "probability_high": (np.uint8,),
    "probability_low": (np.uint8,),
    "grid": (np.uint32,),
}
_RAW = ("successor_low", "probability", "grid", "mix")


def is_deflated(name: str) -> bool:
    """Whether an array of this name is deflated in a file."""
    return not name.startswith(_RAW)


def store(arrays: Arrays, order: int) -> dict[str, NDArray[Any]]:
    """Give the arrays of a file for arrays as they are laid out."""
    ranks = np.zeros(len(arrays["unigram"]) + FIRST_WORD, np.uint32)
    ranks[arrays["by_probability"]] = np.arange(len(arrays["unigram"]))
    after = arrays["after"]
    stored = {name: arrays[name] for name in ("words", "form_ids", "forms", "unigram")}
    stored["after"] = _narrowed(np.where(after > 0, ranks[after] + 1, 0))
    for m in range(1, order):
        children = np.diff(arrays[f"first_{m}"].astype(np.int64))
        weights, *weight_grid = rounded(arrays[f"weight_{m}"][children > 0])
        probabilities, *grid = rounded(arrays[f"probability_{m}"])
        successors = ranks[arrays[f"successor_{m}"]]
        stored[f"children_{m}"] = np.minimum(children, _MANY).astype(np.uint8)
        stored[f"many_{m}"] = children[children >= _MANY].astype(np.uint32)
        for name, values in (("weight", weights), ("successor", successors), ("probability", probabilities)):
            stored[f"{name}_high_{m}"] = _narrowed(values >> 8)
            stored[f"{name}_low_{m}"] = values.astype(np.uint8)
        stored[f"grid_{m}"] = np.array([*grid, *weight_grid], np.uint32)
    return stored


def laid_out(stored: Arrays, order: int) -> dict[str, NDArray[Any]]:
    """Give the arrays as they are laid out for the arrays of a file.

    Raises:
        FormatError: these are none.
    """
    levels = range(1, order)
    of_levels = {f"{kind}_{m}": dtypes for m in levels for kind, dtypes in _DTYPES_OF_LEVELS.items()}
    check_dtypes(stored, {**_DTYPES, **of_levels})
    arrays = {name: stored[name] for name in ("words", "form_ids", "forms", "unigram")}
    words = len(stored["unigram"])
    arrays["by_probability"] = ranked(stored["unigram"])
    after = stored["after"]
    require(not len(after) or int(after.max()) <= words, "an id is that of no word")
    arrays["after"] = np.append(np.uint32(0), arrays["by_probability"])[after]
    entries = words + FIRST_WORD
    for m in levels:
        level = {kind: stored[f"{kind}_{m}"] for kind in _DTYPES_OF_LEVELS}
        require(len(level["grid"]) == 4, "the codes of probabilities are not explained")
        first = _first(level["children"], level["many"], entries)
        entries = int(first[-1])
        weights = unrounded(_joined(level, "weight"), *level["grid"][2:].tolist())
        probabilities = unrounded(_joined(level, "probability"), *level["grid"][:2].tolist())
        ranks = _joined(level, "successor")
        require(
            len(ranks) == entries and len(probabilities) == entries,
            "the successors of a context lie outside the model",
        )
        require(not entries or int(ranks.max()) < words, "an id is that of no word")
        contexts = np.flatnonzero(level["children"] > 0)
        require(len(weights) == len(contexts), "there is not one weight for each context")
        arrays[f"first_{m}"] = first.astype(np.uint32)
        arrays[f"weight_{m}"] = np.zeros(len(level["children"]), np.float32)
        arrays[f"weight_{m}"][contexts] = weights
        arrays[f"successor_{m}"] = arrays["by_probability"].take(ranks)
        arrays[f"probability_{m}"] = probabilities
    return arrays


def ranked(unigram: Values) -> NDArray[np.uint32]:
    """The ids of the words in order of probability, ties in alphabetical order."""
    return (np.argsort(-unigram, kind="stable") + FIRST_WORD).astype(np.uint32)


def rounded(values: Values) -> tuple[Codes, int, int]:
    """Give the codes of numbers from 0 up, and the least and the shift that explain them.

    >>> codes, least, shift = rounded(np.array([0.5, 0, 1], np.float32))
    >>> codes.tolist(), shift
    ([1, 0, 32769], 8)
    """
    bits = values.view(np.uint32).astype(np.int64)
    some = bits[bits > 0]
    if not len(some):
        return bits.astype(np.uint32), 0, 0
    shift = 0
    while _shifted(int(some.max()), shift) - _shifted(int(some.min()), shift) > _CODES - 2:
        shift += 1
    least = _shifted(int(some.min()), shift)
    codes = np.where(bits > 0, _shifted(bits, shift) - least + 1, 0)
    return codes.astype(np.uint32), least, shift


def unrounded(codes: Codes, least: int, shift: int) -> Values:
    """Give the numbers that codes from 0 to 65535 stand for.

    Raises:
        FormatError: one is above 1.
    """
    greatest = least + int(codes.max(initial=1)) - 1
    fits = shift < 32 and greatest << shift <= _MOST_BITS
    require(fits, "a probability is not a number from 0 to 1")
    bits = codes + np.uint32(least)
    bits -= np.uint32(1)
    bits <<= np.uint32(shift)
    if not codes.all():
        bits[codes == 0] = 0
    return bits.view(np.float32)


def _shifted(bits: Any, shift: int) -> Any:
    """Bits without the last few, rounded, halves up."""
    return (bits + (1 << shift >> 1)) >> shift


def _first(children: NDArray[np.uint8], many: NDArray[np.uint32], entries: int) -> NDArray[np.int64]:
    """Where the children of each n-gram begin, and where the last ones end."""
    require(len(children) == entries, "a context lacks its successors")
    at = np.flatnonzero(children == _MANY)
    require(len(at) == len(many), "a context lacks its successors")
    first = np.zeros(entries + 1, np.int64)
    first[1:] = children
    first[at + 1] = many
    return first.cumsum(out=first)


def _joined(level: Arrays, name: str) -> Codes:
    """Numbers from their high and low bits."""
    high, low = level[f"{name}_high"], level[f"{name}_low"]
    require(len(high) == len(low), f"the array {name!r} lacks bits")
    values = high.astype(np.uint32)
    values <<= np.uint32(8)
    values |= low
    return values


def _narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in as few bytes each as the greatest needs."""
    greatest = int(values.max(initial=0))
    return values.astype(next(dtype for dtype in _WHOLE if greatest <= np.iinfo(dtype).max))
