"""How fast the prior and the search for slips are: `pytest tests/bench/test_prior.py --benchmark-enable`.

Each call answers 500 questions, so a median is 500 times what one takes. The peer of the search for slips is
symspellpy's index of deletes; it knows whole words only, so it is asked the same, but seldom finds what was meant.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkeys.phone.prior import Prior
from fedkeys.words.slips import reached
from tests.bench.measure_slips import synthetic
from tests.bench.slipped import most_probable

QUESTIONS = 500
WORDS = 60_000


@cache
def prior() -> Prior:
    return Prior.load()


@cache
def vocabulary() -> tuple[tuple[str, ...], Any]:
    """The most probable words, in alphabetical order, and their log probabilities."""
    words = prior().vocabulary.words
    best = np.sort(np.argsort(-prior().probabilities(None, words))[:WORDS])
    chosen = tuple(words[place] for place in best)
    return chosen, np.log(prior().probabilities(None, chosen))


@cache
def text() -> list[str]:
    """Words as often as they are."""
    words, logp = vocabulary()
    p = np.exp(logp)
    return np.random.default_rng(0).choice(words, QUESTIONS * 40, p=p / p.sum()).tolist()


@cache
def typed() -> list[str]:
    """Beginnings, of 3 to 12 letters or up to the slip, with one slip."""
    rng = np.random.default_rng(1)
    long = [word for word in text() if len(word) >= 5 and word.isalpha()][:QUESTIONS]
    return [
        slip[: rng.integers(max(3, at + 1), max(13, at + 2))] for slip, _, at in synthetic(long, rng, None)
    ]


@pytest.mark.benchmark(group="prior")
@pytest.mark.parametrize("letters", [0, 1, 3])
def test_complete(benchmark: Any, letters: int) -> None:
    def answer() -> None:
        for previous, word in zip(text(), text()[1:QUESTIONS], strict=False):
            prior().complete(previous, word[:letters], 3)

    benchmark(answer)


@pytest.mark.benchmark(group="prior")
@pytest.mark.parametrize("by", ["words", "ids"])
def test_probabilities_of_50_words(benchmark: Any, by: str) -> None:
    asked = [text()[at : at + 50] for at in range(0, QUESTIONS * 30, 30)]
    ids = [prior().ids(words) for words in asked]

    def answer() -> None:
        for at, previous in enumerate(text()[:QUESTIONS]):
            if by == "words":
                prior().probabilities(previous, asked[at])
            else:
                prior().probabilities_of(previous, ids[at])

    benchmark(answer)


@pytest.mark.benchmark(group="prior, loading")
@pytest.mark.parametrize("kept", [True, False])
def test_load(benchmark: Any, kept: bool, tmp_path: Path) -> None:
    Prior.load(tmp_path)
    benchmark(lambda: Prior.load(tmp_path if kept else None))


@pytest.mark.benchmark(group="slips")
def test_reached(benchmark: Any) -> None:
    words, _ = vocabulary()
    benchmark(lambda: [reached(letters, words) for letters in typed()])


@pytest.mark.benchmark(group="slips")
def test_reached_and_ranked(benchmark: Any) -> None:
    words, logp = vocabulary()
    benchmark(lambda: [most_probable(reached(letters, words), logp, 3) for letters in typed()])


@pytest.mark.benchmark(group="slips")
@pytest.mark.parametrize("method", ["lookup", "lookup_compound"])
def test_symspellpy(benchmark: Any, method: str) -> None:
    from symspellpy import SymSpell, Verbosity

    words, logp = vocabulary()
    peer = SymSpell(max_dictionary_edit_distance=1)
    for word, count in zip(words, np.exp(logp) * 1e12, strict=True):
        peer.create_dictionary_entry(word, int(count))
    if method == "lookup":
        benchmark(lambda: [peer.lookup(letters, Verbosity.ALL, 1) for letters in typed()])
    else:
        benchmark(lambda: [peer.lookup_compound(letters, 1) for letters in typed()])
