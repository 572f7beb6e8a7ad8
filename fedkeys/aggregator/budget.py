"""The budget: what releases of one federation may cost its phones, and what they have cost.

In: an epsilon and a delta for all releases that are planned. Out: an event for each release, noted before any
noise is drawn. Laws: releases never cost more than the budget; what was spent is never given back, neither by a
kill nor by a withdrawal; sums that were once released without noise have no budget, and sums that have one are
never released without. All that holds for the sums of one aggregator, or of one state: whoever merges the same
deltas elsewhere, and releases there too, pays twice and is not told.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.privacy import ZERO_OUT, Histogram, NoisyRelease, epsilon_of, event_from, multiplier_for
from fedkeys.privacy.accounting import check_delta

_ROUNDING = 1e-6  # relative, of an epsilon


@dataclass(frozen=True, slots=True)
class Budget:
    """What all releases together may cost one phone.

    Attributes:
        epsilon, dp_delta: of (epsilon, delta)-differential privacy, for all that a phone ever sends.
        releases: how many are planned; each may cost an equal part.

    Raises:
        UsageError: one of them is out of its range.
    """

    epsilon: float
    dp_delta: float = 1e-6
    releases: int = 1

    def __post_init__(self) -> None:
        check_delta(self.dp_delta)
        if not 0 < self.epsilon < float("inf"):
            raise UsageError(f"epsilon is {self.epsilon}", remedy="choose a number above 0, such as 4")
        if self.releases < 1:
            raise UsageError(f"{self.releases} releases are planned", remedy="choose 1 or more")

    def event(self) -> NoisyRelease:
        """What one of the releases may do."""
        multiplier = multiplier_for(self.epsilon, self.dp_delta, self.releases)
        return NoisyRelease(multiplier, self.dp_delta / 2 / self.releases)


@dataclass(frozen=True)
class Spending:
    """What was spent of a budget.

    Attributes:
        budget: None as long as nothing was released under one.
        events: what was done, oldest first.
        plain: whether there was a release without noise.
    """

    budget: Budget | None = None
    events: Sequence[NoisyRelease] = ()
    plain: bool = False

    @classmethod
    def read(cls, text: str) -> "Spending":
        """Read what `text` gives.

        Raises:
            FormatError: it holds an event that this version does not know.
        """
        found = json.loads(text)
        return cls(Budget(**found["budget"]), [*map(event_from, found["events"])])

    @property
    def text(self) -> str:
        """What was spent of a budget as a string, for a state to keep."""
        assert self.budget is not None
        events = [event.as_map() for event in self.events]
        return json.dumps({"budget": asdict(self.budget), "events": events})

    @cached_property
    def epsilon(self) -> float:
        """What the releases have cost, at the budget's delta."""
        return epsilon_of(self.events, self.budget.dp_delta) if self.budget else 0.0

    def check_plain(self) -> None:
        """Refuse a release without noise after some with.

        Raises:
            UsageError: there were some with.
        """
        if self.budget:
            raise UsageError(
                "these sums are released under differential privacy, which one release without would undo",
                remedy="give --epsilon",
            )

    def with_next(self, budget: Budget) -> "Spending":
        """Note one more release under a budget.

        Raises:
            UsageError: it was another one, or is spent; or there was a release without noise.
        """
        if self.plain:
            raise UsageError(
                "these sums were released without noise before, which no noise can undo",
                remedy="leave --epsilon out; a private federation is private from its first release",
            )
        if self.budget not in (None, budget):
            kept = self.budget
            raise UsageError(
                f"the budget of these sums is an epsilon of {kept.epsilon:g} at a delta of {kept.dp_delta:g}, "
                f"for {kept.releases} releases",
                remedy="give the same again",
            )
        after = Spending(budget, [*self.events, budget.event()])
        if len(after.events) > budget.releases or after.epsilon > budget.epsilon * (1 + _ROUNDING):
            raise UsageError(
                f"the budget is spent: {len(self.events)} of {budget.releases} releases have cost an epsilon of "
                f"{self.epsilon:.3f} of {budget.epsilon:g}",
                remedy="keep the last model; a release that was begun and not written counts too, and "
                "a further one would break what was promised",
            )
        return after


def histogram_of(event: NoisyRelease, bounds: Bounds | None, min_phones: int = 1) -> Histogram:
    """Give the mechanism of an event for sums of phones that were held to bounds.

    Args:
        event: what is to be done.
        bounds: of every phone.
        min_phones: what fewer phones have sent is told with no greater chance than what one has.

    Raises:
        UsageError: there are no bounds that limit what one phone can add.
    """
    if bounds is None:
        raise UsageError(
            "differential privacy wants bounds on what one phone can add", remedy="leave --unbounded out"
        )
    norm = bounds.max_norm or int(bounds.max_count * bounds.max_ngrams**0.5) + 1
    most = min(bounds.max_count, norm)
    return Histogram(norm, most, bounds.max_ngrams, event.multiplier, event.threshold_delta, min_phones)


def as_header(spending: Spending, bounds: Bounds, histogram: Histogram, rounds: int) -> Mapping[str, Any]:
    """Say in a model's header what was promised, for whom and how."""
    assert spending.budget is not None
    return {
        "unit": f"one phone, all that it sent in {rounds} round{'s' * (rounds != 1)}",
        "neighbours": ZERO_OUT,
        "mechanism": "discrete Gaussian noise on sums, told above a threshold",
        "bounds": bounds.as_map(),
        "norm": histogram.norm,
        "threshold": histogram.threshold,
        "budget": asdict(spending.budget),
        "events": [event.as_map() for event in spending.events],
    }
