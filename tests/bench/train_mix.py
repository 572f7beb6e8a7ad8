"""Train the mix that comes with fedkeys.

    python -m tests.bench.train_mix CORPUS fedkeys/phone/default.mix [--seed 7]

trains it federated, on the last messages of users of CORPUS, with a model of everybody's first ones under the
default bounds and min phones 2. Every other user has no public prior, so that it serves with one and without. It
was trained on ubuntu_irc, so a figure for that corpus must not come from it: `fedkeys evaluate` trains its own.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from fedkeys.container import pack_arrays
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.evaluate.replay import asked_words
from fedkeys.evaluate.users import FirstParts
from fedkeys.phone import MixTrainer, Prior
from fedkeys.phone.keyboard import MIX_FORMAT
from fedkeys.phone.situation import FEATURES_VERSION
from fedkeys.simulate import Federation, MixPlan, Plan, train_mix
from fedkeys.simulate.lesson import trainer_of
from fedkeys.sources import open_corpus
from fedkeys.sources.parts import FIRST_PART

MIN_WORDS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    corpus, plan = open_corpus(given.corpus), MixPlan(phones=1000, rounds=400)
    *_, last = Federation(FirstParts(corpus, FIRST_PART), Plan(order=4, bounds=DEFAULT_BOUNDS), rng).run()
    assert last.model is not None
    prior = Prior.load()
    able = [phone.name for phone in corpus.phones() if sum(map(asked_words, phone.texts)) >= MIN_WORDS]
    chosen = {
        able[at]: number for number, at in enumerate(rng.permutation(len(able))[: plan.phones].tolist())
    }
    trainers: list[MixTrainer] = []
    for phone in corpus.phones():
        if phone.name in chosen:
            own_prior = prior if chosen[phone.name] % 2 else None
            trainers.append(trainer_of(phone, last.model, own_prior))
            print(f"\r{len(trainers)} of {len(chosen)} phones", end="", file=sys.stderr)
    mix = train_mix(trainers, plan, given.seed)
    given.file.write_bytes(pack_arrays(MIX_FORMAT, FEATURES_VERSION, {}, {"mix": mix.weights}))
    print(f"\nloss {np.mean([trainer.loss(mix.weights) for trainer in trainers if trainer.samples]):.4f}")


if __name__ == "__main__":
    main()
