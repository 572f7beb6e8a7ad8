"""`Plan`: how a simulated federation goes.

In: choices. Out: rules of its rounds. Law: a plan whose parts contradict one another is refused before anything
begins.
"""

from dataclasses import dataclass

from fedkeys.aggregator import Aggregator, Budget, RoundRule
from fedkeys.delta import Bounds
from fedkeys.delta.secure import LEAST_TOGETHER
from fedkeys.errors import UsageError
from fedkeys.model import Model
from fedkeys.phone import DEFAULT_FEDERATION, DEFAULT_ORDER
from fedkeys.privacy.sketch import MOST_ADDED
from fedkeys.simulate.mixing import MixPlan
from fedkeys.sources.parts import count_first

# What may change from one round to the next: all that leaves what was sent as it is.
CHANGEABLE = ("cohort", "min_phones", "min_available", "available", "dropout", "deadline", "prune")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a simulated federation goes.

    Attributes:
        rounds: how many.
        cohort: how many phones are asked in a round; None for all that can be reached.
        min_phones: what a release needs.
        order: the highest order of n-grams.
        federation: its name.
        bounds: the most that a phone may contribute; None for no bounds.
        min_available: a round does not start with fewer phones that can be reached.
        available: the chance that a phone can be reached when a round begins.
        dropout: the chance that a phone that was asked is lost, half of them before their upload arrives and
            half after it, before the answer does.
        deadline: seconds after which an upload is too late; None to wait for all. How long a phone takes is
            drawn from a log-normal distribution with a median of 30 seconds.
        prune: how many n-grams of two words or more a release keeps; None for all.
        mix: how the mix is trained; None for not at all. Phones hold the last fifth of their messages back from
            the rounds, train the mix on it, and send it in one round more. They are in reach, and lost, in the
            training as in the rounds; a deadline is for deltas.
        budget: what all releases together may cost one phone, for each round's release; None for no noise.
        together: about how many phones are added up under masks, so that the aggregator sees their sum and none of
            them; None for deltas that it sees.

    Raises:
        UsageError: a number is out of its range; a budget comes without bounds, with the mix, which no noise
            hides, or for another number of releases than there are rounds.
    """

    rounds: int = 1
    cohort: int | None = None
    min_phones: int = 2
    order: int = DEFAULT_ORDER
    federation: str = DEFAULT_FEDERATION
    bounds: Bounds | None = None
    min_available: int = 1
    available: float = 1.0
    dropout: float = 0.0
    deadline: float | None = None
    prune: int | None = None
    mix: MixPlan | None = None
    budget: Budget | None = None
    together: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("rounds", self.rounds), ("min_phones", self.min_phones)):
            if value < 1:
                raise UsageError(f"{name} is {value}", remedy="choose 1 or more")
        if self.prune is not None and self.prune < 0:
            raise UsageError(f"prune is {self.prune}", remedy="choose 0 or more, or None to keep all")
        if not 0 < self.available <= 1 or not 0 <= self.dropout < 1:
            raise UsageError("available lies above 0 and up to 1, dropout from 0 to below 1")
        if self.budget is not None and self.mix is not None:
            raise UsageError(
                "no noise hides what phones say of the mix", remedy="leave the mix out, or the budget"
            )
        if self.budget is not None and (self.bounds is None or self.budget.releases != self.rounds):
            raise UsageError(
                f"a budget for {self.budget.releases} releases, in {self.rounds} rounds under "
                f"{'bounds' if self.bounds else 'no bounds'}",
                remedy="plan a release for each round, under bounds",
            )
        if self.together is not None and not LEAST_TOGETHER <= self.together <= MOST_ADDED // 2:
            raise UsageError(
                f"{self.together} phones are to be added up together",
                remedy=f"choose {LEAST_TOGETHER} to {MOST_ADDED // 2:,}",
            )
        _ = self.rule

    @property
    def all_rounds(self) -> int:
        """How many rounds there are with the one that follows the training of the mix."""
        return self.rounds + (self.mix is not None)

    def release_of(self, aggregator: Aggregator) -> Model:
        """Release what an aggregator has merged."""
        return aggregator.release(self.min_phones, prune=self.prune, budget=self.budget)

    def typed_by(self, number: int, messages: int) -> int:
        """How many of a phone's messages belong to the rounds up to one of them."""
        if self.mix is None:
            return messages * number // self.rounds
        return messages if number > self.rounds else count_first(messages) * number // self.rounds

    @property
    def rule(self) -> RoundRule:
        """How the aggregator goes about a round."""
        return RoundRule(self.cohort, self.min_available, self.deadline)
