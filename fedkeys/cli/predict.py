"""`fedkeys predict`: ask a model for the next word."""

from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import narrate, print_json
from fedkeys.cli.files import existing
from fedkeys.cli.options import JsonOption


def command(
    model: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    context: Annotated[str, typer.Argument(help='Words before the cursor, as in "see you".')] = "",
    prefix: Annotated[str, typer.Option("--prefix", help="Letters typed of the next word.")] = "",
    k: Annotated[int, typer.Option("-k", min=1, help="How many words.")] = 3,
    json: JsonOption = False,
) -> None:
    """Print the most probable next words, one `word<TAB>probability` a line.

    The context is read as the beginning of a message.
    """
    from fedkeys.model import Model
    from fedkeys.words import at_cursor

    words = at_cursor(context + " ").items
    suggestions = Model.load(existing(model)).suggest(words, prefix, k)
    if json:
        print_json(
            {
                "context": context,
                "prefix": prefix,
                "suggestions": [
                    {"word": word, "probability": round(probability, 9)} for word, probability in suggestions
                ],
            }
        )
    else:
        for word, probability in suggestions:
            typer.echo(f"{word}\t{probability:.6f}")
        if not suggestions:
            narrate(
                f"the model has no word that begins with {prefix!r}" if prefix else "the model has no word"
            )
