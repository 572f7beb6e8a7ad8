"""`fedkeys aggregate`: merge deltas and release a model."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fedkeys.cli.aggregate_dask import (
    NOT_WITH_DASK,
    Engine,
    Held,
    Told,
    merge_with_dask,
    paths_of,
    refuse_with_dask,
)
from fedkeys.cli.aggregate_report import (
    print_account,
    report_of_intake,
    report_of_model,
    sentence,
    tell_of_refused,
)
from fedkeys.cli.console import (
    many,
    narrate,
    print_json,
    print_table,
    require_open,
    size,
    warn_of_nothing,
    warn_of_promise,
)
from fedkeys.cli.files import check_output, check_writable, existing
from fedkeys.cli.options import (
    DpDeltaOption,
    EpsilonOption,
    FederationOption,
    JsonOption,
    MaxBytesOption,
    MaxCountOption,
    MaxNgramsOption,
    MaxNormOption,
    MemoryOption,
    MinPhonesOption,
    PruneOption,
    UnboundedOption,
    bounds_of,
    budget_of,
    bytes_of,
    given_of,
)
from fedkeys.cli.progress import adding_up, progress


def command(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Delta files, logs of many (.deltas), partial aggregates (.partial), directories of these, "
            "or - for a log on standard input; with --engine dask also URLs: s3://bucket/monday.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File for the model.")] = None,
    partial: Annotated[
        Path | None,
        typer.Option(
            "--partial", help="File for all that was merged, .partial, for another aggregator to merge."
        ),
    ] = None,
    min_phones: MinPhonesOption = 2,
    prune: PruneOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Write nothing if any file has to be set aside.")
    ] = False,
    base: Annotated[
        list[Path] | None,
        typer.Option("--base", help="Model that deltas were written against; may be given again."),
    ] = None,
    enrolled: Annotated[
        Path | None,
        typer.Option("--enrolled", help="Directory of public keys: only what these phones signed is taken."),
    ] = None,
    blocklist: Annotated[
        Path | None,
        typer.Option("--blocklist", help="Text file of words, one a line, that the model must not hold."),
    ] = None,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    unbounded: UnboundedOption = False,
    max_norm: MaxNormOption = None,
    epsilon: EpsilonOption = None,
    dp_delta: DpDeltaOption = 1e-6,
    releases: Annotated[
        int, typer.Option("--releases", min=1, help="How many releases --epsilon is for, in all.")
    ] = 1,
    memory: MemoryOption = "1G",
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Directory that keeps what was merged from one call to the next."),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Tell what the state holds, and do nothing else.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Merge and report, and write nothing.")] = False,
    engine: Annotated[
        Engine,
        typer.Option(
            "--engine",
            help="Who merges: this machine, or Dask, where keys outgrow it. The model is the same. "
            "Needs the extra dask.",
        ),
    ] = Engine.LOCAL,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Of the Dask cluster that merges; default: a process a core of this machine.",
        ),
    ] = None,
    federation: FederationOption = "fedkeys",
    json: JsonOption = False,
) -> None:
    """Merge deltas exactly once, in any order, and release a model.

    A delta that is damaged or must not be merged is named with the reason and left where it is; the others
    are merged, and the exit status is 3. A log is deltas one after the other: cat *.delta > all.deltas.

    With --state a delta counts once however many calls it is given to, and the model is made of all calls
    together. A kill at any instant leaves a state that the same call continues from.

    With --partial what was merged goes into a file that is an input itself: machines can merge parts of a fleet,
    and others what these have merged, and the model is the same.

    With --enrolled only deltas count that a phone with a key in that directory signed; without it whoever can
    make K pseudonyms counts as K phones.

    With --engine dask many processes merge, on this machine or on those of --scheduler, which read the inputs
    themselves: the same paths on all of them, or URLs. One process is faster for what fits one machine.
    """
    from fedkeys.aggregator import (
        PARTIAL_SUFFIX,
        Aggregator,
        Enrolment,
        available_cores,
        delta_files,
        is_state,
        merge_files,
        read_blocklist,
    )
    from fedkeys.aggregator.intake import STDIN
    from fedkeys.errors import PartialError, UsageError
    from fedkeys.model import Model

    begin = time.monotonic()
    if engine is Engine.DASK:
        refuse_with_dask(given_of(context, *NOT_WITH_DASK))
        merge_with_dask(
            inputs or [],
            out,
            Held(
                federation,
                bounds_of(max_ngrams, max_count, max_bytes, unbounded, max_norm),
                enrolled,
                base or [],
            ),
            Told(min_phones, blocklist, prune),
            memory=bytes_of(memory),
            strict=strict,
            dry_run=dry_run,
            scheduler=scheduler,
            json=json,
        )
        return
    if scheduler is not None:
        raise UsageError("--scheduler is where Dask merges", remedy="add --engine dask")
    if status:
        if inputs or out or partial or dry_run:
            raise UsageError(
                "--status does nothing else", remedy="leave out inputs, --out, --partial, --dry-run"
            )
        _tell(state, federation, json)
        return
    if out is None and partial is None and not dry_run and not state:
        raise UsageError("the model has no file to go to", remedy="name it with --out, or try --dry-run")
    if blocklist is not None and out is None and not dry_run:
        raise UsageError("--blocklist is for a model, and none is made", remedy="name it with --out")
    if prune is not None and out is None and not dry_run:
        raise UsageError("--prune is for a model, and none is made", remedy="name it with --out")
    ignored = given_of(context, "dp_delta", "releases")
    if ignored and epsilon is None:
        raise UsageError(
            f"{', '.join(ignored)} without noise, so that counts would be released", remedy="add --epsilon"
        )
    if epsilon is not None and partial is not None:
        raise UsageError(
            "a partial would not know of the budget of --epsilon",
            remedy="merge partials first, and release then",
        )
    if epsilon is not None and (out is None or dry_run):
        raise UsageError(
            "--epsilon is for a model: to look at one spends the budget",
            remedy="name it with --out, without --dry-run",
        )
    if epsilon is not None and state is None and releases > 1:
        raise UsageError("--releases are counted in a state", remedy="name it with --state")
    budget = budget_of(epsilon, dp_delta, releases)
    if not inputs and not state:
        raise UsageError("no deltas were given", remedy="name files or directories, or - for standard input")
    paths = paths_of(inputs or ())
    if STDIN in paths:
        require_open("stdin")
    bases = (Model.load(existing(path)).vocabulary for path in base or ())
    blocked = read_blocklist(existing(blocklist)) if blocklist else []
    files = delta_files(paths)
    check_output(out, None, files)
    check_output(partial, PARTIAL_SUFFIX, files)
    for output in filter(None, (out, partial)):
        check_writable(output)
    enrolment = Enrolment.read(enrolled, federation) if enrolled else None
    kept = state if not dry_run or (state and is_state(state)) else None
    aggregator = Aggregator(
        federation,
        bases,
        bytes_of(memory),
        kept,
        all_or_nothing=strict or dry_run,
        bounds=bounds_of(max_ngrams, max_count, max_bytes, unbounded, max_norm, epsilon is not None),
        enrolment=enrolment,
        cores=available_cores(),
    )
    in_all = sum(file.stat().st_size for file in files if file.is_file())
    with progress() as step:
        intake = merge_files(
            aggregator, files, on_bytes=adding_up(step, "merging", in_all, aggregator.merged)
        )
        set_aside = tell_of_refused(intake, strict)
        if intake.merged and state is not None:  # each call that merges something is a round
            aggregator.begin_round(aggregator.round + 1)
        if not dry_run:
            aggregator.commit()
        if not aggregator.deltas:
            raise PartialError("no delta could be merged" + (", so there is no model" if out else ""))
        report = report_of_intake(intake, aggregator.phones, aggregator.deltas, aggregator.merged)
        if partial is not None and not dry_run:
            aggregator.save_partial(partial)
            aggregator.commit()
            report["partial"] = str(partial)
        if out is not None or dry_run:
            step("releasing", None)
            model = aggregator.release(min_phones, blocked, prune, budget)
            aggregator.know(model.vocabulary)
            if not dry_run:
                aggregator.commit()
            if out is not None and not dry_run:
                model.save(out)
            report |= report_of_model(model, len(set(blocked)), None if dry_run else out)
    on_disk = aggregator.status()["bytes"] if kept else 0
    aggregator.close()
    if json:
        print_json(report)
    if budget is not None and state is None:
        narrate("without --state nothing remembers that the budget of these deltas is spent")
    print_account(report, on_disk, time.monotonic() - begin)
    narrate(sentence(report, state))
    if "ngrams" in report:
        warn_of_nothing(model, min_phones)
        warn_of_promise(model)
    if intake.refused:
        raise PartialError(f"{many(set_aside, 'input')} set aside, all others are merged")


def _tell(state: Path | None, federation: str, json: bool) -> None:
    """Tell what a state holds."""
    from fedkeys.aggregator import Aggregator, is_state
    from fedkeys.errors import UsageError

    if state is None or not is_state(state):
        raise UsageError("there is no state to tell of", file=state, remedy="name its directory with --state")
    found = Aggregator(federation, state=state, all_or_nothing=True).status()
    if json:
        print_json(found)
        return
    rows = [
        ["federation", found["federation"]],
        ["only enrolled phones", "yes" if found["enrolled"] else "no"],
        ["last round", f"{found['rounds']:,}"],
        ["phones", f"{found['phones']:,}"],
        ["deltas accepted", f"{found['deltas']:,}"],
        ["deltas withdrawn", f"{found['withdrawn']:,}"],
        *([f"refused, {reason}", f"{times:,}"] for reason, times in found["refused"].items()),
        *_of_budget(found["budget"]),
        ["n-grams", f"{found['ngrams']:,}"],
        ["parts on disk", f"{found['runs']:,}"],
        ["size", size(found["bytes"])],
    ]
    print_table("", [str(state), ""], rows)


def _of_budget(budget: dict[str, Any] | None) -> list[list[str]]:
    """What is said of what a state has spent."""
    if budget is None:
        return []
    if "plain" in budget:
        return [["private releases", "none any more: one without noise was made"]]
    return [
        ["budget, epsilon", f"{budget['epsilon']:g} at a delta of {budget['dp_delta']:g}"],
        ["releases made", f"{budget['made']:,} of {budget['releases']:,}"],
        ["spent, epsilon", f"{budget['spent']:.3f}"],
    ]
