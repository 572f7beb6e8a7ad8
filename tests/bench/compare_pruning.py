"""What pruning costs, by entropy and by count alone: `python -m tests.bench.compare_pruning CORPUS --order 4`

A model is federated of everybody's first messages, released whole and at a half, a quarter and so on of its
n-grams, and replayed on the last messages of a sample of users, as `fedkeys evaluate --model` does.
"""

import argparse
from collections.abc import Callable
from unittest.mock import patch

import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.evaluate import Evaluation, evaluate
from fedkeys.evaluate.users import FirstParts
from fedkeys.model import Model
from fedkeys.model.kneser_ney import Estimate
from fedkeys.model.prune import most_missed, pruned, without
from fedkeys.simulate import Federation, Plan
from fedkeys.sources import open_corpus

Prunes = Callable[[Estimate, int], Estimate]


def by_count(estimate: Estimate, ngrams: int) -> Estimate:
    """Keep the most frequent n-grams, the baseline."""
    levels = estimate.counts.levels
    counts = [level.counts.astype(np.float32) for level in levels[1:]]
    return without(estimate, most_missed(estimate.counts, counts, ngrams))


def main() -> None:
    """Print one line a model."""
    parser = argparse.ArgumentParser(description="Compare ways to prune.")
    parser.add_argument("corpus")
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--min-phones", type=int, default=2)
    parser.add_argument("--unbounded", action="store_true")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    corpus = open_corpus(given.corpus)
    evaluation = Evaluation(users=given.users)
    bounds = None if given.unbounded else DEFAULT_BOUNDS
    plan = Plan(min_phones=given.min_phones, order=given.order, bounds=bounds)
    first_parts = FirstParts(corpus, evaluation.split)
    federation = Federation(first_parts, plan, np.random.default_rng(given.seed))
    list(federation.run())

    def show(named: str, model: Model) -> None:
        report = evaluate(corpus, evaluation, np.random.default_rng(given.seed), model)
        figures = [
            " ".join(f"{100 * figure:6.2f}" for figure in report.total(name).summary().values())
            for name in ("model", "keyboard")
        ]
        size = len(model.to_bytes())
        print(f"{named:14} {sum(model.ngrams[1:]):9,} {size:11,} | {figures[0]} | {figures[1]}", flush=True)

    print("pruned           n-grams       bytes | model top-1 top-3 saved | keyboard top-1 top-3 saved")
    whole = federation.aggregator.release(given.min_phones)
    show("not", whole)
    for part in (2, 4, 8):
        for name, prunes in (("entropy", pruned), ("count", by_count)):
            show(
                f"1/{part} by {name}", _release(federation.aggregator, given.min_phones, whole, part, prunes)
            )


def _release(aggregator: Aggregator, min_phones: int, whole: Model, part: int, prunes: Prunes) -> Model:
    with patch("fedkeys.aggregator.release.pruned", prunes):
        return aggregator.release(min_phones, prune=sum(whole.ngrams[1:]) // part)


if __name__ == "__main__":
    main()
