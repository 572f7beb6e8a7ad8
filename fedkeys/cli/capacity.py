"""`fedkeys bench capacity`: what a fleet of any size needs of its server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli.capacity_tables import Planned, lever_table, tables
from fedkeys.cli.console import narrate, print_json, print_table
from fedkeys.cli.options import (
    JsonOption,
    MaxNgramsOption,
    MemoryOption,
    PruneOption,
    SeedOption,
    TogetherOption,
    bytes_of,
)
from fedkeys.cli.plots import PlotOption
from fedkeys.cli.progress import progress

if TYPE_CHECKING:
    from fedkeys.simulate.costs import Costs


def capacity(
    phones: Annotated[
        list[float], typer.Option("--phones", min=1, help="Phones of a fleet: 1e6. May be given again.")
    ] = [1e4, 1e6, 1e8],  # noqa: B006
    secure: Annotated[
        bool | None,
        typer.Option(
            "--secure/--plain", help="Only sums under masks, or only deltas that are seen; default: both."
        ),
    ] = None,
    cores: Annotated[int, typer.Option("--cores", min=1, help="Cores of a machine, that merge.")] = 16,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=1440, help="Rounds a day.")] = 24,
    every: Annotated[
        int, typer.Option("--release-every", min=1, help="After how many rounds a model is released.")
    ] = 1,
    cohort: Annotated[
        int | None,
        typer.Option("--cohort", min=1, show_default="all", help="Phones sampled for a round."),
    ] = None,
    deadline: Annotated[
        float, typer.Option("--deadline", min=1, help="Seconds after which an upload is too late.")
    ] = 600.0,
    dropout: Annotated[
        float, typer.Option("--dropout", min=0, max=0.99, help="Chance that a phone that was asked is lost.")
    ] = 0.08,
    min_phones: Annotated[
        int, typer.Option("--min-phones", help="Release only what so many phones have sent: 2, 20 or 100.")
    ] = 20,
    prune: PruneOption = None,
    max_ngrams: MaxNgramsOption = None,
    together: TogetherOption = None,
    memory: MemoryOption = "1G",
    machines: Annotated[
        int,
        typer.Option(
            "--machines", min=1, help="Machines that merge a share each; one merges their partials."
        ),
    ] = 1,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs", help="File of measured costs, as --keep-costs writes it; default: measure now."
        ),
    ] = None,
    keep_costs: Annotated[
        Path | None, typer.Option("--keep-costs", help="File for the costs that are measured.")
    ] = None,
    levers: Annotated[
        bool, typer.Option("--levers", help="Also show what every change would do, fleet by fleet.")
    ] = False,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Plan a server: bytes, CPU, memory and disk for fleets of any size, what is short first, and what moves it.

    What one phone costs, and what grows with all of them, is measured on this machine in some two minutes, or
    read from --costs. A day of rounds is then simulated, with phones that come by day and night, are lost or late,
    and a queue at the server. Fleets larger than what was measured are extrapolated, and a table says how far.
    """
    from fedkeys.cli.files import check_writable, existing
    from fedkeys.cli.options import DEFAULT_TOGETHER
    from fedkeys.errors import UsageError
    from fedkeys.simulate.arrivals import Habits
    from fedkeys.simulate.capacity import Machine, Setting
    from fedkeys.simulate.measuring_sums import check_installed

    if costs is not None and keep_costs is not None:
        raise UsageError(
            "--costs are there already, and --keep-costs keeps new ones", remedy="give one of them"
        )
    if together is not None and secure is False:
        raise UsageError("--together is for sums under masks", remedy="leave --plain out")
    if secure is not False:
        check_installed("or add --plain")
    if keep_costs is not None:
        check_writable(keep_costs)
    habits = Habits(dropout=dropout)
    given = _costs(existing(costs) if costs else None, keep_costs, seed)
    settings = [
        Setting(
            together=(together or DEFAULT_TOGETHER) if masked else None,
            rounds=rounds,
            every=every,
            cohort=cohort,
            deadline=deadline,
            ngrams=max_ngrams,
            min_phones=min_phones,
            prune=prune,
            memory=bytes_of(memory),
            machines=machines,
            habits=habits,
        )
        for masked in ((False, True) if secure is None else (secure,))
    ]
    plan = planned([int(min(number, 1e30)) for number in phones], settings, Machine(cores), given, seed)
    if json:
        print_json(
            {"ngrams": given.ngrams, "machine": given.machine, "plan": [_as_dict(row) for row in plan]}
        )
    else:
        for table in tables(given, plan):
            print_table(table.title, table.columns, table.rows, dispensable=table.dispensable)
        for row in plan if levers else ():
            table = lever_table(row)
            print_table(table.title, table.columns, table.rows, dispensable=table.dispensable)
    if plot is not None:
        from fedkeys.cli.capacity_plot import plot_plan

        plot_plan(plan, plot)


def _costs(path: Path | None, keep: Path | None, seed: int) -> "Costs":
    from fedkeys.simulate.costs import Costs

    if path is not None:
        return Costs.load(path)
    from fedkeys.simulate.measuring import measured

    with progress() as step:
        found = measured(seed, on_step=step)
    if found.secure is None:
        narrate("sums under masks were not measured, for want of the extra privacy")
    if keep is not None:
        found.save(keep)
        narrate(f"costs in {keep}")
    return found


def planned(
    phones: Sequence[int], settings: Sequence[Any], machine: Any, costs: "Costs", seed: int
) -> list[Planned]:
    """Plan fleets of some sizes under some settings.

    Args:
        phones: of each fleet.
        settings: a `Setting` each.
        machine: a `Machine`.
        costs: as measured.
        seed: of what is drawn.
    """
    from fedkeys.simulate.capacity import heard_after, levers_of, need_of

    plan: list[Planned] = []
    with progress() as step:
        for setting in settings:
            for number in phones:
                step("planning", len(plan) / (len(settings) * len(phones)))
                need = need_of(number, setting, machine, costs, seed)
                plan.append(Planned(need, heard_after(need, seed), levers_of(need, costs, seed)))
    return plan


def _as_dict(row: Planned) -> dict[str, Any]:
    half, most, all_ = row.heard
    return {
        **row.need.as_dict(),
        "days_until_heard": {"half": half, "99 %": most, "all": all_},
        "levers": [
            {
                "name": lever.name,
                "used": lever.need.used,
                "bottleneck": lever.need.bottleneck,
                "days_until_99_%": lever.days,
            }
            for lever in row.levers
        ],
    }
