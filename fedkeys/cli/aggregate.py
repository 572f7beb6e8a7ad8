"""`fedkeys aggregate`: merge deltas and release a model."""

from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import (
    FederationOption,
    JsonOption,
    MemoryOption,
    MinPhonesOption,
    bytes_of,
    existing,
    narrate,
    print_json,
    progress,
    size,
)


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Delta files, logs of many (.deltas), directories of both, or - for a log on standard input.",
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="File for the model.")] = None,
    min_phones: MinPhonesOption = 2,
    strict: Annotated[
        bool, typer.Option("--strict", help="Write nothing if any file has to be set aside.")
    ] = False,
    base: Annotated[
        list[Path] | None,
        typer.Option("--base", help="Model that deltas were written against; may be given again."),
    ] = None,
    blocklist: Annotated[
        Path | None,
        typer.Option("--blocklist", help="Text file of words, one a line, that the model must not hold."),
    ] = None,
    memory: MemoryOption = "1G",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Merge and report, and write nothing.")] = False,
    federation: FederationOption = "fedkeys",
    json: JsonOption = False,
) -> None:
    """Merge deltas exactly once, in any order, and release a model.

    A delta that is damaged or must not be merged is named with the reason and left where it is; the others
    are merged, and the exit status is 3. A log is deltas one after the other: cat *.delta > all.deltas.
    """
    from fedkeys.aggregator import Aggregator, delta_files, merge_files, read_blocklist
    from fedkeys.errors import PartialError, UsageError
    from fedkeys.model import Model

    if out is None and not dry_run:
        raise UsageError("the model has no file to go to", remedy="name it with --out, or try --dry-run")
    bases = (Model.load(existing(path)).vocabulary for path in base or ())
    aggregator = Aggregator(federation, bases, bytes_of(memory))
    blocked = read_blocklist(existing(blocklist)) if blocklist else []
    files = delta_files(inputs)
    in_all = sum(file.stat().st_size for file in files if file.is_file())
    done = 0
    with progress() as step:

        def count(bytes_: int) -> None:
            nonlocal done
            done += bytes_
            step("merging", done / in_all if in_all else 0.0)

        intake = merge_files(aggregator, files, on_bytes=count)
        for sentence in intake.refused:
            narrate(f"set aside: {sentence}")
        if not intake.merged:
            raise PartialError("no delta could be merged, so there is no model")
        if strict and intake.refused:
            raise PartialError(
                f"{len(intake.refused)} deltas had to be set aside, so nothing was written",
                remedy="leave --strict out to merge the others",
            )
        step("releasing", 0.0)
        model = aggregator.release(min_phones, blocked)
        if out is not None and not dry_run:
            model.save(out)
        step("releasing", 1.0)
    released_bytes = len(model.to_bytes())
    report = {
        "merged": intake.merged,
        "repeated": intake.repeated,
        "refused": list(intake.refused),
        "phones": aggregator.phones,
        "ngrams": model.ngrams,
        "payload": model.payload_digest.hex(),
        "blocked": len(set(blocked)),
        "bytes": released_bytes,
        "out": None if dry_run else str(out),
    }
    if json:
        print_json(report)
    narrate(
        f"{intake.merged:,} deltas of {aggregator.phones:,} phones merged"
        + (f", {intake.repeated:,} merged before" if intake.repeated else "")
        + f"; {model.ngrams[0]:,} words and {sum(model.ngrams[1:]):,} n-grams"
        + (
            f" would be released ({size(released_bytes)})"
            if dry_run
            else f" released in {out} ({size(released_bytes)})"
        )
    )
    if intake.refused:
        raise PartialError(f"{len(intake.refused)} of the deltas were set aside, the others are merged")
