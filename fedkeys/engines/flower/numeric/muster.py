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
    failures: list[str] = []
    asked = {"outcome": plan.outcome or ""}
    told = list(_answers(grid, "query.roll", nodes, asked, plan.deadline, failures, Told.read))
    told.sort(key=lambda each: (each.place, each.name, each.node))
    told = _alike(_named(told, failures), failures)
    _check_enough(told, plan, failures)
    if before is not None:
        preparation = Preparation.from_json(before.preparation)
    else:
        preparation = Preparation(missing=plan.missing, standardisation=plan.standardisation)
        if told[0].summary is not None:
            preparation, told = _agreed(grid, told, preparation, plan, failures)
    if preparation.roles is not None:
        told = _measured(grid, told, preparation, preparation.roles.width, plan, failures)
    if before is not None:
        told = _alike(told, failures, (before.features,))
    elif plan.standardisation == "federated":
        told = _scaled(told, failures)
        _check_enough(told, plan, failures)
        preparation = preparation.scaled_by(federated_scale([m for each in told if (m := each.moments)]))
    _check_enough(told, plan, failures)
    members = [Participant(each.node, each.name, each.samples) for each in told]
    if before is not None:
        for difference in before.differences([member.name for member in members]):
            note(failures, difference)
    return Muster(members, told[0].features, preparation, failures)


def _agreed(
    grid: Grid, told: list[Told], preparation: Preparation, plan: NumericPlan, failures: list[str]
) -> tuple[Preparation, list[Told]]:
    """Have hospitals agree on their tables' columns, and on what fills in what is missing."""
    roles = agree([each.summary for each in told if each.summary is not None])
    preparation = replace(preparation, roles=roles)
    if plan.missing != "mean":
        return preparation, told
    known = _asked_of_tables(grid, "query.totals", told, preparation, plan, failures, totals_in, roles.width)
    told = [each for each in told if each.node in known]
    _check_enough(told, plan, failures)
    means = means_of([known[each.node] for each in told])
    return replace(preparation, fill=tuple(means.tolist())), told


def _measured(
    grid: Grid, told: list[Told], preparation: Preparation, width: int, plan: NumericPlan, failures: list[str]
) -> list[Told]:
    """Have hospitals with tables tell how many patients they train on, and what their columns are like."""
    known = _asked_of_tables(grid, "query.moments", told, preparation, plan, failures, moments_in, width)
    told = [each for each in told if each.node in known]
    for each in told:
        each.moments = known[each.node]
        each.samples, each.features = each.moments.patients, width
    return told


def _asked_of_tables(
    grid: Grid,
    kind: str,
    told: Sequence[Told],
    preparation: Preparation,
    plan: NumericPlan,
    failures: list[str],
    read: Callable[[Mapping[str, Any], int], _Read],
    width: int,
) -> dict[int, _Read]:
    """Ask for something of tables of so many columns; give node -> what is read of its answer."""
    nodes, asked = [each.node for each in told], {PREPARATION: preparation.to_json()}

    def read_of(node: int, facts: Mapping[str, Any]) -> tuple[int, _Read]:
        return node, read(facts, width)

    return dict(_answers(grid, kind, nodes, asked, plan.deadline, failures, read_of))


def _named(told: Sequence[Told], failures: list[str]) -> list[Told]:
    """Give those whose name nobody before them has."""
    found: dict[str, Told] = {}
    for each in told:
        if found.setdefault(each.name, each) is not each:
            note(failures, f"two nodes have the name {each.name!r}")
    return list(found.values())


def _alike(told: Sequence[Told], failures: list[str], wanted: tuple[object, ...] | None = None) -> list[Told]:
    """Give those whose data have the columns that are wanted, or that most have."""
    kinds = Counter(each.columns for each in told)
    if wanted is None:
        wanted = kinds.most_common(1)[0][0] if kinds else ()
    for each in told:
        if each.columns != wanted:
            note(failures, f"{each.name} has other columns than most")
    return [each for each in told if each.columns == wanted]


def _scaled(told: Sequence[Told], failures: list[str]) -> list[Told]:
    """Give those who tell mean and variance of their columns."""
    for each in told:
        if each.moments is None:
            note(failures, f"{each.name} does not tell mean and variance of its columns")
    return [each for each in told if each.moments is not None]


def _check_enough(told: Sequence[Told], plan: NumericPlan, failures: Sequence[str]) -> None:
    if len(told) >= plan.min_available:
        return
    why = f" ({'; '.join(failures)})" if failures else ""
    raise UsageError(
        f"{len(told)} nodes take part, where {plan.min_available} have to{why}",
        remedy="start more nodes, or set a lower min-available",
    )


def _answers(
    grid: Grid,
    kind: str,
    nodes: Sequence[int],
    facts: Mapping[str, str],
    seconds: float,
    failures: list[str],
    read: Callable[[int, Mapping[str, Any]], _Read],
) -> Iterator[_Read]:
    """Ask nodes the same, and give what can be read of their answers; what cannot, and who fails, is noted."""
    heard = 0
    for reply in exchange(grid, kind, {node: packed(facts) for node in nodes}, kind, seconds):
        heard += 1
        try:
            yield read(reply.node, reply.read().facts)
        except FedkeysError as error:
            note(failures, str(error))
    if heard < len(nodes):
        note(failures, f"{len(nodes) - heard} did not answer in time")
