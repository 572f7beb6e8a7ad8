"""`fedkeys export`: a model in a format that other programs read."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import many, narrate, size
from fedkeys.cli.files import check_output, existing
from fedkeys.cli.progress import progress


class Format(StrEnum):
    """The formats there are."""

    ARPA = "arpa"


def command(
    model: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    format_: Annotated[
        Format, typer.Option("--format", help="arpa: text, for KenLM, SRILM and others.")
    ] = Format.ARPA,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write, .arpa; default: standard output.")
    ] = None,
) -> None:
    """Write a model in a format that other programs read.

    In an ARPA file <s> is the start of a message and <sentence> that of a further sentence in it. The model
    predicts neither the end of a sentence nor unknown words: </s> and <unk> are there with the probability 0.
    """
    from fedkeys.container import atomic_file
    from fedkeys.errors import FormatError
    from fedkeys.model import Model
    from fedkeys.model.arpa import write_arpa

    check_output(out, f".{format_.value}", [existing(model)])
    given = Model.load(model)
    try:
        with progress() as step:
            if out is not None:
                with atomic_file(out) as file:
                    write_arpa(given, file, lambda part: step("writing", part))
            elif sys.stdout.isatty():  # a line of progress would stand between those of the model
                write_arpa(given, sys.stdout.buffer)
            else:
                write_arpa(given, sys.stdout.buffer, lambda part: step("writing", part))
    except FormatError as error:
        raise error.at(model) from None
    if out is not None:
        words, *above = given.ngrams
        written = f"{many(words, 'word')} and {many(sum(above), 'n-gram')}"
        narrate(f"{written} in {out} ({size(out.stat().st_size)})")
