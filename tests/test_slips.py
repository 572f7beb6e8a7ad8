"""Slips of the finger: every one of them and nothing else, against making each variant and looking it up."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.words.slips import (
    FEWEST_LETTERS,
    PENALTIES,
    Slip,
    kind_of_extra,
    kind_of_missing,
    kind_of_wrong,
    reached,
)
from tests.bench.slipped import most_probable
from tests.strategies import any_text

LETTERS = "aeslt'é"
some_words = st.lists(st.text(LETTERS, min_size=1, max_size=7), max_size=40).map(lambda w: sorted(set(w)))
some_letters = st.text(LETTERS, max_size=7)


def variants(typed: str) -> Iterator[tuple[str, str]]:
    """Everything one slip away, by the table in the module's docstring, with the name of the slip."""
    for at in range(len(typed)):
        before, letter, rest = typed[:at], typed[at], typed[at + 1 :]
        for other in LETTERS:
            kind = kind_of_wrong(other, letter)
            if other != letter and (at or kind != "wrong elsewhere"):
                yield before + other + rest, kind
            if at and not (before + other + letter + rest).startswith(typed):
                yield before + other + letter + rest, kind_of_missing(other)
        if at and rest:
            yield before + rest, kind_of_extra(before[-1], letter, rest[0])
            if rest[0] != letter:
                yield before + rest[0] + letter + rest[1:], "swapped"


@given(some_letters, some_words)
def test_all_slips_that_words_begin_with(typed: str, words: list[str]) -> None:
    expected: dict[str, float] = {}
    for prefix, kind in variants(typed) if len(typed) >= FEWEST_LETTERS else ():
        if any(word.startswith(prefix) for word in words):
            expected[prefix] = max(PENALTIES[kind], expected.get(prefix, -np.inf))
    found = reached(typed, words)
    assert {slip.prefix: slip.penalty for slip in found} == expected
    assert len(found) == len(expected)
    assert [slip.penalty for slip in found] == sorted(expected.values(), reverse=True)
    for slip in found:
        assert words[slip.low : slip.high] == [word for word in words if word.startswith(slip.prefix)]


@given(any_text, st.lists(any_text).map(lambda words: sorted(set(words))))
def test_any_text_is_answered(typed: str, words: list[str]) -> None:
    for slip in reached(typed, words):
        assert all(word.startswith(slip.prefix) for word in words[slip.low : slip.high])
        assert abs(len(slip.prefix) - len(typed)) <= 1


@pytest.mark.parametrize(
    ("typed", "meant", "kind"),
    [
        ("hwllo", "hello", "wrong beside"),
        ("hdllo", "hello", "wrong above or below"),
        ("hallo", "hello", "wrong elsewhere"),
        ("jello", "hello", "wrong beside"),
        ("hllo", "hello", "missing"),
        ("dont", "don't", "missing apostrophe"),
        ("heello", "hello", "extra doubled"),
        ("hweello", "hweelo", "extra doubled"),
        ("hewllo", "hello", "extra touching"),
        ("heallo", "hello", "extra elsewhere"),
        ("hlelo", "hello", "swapped"),
    ],
)
def test_each_kind(typed: str, meant: str, kind: str) -> None:
    assert reached(typed, [meant])[0] == Slip(meant, 0, 1, PENALTIES[kind])


@pytest.mark.parametrize("typed", ["he", "mello", "ehllo", "ello", "hxxlo"])
def test_what_is_not_looked_for(typed: str) -> None:
    """Too few letters; a first letter that is far away, swapped or missing; two slips."""
    assert reached(typed, ["hello"]) == []


def test_a_word_that_is_too_long() -> None:
    assert reached("a" * 26, ["a" * 24]) == []
    assert [slip.prefix for slip in reached("ab" + "a" * 23, ["a" * 24])] == ["a" * 24]


@given(some_letters, some_words, st.integers(0, 5), st.randoms(use_true_random=False))
def test_ranking_is_that_of_every_word(typed: str, words: list[str], k: int, random) -> None:  # type: ignore[no-untyped-def]
    logp = np.array([random.uniform(-20, 0) for _ in words])
    slips = reached(typed, words)
    best = {
        place: max(logp[place] + slip.penalty for slip in slips if slip.low <= place < slip.high)
        for place in range(len(words))
        if any(slip.low <= place < slip.high for slip in slips)
    }
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k]
    assert most_probable(slips, logp, k) == [(place, pytest.approx(score)) for place, score in ranked]
