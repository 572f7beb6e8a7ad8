"""A capacity plan: fits, the queue, the day of rounds, and a paper that says what the command says."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import RoundRule
from fedkeys.cli.capacity import planned
from fedkeys.cli.capacity_tables import Planned, Table, lever_table, tables
from fedkeys.errors import FormatError, UsageError
from fedkeys.simulate.arrivals import DAY, Day, Habits, Work, day_of, days_until_heard
from fedkeys.simulate.capacity import Lever, Machine, Setting, levers_of, need_of
from fedkeys.simulate.costs import Costs
from fedkeys.simulate.fits import Line, PowerLaw
from fedkeys.simulate.measuring import Trial, measured
from fedkeys.simulate.station import Station
from tests.bench.capacity_paper import PROPOSED

DOCS = Path(__file__).parents[1] / "docs"
PLAIN = Work(seconds=0.01, release=3.0, up_bytes=500, down_bytes=1e5, cores=2)
MASKED = replace(PLAIN, seconds=2.0, up_bytes=1e6, together=50, busy_phone=0.1)


def a_day(seed: int = 0, work: Work = PLAIN, phones: int = 20_000, **changes: Any) -> Day:
    given: dict[str, Any] = {
        "cohort": None,
        "deadline": 200.0,
        "dropout": 0.08,
        "rounds": 24,
        "least": 1,
    } | changes
    rule = RoundRule(given["cohort"], given["least"], given["deadline"])
    habits = Habits(dropout=given["dropout"])
    return day_of(phones, rule, given["rounds"], habits, work, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def costs() -> Costs:
    return Costs.load(DOCS / "capacity.json")


# Fits


@given(st.floats(0, 1e6), st.floats(1e-3, 1e3))
def test_a_line_is_given_back(fixed: float, each: float) -> None:
    line = Line.through([1, 10, 100], [fixed + each * x for x in (1, 10, 100)])
    assert (line.at(50), line.error) == (
        pytest.approx(fixed + 50 * each, rel=1e-6),
        pytest.approx(0, abs=1e-6),
    )


def test_a_line_never_falls() -> None:
    """What costs a little less when there is more of it was measured beside other load."""
    line = Line.through([1, 2, 3], [4, 3.5, 3])
    assert (line.fixed, line.each) == (3.5, 0)


def test_a_line_never_begins_below_nothing() -> None:
    line = Line.through([1, 2, 3], [0.5, 2, 3.5])
    assert (line.fixed, line.at(0)) == (0, 0)
    assert line.error > 0.1


@given(st.floats(0.1, 1e3), st.floats(0.1, 1.5))
def test_a_power_law_is_given_back(factor: float, power: float) -> None:
    at = [10.0, 100.0, 1000.0, 1e4]
    law = PowerLaw.through(at, [factor * x**power for x in at])
    assert law.at(1e8) == pytest.approx(factor * 1e8**power, rel=1e-6)
    assert law.at(0) == 0


def test_the_farther_the_wider_is_the_range() -> None:
    law = PowerLaw.through([10, 100, 1000, 1e4], [12, 45, 190, 700])
    widths = [high / low for low, high in map(law.between, (300.0, 1e5, 1e8))]
    assert 1 < widths[0] < widths[1] < widths[2]
    low, high = law.between(1e8)
    assert low < law.at(1e8) < high


@pytest.mark.parametrize("fit", [Line.through, PowerLaw.through])
def test_one_point_is_no_fit(fit: Any) -> None:
    with pytest.raises(UsageError):
        fit([1.0, 1.0], [1.0, 2.0])


# The queue


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20), st.integers(0, 5)), min_size=1, max_size=40))
def test_jobs_are_served_one_after_the_other(jobs: list[tuple[float, float, int]]) -> None:
    arrivals, seconds, sizes = (np.array(column) for column in zip(*sorted(jobs), strict=True))
    station = Station.served(arrivals, sizes, seconds)
    free = 0.0
    for arrival, taken, done in zip(arrivals, seconds, station.done, strict=True):
        free = max(arrival, free) + taken
        assert done == pytest.approx(free)


def test_littles_law_and_the_utilisation_law() -> None:
    """Seen at moments of no meaning to it, the queue is as long as arrivals times stays say."""
    rng = np.random.default_rng(0)
    arrivals = np.sort(rng.uniform(0, 3600, 2000))
    sizes = rng.integers(1, 9, 2000)
    seconds = sizes * 0.38
    station = Station.served(arrivals, sizes, seconds)
    moments = rng.uniform(0, station.end, 200_000)
    length = float(station.length_at(moments).mean())
    assert length == pytest.approx(station.uploads / station.end * station.mean_stay, rel=0.02)
    assert length > 10
    idle = (np.maximum(0, arrivals[1:] - station.done[:-1])).sum() + arrivals[0]
    assert station.busy + idle == pytest.approx(station.end)
    assert station.busy == pytest.approx(station.uploads * 0.38)


def test_jobs_out_of_order_are_refused() -> None:
    with pytest.raises(UsageError):
        Station.served(np.array([2.0, 1.0]), np.array([1, 1]), np.array([1.0, 1.0]))


# A day


@pytest.mark.parametrize("work", [PLAIN, MASKED])
@pytest.mark.parametrize("cohort", [None, 300])
def test_no_phone_is_lost_to_the_books(work: Work, cohort: int | None) -> None:
    for phones in (40, 20_000, 2_000_000):
        day = a_day(1, work, phones, cohort=cohort)
        assert (day.asked == day.merged + day.lost + day.late + day.failed).all()
        assert (day.asked <= day.available).all()
        assert cohort is None or day.asked.max() <= cohort
    assert min(day.merged.sum(), day.lost.sum(), day.late.sum()) > 0


@pytest.mark.parametrize("work", [PLAIN, MASKED])
def test_one_seed_is_one_day(work: Work) -> None:
    first, again, other = a_day(3, work), a_day(3, work), a_day(4, work)
    for name in ("available", "asked", "merged", "lost", "late", "bytes_in"):
        assert (getattr(first, name) == getattr(again, name)).all()
    assert (first.station.done == again.station.done).all()
    assert (first.merged != other.merged).any()


@pytest.mark.parametrize("work", [PLAIN, MASKED])
def test_without_dropout_and_deadline_everything_arrives(work: Work) -> None:
    day = a_day(0, work, dropout=0.0, deadline=None)
    assert (day.merged == day.asked).all()
    assert day.bytes_in.sum() == day.asked.sum() * work.up_bytes


@pytest.mark.parametrize("work", [PLAIN, MASKED])
def test_with_a_later_deadline_no_fewer_are_merged(work: Work) -> None:
    days = [a_day(5, work, deadline=seconds) for seconds in (100.0, 150.0, 300.0, 900.0)]
    for sooner, later in pairwise(days):
        assert (sooner.available == later.available).all()
        assert (sooner.merged <= later.merged).all()
    assert days[0].merged.sum() < days[-1].merged.sum()


def test_busy_time_is_arrivals_times_service() -> None:
    day = a_day(0)
    assert day.station.uploads == day.merged.sum()
    assert day.station.busy == pytest.approx(day.merged.sum() * 0.01 / 2 + 24 * 3.0)
    assert day.utilisation == day.station.busy / DAY
    sums = a_day(0, MASKED, dropout=0.0, deadline=None)
    assert sums.station.uploads == sums.sums.sum()


def test_a_round_of_too_few_does_not_start() -> None:
    day = a_day(0, least=900)
    assert ((day.asked > 0) == (day.available >= 900)).all()
    assert 0 < (day.asked > 0).sum() < 24
    assert not day.bytes_out[day.asked == 0].any()


def test_four_times_as_many_come_in_the_best_hour() -> None:
    habits = Habits(zones=(0,) * 11 + (1,) + (0,) * 12)  # all at UTC
    rates = [
        float(habits.rates(hour * 3600, (hour + 1) * 3600).reshape(24, -1)[11].sum()) for hour in range(24)
    ]
    assert max(rates) / min(rates) == pytest.approx(4, rel=0.03)
    assert rates.index(max(rates)) in (1, 2)
    in_a_day = habits.rates(0, DAY).reshape(24, -1)
    assert in_a_day.mean(1) == pytest.approx(1)
    assert habits.kinds(999_983).sum() == 999_983


def test_of_a_sum_no_more_than_a_third_may_be_lost() -> None:
    day = a_day(0, MASKED, dropout=0.6)
    assert day.merged.sum() == 0
    assert day.failed.sum() > 0
    too_few = a_day(0, MASKED, phones=40)
    assert (too_few.failed == too_few.asked).all()


def test_all_are_heard_in_the_end_but_not_by_small_cohorts() -> None:
    def heard(cohort: int | None, merging: float = 0.9, rounds: int = 24) -> list[Any]:
        rule = RoundRule(cohort)
        return days_until_heard(10_000, rule, rounds, Habits(), merging, np.random.default_rng(0))

    half, most, every = heard(None)
    assert 0 < half < most < every
    assert heard(100)[0] > 10_000 / 2 / 100 / 24 > half
    assert heard(None, 0.3)[1] > most
    assert heard(1, rounds=2) == [None, None, None]


@pytest.mark.parametrize("wrong", [{"phones": 0}, {"phones": 10**10}, {"rounds": 0}, {"dropout": 1.0}])
def test_what_is_no_day_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        a_day(**wrong)


# Costs


def test_costs_are_measured_and_kept(tmp_path: Path) -> None:
    trial = Trial((20, 40, 80), (2048, 4096), ((15, 10, 0.0), (18, 40, 0.2), (24, 20, 0.0)), 1)
    found = measured(0, trial)
    plain, secure = found.plain, found.secure
    assert secure is not None
    assert 30 < found.ngrams < 50
    assert 0 < plain.distinct.power < 1 < plain.distinct.factor
    assert plain.row_bytes > 24  # a key and two sums
    assert plain.ledger_bytes > 33  # pseudonym, digest, number
    assert plain.delta_bytes.at(100) > plain.delta_bytes.at(50) > 100
    assert min(plain.unpack_seconds, plain.settle_seconds, plain.server_seconds.at(40)) > 0
    assert plain.released_2.at(1e5) > plain.released_20.at(1e5)
    assert secure.entries.at(100) > 100
    assert 82 + 33 <= secure.up_bytes.each < 200  # a box, a share, a tag
    a_sum = secure.sum_of(200, 300)
    assert a_sum.numbers % 10 == 0
    assert 4 * a_sum.numbers < a_sum.up_bytes < 4.1 * a_sum.numbers
    assert a_sum.server_seconds(0.2) > a_sum.server_seconds(0.0) > 0
    found.save(tmp_path / "costs.json")
    assert Costs.load(tmp_path / "costs.json") == found


@pytest.mark.parametrize(
    ("change", "where", "expected"),
    [
        (lambda kept: kept.pop("plain"), "costs.json", "an object with machine, ngrams, plain, secure"),
        (lambda kept: kept["plain"].update(more=1), "plain", "an object with delta_bytes"),
        (lambda kept: kept["plain"].update(ledger_bytes=-1), "plain.ledger_bytes", "a number of 0 or more"),
        (lambda kept: kept["plain"].update(ledger_bytes="1"), "plain.ledger_bytes", "a number"),
        (lambda kept: kept["plain"].update(ledger_bytes=10**400), "plain.ledger_bytes", "a number"),
        (
            lambda kept: kept["plain"]["distinct"].update(power=float("nan")),
            "plain.distinct.power",
            "a number",
        ),
        (lambda kept: kept.update(secure=[]), "secure", "an object with entries"),
        (lambda kept: kept.update(machine=3), "machine", "a text"),
    ],
)
def test_what_are_no_costs_is_refused(tmp_path: Path, change: Any, where: str, expected: str) -> None:
    kept = json.loads((DOCS / "capacity.json").read_text())
    change(kept)
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(kept))
    with pytest.raises(FormatError, match="keep-costs") as refused:
        Costs.load(path)
    assert f"{where}: no costs" in str(refused.value)
    assert f": {expected}" in str(refused.value)


@pytest.mark.parametrize("missing", ["cryptography", "scipy", "shamirs"])
def test_sums_without_their_extra_are_refused_before_anything_is_measured(
    tmp_path: Path, home: dict[str, str], missing: str
) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from fedkeys.simulate import measuring\n"
        "measuring.measured = None  # asked for, it would be a fault\n"
        "sys.argv[1:] = ['bench', 'capacity', '--secure']\nfrom fedkeys.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=home, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"{missing} is missing" in done.stderr
    assert "pip install 'fedkeys[privacy]', or add --plain" in done.stderr


def test_deltas_are_measured_and_planned_without_the_extra_of_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    found = measured(0, Trial((20, 40, 80), (2048, 4096), ((15, 10, 0.0),), 1))
    assert found.secure is None
    assert need_of(10_000, Setting(), Machine(), found, 0).merge_seconds > 0


def test_sums_that_were_not_measured_are_not_planned(costs: Costs) -> None:
    with pytest.raises(UsageError, match="not measured"):
        need_of(10_000, Setting(together=200), Machine(), replace(costs, secure=None), 0)
    with pytest.raises(UsageError, match="not measured"):
        need_of(10_000, Setting(min_phones=7), Machine(), costs, 0)


# The plan


def test_a_need_is_what_its_parts_make(costs: Costs) -> None:
    need = need_of(1_000_000, Setting(), Machine(), costs, 0)
    each = costs.plain.server_seconds.at(costs.ngrams)
    assert need.merge_seconds == pytest.approx(each * need.day.merged.sum())
    assert need.day.station.busy == pytest.approx(need.merge_seconds / 16 + 24 * need.release_seconds)
    assert need.cores == pytest.approx(need.merge_seconds / (DAY - 24 * need.release_seconds))
    assert need.held.told == pytest.approx(costs.plain.released_20.at(1e6 * costs.ngrams))
    assert need.used["network in"] == pytest.approx(need.in_peak / 1.25e9)
    assert need.used[need.bottleneck] == max(need.used.values())
    again = need_of(1_000_000, Setting(), Machine(), costs, 0)
    assert again.as_dict() == need.as_dict()


def test_levers_move_what_they_should(costs: Costs) -> None:
    need = need_of(100_000, Setting(together=200), Machine(), costs, 0)

    def changed(**changes: Any) -> dict[str, float]:
        return need_of(100_000, Setting(**{"together": 200, **changes}), Machine(), costs, 0).used

    used = need.used
    assert changed(prune=1000)["network out"] < used["network out"]
    assert changed(min_phones=100)["network out"] < used["network out"]
    assert changed(together=50)["network in"] < used["network in"] / 2
    assert changed(ngrams=100)["network in"] < used["network in"] * 0.7
    assert changed(cohort=400)["network in"] < used["network in"] / 5
    assert changed(rounds=96)["memory"] < used["memory"]
    assert changed(every=24)["cpu"] < used["cpu"]
    assert changed(machines=4)["network in"] == pytest.approx(used["network in"] / 4)
    few = need_of(100_000, Setting(together=200), Machine(1), costs, 0).used
    assert few["cpu"] > 4 * used["cpu"]
    levers = levers_of(need, costs, 0)
    of_short = [lever.need.used[need.bottleneck] for lever in levers]
    assert of_short == sorted(of_short)
    assert of_short[0] < used[need.bottleneck]


def test_releases_that_take_longer_than_the_day_leave_no_cores(costs: Costs) -> None:
    slow = replace(costs, plain=replace(costs.plain, settle_seconds=1e-3))
    need = need_of(1_000_000, Setting(), Machine(), slow, 0)
    assert need.cores == inf
    assert need.as_dict()["cores"] is None
    assert need.bottleneck == "cpu"


# The paper


@pytest.fixture(scope="module")
def plan(costs: Costs) -> list[Planned]:
    return planned([10**4, 10**6, 10**8], [Setting(), Setting(together=200)], Machine(), costs, 0)


def in_the_paper() -> list[list[list[str]]]:
    """The tables of the paper, as cells."""
    found: list[list[list[str]]] = [[]]
    for line in (DOCS / "capacity.md").read_text().splitlines():
        if line.startswith("|"):
            if not re.fullmatch(r"[|\s:-]+", line):
                found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def as_cells(table: Table) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in (table.columns, *table.rows)]


def test_the_paper_says_what_the_command_says(costs: Costs, plan: list[Planned]) -> None:
    written = in_the_paper()
    for table in (*tables(costs, plan), *(lever_table(row) for row in plan if row.need.phones > 10_000)):
        assert as_cells(table) in written, (
            f"{table.title}: python -m tests.bench.capacity_paper writes it anew"
        )


@pytest.mark.parametrize("setting", PROPOSED)
def test_what_the_paper_proposes_fits(costs: Costs, setting: Setting) -> None:
    need = need_of(10**8, setting, Machine(), costs, 0)
    assert max(need.used.values()) < 1
    used = tables(costs, [Planned(need, [None] * 3, [Lever("none", need, None)])])[-2]
    assert as_cells(used) in in_the_paper()


def test_the_command_prints_the_plan(fedkeys: Any, costs: Costs, plan: list[Planned]) -> None:
    done = fedkeys(
        "bench", "capacity", "--costs", DOCS / "capacity.json", "--phones", "1e4", "--plain", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    expected = [row.need.as_dict() for row in plan if row.need.phones == 10_000][:1]
    for found, wanted in zip(told["plan"], expected, strict=True):
        assert json.loads(json.dumps(wanted)).items() <= found.items()
    table = fedkeys("bench", "capacity", "--costs", DOCS / "capacity.json", "--phones", "1e4", "--plain")
    assert table.returncode == 0, table.stderr
    row = tables(costs, plan)[1].rows[0]
    assert all(cell in table.stdout for cell in row)
    assert "sums of" not in table.stdout


@pytest.mark.parametrize(
    ("given", "status", "why"),
    [
        (("--costs", DOCS / "capacity.md"), 1, "JSON was expected; measure again"),
        (("--costs", "nowhere.json"), 2, "no such file"),
        (("--costs", "a.json", "--keep-costs", "b.json"), 2, "give one of them"),
        (("--plain", "--together", "50"), 2, "leave --plain out"),
        (("--costs", DOCS / "capacity.json", "--min-phones", "7"), 2, "2, 20, 100"),
        (("--costs", DOCS / "capacity.json", "--phones", "1e12"), 2, "choose 1 to"),
    ],
)
def test_what_cannot_be_planned_is_refused(fedkeys: Any, given: Any, status: int, why: str) -> None:
    done = fedkeys("bench", "capacity", *given)
    assert (done.returncode, why in done.stderr) == (status, True), done.stderr


def test_a_plot(plan: list[Planned], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from fedkeys.cli.capacity_plot import plot_plan

    plot_plan(plan, tmp_path / "plan.svg")
    assert "network out" in (tmp_path / "plan.svg").read_text()
    plot_plan(plan[:2], tmp_path / "plain.png")
    assert (tmp_path / "plain.png").stat().st_size > 10_000
