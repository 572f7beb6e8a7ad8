"""What the commands share: progress on stderr, tables and JSON on stdout, common options."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from fedkeys.aggregator import Merged
    from fedkeys.delta import Bounds
    from fedkeys.model import Model
    from fedkeys.phone import Prior

OrderOption = Annotated[int, typer.Option("--order", min=2, max=4, help="Highest order of n-grams.")]
MinPhonesOption = Annotated[
    int,
    typer.Option("--min-phones", min=1, max=1 << 31, help="Release only what so many phones have sent."),
]
PruneOption = Annotated[
    int | None,
    typer.Option(
        "--prune",
        metavar="N",
        min=0,
        help="Keep so many n-grams of two words or more in the model, those it would change most without. "
        "Words stay. --max-ngrams is what one phone may send.",
    ),
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

# Those of fedkeys.delta.DEFAULT_BOUNDS, which a test holds against these: importing it takes numpy.
DEFAULT_MAX_NGRAMS, DEFAULT_MAX_COUNT, DEFAULT_MAX_BYTES = 2000, 16, 5000

MaxNgramsOption = Annotated[
    int | None,
    typer.Option(
        "--max-ngrams",
        min=1,
        show_default=f"{DEFAULT_MAX_NGRAMS}",
        help="The most n-grams and written forms of one phone, in its life.",
    ),
]
MaxCountOption = Annotated[
    int | None,
    typer.Option(
        "--max-count",
        min=1,
        show_default=f"{DEFAULT_MAX_COUNT}",
        help="The most that one phone can add to one count, in its life.",
    ),
]
MaxBytesOption = Annotated[
    int | None,
    typer.Option(
        "--max-bytes", min=512, show_default=f"{DEFAULT_MAX_BYTES}", help="The most bytes of one delta."
    ),
]
UnboundedOption = Annotated[
    bool, typer.Option("--unbounded", help="No bounds on what one phone may contribute.")
]

_READABLE = 100
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


def print_json(value: object) -> None:
    """Print one JSON object on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    dispensable: Sequence[str] = (),
    err: bool = False,
) -> None:
    """Print a table on stdout; the first column to the left, the others to the right.

    Where that is no terminal the table is as wide as it needs to be, so that nothing is cut; in a narrow
    terminal the first column folds, and no number ever does.

    Args:
        title: above it.
        columns: their names; no head is shown if all are empty.
        rows: of the same length.
        dispensable: columns that a narrow terminal does without, the first to go first.
        err: print it on stderr.
    """
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    console = Console(stderr=err, width=None if stream.isatty() else 200)
    unlimited = console.options.update(width=1000)
    left_out: list[str] = []
    while True:
        kept = [place for place, name in enumerate(columns) if name not in left_out]
        table = _table(title, [columns[place] for place in kept], [[row[at] for at in kept] for row in rows])
        going = [name for name in dispensable if name in columns and name not in left_out]
        if not going or console.measure(table, options=unlimited).maximum <= console.width:
            break
        left_out.append(going[0])
    console.print(table)
    if left_out:
        narrate(f"not shown in {console.width} columns, but by --json: {', '.join(left_out)}")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", title_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number > 0)
    for row in rows:
        table.add_row(*row)
    return table


def tell(text: str) -> None:
    """Say paragraphs on stdout, in lines no longer than is good to read."""
    for paragraph in text.split("\n"):
        typer.echo(folded(paragraph, _width(sys.stdout.isatty())))


def narrate(sentence: str) -> None:
    """Say something on stderr."""
    # Not through typer.echo, which passes the line of progress by and leaves it standing.
    print(for_stderr(sentence), file=sys.stderr)


def for_stderr(sentence: str) -> str:
    """Write a sentence so that stderr can show it: in a terminal, broken between words."""
    return printable(folded(sentence, _width(True) if sys.stderr.isatty() else None))


def folded(sentence: str, width: int | None) -> str:
    """Break a sentence between words, where the terminal would break it anywhere; None to leave it as it is."""
    import textwrap

    if width is None:
        return sentence
    return textwrap.fill(sentence, width, break_on_hyphens=False, break_long_words=False)


def _width(is_terminal: bool) -> int:
    import shutil

    return min(_READABLE, shutil.get_terminal_size().columns) if is_terminal else _READABLE


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


def short(number: float) -> str:
    """Write a number for people who look at it for a moment.

    >>> short(999), short(17_685), short(2_345_678)
    ('999', '17.7 k', '2.3 M')
    """
    for unit in ("", " k", " M", " G"):
        if number < 999.95 or unit == " G":
            break
        number /= 1000
    return f"{number:.1f}{unit}" if unit else f"{number:.0f}"


def many(number: int, noun: str) -> str:
    """Write a number of things.

    >>> many(1, "delta"), many(17_685, "phone")
    ('1 delta', '17,685 phones')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def peak_memory() -> int:
    """Bytes of memory that this process held at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


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
    size_ = int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))
    if size_ < _LEAST_MEMORY:
        raise UsageError(f"{text} of memory is too little", remedy="give 64K or more")
    return size_


def given_of(context: typer.Context, *parameters: str) -> list[str]:
    """Name those options, of some parameters of a command, that were given, not left at their defaults."""
    return [
        f"--{name.replace('_', '-')}"
        for name in parameters
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]


def bounds_of(
    max_ngrams: int | None, max_count: int | None, max_bytes: int | None, unbounded: bool
) -> "Bounds | None":
    """Give the bounds that were asked for.

    Raises:
        UsageError: some were, and none as well.
    """
    from fedkeys.delta import Bounds
    from fedkeys.errors import UsageError

    asked = (max_ngrams, max_count, max_bytes)
    if unbounded and asked != (None, None, None):
        raise UsageError("--unbounded goes with no bound", remedy="leave it out, or the bounds")
    defaults = (DEFAULT_MAX_NGRAMS, DEFAULT_MAX_COUNT, DEFAULT_MAX_BYTES)
    return (
        None if unbounded else Bounds(*(given or usual for given, usual in zip(asked, defaults, strict=True)))
    )


_OTHER_SUFFIXES = (".delta", ".deltas", ".withdrawal", ".partial", ".txt", ".jsonl", ".gz")


def check_output(out: Path | None, suffix: str | None, inputs: Sequence[Path] = ()) -> None:
    """Refuse to write over an input, or a file whose name says that it is of another kind.

    Args:
        out: the file; None for none.
        suffix: what its name must end in; None for anything but the suffixes of other kinds.
        inputs: the files that are read.

    Raises:
        UsageError: it must not be written.
    """
    from fedkeys.errors import UsageError

    if out is None:
        return
    if suffix is not None and out.suffix != suffix:
        raise UsageError(f"does not end in {suffix}", file=out, remedy=f"name it {out.stem}{suffix}")
    if suffix is None and out.suffix in _OTHER_SUFFIXES:
        raise UsageError(f"a model does not end in {out.suffix}", file=out, remedy="name it .model")
    if out.exists() and any(out.samefile(file) for file in inputs if file.exists()):
        raise UsageError("is one of the inputs", file=out, remedy="name another file to write")


def check_writable(out: Path) -> None:
    """Refuse a file that cannot be written, before any work is done.

    Raises:
        UsageError: it is a directory, or nothing can be written where it is to be.
    """
    import tempfile

    from fedkeys.errors import UsageError

    if out.is_dir():
        raise UsageError("is a directory, and a file is wanted", file=out, remedy="name a file in it")
    if out.exists() and not out.is_file():
        return  # a pipe, or /dev/null
    # Directories that are missing are made with the file.
    above = next(directory for directory in out.absolute().parents if directory.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise UsageError(
            f"cannot be written ({error.strerror})", file=out, remedy="name a file elsewhere"
        ) from None


_LEAST_MEMORY = 64 << 10


def existing(path: Path) -> Path:
    """Refuse a file that is not there, before any work is done.

    Raises:
        UsageError: there is no such file.
    """
    from fedkeys.errors import UsageError

    if path.is_dir():
        raise UsageError("is a directory, and a file is wanted", file=path, remedy="name a file in it")
    if not path.is_file():
        raise UsageError("no such file", file=path)
    return path


def warn_of_nothing(model: "Model", min_phones: int) -> None:
    """Say why a model holds no word, if it holds none, and what to do."""
    if model.ngrams[0]:
        return
    phones = model.header["phones"]
    if phones < min_phones:
        why = f"{many(phones, 'phone')} took part, and a release tells what at least {min_phones:,} have sent"
    else:
        why = f"no word that may be told was sent by at least {min_phones:,} of {many(phones, 'phone')}"
    narrate(f"warning: the model holds no word: {why}; let more phones take part, or lower --min-phones")


def cache_directory() -> Path:
    """Name the directory of what can be made again."""
    from platformdirs import user_cache_path

    given = os.environ.get("FEDKEYS_CACHE_DIR")
    return Path(given) if given else user_cache_path("fedkeys", appauthor=False)


def public_prior() -> "Prior":
    """Give the public words, read at the first run, from the cache after that."""
    from fedkeys.phone import Prior

    return Prior.load(cache_directory())


def kept_prior() -> "Prior | None":
    """Give the public words if the cache has them."""
    from fedkeys.phone import Prior

    return Prior.kept(cache_directory())
