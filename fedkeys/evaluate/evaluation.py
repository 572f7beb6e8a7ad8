"""`evaluate`: train on everybody's first messages, replay the last ones.

In: a corpus. Out: a `Report`. Laws: users with fewer than 10 messages only train, and nobody's weights for the mix
were trained on what that user is asked. Which users are replayed may be cut down to those who wrote enough, and to
a sample of these.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.evaluate.replay import Score, Suggests, asked_words, replay
from fedkeys.evaluate.report import Report
from fedkeys.evaluate.systems import BaselineSystem, Counting, KeyboardSystem
from fedkeys.model import Model
from fedkeys.model.mix import Mix
from fedkeys.phone import Keyboard, PersonalModel, Prior, hand_mixed
from fedkeys.phone.mixing import MixTrainer
from fedkeys.simulate import Federation, MixPlan, Plan, Round, train_mix
from fedkeys.sources import Corpus, PhoneTexts
from fedkeys.sources.corpus import OnProgress

LEAST_MESSAGES = 10

OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate.

    Attributes:
        split: the part of each user's messages that trains.
        users: how many users to replay; None for all.
        min_words: replay only users with this many words or more.
        new_users: how many users' messages are kept from the model; they are replayed too, after the others.
        personal: whether the keyboard learns from its owner.
        mix: whether what is known is weighed as learnt, or by hand.
        adapts: whether each keyboard goes on learning the mix.
        repeats: whether words that were passed over are offered again.
        plan: how the model is made, where none is given.
        mixing: how the mix is trained, where no model is given.
    """

    split: float = 0.8
    users: int | None = None
    min_words: int = 0
    new_users: int = 0
    personal: bool = True
    mix: bool = True
    adapts: bool = False
    repeats: bool = False
    plan: Plan = field(default_factory=Plan)
    mixing: MixPlan = field(default_factory=MixPlan)

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise UsageError(f"split is {self.split}", remedy="choose a part between 0 and 1, such as 0.8")
        if self.users is not None and self.users < 1:
            raise UsageError(f"users is {self.users}", remedy="choose 1 or more")


class FirstParts:
    """A corpus cut down to the messages that train.

    Args:
        corpus: users and their messages.
        split: the part of each user's messages that trains.
        without: users who are left out.
    """

    def __init__(self, corpus: Corpus, split: float, without: frozenset[str] = frozenset()) -> None:
        self._corpus = corpus
        self._split = split
        self._without = without

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give the names of the users."""
        return [name for name in self._corpus.names(on_progress) if name not in self._without]

    def phones(self) -> Iterator[PhoneTexts]:
        """Give the users and their first messages."""
        for phone in self._corpus.phones():
            if phone.name not in self._without:
                yield PhoneTexts(phone.name, parts(phone.texts, self._split)[0])


def parts(texts: Sequence[str], split: float) -> tuple[Sequence[str], Sequence[str]]:
    """Cut one user's messages into those that train and those that are replayed, maybe none."""
    at = int(len(texts) * split) if len(texts) >= LEAST_MESSAGES else len(texts)
    return texts[:at], texts[at:]


def evaluate(
    corpus: Corpus,
    evaluation: Evaluation,
    rng: np.random.Generator,
    model: Model | None = None,
    prior: Prior | None = None,
    on_step: OnStep = lambda *_: None,
) -> Report:
    """Evaluate the keyboard beside the model alone and two baselines.

    Args:
        corpus: users and their messages.
        evaluation: how.
        rng: draws the users to replay, and those who train the mix.
        model: a model made elsewhere, with its mix; when not given one is federated of all first parts.
        prior: public words for the keyboard; None for none.
        on_step: called with the name of a step and the part of it that is done.

    Raises:
        UsageError: no user is left to replay.
    """
    corpus.names(lambda part: on_step("reading", part))
    able = _able(corpus, evaluation)
    known, new = _choose(able, evaluation, rng)
    first_parts = FirstParts(corpus, evaluation.split, frozenset(new))
    bytes_up = None
    mixes: Mapping[str, Mix] = {}
    if model is None:
        last = _federate(first_parts, evaluation.plan, rng, on_step)
        model, bytes_up = last.model, last.bytes_up
        if model is None:
            raise UsageError("no round had enough phones", remedy="lower min_available")
        if evaluation.mix:
            mixes = _train_mixes(corpus, evaluation, model, prior, sorted(able), [*known, *new], rng, on_step)
    counting = Counting(text for phone in first_parts.phones() for text in phone.texts)
    scores: dict[str, dict[str, Score]] = {}
    began = time.perf_counter()
    chosen = {name: able[name] for name in (*known, *new)}
    done = 0
    for phone in corpus.phones():
        if phone.name in chosen:
            train, test = parts(phone.texts, evaluation.split)
            keyboard = _keyboard(evaluation, model, prior, mixes.get(phone.name))
            for message in train if evaluation.personal else ():
                keyboard.learn(message)
            for name, system in _systems(keyboard, evaluation, counting).items():
                score = scores.setdefault(name, {})[phone.name] = Score()
                for message in test:
                    replay(message, system, score, evaluation.repeats)
            done += chosen[phone.name]
            on_step("replaying", done / sum(chosen.values()))
    return Report(model, scores, frozenset(new), time.perf_counter() - began, bytes_up)


def _able(corpus: Corpus, evaluation: Evaluation) -> dict[str, int]:
    """Give the users who can be replayed, and the number of words asked of each."""
    able: dict[str, int] = {}
    for phone in corpus.phones():
        asked = sum(map(asked_words, parts(phone.texts, evaluation.split)[1]))
        if asked and sum(map(asked_words, phone.texts)) >= evaluation.min_words:
            able[phone.name] = asked
    if not able:
        raise UsageError(
            f"no user has {LEAST_MESSAGES} messages and {evaluation.min_words} words",
            remedy="lower --min-words, or bring a larger corpus",
        )
    return able


def _choose(
    able: Mapping[str, int], evaluation: Evaluation, rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Choose the users to replay: those that the model knows, and new ones."""
    names = sorted(able)
    if evaluation.new_users >= len(names):
        raise UsageError(
            f"{evaluation.new_users} new users of {len(names)} who can be replayed", remedy="choose fewer"
        )
    if evaluation.users is not None and evaluation.users < len(names):
        known = [names[at] for at in rng.choice(len(names), evaluation.users, replace=False).tolist()]
    else:
        known = names
    if not evaluation.new_users:
        return known, []
    others = sorted(set(names) - set(known)) or names
    drawn = rng.choice(len(others), min(evaluation.new_users, len(others)), replace=False)
    new = [others[at] for at in drawn.tolist()]
    return [name for name in known if name not in new], new


def trainer_of(phone: PhoneTexts, evaluation: Evaluation, model: Model, prior: Prior | None) -> MixTrainer:
    """Give a user who trains the mix on the last messages, the first ones learnt before if there is learning."""
    train, test = parts(phone.texts, evaluation.split)
    personal = PersonalModel()
    for message in train if evaluation.personal else ():
        personal.learn(message)
    return MixTrainer(phone.name, model, personal, prior, test)


def _train_mixes(
    corpus: Corpus,
    evaluation: Evaluation,
    model: Model,
    prior: Prior | None,
    able: Sequence[str],
    asked: Sequence[str],
    rng: np.random.Generator,
    on_step: OnStep,
) -> dict[str, Mix]:
    """Train a mix for each of two halves of the users, on the last messages of other users."""
    halves = asked[::2], asked[1::2]
    draws: list[list[str]] = []
    for half in halves:
        others = sorted(set(able) - set(half))
        drawn = rng.permutation(len(others))[: evaluation.mixing.phones]
        draws.append([others[at] for at in drawn.tolist()])
    wanted = set().union(*draws)
    trainers: dict[str, MixTrainer] = {}
    for phone in corpus.phones():
        if phone.name in wanted:
            trainers[phone.name] = trainer_of(phone, evaluation, model, prior)
            on_step("phones prepare to train the mix", len(trainers) / len(wanted))
    mixes: dict[str, Mix] = {}
    for number, (half, draw) in enumerate(zip(halves, draws, strict=True)):
        if not half:
            continue

        def count(part: float, number: int = number) -> None:
            on_step("training the mix", (number + part) / 2)

        trained = train_mix(
            [trainers[name] for name in draw], evaluation.mixing, int(rng.integers(1 << 32)), count
        )
        mixes.update(dict.fromkeys(half, trained))
    return mixes


def _federate(corpus: Corpus, plan: Plan, rng: np.random.Generator, on_step: OnStep) -> Round:
    federation = Federation(corpus, plan, rng)

    def count(number: int, part: float) -> None:
        on_step("federating", (number - 1 + part) / plan.rounds)

    *_, last = federation.run(count)
    return last


def _keyboard(evaluation: Evaluation, model: Model, prior: Prior | None, mix: Mix | None) -> Keyboard:
    return Keyboard(model, prior=prior, mix=mix if evaluation.mix else hand_mixed(), adapts=evaluation.adapts)


def _systems(keyboard: Keyboard, evaluation: Evaluation, counting: Counting) -> dict[str, Suggests]:
    return {
        "keyboard": KeyboardSystem(keyboard, learns=evaluation.personal),
        "model": KeyboardSystem(Keyboard(keyboard.model, mix=hand_mixed()), learns=False),
        "bigram": BaselineSystem(counting, bigrams=True),
        "frequent_words": BaselineSystem(counting, bigrams=False),
    }
