"""Progress on stderr: the step under way, in one line, and what it has done so far."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from fedkeys.cli.console import short, size

if TYPE_CHECKING:
    from fedkeys.aggregator import Merged

_BESIDE = 20  # columns of a line of progress besides name and figures: bar, percentage, time left


class Step(Protocol):
    """Shows how far a step is."""

    def __call__(self, name: str, part: float | None, figures: Sequence[str] = ()) -> None:
        """Show the step under way.

        Args:
            name: the step's name.
            part: how much of it is done, from 0 to 1; None if nobody knows.
            figures: what else there is to say, the most telling first; as many are shown as fit the line.
        """


@contextmanager
def progress() -> Iterator[Step]:
    """Show the step under way on stderr, in one line, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    shown = console.is_terminal and not console.is_dumb_terminal
    with Progress(*columns, console=console, disable=not shown, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def step(name: str, part: float | None, figures: Sequence[str] = ()) -> None:
            done = "" if part is None else f"{100 * min(1.0, part):3.0f} %"
            fit = fitting(figures, console.width - len(name) - _BESIDE)
            state: dict[str, Any] = {"completed": part or 0.0, "done": done, "figures": fit}
            if name in tasks:
                bar.update(tasks[name], **state)
                return
            for earlier in tasks.values():
                bar.update(earlier, visible=False)
            # A bar without a total goes to and fro.
            tasks[name] = bar.add_task(name, total=None if part is None else 1.0, **state)

        yield step


def fitting(figures: Sequence[str], width: int) -> str:
    """Give as many figures as fit, the first ones first.

    >>> fitting(["7 deltas", "12 n-grams", "3 kB"], 20)
    '7 deltas  12 n-grams'
    """
    shown = ""
    for figure in figures:
        longer = f"{shown}  {figure}" if shown else figure
        if len(longer) > width:
            break
        shown = longer
    return shown


def adding_up(
    step: Step, name: str, total: int, merged: "Merged", *, ngrams: bool = True
) -> Callable[[int], None]:
    """Give what shows a step's progress from numbers of bytes that it is told one by one.

    Args:
        step: what shows it.
        name: the step's name.
        total: bytes in all; 0 if nobody knows.
        merged: what is merged in it.
        ngrams: whether n-grams are counted in it too.
    """
    begin = time.monotonic()
    done = 0

    def add(amount: int) -> None:
        nonlocal done
        done += amount
        step(name, done / total if total else None, figures_of(merged, begin, done, ngrams))

    add(0)
    return add


def figures_of(merged: "Merged", begin: float, bytes_: int, ngrams: bool = True) -> list[str]:
    """Say what was merged since an instant of the monotonic clock, in words of constant width."""
    rate = (merged.rows if ngrams else merged.deltas) / max(1e-3, time.monotonic() - begin)
    return [
        f"{short(merged.deltas):>7} deltas",
        *([f"{short(merged.rows):>7} n-grams"] if ngrams else []),
        f"{size(bytes_):>8}",
        f"{short(rate):>7}/s",
    ]
