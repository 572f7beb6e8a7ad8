"""Which words and pairs a private release finds: `python -m tests.bench.selection CORPUS [--phones 40000]`

Beside them those that the plain weighted Gaussian of Gopi et al. 2020, "Differentially private set union",
finds in much the same sets at the same epsilon and delta: each phone adds 1 / sqrt(n) to
each of its n words and pairs, Gaussian noise is added, and what comes above its threshold is told. It is
written here in a few lines of floating-point arithmetic, with noise from numpy, as a yardstick and not for use.
What each finds is counted; and what part of all words, and of all pairs, that were typed those are that it
finds.
"""

import argparse
from collections import Counter
from itertools import islice
from math import sqrt
from statistics import NormalDist

import numpy as np

from fedkeys import Phone
from fedkeys.aggregator import Aggregator, Budget
from fedkeys.cli.options import bounds_of
from fedkeys.model import Model
from fedkeys.privacy.accounting import multiplier_for
from fedkeys.sources import open_corpus

Item = tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--phones", type=int, default=40_000)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[10.0, 4.0, 2.0, 1.0])
    parser.add_argument("--dp-delta", type=float, default=1e-6)
    given = parser.parse_args()
    bounds = bounds_of(None, None, None, unbounded=False, private=True)
    assert bounds is not None
    rng = np.random.default_rng(0)
    messages: list[bytes] = []
    typed: Counter[Item] = Counter()
    weights: Counter[Item] = Counter()
    for number, texts in enumerate(islice(open_corpus(given.corpus).phones(), given.phones)):
        sender = Phone(texts.texts, order=2, bounds=bounds, pseudonym=number.to_bytes(16))
        messages.append(sender.delta().data)
        own = _items(Phone(texts.texts, order=2))
        if not own:
            continue
        typed.update(own)
        chosen = list(own)
        if len(chosen) > bounds.max_ngrams:
            chosen = [chosen[at] for at in rng.choice(len(chosen), bounds.max_ngrams, replace=False)]
        weights.update(dict.fromkeys(chosen, 1 / sqrt(len(chosen))))
    print(
        f"{len(messages):,} phones, {sum(len(item) == 1 for item in typed):,} words and "
        f"{sum(len(item) == 2 for item in typed):,} pairs"
    )
    print("epsilon  rule                 words    pairs   of words typed   of pairs typed")
    for epsilon in given.epsilons:
        aggregator = Aggregator(bounds=bounds)
        aggregator.add_messages(messages)
        model = aggregator.release(1, budget=Budget(epsilon, given.dp_delta))
        plain = _weighted_gaussian(weights, epsilon, given.dp_delta, bounds.max_ngrams, rng)
        for name, told in (("fedkeys", _told(model)), ("weighted Gaussian", plain)):
            print(f"{epsilon:7g}  {name:<18}" + _account(told, typed), flush=True)


def _items(phone: Phone) -> Counter[Item]:
    """The words and pairs of a phone, and how often each was typed."""
    delta = phone.delta()
    names = ["<", "/", *delta.words]
    found = {tuple(names[delta.ids[at]] for at in ids): count for ids, count, _ in delta.counts.rows()}
    return Counter({item: count for item, count in found.items() if item not in (("<",), ("/",))})


def _told(model: Model) -> set[Item]:
    """The words and pairs of a model."""
    names = ["<", "/", *model.vocabulary.words]
    first, successors = model.arrays["first_1"], model.arrays["successor_1"]
    contexts = np.repeat(np.arange(len(first) - 1), np.diff(first))
    pairs = {(names[a], names[b]) for a, b in zip(contexts.tolist(), successors.tolist(), strict=True)}
    return pairs | {(word,) for word in model.vocabulary.words}


def _weighted_gaussian(
    weights: Counter[Item], epsilon: float, dp_delta: float, most: int, rng: np.random.Generator
) -> set[Item]:
    normal = NormalDist()
    scale = multiplier_for(epsilon, dp_delta)
    sizes = np.arange(1, most + 1)
    tails = np.array([normal.inv_cdf((1 - dp_delta / 2) ** (1 / size)) for size in sizes.tolist()])
    threshold = float(np.max(1 / np.sqrt(sizes) + scale * tails))
    noisy = np.array([*weights.values()]) + rng.normal(0, scale, len(weights))
    return {item for item, is_told in zip(weights, noisy >= threshold, strict=True) if is_told}


def _account(told: set[Item], typed: Counter[Item]) -> str:
    cells = [sum(len(item) == order for item in told) for order in (1, 2)]
    parts = [
        sum(typed[item] for item in told if len(item) == order)
        / sum(times for item, times in typed.items() if len(item) == order)
        for order in (1, 2)
    ]
    return f"{cells[0]:9,}{cells[1]:9,}{parts[0]:16.1%}{parts[1]:17.1%}"


if __name__ == "__main__":
    main()
