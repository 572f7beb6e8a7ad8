"""What bounds cost, and how long deltas are: `python -m tests.bench.tune_bounds CORPUS --users 400`

For each setting a model is federated of everybody's first messages, and replayed, with and without the
personal model, on the last ones of a sample of users; DEFAULT_BOUNDS is what keeps every delta under 5 kB at
the least cost.
"""

import argparse

import numpy as np

from fedkeys.delta import Bounds
from fedkeys.evaluate import Evaluation, evaluate
from fedkeys.simulate import Plan
from fedkeys.sources import open_corpus

SETTINGS = [
    None,
    Bounds(500, 16),
    Bounds(1000, 16),
    Bounds(1500, 16),
    Bounds(2000, 16),
    Bounds(4000, 16),
    Bounds(2000, 4),
    Bounds(2000, 64),
    Bounds(2000, 16, 2000),
    Bounds(2000, 16, 10_000),
]


def main() -> None:
    """Print one line a setting."""
    parser = argparse.ArgumentParser(description="Compare bounds.")
    parser.add_argument("corpus")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--min-words", type=int, default=50)
    parser.add_argument("--min-phones", type=int, default=2)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    corpus = open_corpus(given.corpus)
    print(
        "n-grams  count   bytes | model top-1 top-3 saved | keyboard top-1 top-3 saved | delta median, 99 %, max"
    )
    for bounds in SETTINGS:
        plan = Plan(min_phones=given.min_phones, bounds=bounds)
        evaluation = Evaluation(
            users=given.users, min_words=given.min_words, mix=False, repeats=True, plan=plan
        )
        report = evaluate(corpus, evaluation, np.random.default_rng(given.seed))
        named = "unbounded".rjust(21)
        if bounds is not None:
            named = f"{bounds.max_ngrams:7} {bounds.max_count:6} {bounds.max_bytes:7}"
        figures = [
            " ".join(f"{100 * figure:6.2f}" for figure in report.total(name).summary().values())
            for name in ("model", "keyboard")
        ]
        assert report.bytes_up is not None
        lengths = np.percentile(report.bytes_up, [50, 99, 100]).astype(int).tolist()
        print(f"{named} | {figures[0]} | {figures[1]} | {lengths}", flush=True)


if __name__ == "__main__":
    main()
