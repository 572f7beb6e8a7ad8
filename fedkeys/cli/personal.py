"""`fedkeys personal`: see, forget, carry away and bring back what your own keyboard has learnt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedkeys.cli.console import many, narrate, print_json
from fedkeys.cli.files import check_output, existing
from fedkeys.cli.options import JsonOption
from fedkeys.cli.secret import data_directory

if TYPE_CHECKING:
    from fedkeys.phone import PersonalStore

app = typer.Typer(
    help="See, forget, export and import what your own keyboard has learnt.", no_args_is_help=True
)

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where it is kept; default: FEDKEYS_DATA_DIR, or the platform's own directory.",
    ),
]


def personal_directory(data_dir: Path | None) -> Path:
    """Where what one's own keyboard has learnt is kept."""
    return (data_dir or data_directory()) / "personal"


def open_store(data_dir: Path | None) -> "PersonalStore":
    """Open what one's own keyboard has learnt.

    Raises:
        FedkeysError: another process works on it, or it cannot be read or written.
    """
    from fedkeys.phone import PersonalStore

    return PersonalStore(personal_directory(data_dir))


@app.command("learnt")
def learnt(json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Print each word that it knows and how often it was typed, the most frequent first, separated by a tab."""
    with open_store(data_dir) as store:
        words, ngrams = store.learnt(), len(store)
    if json:
        print_json({"ngrams": ngrams, "words": [{"word": word, "count": count} for word, count in words]})
    else:
        for word, count in words:
            typer.echo(f"{word}\t{count}")
    narrate(f"{many(len(words), 'word')}, {many(ngrams, 'n-gram')}")


@app.command("forget")
def forget(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="In any written form.")],
    data_dir: DataDirOption = None,
) -> None:
    """Forget words, in every written form, with all that they were part of.

    No file of the store holds them after that; what a file system keeps of files that are gone is out of reach.
    """
    from fedkeys.errors import UsageError
    from fedkeys.words import fold, is_word

    for word in words:
        if not is_word(fold(word)):
            raise UsageError(f"{word!r} is not one word", remedy="name the words to forget one by one")
    with open_store(data_dir) as store:
        for word in words:
            narrate(f"{word}: {'forgotten' if store.forget(word) else 'was not known'}")


@app.command("forget-all")
def forget_all(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, data_dir: DataDirOption = None
) -> None:
    """Forget everything that your own keyboard has learnt."""
    with open_store(data_dir) as store:
        known = many(len(store.learnt()), "word")
        if not yes:
            typer.confirm(f"Forget {known}?", abort=True, err=True)
        store.forget_all()
    narrate(f"{known} forgotten")


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, JSON Lines.")],
    data_dir: DataDirOption = None,
) -> None:
    """Write what it knows as a text that you can read, keep, and import on another machine.

    The file tells what you type: it is made readable for you only.
    """
    check_output(out, ".jsonl")
    with open_store(data_dir) as store:
        lines = store.export(out)
    narrate(f"{many(lines, 'line')} in {out}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that export wrote.")],
    data_dir: DataDirOption = None,
) -> None:
    """Add what was exported, as if it had been typed here before all else; done twice, it counts twice."""
    with open_store(data_dir) as store:
        before = len(store)
        store.import_(existing(file))
        known, ngrams = store.learnt(), len(store)
    narrate(f"{many(len(known), 'word')}, {many(ngrams, 'n-gram')}, of which {many(before, 'n-gram')} before")


@app.command("path")
def path(data_dir: DataDirOption = None) -> None:
    """Print the directory in which it is kept."""
    typer.echo(personal_directory(data_dir))
