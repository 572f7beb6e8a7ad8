"""Tune the strengths with which the personal model holds on to what everyone types.

    python -m tests.bench.tune_personal CORPUS --users 60 --min-words 300 --seed 2

trains a model on everybody's first messages, then moves one strength at a time up and down, keeping what
raises top-1 plus top-3 recall of the replayed users, and prints every trial.
"""

import argparse
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np

from fedkeys.evaluate.evaluation import Evaluation, _choose, _federate, _FirstParts, parts
from fedkeys.evaluate.replay import Score, replay
from fedkeys.evaluate.systems import KeyboardSystem
from fedkeys.phone import keyboard
from fedkeys.simulate import Plan
from fedkeys.sources import open_corpus


class _NextWordsOnly(KeyboardSystem):
    """Answers only before the first letter, which is all that recall looks at."""

    def words(self, text: str, k: int) -> list[str]:
        return [] if text[-1:].isalpha() else super().words(text, k)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--min-words", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    evaluation = Evaluation(users=options.users, min_words=options.min_words, plan=Plan(min_phones=2))
    corpus = open_corpus(options.corpus)
    chosen = _choose(corpus, evaluation, rng)
    model = _federate(_FirstParts(corpus, evaluation.split), evaluation.plan, rng, lambda *_: None)
    histories = [parts(p.texts, evaluation.split) for p in corpus.phones() if p.name in chosen]

    def recall(strengths: Sequence[float]) -> float:
        score = Score()
        with patch.object(keyboard, "STRENGTHS", tuple(strengths)):
            for train, test in histories:
                system = _NextWordsOnly(model, learns=True)
                for message in train:
                    system.learn(message)
                for message in test:
                    replay(message, system, score)
        figures = score.summary()
        print([f"{s:g}" for s in strengths], {name: round(f, 4) for name, f in figures.items()}, flush=True)
        return figures["top1"] + figures["top3"]

    best = list(keyboard.STRENGTHS)
    reached = recall(best)
    for factor in (4.0, 2.0):
        for place in range(len(best)):
            for step in (factor, 1 / factor):
                while True:
                    trial = [s * step if at == place else s for at, s in enumerate(best)]
                    found = recall(trial)
                    if found <= reached:
                        break
                    best, reached = trial, found
    print("best", best)


if __name__ == "__main__":
    main()
