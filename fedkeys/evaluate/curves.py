"""Learning curves: recall against the number of phones, and against messages typed.

In: the corpus of the users who are replayed, and that of the phones; they may be one. Out: `Curves`. Laws: of
those who are replayed nothing is ever sent, so what is measured is what other people's phones give them; each
fleet holds the smaller ones; model and mix of a point are of the same phones; every point of the first curve asks
the same words.

At most 60 users are replayed, of one corpus at most as many as half of its phones, and about 200 words of each at
a point, so that a curve takes minutes whatever the corpus. Where fewer than 10 phones of a fleet can train a mix,
what is known is weighed by hand.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.evaluate.evaluation import Evaluation, OnStep
from fedkeys.evaluate.figures import Scores, measured
from fedkeys.evaluate.replay import Score, Suggests, replay
from fedkeys.evaluate.systems import Counting, systems_of
from fedkeys.evaluate.training import Group, federate, train_mixes
from fedkeys.evaluate.users import FirstParts, Some
from fedkeys.model import Model
from fedkeys.model.mix import Mix
from fedkeys.phone import Keyboard, Prior
from fedkeys.sources import Corpus
from fedkeys.sources.parts import parts

MOST_USERS = 60
WORDS_AT_A_POINT = 200  # of a user
LEAST_USERS = 3  # of a point: what fewer have come to says nothing of others

_PARTS_OF_FLEET = (1 / 64, 1 / 16, 1 / 4, 1)
_MESSAGES = (0, 10, 30, 100, 300, 1000, 3000)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve.

    Attributes:
        at: phones that the model is made of, or messages that each user had typed before.
        scores: system -> user -> score.
        mix_phones: how many phones trained the mix; 0 where it is by hand, None where it is that of fedkeys.
    """

    at: int
    scores: Scores
    mix_phones: int | None

    def as_dict(self, rng: np.random.Generator) -> dict[str, Any]:
        """Give figures and intervals of each system."""
        keyboard = self.scores["keyboard"].values()
        return {
            "at": self.at,
            "users": len(keyboard),
            "words": sum(score.words for score in keyboard),
            "mix_phones": self.mix_phones,
            **{name: measured(scores.values(), rng) for name, scores in self.scores.items()},
        }


@dataclass(frozen=True, slots=True)
class Curves:
    """Both curves.

    Attributes:
        phones: by number of phones; the users had typed the first parts of their messages before.
        messages: by number of messages typed before, with the model of the most phones; a later point has only
            users who have come to it, so it is to be compared with the model alone at the same point.
    """

    phones: Sequence[Point]
    messages: Sequence[Point]

    def as_dict(self, rng: np.random.Generator) -> dict[str, Any]:
        """Give the figures of all points."""
        return {
            "phones": [point.as_dict(rng) for point in self.phones],
            "messages": [point.as_dict(rng) for point in self.messages],
        }


@dataclass(frozen=True, slots=True)
class _Made:
    """What the phones of one point have made."""

    model: Model
    mix: Mix
    mix_phones: int | None
    counting: Counting


def check_fleet(phones: int) -> None:
    """Refuse a corpus that cannot have curves of its own phones, before any work is done.

    Raises:
        UsageError: of so many phones none would be left to learn from.
    """
    if phones < 2:
        raise UsageError(
            "one phone is no fleet to learn from", remedy="bring a larger corpus, or leave out --curves"
        )


def learning_curves(
    corpus: Corpus,
    fleet: Corpus,
    evaluation: Evaluation,
    users: Sequence[str],
    able: Collection[str],
    prior: Prior | None,
    rng: np.random.Generator,
    on_step: OnStep,
) -> Curves:
    """Measure both curves.

    Args:
        corpus: whose users are replayed.
        fleet: whose phones make the model.
        evaluation: how.
        users: whom to replay, of `corpus`.
        able: those of the fleet who may train the mix.
        prior: public words for the keyboard; None for none.
        rng: draws those who are replayed, if there are many, and who is in which fleet.
        on_step: called with the name of a step and the part of it that is done.
    """
    phones = fleet.names()
    most = min(MOST_USERS, len(phones) // 2) if fleet is corpus else MOST_USERS
    drawn = [users[at] for at in np.sort(rng.permutation(len(users))[:most]).tolist()]
    texts = {phone.name: phone.texts for phone in corpus.phones() if phone.name in set(drawn)}
    others = sorted(set(phones) - (set(drawn) if fleet is corpus else set()))
    order = [others[at] for at in rng.permutation(len(others)).tolist()]
    points: list[Point] = []
    for size in _sizes(len(order), evaluation.plan.min_phones):
        note = _named(f"{size:,} phones", on_step)
        made = _make(fleet, evaluation, order[:size], able, prior, rng, note)
        points.append(_after_first_parts(texts, evaluation, made, prior, size, note))
    return Curves(points, _as_typed(texts, evaluation, made, prior, on_step))


def _sizes(phones: int, least: int) -> list[int]:
    """How many phones each point has."""
    return sorted({min(phones, max(least, round(part * phones))) for part in _PARTS_OF_FLEET})


def _make(
    fleet: Corpus,
    evaluation: Evaluation,
    phones: Sequence[str],
    able: Collection[str],
    prior: Prior | None,
    rng: np.random.Generator,
    on_step: OnStep,
) -> _Made:
    first_parts = FirstParts(Some(fleet, only=frozenset(phones)), evaluation.split)
    model, _ = federate(first_parts, evaluation.plan, rng, on_step)
    trainers = set(able) & set(phones) if evaluation.mix else set()
    group = Group(["everybody"], trainers)
    trained = train_mixes(fleet, evaluation, model, prior, [group], rng, on_step)
    counting = Counting(text for phone in first_parts.phones() for text in phone.texts)
    return _Made(model, trained.mixes["everybody"], trained.phones, counting)


def _after_first_parts(
    texts: Mapping[str, Sequence[str]],
    evaluation: Evaluation,
    made: _Made,
    prior: Prior | None,
    size: int,
    on_step: OnStep,
) -> Point:
    """Replay the last parts of users who have typed the first ones."""
    scores: dict[str, dict[str, Score]] = {}
    for number, (user, all_texts) in enumerate(texts.items(), 1):
        train, test = parts(all_texts, evaluation.split)
        keyboard = _keyboard(evaluation, made, prior)
        for message in train if evaluation.personal else ():
            keyboard.learn(message)
        for name, system in systems_of(keyboard, evaluation.personal, made.counting).items():
            score = scores.setdefault(name, {})[user] = Score()
            for message in _first_words(test, score):
                replay(message, system, score, evaluation.repeats)
        on_step("replaying", number / len(texts))
    return Point(size, scores, made.mix_phones)


def _as_typed(
    texts: Mapping[str, Sequence[str]],
    evaluation: Evaluation,
    made: _Made,
    prior: Prior | None,
    on_step: OnStep,
) -> list[Point]:
    """Replay users from their first message on."""
    scores: dict[int, dict[str, dict[str, Score]]] = {}
    for number, (user, all_texts) in enumerate(texts.items(), 1):
        systems = systems_of(_keyboard(evaluation, made, prior), evaluation.personal, made.counting)
        for at, end in zip(_MESSAGES, (*_MESSAGES[1:], len(all_texts)), strict=True):
            _replay_from(all_texts[at:end], systems, evaluation, user, scores.setdefault(at, {}))
        on_step("replaying from the first message", number / len(texts))
    return [
        Point(at, of_point, made.mix_phones)
        for at, of_point in scores.items()
        if len(of_point.get("keyboard", {})) >= min(LEAST_USERS, len(texts))
    ]


def _replay_from(
    messages: Sequence[str],
    systems: Mapping[str, Suggests],
    evaluation: Evaluation,
    user: str,
    scores: dict[str, dict[str, Score]],
) -> None:
    """Ask the words of some messages until they are enough, and let all be learnt."""
    for name, system in systems.items():
        score = Score()
        asked = 0
        for message in _first_words(messages, score):
            replay(message, system, score, evaluation.repeats)
            asked += 1
        for message in messages[asked:]:
            system.learn(message)
        if score.words:
            scores.setdefault(name, {})[user] = score


def _first_words(messages: Sequence[str], score: Score) -> Iterator[str]:
    """Give messages until enough words of them are asked."""
    for message in messages:
        if score.words >= WORDS_AT_A_POINT:
            return
        yield message


def _keyboard(evaluation: Evaluation, made: _Made, prior: Prior | None) -> Keyboard:
    return evaluation.keyboard(made.model, prior, made.mix)


def _named(name: str, on_step: OnStep) -> OnStep:
    return lambda step, part: on_step(f"{name}: {step}", part)
