"""What rounding for the file does to suggestions: `python -m tests.bench.model_rounding CORPUS`

A model of order 4, made as in `tests.bench.model_table`, is asked at every key of the last messages of some users,
as its file has it, and as it was laid out before rounding. For next words and for completions: in how many lists
of three a word or its place differs, and of how many the word that was typed is the first one, or any.
"""

import argparse
import copy
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np

from fedkeys import Model
from fedkeys.evaluate.replay import SLOTS
from fedkeys.model.search import Search
from fedkeys.sources import open_corpus
from tests.bench.model_table import cut
from tests.bench.peers.text import Question, questions


class Kept:
    """In the place of `Model.from_arrays`: what was laid out last is kept as it was before rounding."""

    def __init__(self) -> None:
        self._make = Model.from_arrays
        self.arrays: Mapping[str, Any] = {}

    def __call__(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> Model:
        self.arrays = arrays
        return self._make(header, arrays)

    def unrounded(self, model: Model) -> Model:
        """Give the model that was made last as it was before rounding."""
        exact = copy.copy(model)
        exact._search = Search(self.arrays, model.order)
        return exact


def lists(model: Model, asked: Sequence[Question]) -> list[list[str]]:
    """Ask for three words, written as identities."""
    states = (model.state([question.start, *question.words]) for question in asked)
    return [
        [model.vocabulary.word(id_) for id_, _ in model.rank(state, question.prefix, SLOTS)]
        for state, question in zip(states, asked, strict=True)
    ]


def row(name: str, rounded: Model, exact: Model, asked: Sequence[Question]) -> str:
    """Compare the lists of two models."""
    found, expected = lists(rounded, asked), lists(exact, asked)
    wanted = [question.wanted for question in asked]
    differ = sum(one != other for one, other in zip(found, expected, strict=True))
    first, any_ = (
        "/".join(
            str(sum(word in words[:slots] for word, words in zip(wanted, answers, strict=True)))
            for answers in (found, expected)
        )
        for slots in (1, SLOTS)
    )
    return f"{name:12} {len(asked):>8} {differ:>8} {first:>15} {any_:>15}"


def main() -> None:
    """Print a row for next words and one for completions."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.model_rounding", description="Compare lists before and after rounding."
    )
    parser.add_argument("corpus")
    parser.add_argument("--ngrams", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=60, help="how many users to ask")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    kept = Kept()
    with patch.object(Model, "from_arrays", kept):
        rng = np.random.default_rng(given.seed)
        model, text = cut(open_corpus(given.corpus), given.ngrams, given.users, rng)
    exact = kept.unrounded(model)
    asked = [question for user in text.users for message in user.asked for question in questions(message)]
    print(f"{'':12} {'lists':>8} {'differ':>8} {'first, of each':>15} {'any, of each':>15}")
    print(row("next word", model, exact, [question for question in asked if not question.prefix]))
    print(row("completion", model, exact, [question for question in asked if question.prefix]))


if __name__ == "__main__":
    main()
