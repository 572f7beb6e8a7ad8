"""`Need`: what a fleet needs of its server, which resource is short first, and what moves that.

In: measured `Costs`, the size of a fleet, and how its rounds go. Out: bytes, seconds, memory and disk, beside what
a machine has. Laws: the same costs, setting and seed give the same figures; what a lever does is what the same
calculation gives with that one thing changed.

A day of rounds is simulated (`fedkeys.simulate.arrivals`) in a fleet all of which was heard before, so that sums,
ledger and model have the size that they come to; each upload of that day costs what a phone's first one does.
After each round a model is released, and each phone that is asked fetches the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf, log
from typing import Any

import numpy as np

from fedkeys.aggregator import RoundRule
from fedkeys.errors import UsageError
from fedkeys.simulate.arrivals import DAY, Day, Habits, Work, day_of, days_until_heard
from fedkeys.simulate.costs import MIN_PHONES, Costs, SumCosts
from fedkeys.simulate.fits import PowerLaw

RESOURCES = ("cpu", "memory", "disk", "network in", "network out")

_ROW_BYTES = 160  # of memory, for each n-gram that is added up: what `fedkeys.aggregator.sums` reckons with
_RUNS_AT_ONCE = 64  # that are merged in one pass, as `fedkeys.aggregator.state` does
PARTS = (0.5, 0.99, 1.0)
MOST = 0.99  # of a fleet: the last ones come so rarely that they say little of the server
_BEFORE_MASKED = 3 / 5  # of those who are lost: the steps that come before a vector is there


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine has.

    Attributes:
        cores: as fast as the one that measured.
        memory, disk: bytes.
        network: bytes a second, each way.
    """

    cores: int = 16
    memory: float = 64e9
    disk: float = 2e12
    network: float = 1.25e9


@dataclass(frozen=True, slots=True)
class Setting:
    """How rounds go.

    Attributes:
        together: about how many phones are added up under masks; None for deltas that are seen.
        rounds: in a day; every: after how many of them a model is released.
        cohort, deadline: as of `RoundRule`.
        ngrams: the most that a phone sends; None for as many as it has.
        min_phones, prune: of a release.
        memory: bytes that sums may take before they go to disk.
        machines: that merge, each the deltas of a share of the phones; one of them merges their partials.
        habits: of phones.
    """

    together: int | None = None
    rounds: int = 24
    every: int = 1
    cohort: int | None = None
    deadline: float | None = 600.0
    ngrams: float | None = None
    min_phones: int = 20
    prune: int | None = None
    memory: int = 1 << 30
    machines: int = 1
    habits: Habits = field(default_factory=Habits)

    def __post_init__(self) -> None:
        if min(self.machines, self.min_phones) < 1 or (self.deadline is not None and self.deadline <= 0):
            raise UsageError("machines and min_phones are 1 or more, and a deadline lies above 0")
        if not 1 <= self.every <= self.rounds:
            raise UsageError(
                f"a release after every {self.every} of {self.rounds} rounds a day",
                remedy="release once a day or more often",
            )

    @property
    def releases(self) -> int:
        """How many there are in a day."""
        return self.rounds // self.every

    @property
    def rule(self) -> RoundRule:
        """How the aggregator goes about a round."""
        return RoundRule(self.cohort, deadline=self.deadline)


@dataclass(frozen=True, slots=True)
class Held:
    """What the server holds of a fleet all of which was heard.

    Attributes:
        distinct: n-grams in the sums; distinct_range: where the fit's error puts them.
        told: n-grams of a release; told_range: the same.
        beyond: how many times as many n-grams were sent as in the largest fleet that was measured.
        model_bytes: of the model; disk_bytes: of sums and ledger, while sums are merged.
    """

    distinct: float
    distinct_range: tuple[float, float]
    told: float
    told_range: tuple[float, float]
    beyond: float
    model_bytes: float
    disk_bytes: float


@dataclass(frozen=True, slots=True)
class Need:
    """What a fleet needs.

    Attributes:
        phones: how many.
        setting, machine: under which.
        held: by the server.
        up_bytes, down_bytes: of a phone in a round, with the model.
        phone_seconds: of a phone's core, in a round, as fast as the one that measured.
        release_seconds: of one release, with merging the sums on disk.
        merge_seconds: core seconds of a day's merging, on all machines; of one round: `round_seconds`.
        cores: that are needed so that all is merged while nothing is released, in all; infinite where releases
            alone take longer than the day.
        memory: bytes, of the machine that needs most.
        day: what happened.
    """

    phones: int
    setting: Setting
    machine: Machine
    held: Held
    up_bytes: float
    down_bytes: float
    phone_seconds: float
    release_seconds: float
    merge_seconds: float
    cores: float
    memory: float
    day: Day

    @property
    def round_seconds(self) -> float:
        """Core seconds of a round: merging, and its share of releases."""
        return (self.merge_seconds + self.setting.releases * self.release_seconds) / self.setting.rounds

    @property
    def in_bytes(self) -> float:
        """Bytes that come in a day."""
        return float(self.day.bytes_in.sum())

    @property
    def out_bytes(self) -> float:
        """Bytes that go out in a day."""
        return float(self.day.asked.sum()) * self.down_bytes

    @property
    def in_peak(self) -> float:
        """Bytes that come in the fullest second."""
        return float(self.day.bytes_in.max())

    @property
    def out_peak(self) -> float:
        """Bytes that go out in a second, before the round that asks most phones."""
        return float(self.day.bytes_out.max())

    @property
    def used(self) -> dict[str, float]:
        """Of each resource the part of one machine's that is used."""
        shares = self.setting.machines
        return {
            "cpu": self.day.utilisation,
            "memory": self.memory / self.machine.memory,
            "disk": self.held.disk_bytes / self.machine.disk,
            "network in": self.in_peak / shares / self.machine.network,
            "network out": self.out_peak / shares / self.machine.network,
        }

    @property
    def bottleneck(self) -> str:
        """The resource of which most is used."""
        used = self.used
        return max(RESOURCES, key=lambda name: used[name])

    def as_dict(self) -> dict[str, Any]:
        """Give the figures for `--json`."""
        day, held = self.day, self.held
        return {
            "phones": self.phones,
            "secure": self.setting.together is not None,
            "up_bytes": self.up_bytes,
            "down_bytes": self.down_bytes,
            "phone_seconds": self.phone_seconds,
            "in_bytes_a_day": self.in_bytes,
            "out_bytes_a_day": self.out_bytes,
            "in_bytes_a_second": self.in_peak,
            "out_bytes_a_second": self.out_peak,
            "core_seconds_a_round": self.round_seconds,
            "release_seconds": self.release_seconds,
            "cores": None if self.cores == inf else self.cores,
            "memory_bytes": self.memory,
            "disk_bytes": held.disk_bytes,
            "distinct": held.distinct,
            "distinct_range": held.distinct_range,
            "released": held.told,
            "released_range": held.told_range,
            "times_beyond_measured": held.beyond,
            "model_bytes": held.model_bytes,
            "asked": int(day.asked.sum()),
            "merged": int(day.merged.sum()),
            "lost": int(day.lost.sum()),
            "late": int(day.late.sum()),
            "failed": int(day.failed.sum()),
            "sums": int(day.sums.sum()),
            "queue": day.station.longest,
            "longest_stay_seconds": day.station.longest_stay,
            "used": self.used,
            "bottleneck": self.bottleneck,
        }


@dataclass(frozen=True, slots=True)
class Lever:
    """What one change does.

    Attributes:
        name: of the change.
        need: with it.
        days: until 99 of 100 phones were heard; None for more than a year.
    """

    name: str
    need: Need
    days: float | None


def need_of(phones: int, setting: Setting, machine: Machine, costs: Costs, seed: int) -> Need:
    """Calculate what a fleet needs.

    Raises:
        UsageError: sums under masks were not measured, or cannot be so large.
    """
    ngrams = costs.ngrams if setting.ngrams is None else min(costs.ngrams, setting.ngrams)
    held = _held(phones, ngrams, setting, costs)
    a_sum = _sum_of(setting, costs, ngrams)
    plain, lost = costs.plain, _BEFORE_MASKED * setting.habits.dropout
    each = plain.server_seconds.at(ngrams) if a_sum is None else a_sum.server_seconds(lost)
    work = Work(
        seconds=each,
        release=0.0,
        up_bytes=plain.delta_bytes.at(ngrams) if a_sum is None else a_sum.up_bytes,
        down_bytes=held.model_bytes + (0 if a_sum is None else a_sum.down_bytes),
        cores=machine.cores * setting.machines,
        together=setting.together,
        busy_phone=0.0 if a_sum is None else a_sum.phone_seconds,
        every=setting.every,
    )
    merged = phones * setting.habits.daily / setting.rounds
    if setting.cohort is not None:
        merged = min(merged, setting.cohort)
    release = _release_seconds(held, setting.every * merged * ngrams, phones * ngrams, setting, costs)
    rng = np.random.default_rng(seed)
    day = day_of(phones, setting.rule, setting.rounds, setting.habits, replace(work, release=release), rng)
    merge = each * float((day.merged if a_sum is None else day.sums).sum())
    left = DAY - setting.releases * release
    merging = min(setting.memory, _ROW_BYTES * plain.distinct.at(merged * ngrams))
    memory = max(merging, plain.release_bytes.at(held.distinct))
    if a_sum is not None:
        memory += a_sum.memory * float(day.sums.max()) / setting.machines
    counting = plain.phone_seconds.at(ngrams)
    return Need(
        phones=phones,
        setting=setting,
        machine=machine,
        held=held,
        up_bytes=work.up_bytes,
        down_bytes=work.down_bytes,
        phone_seconds=counting + work.busy_phone,
        release_seconds=release,
        merge_seconds=merge,
        cores=merge / left if left > 0 else inf,
        memory=memory,
        day=day,
    )


def heard_after(need: Need, seed: int, parts: Sequence[float] = PARTS) -> list[float | None]:
    """Tell after how many days parts of a fleet were heard once; None for more than a year.

    Args:
        need: of the fleet.
        seed: of what is drawn.
        parts: of all phones, ascending.
    """
    asked, merged = float(need.day.asked.sum()), float(need.day.merged.sum())
    setting, rng = need.setting, np.random.default_rng([seed, 1])
    merging = merged / asked if asked else 0.0
    return days_until_heard(need.phones, setting.rule, setting.rounds, setting.habits, merging, rng, parts)


def levers_of(need: Need, costs: Costs, seed: int) -> list[Lever]:
    """Try what could be changed, one thing at a time; what helps the bottleneck most comes first."""
    (days,) = heard_after(need, seed, [MOST])
    ngrams = costs.ngrams if need.setting.ngrams is None else min(costs.ngrams, need.setting.ngrams)
    found: list[Lever] = []
    for name, changes in _changes(need, ngrams).items():
        setting, machine = need.setting, need.machine
        if "cores" in changes:
            machine = replace(machine, **changes)
        else:
            setting = replace(setting, **changes)
        moved = need_of(need.phones, setting, machine, costs, seed)
        comes_otherwise = (setting.rounds, setting.cohort) != (need.setting.rounds, need.setting.cohort)
        found.append(Lever(name, moved, heard_after(moved, seed, [MOST])[0] if comes_otherwise else days))
    short = need.bottleneck
    return sorted(found, key=lambda lever: (lever.need.used[short], max(lever.need.used.values())))


def _changes(need: Need, ngrams: float) -> Mapping[str, Mapping[str, Any]]:
    setting, machine = need.setting, need.machine
    asked = max(1, int(need.day.asked.mean()) // 2)
    told = max(1, int(need.held.told) // 10)
    few = max(15, (setting.together or 0) // 4)
    changes: dict[str, Mapping[str, Any]] = {
        f"--prune {told:,}: a tenth of the model": {"prune": told},
        f"--min-phones {MIN_PHONES[-1]}, not {setting.min_phones}": {"min_phones": MIN_PHONES[-1]},
        f"--max-ngrams {ngrams / 2:.0f}: half of what a phone sends": {"ngrams": ngrams / 2},
        f"--cohort {asked:,}: half of those who come": {"cohort": asked},
        f"{setting.rounds * 4} rounds a day, not {setting.rounds}, as many releases": {
            "rounds": setting.rounds * 4,
            "every": setting.every * 4,
        },
        f"{max(1, setting.rounds // 4)} rounds a day, not {setting.rounds}": {
            "rounds": max(1, setting.rounds // 4),
            "every": 1,
        },
        f"one release a day, not {setting.releases}": {"every": setting.rounds},
        f"--memory {setting.memory >> 23}M: an eighth": {"memory": setting.memory >> 3},
        f"{2 * machine.cores} cores, not {machine.cores}": {"cores": 2 * machine.cores},
        f"{4 * setting.machines} machines that merge partials": {"machines": 4 * setting.machines},
    }
    if setting.together is not None:
        changes[f"--together {few}, not {setting.together}"] = {"together": few}
    return changes


def _held(phones: int, ngrams: float, setting: Setting, costs: Costs) -> Held:
    plain, sent = costs.plain, phones * ngrams
    distinct = plain.distinct.at(sent)
    released = plain.released(setting.min_phones)
    most = inf if setting.prune is None else float(setting.prune)
    told = min(released.at(sent), distinct, most)
    low, high = released.between(sent)
    return Held(
        distinct=distinct,
        distinct_range=plain.distinct.between(sent),
        told=told,
        told_range=(min(low, most), min(high, most)),
        beyond=sent / plain.distinct.last,
        model_bytes=plain.model_bytes.at(told),
        disk_bytes=plain.ledger_bytes * phones + 2 * plain.row_bytes * distinct,
    )


def _sum_of(setting: Setting, costs: Costs, ngrams: float) -> SumCosts | None:
    if setting.together is None:
        return None
    if costs.secure is None:
        raise UsageError(
            "sums under masks were not measured",
            remedy="measure again with the extra privacy: pip install 'fedkeys[privacy]', or add --plain",
        )
    return costs.secure.sum_of(setting.together, ngrams)


def _release_seconds(held: Held, new: float, sent: float, setting: Setting, costs: Costs) -> float:
    """Seconds of one release: runs that a round has made are merged with the sums, and these are told.

    With more machines each merges its own, at the same time, and one merges their sums.
    """
    plain, machines = costs.plain, setting.machines
    of_one = plain.distinct.at(sent / machines)
    rows = of_one + _rows_of_runs(new / machines, setting.memory, plain.distinct)
    merged = rows if machines == 1 else rows + machines * of_one
    return plain.settle_seconds * merged + plain.release_seconds.at(held.distinct)


def _rows_of_runs(sent: float, memory: int, distinct: PowerLaw) -> float:
    """How many n-grams are read to merge the runs that a round has made, pass by pass."""
    most = memory / _ROW_BYTES
    filling = float((most / distinct.factor) ** (1 / distinct.power))  # n-grams sent until memory is full
    if sent <= filling:
        return distinct.at(sent)
    runs = sent / filling
    passes = max(1, ceil(log(runs) / log(_RUNS_AT_ONCE)))
    return runs * most * passes
