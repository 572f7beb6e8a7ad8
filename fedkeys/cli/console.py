"""What the commands say: tables and JSON on stdout, sentences on stderr, numbers as people read them."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from fedkeys.model import Model

_READABLE = 100
_LEAST_COLUMNS = 2  # of a table, however narrow the terminal


def require_open(*names: str) -> None:
    """Refuse to go on without a standard stream that is needed.

    Args:
        names: "stdin", "stdout".

    Raises:
        UsageError: one was closed by who started fedkeys.
    """
    from fedkeys.errors import UsageError

    for name in names:
        if getattr(sys, name) is None:
            raise UsageError(f"{name} is closed", remedy="leave it open, or give a file or a pipe")


def print_json(value: object) -> None:
    """Print one JSON object on stdout."""
    require_open("stdout")
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
    terminal the first column folds between words, no number ever does, and the last columns are left out if need
    be.

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
    left_out: list[int] = []
    while True:
        kept = [place for place in range(len(columns)) if place not in left_out]
        table = _table(title, [columns[place] for place in kept], [[row[at] for at in kept] for row in rows])
        going = [at for name in dispensable for at in kept if columns[at] == name]
        if going and console.measure(table, options=unlimited).maximum > console.width:
            left_out.append(going[0])
        elif (
            len(kept) > _LEAST_COLUMNS and any(columns) and _least_width(columns, rows, kept) > console.width
        ):
            left_out.append(kept[-1])
        else:
            break
    console.print(table)
    if left_out:
        names = ", ".join(dict.fromkeys(columns[at] for at in left_out))
        narrate(f"not shown in {console.width} columns, but by --json: {names}")


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]], kept: Sequence[int]) -> int:
    """How wide a table is if its first column folds between words."""
    from rich.cells import cell_len

    cells = [[columns[at], *(row[at] for row in rows)] for at in kept]
    words = [word for cell in cells[0] for word in cell.split()]
    widths = [max(map(cell_len, own), default=0) for own in (words, *cells[1:])]
    return sum(widths) + 3 * len(kept) + 1


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number > 0)
    for row in rows:
        table.add_row(*map(Text, row))  # a name in brackets is a name
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

    >>> size(512), size(13_679_039), size(4e14)
    ('512 B', '13.7 MB', '400.0 TB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if bytes_ < 1000 or unit == "PB":
            break
        bytes_ /= 1000
    return f"{bytes_:.0f} {unit}" if unit == "B" else f"{bytes_:.1f} {unit}"


def released(ngrams: Sequence[int] | None) -> tuple[str, str]:
    """Write how many words and how many longer n-grams a release has; nothing where there was none."""
    return (f"{ngrams[0]:,}", f"{sum(ngrams[1:]):,}") if ngrams else ("", "")


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


def warn_of_nothing(model: "Model", min_phones: int) -> None:
    """Say why a model holds no word, if it holds none, and what to do."""
    if model.ngrams[0]:
        return
    phones = model.header["phones"]
    if model.header["epsilon"] is not None:
        narrate(
            "warning: the model holds no word: noise at this epsilon, and --min-phones, hide all that was said by "
            f"{many(phones, 'phone')}; let more phones take part, have them vote under the same --max-norm, raise "
            "--epsilon, or lower --min-phones"
        )
        return
    if phones < min_phones:
        why = f"{many(phones, 'phone')} took part, and a release tells what at least {min_phones:,} have sent"
    else:
        why = f"no word that may be told was sent by at least {min_phones:,} of {many(phones, 'phone')}"
    narrate(f"warning: the model holds no word: {why}; let more phones take part, or lower --min-phones")


_WEAK_EPSILON = 10.0


def warn_of_promise(model: "Model") -> None:
    """Say where what a model promises is worth little."""
    epsilon, dp_delta, phones = (model.header[name] for name in ("epsilon", "dp_delta", "phones"))
    if epsilon is not None and dp_delta * phones >= 1:
        narrate(
            f"warning: a delta of {dp_delta:g} lets something of one in {1 / dp_delta:,.0f} phones through, and "
            f"there are {phones:,}; give a --dp-delta well below {1 / phones:.1g}"
        )
    if epsilon is not None and epsilon > _WEAK_EPSILON * (1 + 1e-6):
        narrate(f"warning: an epsilon of {epsilon:.3g} promises a phone next to nothing; 1 to 10 are usual")
