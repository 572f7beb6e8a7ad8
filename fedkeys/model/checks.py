"""Whether the arrays of a model fit together.

In: arrays from a file. Out: nothing, or `FormatError`. Law: a model that is past here answers any question
without an error. That its probabilities are good ones is its maker's word; that they are numbers is checked.
"""

import re
from collections.abc import Mapping, Sequence
from operator import lt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD
from fedkeys.errors import FormatError
from fedkeys.model.mix import Mix
from fedkeys.words import MAX_WORD_LENGTH, fold, is_word

Arrays = Mapping[str, NDArray[Any]]

# Trained weights are up to about 3. With such as these a score is below 1e13, far from where float32 ends, beyond
# which chances would be no numbers.
MOST_WEIGHT = 1000.0

# Of UTF-8: C0 but the newline that parts words, DEL, and C1.
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")

# A line that is more than letters, with an apostrophe or a hyphen between them: one in a hundred, and judging all
# of them in full would take as long as all else that reading a model takes.
_UNUSUAL = re.compile(r"^(?![a-z]+(?:['-][a-z]+)*$).*$", re.MULTILINE)


def check_dtypes(arrays: Arrays, dtypes: Mapping[str, Sequence[type]]) -> None:
    """Refuse a model in which an array is missing or of another type."""
    for name, allowed in dtypes.items():
        if name not in arrays:
            raise FormatError(f"the array {name!r} is missing")
        if arrays[name].dtype.type not in allowed:
            raise FormatError(f"the array {name!r} is of {arrays[name].dtype}, not of {allowed[0].__name__}")


def check_header(header: Mapping[str, Any]) -> int:
    """Refuse a header that does not account for its model; give the order."""
    order, rule = header.get("order"), header.get("release")
    if not _is_count(order) or not isinstance(order, int) or not 2 <= order <= 4:
        raise FormatError("the header names no order from 2 to 4")
    for name in ("rounds", "phones", "deltas"):
        require(_is_count(header.get(name)), f"the header names no number of {name}")
    for name in ("fedkeys", "federation"):
        text = header.get(name)
        require(isinstance(text, str) and len(text) <= 64 and text.isprintable(), f"the header has no {name}")
    if not isinstance(rule, dict) or not _is_count(rule.get("min_phones")):
        raise FormatError("the header names no release rule")
    pruned_from = rule.get("pruned_from", [0] * order)
    require(
        isinstance(pruned_from, list) and len(pruned_from) == order and all(map(_is_count, pruned_from)),
        "the header names no sizes that it was pruned from",
    )
    return order


def check_mix(header: Mapping[str, Any], arrays: Arrays) -> Mix | None:
    """Give the mix that a model brings, if it does; refuse one that is none."""
    account, weights = header.get("mix"), arrays.get("mix")
    if account is None and weights is None:
        return None
    if not isinstance(account, dict) or not all(
        _is_count(account.get(name)) for name in ("version", "features")
    ):
        raise FormatError("the header does not say which features the mix weighs")
    if weights is None or weights.dtype != np.float32:
        raise FormatError("the weights of the mix are missing or of another type")
    mix = Mix(account["features"], weights)
    require(float(np.abs(weights).max()) <= MOST_WEIGHT, f"a weight of the mix is beyond {MOST_WEIGHT:.0f}")
    return mix


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def check(arrays: Arrays, words: Sequence[str]) -> None:
    """Refuse a model whose arrays of words do not fit together.

    Args:
        arrays: laid out as by `fedkeys.model.build`. Whether n-grams of more words fit is for the reader of the
            file's version to see.
        words: of the array `words`.
    """
    count = len(words)
    for name in ("words", "forms"):
        bytes_ = arrays[name].tobytes()
        require(not _CONTROL.search(bytes_), f"the {name} hold control characters")
        require(_is_text(bytes_), f"the {name} are not UTF-8")
    require(all(map(lt, words, words[1:])), "the words are not in order")
    require(len(arrays["unigram"]) == count, "there is not one probability for each word")
    require_chances(arrays["unigram"])
    ranked = np.sort(arrays["by_probability"])
    require(
        np.array_equal(ranked, np.arange(FIRST_WORD, FIRST_WORD + count)), "the ranking is not of the words"
    )
    require(len(arrays["after"]) == count + FIRST_WORD, "there is not one most frequent word after each")
    after = arrays["after"]
    require_ids(after[after != 0], count)
    require_ids(arrays["form_ids"], count)
    lines = int(np.count_nonzero(arrays["forms"] == ord("\n"))) + 1 if len(arrays["forms"]) else 0
    require(lines == len(arrays["form_ids"]), "there is not one written form for each word that has one")
    _check_words(arrays, words)


def _check_words(arrays: Arrays, words: Sequence[str]) -> None:
    """Refuse words, and forms of them, that nobody could have typed as one: a keyboard would offer them."""
    if words:
        unusual = _UNUSUAL.findall(arrays["words"].tobytes().decode())
        is_each = max(map(len, words)) <= MAX_WORD_LENGTH and all(map(is_word, unusual))
        require(is_each, "a word is not one as it is counted, in lower case")
    if len(arrays["form_ids"]):
        forms = arrays["forms"].tobytes().decode().split("\n")
        of_words = [words[id_ - FIRST_WORD] for id_ in arrays["form_ids"].tolist()]
        is_each = max(map(len, forms)) <= MAX_WORD_LENGTH and list(map(fold, forms)) == of_words
        require(is_each, "a written form is no way to write its word")


def _is_text(bytes_: bytes) -> bool:
    try:
        bytes_.decode()
    except UnicodeDecodeError:
        return False
    return True


def require_ids(ids: NDArray[Any], words: int) -> None:
    """Refuse ids that are not all those of words."""
    outside = len(ids) and (int(ids.min()) < FIRST_WORD or int(ids.max()) >= FIRST_WORD + words)
    require(not outside, "an id is that of no word")


def require_chances(values: NDArray[Any]) -> None:
    """Refuse numbers that are not all from 0 to 1, but for rounding."""
    # NaN fails both comparisons.
    good = not len(values) or (float(values.min()) >= 0.0 and float(values.max()) <= 1.0 + 1e-6)
    require(good, "a probability is not a number from 0 to 1")


def require(holds: bool, otherwise: str) -> None:
    """Refuse a model of which something does not hold."""
    if not holds:
        raise FormatError(otherwise)
