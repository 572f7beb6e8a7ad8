"""The audit: what was promised of a release is held against what it tells of canaries among a corpus.

In: a corpus and a release rule. Out: a `Finding`. Laws: what is audited is the way that all phones go (they count,
bound and send, an aggregator checks, merges and releases), and nothing is asked of it but what it releases; a
promise is broken by one case in which it was not kept, and the finding names it.

Promised is

    of at least K phones      what fewer phones have sent is in no model, however often they have typed it
    of epsilon and delta      what one phone has sent is in no model but by a chance that is never seen, nor what
                              fewer than K have sent, and whether it took part can hardly be told (`membership`)
    of bounds                 a phone that lies about what it has counted is refused, and none of it is told
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import ceil
from typing import Any

import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.aggregator.budget import histogram_of
from fedkeys.delta import Bounds
from fedkeys.errors import RefusedError, UsageError
from fedkeys.evaluate.canaries import (
    PHONES,
    REPEATS,
    Bits,
    Canary,
    Kind,
    Planted,
    bits,
    draw,
    exposures,
    invented,
)
from fedkeys.evaluate.evaluation import OnStep
from fedkeys.evaluate.membership import CONFIDENCE, Membership, crafted, membership
from fedkeys.evaluate.training import federate
from fedkeys.model import Model
from fedkeys.simulate import Plan
from fedkeys.sources import Corpus

_LIARS = 20  # of each kind


@dataclass(frozen=True, slots=True)
class Audit:
    """What to audit.

    Attributes:
        plan: how models are released: one round, under bounds.
        alone: how many canaries one phone has.
        others: how many there are of each kind and repeats for each greater number of phones.
        trials: how often membership is guessed, where there is noise.

    Raises:
        UsageError: a number is out of its range, or there is nothing to audit in such a plan.
    """

    plan: Plan
    alone: int = 1000
    others: int = 5
    trials: int = 4000

    def __post_init__(self) -> None:
        if min(self.alone, self.others) < 1:
            raise UsageError("an audit without canaries", remedy="choose 1 or more")
        if self.plan.bounds is None or self.plan.rounds != 1:
            raise UsageError("an audit is of one round, in which phones are held to bounds")

    @property
    def least_phones(self) -> int:
        """What fewer phones have is not to be told; under differential privacy of one phone at the least."""
        return max(self.plan.min_phones, 1 if self.plan.budget is None else 2)


@dataclass(frozen=True, slots=True)
class Planting:
    """What became of the canaries of one kind, with so many phones and repeats.

    Attributes:
        phones, repeats, kind: of each of them.
        planted: how many; in_reach: of how many two words that stand in a row are in the model; released: of
            how many a word or two words in a row are that nobody else has; extracted: how many come out of it
            whole.
        exposure: bits, the mean.
    """

    phones: int
    repeats: int
    kind: Kind
    planted: int
    in_reach: int
    released: int
    extracted: int
    exposure: float


@dataclass(frozen=True, slots=True)
class Lies:
    """What became of phones that lie.

    Attributes:
        by: what they lie about.
        told: how many there were; refused: how many were; released: of how many something was told.
    """

    by: str
    told: int
    refused: int
    released: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit found.

    Attributes:
        audit: what was asked.
        phones: of the corpus; canary_phones: beside them.
        plantings: of all canaries.
        lies: of each kind.
        is_told_apart: without noise, whether the model tells a fleet with the last of K phones from one without
            it.
        membership: with noise.
    """

    audit: Audit
    phones: int
    canary_phones: int
    plantings: Sequence[Planting]
    lies: Sequence[Lies]
    is_told_apart: bool
    membership: Membership | None

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept, a sentence each."""
        budget, least = self.audit.plan.budget, self.audit.least_phones
        few = [planting for planting in self.plantings if planting.phones < least]
        released, extracted = (sum(getattr(one, name) for one in few) for name in ("released", "extracted"))
        found: list[str] = []
        if released or extracted:
            planted = sum(one.planted for one in few)
            found.append(
                f"of {planted:,} canaries of fewer than {least:,} phones {released:,} were released and "
                f"{extracted:,} extracted"
            )
        for lies in self.lies:
            if lies.refused < lies.told or (lies.released and least > 1):
                found.append(
                    f"of {lies.told:,} phones that lie about {lies.by} {lies.refused:,} were refused, and "
                    f"words of {lies.released:,} released"
                )
        if budget and self.membership:
            seen = self.membership
            if seen.least_epsilon > budget.epsilon:
                found.append(
                    f"epsilon is at least {seen.least_epsilon:.2f}, and {budget.epsilon:g} was promised"
                )
            if seen.least_advantage > seen.most_advantage:
                found.append(
                    f"membership is told with an advantage of at least {seen.least_advantage:.3f}, and epsilon "
                    f"allows {seen.most_advantage:.3f}"
                )
            if seen.least_mu > seen.mu:
                found.append(
                    f"noise hides less than was promised: one phone is at least {seen.least_mu:.3f} standard "
                    f"deviations of it, not {seen.mu:.3f}"
                )
        return found

    @property
    def ok(self) -> bool:
        """Whether all that was promised was kept, as far as this audit can see."""
        return not self.broken

    def as_dict(self) -> dict[str, Any]:
        """Give all of it for `--json`.

        `canaries` has one entry for each number of phones, of repeats, and kind of words: how many were
        `planted`, how many are `in_reach`, the model having two words that stand in a row in them, how many
        were `released` and `extracted`, and their mean `exposure` in bits. `epsilon_claimed` and
        `epsilon_lower_bound` are null where there is no noise; `membership` has `advantage`,
        `advantage_lower_bound` and `bound`, what epsilon allows, null where there is none. `lies` says what
        became of phones that lie, `broken` which promises were not kept, and `ok` whether none is.
        """
        plan, seen = self.audit.plan, self.membership
        assert plan.bounds is not None
        return {
            "phones": self.phones,
            "canary_phones": self.canary_phones,
            "min_phones": plan.min_phones,
            "order": plan.order,
            "bounds": plan.bounds.as_map(),
            "canaries": [{**asdict(one), "kind": one.kind.value} for one in self.plantings],
            "lies": [asdict(one) for one in self.lies],
            "epsilon_claimed": plan.budget.epsilon if plan.budget else None,
            "dp_delta": plan.budget.dp_delta if plan.budget else None,
            "epsilon_lower_bound": seen.least_epsilon if seen else None,
            "membership": {
                "trials": seen.trials,
                "confidence": CONFIDENCE,
                "advantage": seen.advantage,
                "advantage_lower_bound": seen.least_advantage,
                "bound": seen.most_advantage,
                "mu_claimed": seen.mu,
                "mu_lower_bound": seen.least_mu,
            }
            if seen
            else {"advantage": float(self.is_told_apart), "bound": None},
            "broken": self.broken,
            "ok": self.ok,
        }


def audit(
    corpus: Corpus, asked: Audit, rng: np.random.Generator, on_step: OnStep = lambda *_: None
) -> Finding:
    """Audit a release.

    Args:
        corpus: phones and their messages, among which canaries are planted.
        asked: what to audit.
        rng: draws canaries and coins; noise is the operating system's.
        on_step: called with the name of a step and the part of it that is done.

    Raises:
        UsageError: there is an epsilon, and the extra `privacy` is not installed.
    """
    plan = asked.plan
    bounds = plan.bounds
    assert bounds is not None
    canaries, references = draw(corpus, plan, asked.alone, asked.others, rng, on_step)
    seen: Membership | None = None
    if plan.budget is not None:

        def count(part: float) -> None:
            on_step("guessing who took part", part)

        seen = membership(bounds, plan.budget, plan.min_phones, asked.trials, rng, count)
    enough = _enough(plan, bounds)
    lies = [_lie(by, plan, bounds, enough, rng) for by in _LIES]
    model, _ = federate(Planted(corpus, canaries), plan, rng, on_step)
    beside = {kind: bits(sentences, model) for kind, sentences in references.items()}
    plantings = [
        _planting(some, beside[kind], model, on_step)
        for phones in PHONES
        for repeats in REPEATS
        for kind in beside
        if (
            some := [
                one for one in canaries if (one.phones, one.repeats, one.kind) == (phones, repeats, kind)
            ]
        )
    ]
    return Finding(
        asked,
        len(corpus.names()),
        sum(canary.phones for canary in canaries),
        plantings,
        lies,
        plan.budget is None and _is_told_apart(plan, bounds),
        seen,
    )


def _planting(canaries: Sequence[Canary], beside: Bits, model: Model, on_step: OnStep) -> Planting:
    one = canaries[0]
    on_step("looking for canaries", (PHONES.index(one.phones) + 1) / len(PHONES))
    return Planting(
        one.phones,
        one.repeats,
        one.kind,
        len(canaries),
        sum(canary.is_in_reach(model) for canary in canaries),
        sum(canary.is_told(model) for canary in canaries),
        sum(canary.is_extracted(model) for canary in canaries),
        float(np.mean(exposures(canaries, model, beside))),
    )


def _lie(by: str, plan: Plan, bounds: Bounds, enough: int, rng: np.random.Generator) -> Lies:
    """Let phones lie, each of a word of its own, loudly enough to be heard if they are believed."""
    aggregator = Aggregator(plan.federation, bounds=bounds)
    words = list(islice(invented(rng, ()), _LIARS))
    refused = 0
    for word in words:
        results = aggregator.add_messages(_LIES[by](word, rng.bytes(16), enough, plan.federation, bounds))
        refused += any(isinstance(result, RefusedError) for result in results)
    model = plan.release_of(aggregator)
    return Lies(by, len(words), refused, sum(model.id(word) is not None for word in words))


def _enough(plan: Plan, bounds: Bounds) -> int:
    """How many phones would surely be heard, each as loud as it may be."""
    if plan.budget is None:
        return max(2, plan.min_phones)
    histogram = histogram_of(plan.budget.event(), bounds, plan.min_phones)
    return ceil((histogram.threshold + 10 * histogram.scale) / bounds.max_count)


def _counts(word: str, pseudonym: bytes, enough: int, federation: str, bounds: Bounds) -> list[bytes]:
    """One delta with a count for many."""
    return [crafted([word], bounds.max_count * enough, pseudonym, bounds, federation)]


def _deltas(word: str, pseudonym: bytes, enough: int, federation: str, bounds: Bounds) -> list[bytes]:
    """Deltas each of which says that it is the first with this word."""
    return [
        crafted([word], bounds.max_count, pseudonym, bounds, federation, sequence)
        for sequence in range(min(enough, bounds.max_deltas))
    ]


_LIES: dict[str, Callable[[str, bytes, int, str, Bounds], list[bytes]]] = {
    "how often they typed a word": _counts,
    "what they sent before": _deltas,
}


def _is_told_apart(plan: Plan, bounds: Bounds) -> bool:
    """Whether a model tells if the last of so many phones as it takes has taken part."""
    releases: list[list[int]] = []
    for phones in (plan.min_phones - 1, plan.min_phones):
        aggregator = Aggregator(plan.federation, bounds=bounds)
        messages = [
            crafted(["canary"], 1, number.to_bytes(16), bounds, plan.federation) for number in range(phones)
        ]
        aggregator.add_messages(messages)
        releases.append(plan.release_of(aggregator).ngrams)
    return releases[0] != releases[1]
