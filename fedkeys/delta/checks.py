"""What a delta's header, words and written forms must be like.

In: values from anywhere. Out: nothing, or `FormatError`. Law: only values of the right kind, within their
bounds, come past; numbers in the columns are `fedkeys.delta.columns`' to check.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from fedkeys.counts import FIRST_WORD
from fedkeys.errors import FormatError
from fedkeys.words import (
    MAX_FORM_LENGTH,
    MAX_WORD_LENGTH,
    OTHER,
    fold,
    is_word,
    is_written_form,
    style_of,
    styled,
)

MAX_ORDER = 4
PHONE_SIZE = 16
DIGEST_SIZE = 16
MAX_FEDERATION = 64
MAX_BOUNDS, MAX_BOUND_NAME = 8, 16


def check_identity(federation: object, phone: object) -> None:
    """Refuse a federation or a pseudonym that no delta could carry."""
    require(
        isinstance(federation, str) and 1 <= len(federation) <= MAX_FEDERATION and federation.isprintable(),
        f"federation is not 1 to {MAX_FEDERATION} printable characters",
    )
    require(isinstance(phone, bytes) and len(phone) == PHONE_SIZE, f"phone is not {PHONE_SIZE} bytes")


def check_head(head: Mapping[str, Any]) -> None:
    """Refuse a header with a value of the wrong kind, before anything is made of it."""
    check_identity(head["federation"], head["phone"])
    if not _are_sizes((head["sequence"], head["round"], head["known"])):
        key = next(key for key in ("sequence", "round", "known") if not _are_sizes((head[key],)))
        raise FormatError(f"{key} is not a whole number below 2^32")
    base, known, sizes, bounds = head["base"], head["known"], head["sizes"], head["bounds"]
    require(
        isinstance(base, bytes) and len(base) == (DIGEST_SIZE if known else 0),
        "base is not 16 bytes, or none for no known words",
    )
    require(bounds is None or _are_bounds(bounds), "bounds is neither nil nor a short map of whole numbers")
    require(
        isinstance(sizes, list) and 3 <= len(sizes) <= MAX_ORDER + 1 and _are_sizes(sizes),
        "sizes is not a list of 3 to 5 whole numbers",
    )
    require(isinstance(head["body"], bytes), "body is not bytes")
    for key in ("words", "forms"):
        texts = head[key]
        if not isinstance(texts, list) or not _are_strings(texts):
            raise FormatError(f"{key} is not a list of strings")
    require(FIRST_WORD + known + len(head["words"]) < 1 << 32, "there are more words than ids")
    _check_words(head["words"])


def check_form(word: str | None, style: int, spelt: str | None) -> None:
    """Refuse what is not a form of its word.

    Args:
        word: the word; None for a known one, whose form only the aggregator can hold against it.
        style: as in the column, from `OTHER` up for forms that are spelt out.
        spelt: the form, if it is spelt out.
    """
    if spelt is not None:
        require(len(spelt) <= MAX_FORM_LENGTH, f"a written form has {len(spelt)} characters")
        word = fold(spelt) if word is None else word
        require(
            is_written_form(spelt, word) and style_of(spelt, word) == OTHER,
            f"{spelt[:40]!r} is not a form of {word[:40]!r} that must be spelt out",
        )
    elif word is not None:
        form = styled(word, style)
        require(
            is_written_form(form, word) and style_of(form, word) == style, f"{word[:40]!r} is not written so"
        )


def require(holds: bool, otherwise: str) -> None:
    """Refuse with a sentence unless something holds."""
    if not holds:
        raise FormatError(otherwise)


def _check_words(words: Sequence[str]) -> None:
    # Of joined ASCII letters in lower case each string is a word, unless it is empty or too long: most deltas
    # have no other words, and few strings cost as much as one.
    text = "".join(words)
    plain = text.isascii() and text.isalpha() and text.islower() and "" not in words
    for word in words:
        if len(word) > MAX_WORD_LENGTH or not (plain or is_word(word)):
            raise FormatError(f"{word[:40]!r} is not a word by the rules of fedkeys.words")
    for word, following in pairwise(words):
        if word >= following:
            raise FormatError(f"the new words are out of order at {following!r}")


def _are_bounds(bounds: object) -> bool:
    return (
        isinstance(bounds, dict)
        and len(bounds) <= MAX_BOUNDS
        and _are_strings(bounds)
        and _are_sizes(bounds.values())
        and max(map(len, bounds), default=0) <= MAX_BOUND_NAME
        and "".join(bounds).isprintable()
    )


# Loops, which for a few values take a third of the time of `all` and a generator: every delta comes by here.


def _are_strings(values: Iterable[object]) -> bool:
    for value in values:  # noqa: SIM110
        if not isinstance(value, str):
            return False
    return True


def _are_sizes(values: Iterable[object]) -> bool:
    """Tell whether all are whole numbers below 2^32; a bool is none."""
    for value in values:  # noqa: SIM110
        if type(value) is not int or not 0 <= value < 1 << 32:
            return False
    return True
