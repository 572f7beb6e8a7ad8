"""A lesson: what a fleet teaches the mix between two rounds.

In: the phones of a corpus, the model of what they have sent, and the messages that each has held back. Out: a
`Lesson`, with a mix. Laws: a phone trains on messages that the model has not seen, and predicts each before its
own keyboard learns it; of them only weights and mean losses leave it.

It begins with the mix that comes with fedkeys, which a fleet betters sooner than it makes one anew. Every fifth
phone does not train: it tells how well either mix predicts its messages, and unless the trained one is better
there, and at least `FEWEST_TRAINING` phones trained it and `FEWEST_CHECKING` checked it, models do not bring it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fedkeys.model import Model
from fedkeys.model.mix import Mix, Weights, size
from fedkeys.phone import MixTrainer, PersonalModel, Prior, default_mix
from fedkeys.phone.situation import FEATURES, FEATURES_VERSION
from fedkeys.simulate.mixing import MixPlan, train_mix
from fedkeys.sources import Corpus, PhoneTexts
from fedkeys.sources.parts import FIRST_PART, LEAST_MESSAGES, parts

MIX_BYTES = 4 * size(FEATURES)  # float32, to a phone and from it, in each round that it trains in

_CHECKING = 5  # of so many phones one
# What one or two phones say of a mix is chance, or their will; so is what a few have trained: on the shipped
# phones a mix that two had trained gave 4.5 % top-1 recall where the model alone gave 7.6 %.
FEWEST_CHECKING, FEWEST_TRAINING = 3, 10

OnStep = Callable[[str, float], None]


class Lesson(NamedTuple):
    """What came of it.

    Attributes:
        phones: how many phones trained; checking: how many said which mix is better.
        rounds: how many there were.
        loss_before, loss_after: the mean of -log(chance of what was typed), on the phones that checked.
        trained: the mix.
    """

    phones: int
    checking: int
    rounds: int
    loss_before: float
    loss_after: float
    trained: Mix

    @property
    def enough(self) -> bool:
        """Whether so many phones trained and checked that something follows from it."""
        return self.phones >= FEWEST_TRAINING and self.checking >= FEWEST_CHECKING

    @property
    def better(self) -> bool:
        """Whether enough phones say that the trained mix is better than the one it began with."""
        return self.enough and self.loss_after < self.loss_before

    def into(self, model: Model) -> Model:
        """Give a model with the mix, if it is better; its header says how it was made."""
        if not self.better:
            return model
        account = {"version": FEATURES_VERSION, "phones": self.phones, "rounds": self.rounds}
        return model.with_mix(self.trained, account)


def give_lesson(
    corpus: Corpus,
    model: Model,
    prior: Prior | None,
    plan: MixPlan,
    seed: int,
    available: float = 1.0,
    dropout: float = 0.0,
    on_step: OnStep = lambda *_: None,
) -> Lesson | None:
    """Train a mix on what phones have held back; None where fewer than two have held something back.

    Args:
        corpus: the phones' messages.
        model: made without what is held back.
        prior: public words; every other phone has them, so that the mix serves with them and without.
        plan: how it is trained.
        seed: of all draws.
        available: the chance that a phone can be reached in a round.
        dropout: the chance that a phone that was asked is lost on the way.
        on_step: called with the name of a step and the part of it that is done.
    """
    trainers = trainers_of(corpus, model, prior, plan, np.random.default_rng([seed, 0]), on_step)
    checking, training = trainers[::_CHECKING], [one for at, one in enumerate(trainers) if at % _CHECKING]
    if not training:
        return None
    start = default_mix()
    trained = train_mix(
        training, plan, seed, lambda part: on_step("training the mix", part), start, available, dropout
    )
    before, after = (loss_of(checking, mix.weights) for mix in (start, trained))
    rounds = plan.rounds_of(len(training))
    return Lesson(len(training), len(checking), rounds, before, after, trained)


def trainers_of(
    corpus: Corpus,
    model: Model,
    prior: Prior | None,
    plan: MixPlan,
    rng: np.random.Generator,
    on_step: OnStep,
) -> list[MixTrainer]:
    """Give the phones that have something to train on, or as many of them as the plan has, in the order drawn."""
    able = sorted(phone.name for phone in corpus.phones() if len(phone.texts) >= LEAST_MESSAGES)
    drawn = rng.permutation(len(able))[: plan.phones].tolist()
    place = {able[at]: number for number, at in enumerate(drawn)}
    found: dict[int, MixTrainer] = {}
    for phone in corpus.phones():
        number = place.get(phone.name)
        if number is not None:
            found[number] = trainer_of(phone, model, prior if number % 2 else None)
            on_step("phones prepare to train the mix", len(found) / len(place))
    return [found[number] for number in sorted(found) if found[number].samples]


def trainer_of(
    phone: PhoneTexts, model: Model, prior: Prior | None, *, split: float = FIRST_PART, learns: bool = True
) -> MixTrainer:
    """Give a phone that trains on what it has held back, the rest after the first part of its messages.

    Args:
        phone: its messages.
        model: made without what is held back.
        prior: public words; None for none.
        split: the part that comes first.
        learns: whether its personal model has learnt that part, and learns the rest on the way; else it is empty.
    """
    first, held_back = parts(phone.texts, split)
    personal = PersonalModel()
    for message in first if learns else ():
        personal.learn(message)
    return MixTrainer(phone.name, model, personal, prior, held_back, learns=learns)


def loss_of(trainers: list[MixTrainer], weights: Weights) -> float:
    """The mean loss of a choice."""
    choices = [trainer.samples for trainer in trainers]
    return float(np.average([trainer.loss(weights) for trainer in trainers], weights=choices))
