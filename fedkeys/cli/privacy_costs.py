"""The table and the plot of `fedkeys bench privacy`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedkeys.cli.console import many, print_table
from fedkeys.cli.plots import pyplot_of, save_plot

_USERS = {"known": "users that the fleets know", "new": "users that they do not know"}
_FIGURES = {"top1": "top-1", "top3": "top-3", "keystroke_savings": "savings"}
_DASHED = "dashed: without public words"
# Told apart by line and marker too, so that colour is never all.
_STYLES: Sequence[Mapping[str, Any]] = (
    {"marker": "o", "color": "tab:blue"},
    {"marker": "s", "color": "tab:orange"},
    {"marker": "^", "color": "tab:green"},
    {"marker": "D", "color": "tab:red"},
    {"marker": "v", "color": "tab:purple"},
    {"marker": "P", "color": "tab:brown"},
    {"marker": "X", "color": "tab:pink"},
    {"marker": "*", "color": "tab:olive"},
)


def print_costs(points: Sequence[Mapping[str, Any]], worth: Mapping[str, Mapping[float, int | None]]) -> None:
    """Print all points on stdout.

    Args:
        points: what `CostPoint.as_dict` gives.
        worth: users -> epsilon -> what `worth_from` gives.
    """
    for users, title in _USERS.items():
        of_prior = [[point for point in points if point["prior"] is prior] for prior in (True, False)]
        first = points[0][users]
        print_table(
            f"{title}: {many(first['words'], 'word')}; top-1 / top-3 / keystroke savings, per cent",
            ("phones", "released", "words", "n-grams", "with public words", "gain in savings", "without"),
            [
                (
                    f"{point['phones']:,}" if point["phones"] else "-",
                    _rule(point),
                    f"{point['ngrams'][0]:,}",
                    f"{sum(point['ngrams'][1:]):,}",
                    _figures(point[users]),
                    _gain(point[users]),
                    _figures(bare[users]),
                )
                for point, bare in zip(*of_prior, strict=True)
            ],
        )
    most = max(point["phones"] for point in points)
    print_table(
        "with public words, a private release saves more keys than none from how many phones on\n"
        "(95 % sure for other users; noise and fleets were drawn once)",
        ("epsilon", *_USERS.values()),
        [
            (
                f"{epsilon:g}",
                *(
                    f"{from_[epsilon]:,}" if from_[epsilon] else f"not up to {most:,}"
                    for from_ in worth.values()
                ),
            )
            for epsilon in worth["known"]
        ],
    )


def plot_costs(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot top-1 and keystroke savings against the size of the fleet, a line a rule."""
    pyplot = pyplot_of()
    figure, grid = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained", sharex=True, sharey="row")
    for row, name in zip(grid, ("top1", "keystroke_savings"), strict=True):
        for axes, (users, title) in zip(row, _USERS.items(), strict=True):
            _plot_lines(axes, points, users, name)
            axes.set(title=title, ylabel=f"{_FIGURES[name]}, per cent")
            axes.grid(alpha=0.3)
    sizes = sorted({point["phones"] for point in points if point["phones"]})
    for axes in grid[1]:
        axes.set(xlabel="phones", xscale="log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, title=_DASHED)
    save_plot(figure, path)
    pyplot.close(figure)


def _plot_lines(axes: Any, points: Sequence[Mapping[str, Any]], users: str, name: str) -> None:
    rules = list(dict.fromkeys(_rule(point) for point in points if point["phones"]))
    for prior, line in ((True, "-"), (False, "--")):
        (nothing,) = (point for point in points if not point["phones"] and point["prior"] is prior)
        axes.axhline(
            100 * nothing[users][name],
            color="tab:gray",
            linestyle=line,
            label="no release" if prior else None,
        )
        for at, rule in enumerate(rules):
            some = [point for point in points if point["prior"] is prior and _rule(point) == rule]
            places = [point["phones"] for point in some]
            values = [100 * point[users][name] for point in some]
            style = _STYLES[at % len(_STYLES)]
            axes.plot(places, values, linestyle=line, label=rule if prior else None, **style)


def _rule(point: Mapping[str, Any]) -> str:
    return {"nothing": "no release", "counts": "counts"}.get(
        point["rule"], f"epsilon {point['epsilon'] or 0:g}"
    )


def _figures(found: Mapping[str, Any]) -> str:
    return " / ".join(f"{100 * found[name]:.1f}" for name in _FIGURES)


def _gain(found: Mapping[str, Any]) -> str:
    low, high = found["gain"]["keystroke_savings"]
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
