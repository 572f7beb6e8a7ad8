"""What a private release costs: recall and savings against epsilon and the size of the fleet.

In: a corpus. Out: a `CostPoint` for each fleet, rule, and keyboard with or without public words. Laws: each fleet
holds the smaller ones, and all points ask the same words of the same users, `known` ones whose first messages
every fleet holds, and `new` ones of whom none knows anything; each release has a budget of its own. Nobody
trains a mix, since no noise hides what phones say of it: all keyboards have that which comes with fedkeys, the
plain ones too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from fedkeys.aggregator import Budget
from fedkeys.aggregator.budget import histogram_of
from fedkeys.delta import DEFAULT_BOUNDS, Bounds
from fedkeys.errors import UsageError
from fedkeys.evaluate.crafted import merged
from fedkeys.evaluate.evaluation import OnStep
from fedkeys.evaluate.figures import gain, measured, total
from fedkeys.evaluate.replay import FIGURES, Score, replay
from fedkeys.evaluate.systems import KeyboardSystem
from fedkeys.evaluate.users import FirstParts, Some, able_users, choose, refuse_nobody
from fedkeys.model import Model
from fedkeys.phone import Keyboard, Phone, Prior, default_mix
from fedkeys.sources import Corpus
from fedkeys.sources.parts import FIRST_PART, parts

EPSILONS = (10.0, 4.0, 2.0, 1.0)
_PARTS_OF_FLEET = (1 / 64, 1 / 16, 1 / 4, 1)


class Rule(NamedTuple):
    """What is released.

    Attributes:
        name: "nothing", "counts" or "private".
        epsilon: of a private release.
    """

    name: str
    epsilon: float | None = None


NOTHING = Rule("nothing")
COUNTS = Rule("counts")


@dataclass(frozen=True, slots=True)
class PrivacyCosts:
    """What to measure.

    Attributes:
        bounds: of every phone in a private release; others are held to the default bounds.
        epsilons: of the releases that are compared with one of counts and with none.
        dp_delta: of differential privacy.
        min_phones: of the release of counts.
        order: the highest order of n-grams.
        users, new_users: how many are replayed whom the fleets know, and whom they do not.

    Raises:
        UsageError: there is no epsilon, or nobody to replay, or the extra `privacy` is not installed.
    """

    bounds: Bounds
    epsilons: Sequence[float] = EPSILONS
    dp_delta: float = 1e-6
    min_phones: int = 2
    order: int = 4
    users: int = 100
    new_users: int = 100

    def __post_init__(self) -> None:
        if not self.epsilons or min(self.users, self.new_users) < 1:
            raise UsageError("nothing to compare", remedy="give an epsilon, and 1 user or more of each kind")
        for epsilon in self.epsilons:  # what is missing, or cannot be priced, is said before hours of work
            _ = histogram_of(Budget(epsilon, self.dp_delta).event(), self.bounds).threshold


@dataclass(frozen=True, slots=True)
class CostPoint:
    """One fleet under one rule.

    Attributes:
        phones: how many; 0 where nothing is released.
        rule: what is.
        prior: whether keyboards have public words.
        ngrams: how many n-grams of each order the model holds.
        known, new: user -> score.
    """

    phones: int
    rule: Rule
    prior: bool
    ngrams: Sequence[int]
    known: Mapping[str, Score]
    new: Mapping[str, Score]

    def as_dict(self, rng: np.random.Generator, nothing: "CostPoint") -> dict[str, Any]:
        """Give its figures, and by how much they are better than those without a release, with 95 % intervals."""
        found: dict[str, Any] = {
            "phones": self.phones,
            "rule": self.rule.name,
            "epsilon": self.rule.epsilon,
            "prior": self.prior,
            "ngrams": list(self.ngrams),
        }
        for name in ("known", "new"):
            scores, without = getattr(self, name), getattr(nothing, name)
            found[name] = measured(scores.values(), rng) | {
                "words": total(scores.values()).words,
                "gain": gain(scores, without, rng),
            }
        return found


def privacy_costs(
    corpus: Corpus,
    asked: PrivacyCosts,
    prior: Prior,
    rng: np.random.Generator,
    on_step: OnStep = lambda *_: None,
) -> list[CostPoint]:
    """Measure what privacy costs.

    Args:
        corpus: phones and their messages.
        asked: what to measure.
        prior: public words.
        rng: draws who is replayed, and who is in which fleet; noise is the operating system's.
        on_step: called with the name of a step and the part of it that is done.

    Raises:
        UsageError: there are not so many users to replay, or the extra `privacy` is not installed.
    """
    names = corpus.names(lambda part: on_step("reading", part))
    able = able_users(corpus, FIRST_PART, 0, lambda part: on_step("looking who can be replayed", part))
    if not able:
        refuse_nobody(corpus, FIRST_PART, 0)
    chosen = choose(able, asked.users, asked.new_users, rng)
    replayed = set(chosen.all)
    texts = {phone.name: phone.texts for phone in corpus.phones() if phone.name in replayed}
    others = sorted(set(names) - replayed)
    order = [*chosen.known, *(others[at] for at in rng.permutation(len(others)).tolist())]
    sizes = sorted({max(len(chosen.known), round(part * len(order))) for part in _PARTS_OF_FLEET})
    replaying = _Replaying(texts, chosen.known, chosen.new, prior, on_step)
    first = FirstParts(Some(corpus, frozenset(chosen.new)), FIRST_PART)
    counts = _messages(first, asked, None, _named("phones count", on_step))
    found = [*replaying.points(0, NOTHING, _released(counts, [], NOTHING, asked))]
    for size in sizes:
        found += replaying.points(size, COUNTS, _released(counts, order[:size], COUNTS, asked))
    counts.clear()
    votes = _messages(first, asked, asked.bounds, _named("phones vote", on_step))
    for size in sizes:
        for epsilon in asked.epsilons:
            rule = Rule("private", epsilon)
            on_step(f"{size:,} phones, epsilon {epsilon:g}: releasing", 0.0)
            found += replaying.points(size, rule, _released(votes, order[:size], rule, asked))
    return found


def worth_from(
    points: Sequence[Mapping[str, Any]], users: str = "known", figure: str = FIGURES[-1]
) -> dict[float, int | None]:
    """From how many phones on a private release is better than none, for keyboards with public words.

    Args:
        points: what `CostPoint.as_dict` gives.
        users: "known" or "new".
        figure: which figure is better: the lower end of its gain is above 0, there and at all larger fleets.

    Returns:
        For each epsilon the number of phones; None if not even the largest fleet is enough.
    """
    found: dict[float, int | None] = {}
    private = [point for point in points if point["rule"] == "private" and point["prior"]]
    for epsilon in dict.fromkeys(point["epsilon"] for point in private):
        some = sorted(
            (point for point in private if point["epsilon"] == epsilon),
            key=lambda point: -int(point["phones"]),
        )
        better = [*takewhile(lambda point: point[users]["gain"][figure][0] > 0, some)]
        found[epsilon] = better[-1]["phones"] if better else None
    return found


class _Replaying:
    """Asks keyboards the same words again and again."""

    def __init__(
        self,
        texts: Mapping[str, Sequence[str]],
        known: Collection[str],
        new: Collection[str],
        prior: Prior,
        on_step: OnStep,
    ) -> None:
        self._texts = texts
        self._known = known
        self._new = new
        self._prior = prior
        self._on_step = on_step

    def points(self, phones: int, rule: Rule, model: Model) -> Iterator[CostPoint]:
        """Give a point with public words, and one without."""
        name = f"{phones:,} phones, " + (rule.name if rule.epsilon is None else f"epsilon {rule.epsilon:g}")
        for with_prior in (True, False):
            scores: dict[str, Score] = {}
            for number, user in enumerate((*self._known, *self._new), 1):
                scores[user] = self._score(user, model, with_prior)
                self._on_step(f"{name}: replaying", number / len(self._texts))
            yield CostPoint(
                phones,
                rule,
                with_prior,
                model.ngrams,
                {user: scores[user] for user in self._known},
                {user: scores[user] for user in self._new},
            )

    def _score(self, user: str, model: Model, with_prior: bool) -> Score:
        keyboard = Keyboard(model, prior=self._prior if with_prior else None, mix=default_mix())
        before, last = parts(self._texts[user], FIRST_PART)
        for message in before:
            keyboard.learn(message)
        system, score = KeyboardSystem(keyboard, learns=True), Score()
        for message in last:
            replay(message, system, score)
        return score


def _messages(
    corpus: Corpus, asked: PrivacyCosts, bounds: Bounds | None, on_step: OnStep
) -> dict[str, bytes]:
    """What each phone sends: votes under bounds of a private release, else counts under the default ones."""
    names = corpus.names()
    found: dict[str, bytes] = {}
    for number, phone in enumerate(corpus.phones()):
        sender = Phone(
            phone.texts, order=asked.order, bounds=bounds or DEFAULT_BOUNDS, pseudonym=number.to_bytes(16)
        )
        found[phone.name] = sender.delta().data
        on_step("", len(found) / len(names))
    return found


def _released(messages: Mapping[str, bytes], phones: Sequence[str], rule: Rule, asked: PrivacyCosts) -> Model:
    bounds = DEFAULT_BOUNDS if rule.epsilon is None else asked.bounds
    aggregator = merged((messages[name] for name in phones), bounds)
    if rule.epsilon is None:
        return aggregator.release(asked.min_phones)
    return aggregator.release(1, budget=Budget(rule.epsilon, asked.dp_delta))


def _named(name: str, on_step: OnStep) -> OnStep:
    return lambda _, part: on_step(name, part)
