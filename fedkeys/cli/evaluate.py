"""`fedkeys evaluate`: how good the suggestions are on text that the model has not seen."""

from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import (
    JsonOption,
    MaxBytesOption,
    MaxCountOption,
    MaxNgramsOption,
    MinPhonesOption,
    OrderOption,
    SeedOption,
    UnboundedOption,
    bounds_of,
    existing,
    many,
    narrate,
    print_json,
    print_table,
    progress,
)

_NAMES = {
    "keyboard": "keyboard (model + personal)",
    "model": "model alone",
    "bigram": "baseline: bigram counts",
    "frequent_words": "baseline: frequent words",
}


def command(
    corpus: Annotated[
        str,
        typer.Argument(help="Directory of .txt files, .jsonl, .jsonl.gz or nltk:NAME.", show_default=False),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", help="Model to evaluate; default: one made of the first parts.")
    ] = None,
    split: Annotated[float, typer.Option("--split", help="Part of each user's messages that trains.")] = 0.8,
    users: Annotated[int | None, typer.Option("--users", min=1, help="Replay only so many users.")] = None,
    min_words: Annotated[
        int, typer.Option("--min-words", min=0, help="Replay only users with so many words.")
    ] = 0,
    min_phones: MinPhonesOption = 2,
    order: OrderOption = 3,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    unbounded: UnboundedOption = False,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Replay each user's last messages, in time order, against a model made of everybody's first ones.

    Words are runs of the letters a to z in lower case, with apostrophes inside; recall is read before the
    first letter; keystroke savings are 1 - keys / characters with three slots, read before the first letter and
    after each letter but the last.
    Users with fewer than 10 messages only train.
    """
    import numpy as np

    from fedkeys.evaluate import Evaluation, evaluate
    from fedkeys.model import Model
    from fedkeys.simulate import Plan
    from fedkeys.sources import open_corpus

    bounds = bounds_of(max_ngrams, max_count, max_bytes, unbounded)
    evaluation = Evaluation(split, users, min_words, Plan(min_phones=min_phones, order=order, bounds=bounds))
    given = Model.load(existing(model)) if model else None
    with progress() as step:
        report = evaluate(open_corpus(corpus), evaluation, np.random.default_rng(seed), given, step)
    figures = report.as_dict()
    if json:
        print_json(figures)
        return
    print_table(
        f"{many(report.users, 'user')}, {many(figures['words'], 'word')}",
        ("", "top-1", "top-3", "keystroke savings"),
        [
            (_NAMES[name], *(f"{100 * figure:.1f} %" for figure in score.summary().values()))
            for name, score in report.scores.items()
        ],
    )
    for kind, latency in figures["latency_us"].items():
        shown = ", ".join(f"{name} {value:.0f} us" for name, value in latency.items())
        narrate(f"latency of the keyboard, {kind}: {shown}")
