"""The plot of `fedkeys evaluate`: systems with their intervals, how users differ, learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkeys.cli.console import many
from fedkeys.cli.evaluate_report import COLUMNS, NAMES
from fedkeys.cli.plots import pyplot_of, save_plot

if TYPE_CHECKING:
    from fedkeys.evaluate import Report

# Told apart by line and marker too, so that colour is never all.
_STYLES: Mapping[str, Mapping[str, Any]] = {
    "keyboard": {"color": "tab:blue", "linestyle": "-", "marker": "o"},
    "model": {"color": "tab:orange", "linestyle": "--", "marker": "s"},
    "bigram": {"color": "tab:green", "linestyle": ":", "marker": "^"},
}


def plot_report(report: "Report", figures: Mapping[str, Any], path: Path) -> None:
    """Plot a report.

    Args:
        report: its scores of each user.
        figures: what its `as_dict` gives.
        path: the file.
    """
    pyplot = pyplot_of()
    curves = figures.get("curves")
    heights = [1.0, 1.2, 1.2] if curves else [1.0, 1.2]
    figure = pyplot.figure(figsize=(11, 3.1 * len(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 6, height_ratios=heights)
    title = f"{many(figures['users'], 'user')}, {many(figures['words'], 'word')}"
    figure.suptitle(f"{title}; 95 % intervals over users")
    _plot_systems(figure, grid, figures)
    _plot_users(figure, grid, report)
    if curves:
        left, right = figure.add_subplot(grid[2, :3]), figure.add_subplot(grid[2, 3:])
        _plot_curve(left, curves["phones"], "phones that made model and mix")
        left.set_xscale("log")
        _plot_curve(right, curves["messages"], "messages typed before, the model knowing none of them")
        right.set_xscale("symlog", linthresh=10)
        for axes, name in ((left, "phones"), (right, "messages")):
            _mark_points(axes, [point["at"] for point in curves[name]])
    save_plot(figure, path)
    pyplot.close(figure)


def _plot_systems(figure: Any, grid: Any, figures: Mapping[str, Any]) -> None:
    """Plot each figure of every system that was asked all words."""
    systems = {"keyboard": figures, **figures["baselines"]}
    for at, (column, label) in enumerate(COLUMNS.items()):
        axes = figure.add_subplot(grid[0, 2 * at : 2 * at + 2])
        for row, (name, system) in enumerate(systems.items()):
            low, high = (100 * bound for bound in system["confidence_95"][column])
            style = {"marker": "o", "color": "tab:gray", **_STYLES.get(name, {})}
            axes.plot([low, high], [row, row], color=style["color"], linewidth=2)
            axes.plot(100 * system[column], row, color=style["color"], marker=style["marker"])
        axes.set_yticks(range(len(systems)), [NAMES[name] for name in systems] if not at else [])
        axes.set(ylim=(len(systems) - 0.5, -0.5), xlabel=f"{label}, per cent")
        axes.grid(axis="x", alpha=0.3)


def _plot_users(figure: Any, grid: Any, report: "Report") -> None:
    """Plot which part of the users has a figure or less."""
    from fedkeys.evaluate.figures import by_user

    of_users = {name: by_user(report.of_known(name)) for name in _STYLES}
    for at, label in enumerate(COLUMNS.values()):
        axes = figure.add_subplot(grid[1, 2 * at : 2 * at + 2])
        for name, found in of_users.items():
            axes.ecdf(100 * found[:, at], label=NAMES[name], **{**_STYLES[name], "marker": ""})
        axes.set(xlabel=f"a user's own {label}, per cent", ylim=(0, 1.02))
        axes.set_yticks([0, 0.1, 0.5, 0.9, 1])
        axes.grid(alpha=0.3)
        if not at:
            axes.set_ylabel("part of users with that or less")
            axes.legend(fontsize="small", loc="lower right")


def _plot_curve(axes: Any, points: Sequence[Mapping[str, Any]], what: str) -> None:
    """Plot top-1 at each point of a curve, with intervals."""
    places = [point["at"] for point in points]
    for name, style in _STYLES.items():
        values = [100 * point[name]["top1"] for point in points]
        bounds = [[100 * bound for bound in point[name]["confidence_95"]["top1"]] for point in points]
        lows, highs = zip(*bounds, strict=True)
        axes.plot(places, values, label=NAMES[name], **style)
        axes.fill_between(places, lows, highs, color=style["color"], alpha=0.12, linewidth=0)
    axes.set(xlabel=what, ylabel="top-1, per cent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _mark_points(axes: Any, places: Sequence[int]) -> None:
    """Write the points themselves along the axis."""
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.minorticks_off()
