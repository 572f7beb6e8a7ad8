"""What the commands share: progress on stderr, tables and JSON on stdout, common options."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fedkeys.delta import Bounds

OrderOption = Annotated[int, typer.Option("--order", min=2, max=4, help="Highest order of n-grams.")]
MinPhonesOption = Annotated[
    int,
    typer.Option("--min-phones", min=1, max=1 << 31, help="Release only what so many phones have sent."),
]
FederationOption = Annotated[str, typer.Option("--federation", help="Name of the federation.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn at random.")]
MemoryOption = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="About how much memory sums may take before they go to disk: 512M, 2G.",
    ),
]

MaxNgramsOption = Annotated[
    int,
    typer.Option("--max-ngrams", min=1, help="The most n-grams and written forms of one phone, in its life."),
]
MaxCountOption = Annotated[
    int, typer.Option("--max-count", min=1, help="The most that one phone can add to one count, in its life.")
]
MaxBytesOption = Annotated[
    int, typer.Option("--max-bytes", min=512, help="The most bytes of one delta of a phone.")
]
UnboundedOption = Annotated[
    bool, typer.Option("--unbounded", help="No bounds on what one phone may contribute.")
]
# Those of fedkeys.delta.DEFAULT_BOUNDS, which a test holds against these: importing it takes numpy.
DEFAULT_MAX_NGRAMS, DEFAULT_MAX_COUNT, DEFAULT_MAX_BYTES = 2000, 16, 5000

Step = Callable[[str, float], None]


@contextmanager
def progress() -> Iterator[Step]:
    """Show the step under way on stderr, if that is a terminal: `step(name, part done)`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def step(name: str, part: float) -> None:
            if name not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, visible=False)
                tasks[name] = bar.add_task(name, total=1.0)
            bar.update(tasks[name], completed=part)

        yield step


def adding_up(step: Step, name: str, total: int) -> Callable[[int], None]:
    """Give what shows a step's progress from amounts that it is told one by one."""
    done = 0

    def add(amount: int) -> None:
        nonlocal done
        done += amount
        step(name, done / total if total else 0.0)

    return add


def print_json(value: object) -> None:
    """Print one JSON object on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; the first column to the left, the others to the right.

    Where stdout is no terminal the table is as wide as it needs to be, so that nothing is cut.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(title=title or None, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def narrate(sentence: str) -> None:
    """Say something on stderr."""
    typer.secho(printable(sentence), err=True)


def printable(sentence: str) -> str:
    """Replace halves of surrogate pairs, which file names may hold and no terminal shows."""
    return sentence.encode(errors="replace").decode()


def size(bytes_: float) -> str:
    """Write a number of bytes for people.

    >>> size(512), size(13_679_039)
    ('512 B', '13.7 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_ < 1000 or unit == "GB":
            break
        bytes_ /= 1000
    return f"{bytes_:.0f} {unit}" if unit == "B" else f"{bytes_:.1f} {unit}"


def bytes_of(text: str) -> int:
    """Read a size: a number of bytes, or of KiB, MiB or GiB with K, M or G behind it.

    Raises:
        UsageError: it is none.

    >>> bytes_of("512M"), bytes_of("1.5GiB")
    (536870912, 1610612736)
    """
    import re

    from fedkeys.errors import UsageError

    found = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip(), re.IGNORECASE)
    if not found:
        raise UsageError(f"{text!r} is no size of memory", remedy="write for example 512M or 2G")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))


def bounds_of(max_ngrams: int, max_count: int, max_bytes: int, unbounded: bool) -> "Bounds | None":
    """Give the bounds that were asked for."""
    from fedkeys.delta import Bounds

    return None if unbounded else Bounds(max_ngrams, max_count, max_bytes)


def existing(path: Path) -> Path:
    """Refuse a file that is not there, before any work is done.

    Raises:
        UsageError: there is no such file.
    """
    from fedkeys.errors import UsageError

    if not path.is_file():
        raise UsageError("no such file", file=path)
    return path
