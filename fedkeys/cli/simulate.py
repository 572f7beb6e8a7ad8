"""`fedkeys simulate`: a whole federation on one machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli.console import (
    JsonOption,
    MinPhonesOption,
    OrderOption,
    SeedOption,
    narrate,
    print_json,
    print_table,
    progress,
    size,
)

if TYPE_CHECKING:
    from fedkeys.simulate import Plan, Round


def command(
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="Directory of .txt files, .jsonl, .jsonl.gz or nltk:NAME; default: the shipped phones."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many rounds.")] = 1,
    cohort: Annotated[
        str, typer.Option("--cohort", help="Phones sampled for a round: a number, or all.")
    ] = "all",
    min_phones: MinPhonesOption = 2,
    order: OrderOption = 3,
    out: Annotated[Path | None, typer.Option("--out", help="File for the last round's model.")] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Federate a corpus: sample phones, collect what is new, merge, release, and again.

    Each phone's messages are split in time over the rounds; from the second round on phones write against the
    vocabulary released before.
    """
    from fedkeys.simulate import Plan
    from fedkeys.sources import shipped_corpus

    plan = Plan(rounds=rounds, cohort=_cohort(cohort), min_phones=min_phones, order=order)
    history = run(str(corpus or shipped_corpus()), plan, seed)
    if out:
        history[-1].model.save(out)
        narrate(f"model of round {len(history)} in {out}")
    if json:
        print_json({"rounds": [as_dict(round_) for round_ in history]})
    else:
        print_report(history)


def run(corpus: str, plan: "Plan", seed: int) -> "list[Round]":
    """Run a federation with progress on stderr."""
    import numpy as np

    from fedkeys.simulate import Federation
    from fedkeys.sources import open_corpus

    source = open_corpus(corpus)
    with progress() as step:
        phones = len(source.names(lambda part: step("reading", part)))
        counted: dict[int, int] = {}

        def count(number: int) -> None:
            counted[number] = counted.get(number, 0) + 1
            if not counted[number] % 16 or counted[number] == phones:
                step(f"round {number}: counting and merging", counted[number] / phones)
            if counted[number] == phones:
                step(f"round {number}: releasing", 0.0)

        history = []
        for round_ in Federation(source, plan, np.random.default_rng(seed)).run(count):
            step(f"round {round_.number}: releasing", 1.0)
            history.append(round_)
        return history


def as_dict(round_: "Round") -> dict[str, Any]:
    """Give the account of a round for `--json`."""
    import numpy as np

    return {
        "round": round_.number,
        "phones": round_.phones,
        "sampled": round_.sampled,
        "deltas": round_.deltas,
        "messages": round_.messages,
        "bytes_up": int(round_.bytes_up.sum()),
        "bytes_up_median": float(np.median(round_.bytes_up)) if len(round_.bytes_up) else 0.0,
        "bytes_down": round_.bytes_down,
        "ngrams": round_.model.ngrams,
        "payload": round_.model.payload_digest.hex(),
        "seconds": round(round_.seconds, 3),
    }


def print_report(history: "Sequence[Round]") -> None:
    """Print a table of the rounds on stdout."""
    accounts = [as_dict(round_) for round_ in history]
    first = accounts[0]
    min_phones = history[0].model.header["release"]["min_phones"]
    print_table(
        f"{first['phones']:,} phones; released: what at least {min_phones} of them have sent",
        ("round", "sampled", "deltas", "messages", "sent", "median", "model", "words", "n-grams", "seconds"),
        [
            (
                str(account["round"]),
                f"{account['sampled']:,}",
                f"{account['deltas']:,}",
                f"{account['messages']:,}",
                size(account["bytes_up"]),
                size(account["bytes_up_median"]),
                size(account["bytes_down"]),
                f"{account['ngrams'][0]:,}",
                f"{sum(account['ngrams'][1:]):,}",
                f"{account['seconds']:.1f}",
            )
            for account in accounts
        ],
    )


def _cohort(text: str) -> int | None:
    from fedkeys.errors import UsageError

    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--cohort {text!r} is neither a number from 1 up nor all")
    return int(text)
