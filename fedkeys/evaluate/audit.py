"""The audit: what was promised of a release is held against what it tells of canaries among a corpus.

In: a corpus and a release rule. Out: a `Finding`. Laws: canaries go the way that all phones go (they count,
bound and send, an aggregator checks, merges and releases), and are looked for in nothing but the model; what is
found proves a promise broken, and what is not found proves nothing.

Promised is

    of at least K phones      what fewer phones have sent is in no model, however often they have typed it, nor
                              how they have written it
    of epsilon and delta      what one phone has sent is in a model but by a chance of no more than delta, and
                              whether it took part can hardly be told (`membership`); noise is drawn for each
                              release
    of bounds                 a phone that goes beyond them is refused, and nothing of it is told; not under
                              masks, where nobody sees it
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.evaluate.canaries import PHONES, REPEATS, Bits, Canary, Kind, Planted, bits, draw, exposures
from fedkeys.evaluate.evaluation import OnStep
from fedkeys.evaluate.lies import Lies, is_form_told, is_noise_repeated, is_told_apart, lies_told
from fedkeys.evaluate.membership import CONFIDENCE, LEAST_TRIALS, MOST_CROWD, Membership, membership
from fedkeys.evaluate.training import federate
from fedkeys.model import Model
from fedkeys.simulate import Plan
from fedkeys.sources import Corpus


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
    others: int = 3
    trials: int = 4000

    def __post_init__(self) -> None:
        if min(self.alone, self.others) < 1 or self.trials < LEAST_TRIALS:
            raise UsageError(
                "an audit without canaries, or of a few trials, tells nothing",
                remedy=f"choose 1 canary or more, and {LEAST_TRIALS} trials or more",
            )
        if self.plan.min_phones > MOST_CROWD:
            raise UsageError(
                f"an audit has crowds of up to {MOST_CROWD:,} phones", remedy="lower --min-phones"
            )
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
class Finding:
    """What an audit found.

    Attributes:
        audit: what was asked.
        phones: of the corpus; canary_phones: beside them.
        plantings: of all canaries.
        lies: of each kind.
        is_told_apart: without noise, whether the model tells a fleet with the last of K phones from one without
            it.
        is_form_told: whether a word that K phones have sent is written as one of them alone writes it.
        is_noise_repeated: whether two releases of the same sums have the same noise.
        membership: with noise.
    """

    audit: Audit
    phones: int
    canary_phones: int
    plantings: Sequence[Planting]
    lies: Sequence[Lies]
    is_told_apart: bool
    is_form_told: bool
    is_noise_repeated: bool
    membership: Membership | None

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept, a sentence each."""
        least = self.audit.least_phones
        few = [planting for planting in self.plantings if planting.phones < least]
        planted, released = (sum(getattr(one, name) for one in few) for name in ("planted", "released"))
        found: list[str] = []
        if released and not self._may_be_chance(planted, released):
            found.append(f"of {planted:,} canaries of fewer than {least:,} phones {released:,} were released")
        for lies in self.lies:
            if lies.refused < lies.told or (lies.released and least > 1):
                found.append(
                    f"of {lies.told:,} phones that lie about {lies.by} {lies.refused:,} were refused, and "
                    f"words of {lies.released:,} released"
                )
        if self.is_form_told:
            found.append(f"a word of {least:,} phones is written as one of them alone writes it")
        if self.is_noise_repeated:
            found.append("two releases of the same sums have the same noise")
        return [*found, *self._of_membership()]

    def _may_be_chance(self, planted: int, released: int) -> bool:
        """Whether delta allows for it."""
        if self.audit.plan.budget is None:
            return False
        from scipy.stats import binom

        return bool(binom.sf(released - 1, planted, self.audit.plan.budget.dp_delta) > 1 - CONFIDENCE)

    def _of_membership(self) -> list[str]:
        budget, seen = self.audit.plan.budget, self.membership
        found: list[str] = []
        if budget is None or seen is None:
            return found
        if seen.least_epsilon > budget.epsilon:
            found.append(f"epsilon is at least {seen.least_epsilon:.2f}, and {budget.epsilon:g} was promised")
        if seen.least_advantage > seen.most_advantage:
            found.append(
                f"membership is told with an advantage of at least {seen.least_advantage:.3f}, and epsilon allows "
                f"{seen.most_advantage:.3f}"
            )
        if seen.least_mu > seen.mu:
            found.append(
                f"one phone moves sums by at least {seen.least_mu:.3f} standard deviations of the noise, where "
                f"{seen.mu:.3f} was promised"
            )
        if seen.is_too_quiet:
            found.append(
                f"noise is {seen.noise:.3f} lengths of what one phone can add, where {seen.least_noise:.3f} "
                "was promised"
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
            "secure": plan.together is not None,
            "bounds": plan.bounds.as_map(),
            "canaries": [{**asdict(one), "kind": one.kind.value} for one in self.plantings],
            "lies": [asdict(one) for one in self.lies],
            "epsilon_claimed": plan.budget.epsilon if plan.budget else None,
            "dp_delta": plan.budget.dp_delta if plan.budget else None,
            "epsilon_lower_bound": seen.least_epsilon if seen else None,
            "epsilon_provable": seen.most_provable if seen else None,
            "form_released": self.is_form_told,
            "noise_repeated": self.is_noise_repeated,
            "membership": {
                "trials": seen.trials,
                "confidence": CONFIDENCE,
                "advantage": seen.advantage,
                "advantage_lower_bound": seen.least_advantage,
                "bound": seen.most_advantage,
                "mu_claimed": seen.mu,
                "mu_lower_bound": seen.least_mu,
                "noise": seen.noise,
                "noise_claimed": seen.least_noise,
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
    lies = [] if plan.together else lies_told(plan, rng)
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
        plan.budget is None and is_told_apart(plan, bounds),
        plan.budget is None and plan.min_phones > 1 and is_form_told(plan, bounds),
        plan.budget is not None and is_noise_repeated(plan, bounds),
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
