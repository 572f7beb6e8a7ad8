"""`fedkeys evaluate`: how good the suggestions are on text that the model has not seen."""

from pathlib import Path
from typing import Annotated, Any

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
    public_prior,
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
    new_users: Annotated[
        int,
        typer.Option(
            "--new-users", min=0, help="Keep so many users' messages from the model; replay them too."
        ),
    ] = 0,
    no_personal: Annotated[bool, typer.Option("--no-personal", help="The keyboard learns nothing.")] = False,
    no_mix: Annotated[bool, typer.Option("--no-mix", help="What is known is weighed by hand.")] = False,
    no_prior: Annotated[bool, typer.Option("--no-prior", help="Without public words.")] = False,
    adapt: Annotated[bool, typer.Option("--adapt", help="Each keyboard goes on learning its mix.")] = False,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Offer words again that were passed over by typing on.")
    ] = False,
    min_phones: MinPhonesOption = 2,
    order: OrderOption = 4,
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
    evaluation = Evaluation(
        split,
        users,
        min_words,
        new_users,
        personal=not no_personal,
        mix=not no_mix,
        adapts=adapt,
        repeats=repeat,
        plan=Plan(min_phones=min_phones, order=order, bounds=bounds),
    )
    prior = None if no_prior else public_prior()
    given = Model.load(existing(model)) if model else None
    with progress() as step:
        report = evaluate(open_corpus(corpus), evaluation, np.random.default_rng(seed), given, prior, step)
    figures = report.as_dict(np.random.default_rng(seed))
    if json:
        print_json(figures)
        return
    _print(figures, len(report.new))
    for kind, latency in figures["latency_us"].items():
        shown = ", ".join(f"{name} {value:.0f} us" for name, value in latency.items())
        narrate(f"latency of the keyboard, {kind}: {shown}")


def _print(figures: dict[str, Any], new: int) -> None:
    rows = {"keyboard": figures, **figures["baselines"]}
    columns = ("top1", "top3", "keystroke_savings")
    print_table(
        f"{many(figures['users'], 'user')}, {many(figures['words'], 'word')}",
        ("", "top-1", "top-3", "keystroke savings"),
        [(_NAMES[name], *(_with_interval(row, column) for column in columns)) for name, row in rows.items()],
    )
    print_table(
        "how users differ",
        ("keyboard", "10th percentile", "median", "90th percentile"),
        [
            (
                column.replace("_", " ").replace("top", "top-"),
                *(f"{100 * part:.1f} %" for part in spread.values()),
            )
            for column, spread in figures["by_user"].items()
        ],
    )
    if new:
        print_table(
            f"{many(new, 'new user')}, {many(figures['new_users']['words'], 'word')}",
            ("", "top-1", "top-3", "keystroke savings"),
            [
                (_NAMES[name], *(f"{100 * figures['new_users'][name][column]:.1f} %" for column in columns))
                for name in rows
            ],
        )


def _with_interval(row: dict[str, Any], column: str) -> str:
    low, high = row["confidence_95"][column]
    return f"{100 * row[column]:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
