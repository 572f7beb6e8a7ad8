"""The plot of `fedkeys bench capacity`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkeys.cli.plots import pyplot_of, save_plot

if TYPE_CHECKING:
    from fedkeys.cli.capacity_tables import Planned

# Told apart by marker too, so that colour is never all.
_STYLES = {
    "cpu": {"marker": "o", "color": "tab:blue"},
    "memory": {"marker": "s", "color": "tab:orange"},
    "disk": {"marker": "^", "color": "tab:green"},
    "network in": {"marker": "D", "color": "tab:red"},
    "network out": {"marker": "v", "color": "tab:purple"},
}
_LINES = {False: ("plain", "-"), True: ("sums under masks", "--")}
_SHOWN_SECONDS, _TOGETHER = 600, 10


def plot_plan(plan: Sequence["Planned"], path: Path) -> None:
    """Plot what is used of one machine against the size of the fleet, and the day of the largest one."""
    pyplot = pyplot_of()
    figure, grid = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for axes, masked in zip(grid[0], (False, True), strict=True):
        rows = [row for row in plan if (row.need.setting.together is not None) is masked]
        _plot_used(axes, rows)
        axes.set(title=_LINES[masked][0], xlabel="phones", ylabel="used of one machine")
    if all(axes.lines for axes in grid[0]):
        grid[0, 0].sharey(grid[0, 1])
    largest = max(row.need.phones for row in plan)
    for masked, (name, line) in _LINES.items():
        for row in plan:
            if row.need.phones == largest and (row.need.setting.together is not None) is masked:
                _plot_day(grid[1], row, name, line)
    grid[1, 0].set(xlabel="hour of the day, UTC", ylabel="phones", title=f"asked in a round, of {largest:,}")
    grid[1, 0].set_ylim(bottom=0)
    grid[1, 1].set(
        xlabel="seconds since the fullest round began",
        ylabel="bytes a second",
        yscale="log",
        title="what comes in, mean of ten seconds",
    )
    for axes in grid.ravel():
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    save_plot(figure, path)
    pyplot.close(figure)


def _plot_used(axes: Any, rows: Sequence["Planned"]) -> None:
    if not rows:
        axes.text(0.5, 0.5, "not asked for", ha="center", transform=axes.transAxes)
        return
    sizes = [row.need.phones for row in rows]
    for name, style in _STYLES.items():
        axes.plot(sizes, [row.need.used[name] for row in rows], label=name, **style)
    axes.axhline(1.0, color="tab:gray", linestyle=":", label="all of it")
    axes.set(xscale="log", yscale="log")


def _plot_day(pair: Any, row: "Planned", name: str, line: str) -> None:
    day, rounds = row.need.day, row.need.setting.rounds
    hours = [24 * at / rounds for at in range(rounds)]
    left, right = pair
    left.plot(hours, day.asked, line, marker=".", label=f"{name}: asked")
    left.plot(hours, day.merged, line, marker="x", label=f"{name}: merged")
    begin = int(day.asked.argmax() * 86_400 / rounds)
    coming = day.bytes_in[begin : begin + _SHOWN_SECONDS].reshape(-1, _TOGETHER).mean(1)
    places = coming.nonzero()[0]
    right.plot(_TOGETHER * places, coming[places], line, label=name)
