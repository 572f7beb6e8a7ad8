"""Who takes part, and what hospitals agree on before the first round.

In: a grid of nodes. Out: members, ordered by their numbers and names, and how they prepare their data. Laws: what
nodes tell is counts, sums, and the values of columns that have few; the same nodes give the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from flwr.serverapp import Grid

from fedkeys.engines.flower.accounts import note
from fedkeys.engines.flower.exchange import exchange
from fedkeys.engines.flower.numeric.preparing import PREPARATION, Preparation
from fedkeys.engines.flower.numeric.settings import NumericPlan
from fedkeys.engines.flower.numeric.terms import Terms
from fedkeys.engines.flower.numeric.told import Told, moments_in, totals_in
from fedkeys.engines.flower.wire import packed
from fedkeys.errors import FedkeysError, UsageError
from fedkeys.fedavg.agreement import agree
from fedkeys.fedavg.hospitals import federated_scale
from fedkeys.fedavg.preparation import means_of

_Read = TypeVar("_Read")


class Participant(NamedTuple):
    """A node that takes part.

    Attributes:
        node: its number in Flower.
        name: of its client.
        samples: how many it trains on.
    """

    node: int
    name: str
    samples: int


@dataclass(slots=True)
class Muster:
    """Who takes part.

    Attributes:
        members: in the order of their places.
        features: how many columns their data have.
        preparation: how they prepare them.
        failures: why others do not.
    """

    members: Sequence[Participant]
    features: int
    preparation: Preparation
    failures: list[str] = field(default_factory=list)


def mustered(grid: Grid, nodes: Sequence[int], plan: NumericPlan, before: Terms | None = None) -> Muster:
    """Ask nodes who they are, and have hospitals agree.

    Args:
        grid: the way to them.
        nodes: whom to ask.
        plan: of the run.
        before: what a run that goes on has settled; then nothing is agreed on anew.

    Raises:
        UsageError: too few answer, or they do not fit together.
    """
    asking = _Asking(grid, plan)
    told = asking.named(asking.roll(nodes))
    if before is not None:
        preparation = Preparation.from_json(before.preparation)
    else:
        told = asking.enough(asking.alike(told))
        preparation = Preparation(missing=plan.missing, standardisation=plan.standardisation)
        if told[0].summary is not None:
            preparation, told = asking.agreed(told, preparation)
    if preparation.roles is not None:
        told = asking.measured(told, preparation, preparation.roles.width)
    if before is not None:
        told = asking.alike(told, (before.features,))
    elif plan.standardisation == "federated":
        told = asking.enough(asking.with_moments(told))
        preparation = preparation.scaled_by(federated_scale([m for each in told if (m := each.moments)]))
    members = [Participant(each.node, each.name, each.samples) for each in asking.enough(told)]
    for difference in before.differences([member.name for member in members]) if before else ():
        note(asking.failures, difference)
    return Muster(members, told[0].features, preparation, asking.failures)


class _Asking:
    """Questions to nodes, and who is left after each.

    Args:
        grid: the way to them.
        plan: of the run.

    Attributes:
        failures: why others are not.
    """

    def __init__(self, grid: Grid, plan: NumericPlan) -> None:
        self._grid = grid
        self._plan = plan
        self.failures: list[str] = []

    def roll(self, nodes: Sequence[int]) -> list[Told]:
        """Ask nodes who they are; in the order of places, and of names."""
        told = list(self._answers("query.roll", nodes, {"outcome": self._plan.outcome or ""}, Told.read))
        return sorted(told, key=lambda each: (each.place, each.name, each.node))

    def named(self, told: Sequence[Told]) -> list[Told]:
        """Give those whose name nobody before them has."""
        found: dict[str, Told] = {}
        for each in told:
            if found.setdefault(each.name, each) is not each:
                note(self.failures, f"two nodes have the name {each.name!r}")
        return list(found.values())

    def alike(self, told: Sequence[Told], wanted: tuple[object, ...] | None = None) -> list[Told]:
        """Give those whose data have the columns that are wanted, or that most have."""
        kinds = Counter(each.columns for each in told)
        if wanted is None:
            wanted = kinds.most_common(1)[0][0] if kinds else ()
        for each in told:
            if each.columns != wanted:
                note(self.failures, f"{each.name} has other columns than most")
        return [each for each in told if each.columns == wanted]

    def enough(self, told: list[Told]) -> list[Told]:
        """Give them, if they are enough.

        Raises:
            UsageError: they are not.
        """
        least = self._plan.min_available
        if len(told) >= least:
            return told
        why = f" ({'; '.join(self.failures)})" if self.failures else ""
        raise UsageError(
            f"{len(told)} nodes take part, where {least} have to{why}",
            remedy="start more nodes, or set a lower min-available",
        )

    def agreed(self, told: list[Told], preparation: Preparation) -> tuple[Preparation, list[Told]]:
        """Have hospitals agree on their tables' columns, and on what fills in what is missing."""
        roles = agree([each.summary for each in told if each.summary is not None])
        preparation = replace(preparation, roles=roles)
        if self._plan.missing != "mean":
            return preparation, told
        known = self._of_tables("query.totals", told, preparation, totals_in, roles.width)
        told = self.enough([each for each in told if each.node in known])
        means = means_of([known[each.node] for each in told])
        return replace(preparation, fill=tuple(means.tolist())), told

    def measured(self, told: list[Told], preparation: Preparation, width: int) -> list[Told]:
        """Have hospitals with tables tell how many patients they train on, and what their columns are like."""
        known = self._of_tables("query.moments", told, preparation, moments_in, width)
        told = [each for each in told if each.node in known]
        for each in told:
            each.moments = known[each.node]
            each.samples, each.features = each.moments.patients, width
        return told

    def with_moments(self, told: Sequence[Told]) -> list[Told]:
        """Give those who tell mean and variance of their columns."""
        for each in told:
            if each.moments is None:
                note(self.failures, f"{each.name} does not tell mean and variance of its columns")
        return [each for each in told if each.moments is not None]

    def _of_tables(
        self,
        kind: str,
        told: Sequence[Told],
        preparation: Preparation,
        read: Callable[[Mapping[str, Any], int], _Read],
        width: int,
    ) -> dict[int, _Read]:
        """Ask for something of tables of so many columns; give node -> what is read of its answer."""
        nodes, asked = [each.node for each in told], {PREPARATION: preparation.to_json()}

        def read_of(node: int, facts: Mapping[str, Any]) -> tuple[int, _Read]:
            return node, read(facts, width)

        return dict(self._answers(kind, nodes, asked, read_of))

    def _answers(
        self,
        kind: str,
        nodes: Sequence[int],
        facts: Mapping[str, str],
        read: Callable[[int, Mapping[str, Any]], _Read],
    ) -> Iterator[_Read]:
        """Ask nodes the same, and give what can be read of their answers; what cannot, and who fails, is noted."""
        heard, records = 0, {node: packed(facts) for node in nodes}
        for reply in exchange(self._grid, kind, records, kind, self._plan.deadline):
            heard += 1
            try:
                yield read(reply.node, reply.read().facts)
            except FedkeysError as error:
                note(self.failures, str(error))
        if heard < len(nodes):
            note(self.failures, f"{len(nodes) - heard} did not answer in time")
