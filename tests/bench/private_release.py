"""What noise lets through, and how long it takes: `python -m tests.bench.private_release CORPUS [--phones 40000]`

All phones vote once; then a release without noise is timed beside private ones, each of the same votes, and what
each of them holds is counted. CPU time of this process.
"""

import argparse
import time
from itertools import islice

import numpy as np

from fedkeys import Phone
from fedkeys.aggregator import Aggregator, Budget
from fedkeys.cli.options import bounds_of
from fedkeys.model import Model
from fedkeys.sources import open_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--phones", type=int, default=40_000)
    parser.add_argument("--order", type=int, default=4)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[10.0, 4.0, 2.0, 1.0])
    given = parser.parse_args()
    bounds = bounds_of(None, None, None, unbounded=False, private=True)
    begin = time.process_time()
    messages: list[bytes] = []
    rng = np.random.default_rng(0)
    for phone in islice(open_corpus(given.corpus).phones(), given.phones):
        sender = Phone(phone.texts, order=given.order, bounds=bounds, pseudonym=rng.bytes(16))
        messages.append(sender.delta().data)
    print(f"{len(messages):,} phones vote: {time.process_time() - begin:.1f} s")
    plain = 0.0
    print("epsilon    seconds   times  n-grams of each order")
    for epsilon in (None, *given.epsilons):
        aggregator = Aggregator(bounds=bounds)
        aggregator.add_messages(messages)
        aggregator.settle()
        begin = time.process_time()
        model = _released(aggregator, epsilon)
        took = time.process_time() - begin
        plain = plain or took
        name = "none" if epsilon is None else f"{epsilon:g}"
        print(f"{name:>7}{took:11.1f}{took / plain:8.1f}  {model.ngrams}", flush=True)


def _released(aggregator: Aggregator, epsilon: float | None) -> Model:
    return aggregator.release(2) if epsilon is None else aggregator.release(1, budget=Budget(epsilon))


if __name__ == "__main__":
    main()
