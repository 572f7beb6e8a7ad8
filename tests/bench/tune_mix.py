"""Is a mix that a fleet trains better than the one that comes with fedkeys, and from where should it begin?

    python -m tests.bench.tune_mix CORPUS [--phones 400] [--start FILE] [--folds 1]

Prints the mean loss of those that train and of every fifth phone, which does not: for the mix to begin with, for
one that is trained from nothing, and for some that go on from the first at several rates of the server. The mix
that comes with fedkeys was trained on ubuntu_irc: for that corpus, --start takes weights (.npy) of other users.
"""

import argparse
from pathlib import Path

import numpy as np

from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.evaluate.users import FirstParts
from fedkeys.model.mix import Mix
from fedkeys.phone import MixTrainer, Prior, default_mix
from fedkeys.phone.situation import FEATURES
from fedkeys.simulate import Federation, MixPlan, Plan, train_mix
from fedkeys.simulate.lesson import loss_of, trainers_of
from fedkeys.sources import open_corpus
from fedkeys.sources.parts import FIRST_PART

TRIED = ((150, 0.03), (150, 0.01), (50, 0.01), (150, 0.003), (50, 0.003))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--phones", type=int, default=400)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--folds", type=int, default=1)
    given = parser.parse_args()
    corpus = open_corpus(given.corpus)
    start = Mix(FEATURES, np.load(given.start)) if given.start else default_mix()
    rng = np.random.default_rng(0)
    *_, last = Federation(FirstParts(corpus, FIRST_PART), Plan(bounds=DEFAULT_BOUNDS), rng).run()
    assert last.model is not None
    trainers = trainers_of(
        corpus, last.model, Prior.load(), MixPlan(phones=given.phones), rng, lambda *_: None
    )
    for fold in range(given.folds):
        checking = trainers[fold::5]
        training = [one for at, one in enumerate(trainers) if at % 5 != fold]
        print(f"{len(training)} phones train, {len(checking)} do not")
        _tell("to begin with", start, training, checking)
        _tell("from nothing", train_mix(training, MixPlan(), 1), training, checking)
        for rounds, rate in TRIED:
            mix = train_mix(training, MixPlan(rounds=rounds, rate=rate), 1, start=start)
            _tell(f"{rounds} rounds, rate {rate}", mix, training, checking)


def _tell(name: str, mix: Mix, training: list[MixTrainer], checking: list[MixTrainer]) -> None:
    print(f"{name:24}{loss_of(training, mix.weights):8.4f}{loss_of(checking, mix.weights):8.4f}", flush=True)


if __name__ == "__main__":
    main()
