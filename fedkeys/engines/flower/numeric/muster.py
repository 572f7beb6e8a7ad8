"""Who takes part, and what hospitals agree on before the first round.

In: a grid of nodes. Out: members, ordered by their numbers and names, and how they prepare their data. Laws: what
nodes tell is counts, sums, and the values of columns that have few; the same nodes give the same.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from flwr.serverapp import Grid

from fedkeys.engines.flower.accounts import note
from fedkeys.engines.flower.exchange import exchange
from fedkeys.engines.flower.numeric.settings import NumericPlan
from fedkeys.engines.flower.numeric.wire import PREPARATION, Preparation
from fedkeys.engines.flower.wire import packed
from fedkeys.errors import FedkeysError, FormatError, UsageError
from fedkeys.fedavg.agreement import Summary, agree
from fedkeys.fedavg.hospitals import Moments, federated_scale
from fedkeys.fedavg.preparation import Totals, means_of

_FAULTS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


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


@dataclass(slots=True)
class _Told:
    """What one node has told."""

    node: int
    place: int
    name: str
    samples: int
    features: int
    summary: Summary | None
    moments: Moments | None

    @property
    def columns(self) -> tuple[object, ...]:
        """What columns its data have, as far as that is known."""
        if self.features or self.summary is None:
            return (self.features,)
        return (self.summary.columns, self.summary.outcome)


def mustered(grid: Grid, nodes: Sequence[int], plan: NumericPlan) -> Muster:
    """Ask nodes who they are, and have hospitals agree.

    Raises:
        UsageError: too few answer, or they do not fit together.
    """
    failures: list[str] = []
    asked = {"outcome": plan.outcome or ""}
    answers = _answers(grid, "query.roll", nodes, asked, plan.deadline, failures)
    told = [each for node, facts in answers if (each := _read(node, facts, failures)) is not None]
    told.sort(key=lambda each: (each.place, each.name, each.node))
    told = _alike(_named(told, failures), failures)
    _check_enough(told, plan, failures)
    preparation = Preparation(missing=plan.missing, standardisation=plan.standardisation)
    if any(each.summary for each in told):
        preparation, told = _agreed(grid, told, preparation, plan, failures)
        told = _alike(told, failures)
    if plan.standardisation == "federated":
        told = _scaled(told, failures)
        _check_enough(told, plan, failures)
        preparation = preparation.scaled_by(federated_scale([m for each in told if (m := each.moments)]))
    _check_enough(told, plan, failures)
    members = [Participant(each.node, each.name, each.samples) for each in told]
    return Muster(members, told[0].features, preparation, failures)


def _agreed(
    grid: Grid, told: list[_Told], preparation: Preparation, plan: NumericPlan, failures: list[str]
) -> tuple[Preparation, list[_Told]]:
    """Have hospitals agree on their tables' columns, and tell what they train on."""
    summaries = [each.summary for each in told if each.summary is not None]
    roles = agree(summaries)
    preparation = replace(preparation, roles=roles)
    if plan.missing == "mean":
        asked = {PREPARATION: preparation.to_json()}
        found = dict(_answers(grid, "query.totals", _nodes(told), asked, plan.deadline, failures))
        known = {
            node: own
            for node, facts in found.items()
            if (own := _totals(facts, roles.width, failures)) is not None
        }
        told = [each for each in told if each.node in known]
        _check_enough(told, plan, failures)
        means = means_of([known[each.node] for each in told])
        preparation = replace(preparation, fill=tuple(means.tolist()))
    asked = {PREPARATION: preparation.to_json()}
    answers = dict(_answers(grid, "query.moments", _nodes(told), asked, plan.deadline, failures))
    for each in told:
        each.moments = _moments(answers.get(each.node, {}), failures if each.node in answers else [])
        if each.moments is not None:
            each.samples, each.features = each.moments.patients, len(each.moments.means)
    return preparation, [each for each in told if each.moments is not None]


def _named(told: Sequence[_Told], failures: list[str]) -> list[_Told]:
    """Give those whose name nobody before them has."""
    found: dict[str, _Told] = {}
    for each in told:
        if found.setdefault(each.name, each) is not each:
            note(failures, f"two nodes have the name {each.name!r}")
    return list(found.values())


def _alike(told: Sequence[_Told], failures: list[str]) -> list[_Told]:
    """Give those whose data have the columns that most have."""
    kinds = Counter(each.columns for each in told)
    if len(kinds) < 2:
        return list(told)
    ((most, _),) = kinds.most_common(1)
    for each in told:
        if each.columns != most:
            note(failures, f"{each.name} has other columns than most")
    return [each for each in told if each.columns == most]


def _scaled(told: Sequence[_Told], failures: list[str]) -> list[_Told]:
    """Give those who tell mean and variance of their columns."""
    for each in told:
        if each.moments is None:
            note(failures, f"{each.name} does not tell mean and variance of its columns")
    return [each for each in told if each.moments is not None]


def _nodes(told: Sequence[_Told]) -> list[int]:
    return [each.node for each in told]


def _check_enough(told: Sequence[_Told], plan: NumericPlan, failures: Sequence[str]) -> None:
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
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Ask nodes the same, and give what they answer; who fails is noted."""
    heard = set()
    for reply in exchange(grid, kind, {node: packed(facts) for node in nodes}, kind, seconds):
        heard.add(reply.node)
        try:
            yield reply.node, reply.read().facts
        except FedkeysError as error:
            note(failures, str(error))
    if len(heard) < len(nodes):
        note(failures, f"{len(nodes) - len(heard)} did not answer in time")


def _read(node: int, facts: Mapping[str, Any], failures: list[str]) -> _Told | None:
    try:
        summary = _summary(facts["summary"]) if "summary" in facts else None
        moments = _moments(facts, failures) if "moments" in facts else None
        samples, features = int(facts.get("samples", 0)), int(facts.get("features", 0))
        if moments is not None and (moments.patients, len(moments.means)) != (samples, features):
            raise ValueError("its moments are of other data")
        if summary is None and (samples < 1 or features < 1):
            raise ValueError(f"{samples} samples of {features} columns")
        return _Told(node, int(facts["place"]), str(facts["name"]), samples, features, summary, moments)
    except (*_FAULTS, FormatError) as error:
        note(failures, f"a node does not say who it is ({error})")
        return None


def _summary(text: str) -> Summary:
    found = Summary(**json.loads(text))
    columns, width = tuple(map(str, found.columns)), len(found.columns)
    few = tuple(None if own is None else tuple(map(float, own)) for own in found.few)
    missing, kinds = tuple(map(int, found.missing)), tuple(map(bool, found.kinds))
    if not width == len(few) == len(missing) or len(kinds) != 2 or found.outcome not in columns:
        raise FormatError("a summary that is not of one table")
    return Summary(str(found.name), columns, found.outcome, int(found.rows), missing, few, kinds)


def _moments(facts: Mapping[str, Any], failures: list[str]) -> Moments | None:
    try:
        patients, means, deviations = json.loads(facts["moments"])
        found = Moments(int(patients), np.array(means, float), np.array(deviations, float))
        if found.patients < 1 or found.means.ndim != 1 or found.means.shape != found.deviations.shape:
            raise ValueError("they are not of one table")
        if not np.isfinite([found.means, found.deviations]).all():
            raise ValueError("they are not finite")
    except _FAULTS as error:
        note(failures, f"a hospital's moments cannot be read ({error})")
        return None
    return found


def _totals(facts: Mapping[str, Any], width: int, failures: list[str]) -> Totals | None:
    try:
        sums, counts = (np.array(json.loads(facts[name])) for name in ("sums", "counts"))
        if not sums.shape == counts.shape == (width,) or not np.isfinite([sums, counts]).all():
            raise ValueError("they are not of one table")
    except _FAULTS as error:
        note(failures, f"a hospital's totals cannot be read ({error})")
        return None
    return Totals(sums, counts)
