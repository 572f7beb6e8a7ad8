"""Making what is evaluated: a model of many phones, and mixes for those who are replayed.

In: a corpus of messages that train. Out: a model, a mix for each user. Law: nobody's weights for the mix were
trained on what that user is asked. Where fewer than 10 phones can train a mix, what is known is weighed by hand.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.evaluate.evaluation import Evaluation, OnStep
from fedkeys.model import Model
from fedkeys.model.mix import Mix
from fedkeys.phone import Prior, default_mix, hand_mixed
from fedkeys.phone.mixing import MixTrainer
from fedkeys.simulate import Federation, Plan, Round, train_mix
from fedkeys.simulate.lesson import FEWEST_TRAINING, trainer_of
from fedkeys.sources import Corpus


class Group(NamedTuple):
    """Users who are given one mix.

    Attributes:
        users: their names.
        others: those who may train it.
    """

    users: Sequence[str]
    others: Collection[str]


class Trained(NamedTuple):
    """What came of training.

    Attributes:
        mixes: user -> mix.
        phones: how many phones trained a mix, the fewest of all groups; 0 where all are by hand, None where all
            have the mix that comes with fedkeys.
    """

    mixes: Mapping[str, Mix]
    phones: int | None


def halves(asked: Sequence[str], able: Collection[str]) -> list[Group]:
    """Deal users out to two groups, each of whose mixes everybody else may train."""
    return [Group(half, set(able) - set(half)) for half in (asked[::2], asked[1::2])]


def federate(corpus: Corpus, plan: Plan, rng: np.random.Generator, on_step: OnStep) -> tuple[Model, Round]:
    """Give the model of a federation's last round.

    Raises:
        UsageError: no round had enough phones.
    """
    federation = Federation(corpus, plan, rng)

    def count(number: int, part: float) -> None:
        on_step("federating", (number - 1 + part) / plan.rounds)

    *_, last = federation.run(count)
    if last.model is None:
        raise UsageError("no round had enough phones", remedy="lower min_available")
    return last.model, last


def train_mixes(
    corpus: Corpus,
    evaluation: Evaluation,
    model: Model,
    prior: Prior | None,
    groups: Sequence[Group],
    rng: np.random.Generator,
    on_step: OnStep,
) -> Trained:
    """Train a mix for each group of users, on the last messages of others.

    Under a budget nobody trains, since no noise hides what they would say: all have the mix that comes with
    fedkeys. If any group has fewer than `FEWEST_TRAINING` of those, all are given the mix by hand, to be
    comparable.

    Args:
        corpus: where those others are.
        evaluation: how; `mixing` says how many of them are drawn.
        model: made without what they train on.
        prior: public words; None for none.
        groups: who gets which; one without users needs none.
        rng: draws them.
        on_step: called with the name of a step and the part of it that is done.
    """
    groups = [group for group in groups if group.users]
    users = [user for group in groups for user in group.users]
    if evaluation.mix and evaluation.plan.budget is not None:
        return Trained(dict.fromkeys(users, default_mix()), None)
    if min(len(group.others) for group in groups) < FEWEST_TRAINING:
        return Trained(dict.fromkeys(users, hand_mixed()), 0)
    draws: list[list[str]] = []
    for group in groups:
        others = sorted(group.others)
        drawn = rng.permutation(len(others))[: evaluation.mixing.phones]
        draws.append([others[at] for at in drawn.tolist()])
    wanted = set().union(*draws)
    trainers: dict[str, MixTrainer] = {}
    for phone in corpus.phones():
        if phone.name in wanted:
            trainers[phone.name] = trainer_of(
                phone, model, prior, split=evaluation.split, learns=evaluation.personal
            )
            on_step("phones prepare to train the mix", len(trainers) / len(wanted))
    mixes: dict[str, Mix] = {}
    for number, (group, draw) in enumerate(zip(groups, draws, strict=True)):

        def count(part: float, number: int = number) -> None:
            on_step("training the mix", (number + part) / len(groups))

        trained = train_mix(
            [trainers[name] for name in draw], evaluation.mixing, int(rng.integers(1 << 32)), count
        )
        mixes.update(dict.fromkeys(group.users, trained))
    return Trained(mixes, min(map(len, draws)))
