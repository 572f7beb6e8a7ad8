"""`Releases`: making models of what was merged, and remembering what that cost.

In: everything merged, and a rule. Out: a `Model`. Laws: what a release costs lasts in the state before any
noise is drawn; sums that were released without noise are never released with it, nor the other way round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fedkeys.aggregator.blocklist import blocked_word
from fedkeys.aggregator.budget import Budget, Spending, as_header, histogram_of
from fedkeys.aggregator.release import release, release_privately
from fedkeys.aggregator.state import State
from fedkeys.aggregator.totals import Totals
from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.model import Model


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """What a release may tell, as `Aggregator.release` says.

    Raises:
        UsageError: `min_phones` is less than 1, or `prune` less than 0.
    """

    min_phones: int
    blocked: Iterable[str] = ()
    prune: int | None = None
    budget: Budget | None = None

    def __post_init__(self) -> None:
        if self.min_phones < 1:
            raise UsageError(f"min_phones is {self.min_phones}", remedy="choose 1 or more")
        if self.prune is not None and self.prune < 0:
            raise UsageError(f"prune is {self.prune}", remedy="choose 0 or more, or None to keep all")


class Releases:
    """The releases of one state.

    Args:
        state: where it is kept what was released, and under which budget.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def spending(self) -> Spending:
        """Give what was spent of a budget."""
        text = self._state.spent()
        return Spending.read(text) if text else Spending(plain=bool(self._state.facts().get("plain")))

    def account(self) -> dict[str, Any] | None:
        """Tell what was spent of a budget; None if nothing was released."""
        spent = self.spending()
        if spent.budget is None:
            return {"plain": True} if spent.plain else None
        return {**asdict(spent.budget), "made": len(spent.events), "spent": spent.epsilon}

    def release(
        self,
        totals: Callable[[], Totals],
        account: Mapping[str, Any],
        bounds: Bounds | None,
        kept_bounds: Sequence[Mapping[str, int] | None],
        rule: ReleaseRule,
        rng: np.random.Generator | None,
    ) -> Model:
        """Make a model.

        Args:
            totals: gives everything that was merged.
            account: what the header says of how it came.
            bounds: those that phones are held to now; kept_bounds: all that they were held to.
            rule: what may be told.
            rng: draws noise that can be repeated; None for the operating system's source.

        Raises:
            UsageError: the budget is spent or was another one, sums were released without noise before or are
                to be now after they were with it, phones were not all held to the same bounds, or what is
                blocked is no single word.
        """
        blocked = frozenset(map(blocked_word, rule.blocked))
        spent = self.spending()
        if rule.budget is None:
            spent.check_plain()
            self._state.note(plain=True)
            return release(totals(), rule.min_phones, account, blocked, rule.prune)
        spent = spent.with_next(rule.budget)
        if bounds is None or kept_bounds not in ([], [bounds.as_map()]):
            raise UsageError(
                "not all phones were held to the same bounds, by which noise goes",
                remedy="merge the deltas again, under bounds",
            )
        histogram = histogram_of(spent.events[-1], bounds, rule.min_phones)
        # Drawing wants a package: that it is missing should be known before anything is spent.
        promise = as_header(spent, bounds, histogram, account["rounds"])
        self._state.spend(spent.text)
        from_seed = {} if rng is None else {"noise": "from a seed: it protects nobody"}
        private = {
            **account,
            "epsilon": spent.epsilon,
            "dp_delta": rule.budget.dp_delta,
            "privacy": {**promise, **from_seed},
        }
        return release_privately(totals(), histogram, private, rule.min_phones, blocked, rule.prune, rng)
