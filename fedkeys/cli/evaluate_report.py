"""The tables of `fedkeys evaluate`."""

from collections.abc import Mapping, Sequence
from typing import Any

from fedkeys.cli.console import many, print_table

NAMES = {
    "keyboard": "keyboard",
    "model": "model alone",
    "bigram": "bigram counts",
    "frequent_words": "frequent words",
    "stupid_backoff": "stupid back-off",
    "kenlm": "KenLM scan",
    "nltk_lm": "nltk.lm",
}
COLUMNS = {"top1": "top-1", "top3": "top-3", "keystroke_savings": "savings"}


def print_report(figures: Mapping[str, Any]) -> None:
    """Print all that `Report.as_dict` gives; parts of 1 as per cent."""
    systems = {"keyboard": figures, **figures["baselines"]}
    title = f"{many(figures['users'], 'user')}, {many(figures['words'], 'word')}"
    _print_systems(f"{title}; per cent, with 95 % intervals", systems)
    print_table(
        "how users differ: the keyboard, per cent",
        ("", "all words", "10th percentile", "median", "90th percentile"),
        [
            (COLUMNS[name], _percent(figures[name]), *map(_percent, spread.values()))
            for name, spread in figures["by_user"].items()
        ],
    )
    if "new_users" in figures:
        new = figures["new_users"]
        title = f"{many(new['users'], 'new user')}, {many(new['words'], 'word')}; per cent"
        _print_systems(title, {name: new[name] for name in systems})
    sampled = figures.get("sampled", {"systems": {}})
    if sampled["systems"]:
        title = f"a sample of {many(sampled['words'], 'word')} of {many(sampled['users'], 'user')}; per cent"
        _print_systems(title, sampled["systems"])
    _print_latency({**sampled["systems"], **systems})
    if "curves" in figures:
        _print_phones(figures["curves"]["phones"])
        _print_messages(figures["curves"]["messages"])


def _print_systems(title: str, systems: Mapping[str, Any]) -> None:
    rows = [
        (NAMES[name], *(_with_interval(system, column) for column in COLUMNS))
        for name, system in systems.items()
    ]
    print_table(title, ("", *COLUMNS.values()), rows)


def _print_latency(systems: Mapping[str, Any]) -> None:
    rows = []
    for name in sorted(systems, key=list(NAMES).index):
        kinds = systems[name]["latency_us"].values()
        times = [f"{kind[part]:,.0f}" if kind else "" for kind in kinds for part in ("p50", "p99")]
        rows.append((NAMES[name], *times))
    print_table(
        "CPU time of an answer, us",
        ("", "next word", "99th percentile", "completion", "99th percentile"),
        rows,
    )


def _print_phones(points: Sequence[Mapping[str, Any]]) -> None:
    asked = f"{many(points[0]['users'], 'user')}, {many(points[0]['words'], 'word')}"
    print_table(
        f"by number of other people's phones: {asked}; per cent",
        ("phones", "top-1", "top-3", "savings", "model, top-1", "bigram, top-1"),
        [(f"{point['at']:,}", *_of_point(point)) for point in points],
    )


def _print_messages(points: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        "by messages typed before, the model knowing none; model, bigram: top-1",
        ("after", "users", "words", "top-1", "top-3", "savings", "model", "bigram"),
        [(*(f"{point[name]:,}" for name in ("at", "users", "words")), *_of_point(point)) for point in points],
    )


def _of_point(point: Mapping[str, Any]) -> list[str]:
    """The keyboard's figures, and top-1 of two others."""
    keyboard = point["keyboard"]
    return [
        _with_interval(keyboard, "top1"),
        *(_percent(keyboard[column]) for column in ("top3", "keystroke_savings")),
        *(_percent(point[name]["top1"]) for name in ("model", "bigram")),
    ]


def _percent(part: float) -> str:
    return f"{100 * part:.1f}"


def _with_interval(system: Mapping[str, Any], column: str) -> str:
    low, high = system["confidence_95"][column]
    return f"{_percent(system[column])} ({_percent(low)}–{_percent(high)})"
