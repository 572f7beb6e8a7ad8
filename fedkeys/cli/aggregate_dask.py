"""`fedkeys aggregate --engine dask`: merge deltas by many processes."""

import os
import time
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fedkeys.cli.aggregate_report import (
    print_account,
    report_of_intake,
    report_of_model,
    sentence,
    tell_of_refused,
)
from fedkeys.cli.console import many, narrate, print_json, warn_of_nothing
from fedkeys.cli.files import check_output, check_writable, existing
from fedkeys.cli.progress import progress

if TYPE_CHECKING:
    from fedkeys.delta import Bounds
    from fedkeys.engines.dask import Rules, Source
    from fedkeys.model import Model

# Parameters of the command for what one process does: it keeps a state, and a budget in it.
NOT_WITH_DASK = ("state", "status", "partial", "epsilon", "dp_delta", "releases")


class Engine(StrEnum):
    """Who merges."""

    LOCAL = "local"
    DASK = "dask"


class Held(NamedTuple):
    """What deltas are held to, as the options say."""

    federation: str
    bounds: "Bounds | None"
    enrolled: Path | None
    bases: Sequence[Path]


class Told(NamedTuple):
    """What a release may tell, as the options say."""

    min_phones: int
    blocklist: Path | None
    prune: int | None


def paths_of(inputs: Iterable[str]) -> list[Path]:
    """Give the paths that one process reads.

    Raises:
        UsageError: an input is a URL.
    """
    from fedkeys.errors import UsageError

    paths = []
    for text in inputs:
        paths.append(Path(text))
        if "://" in text and not os.access(text, os.F_OK):
            from fedkeys.engines.dask import shown

            raise UsageError("this engine reads no URLs", file=shown(text), remedy="add --engine dask")
    return paths


def refuse_with_dask(given: Sequence[str]) -> None:
    """Refuse options that only one process can follow.

    Raises:
        UsageError: some were given.
    """
    from fedkeys.errors import UsageError

    if given:
        raise UsageError(
            f"{', '.join(given)} with --engine dask, which keeps no state and no budget",
            remedy="leave --engine out, or these",
        )


def merge_with_dask(
    inputs: Sequence[str],
    out: Path | None,
    held: Held,
    told: Told,
    *,
    memory: int,
    strict: bool,
    dry_run: bool,
    scheduler: str | None,
    json: bool,
) -> None:
    """Merge deltas and release a model.

    Args:
        inputs: paths and URLs.
        out: the file for the model.
        held: what deltas are held to.
        told: what the model may tell.
        memory: bytes that the sums of one task may take.
        strict: write nothing if anything has to be set aside.
        dry_run: write nothing.
        scheduler: its address; None for processes of this machine.
        json: print the report.

    Raises:
        UsageError: the options cannot work together, or a file cannot serve.
        PartialError: something was set aside, or nothing could be merged.
    """
    from fedkeys.aggregator import read_blocklist
    from fedkeys.aggregator.releases import ReleaseRule
    from fedkeys.engines.dask import dask_engine, merge_deltas
    from fedkeys.errors import PartialError

    begin = time.monotonic()
    sources = _checked(inputs, out, dry_run)
    blocked = read_blocklist(existing(told.blocklist)) if told.blocklist else []
    rules = _rules(held, memory)
    with progress() as step:
        step("starting workers", None)
        with dask_engine(scheduler, step) as engine:
            merge = merge_deltas(engine, sources, rules)
            set_aside = tell_of_refused(merge.intake, strict)
            if not merge.deltas:
                raise PartialError("no delta could be merged" + (", so there is no model" if out else ""))
            model = merge.release(ReleaseRule(told.min_phones, blocked, told.prune))
    target = None if dry_run else out
    if target is not None:
        model.save(target)
    report = report_of_intake(merge.intake, merge.phones, merge.deltas, merge.merged)
    report |= report_of_model(model, len(set(blocked)), target)
    _say(report, model, told, time.monotonic() - begin, json)
    if set_aside:
        raise PartialError(f"{many(set_aside, 'input')} set aside, all others are merged")


def _checked(inputs: Sequence[str], out: Path | None, dry_run: bool) -> "list[Source]":
    """Refuse what cannot work before anything is started; gives the files to read."""
    from fedkeys.engines.dask import require_dask, sources_of
    from fedkeys.errors import UsageError

    if out is None and not dry_run:
        raise UsageError("the model has no file to go to", remedy="name it with --out, or try --dry-run")
    if not inputs:
        raise UsageError("no deltas were given", remedy="name files, directories or URLs")
    require_dask()
    sources = sources_of(inputs)
    check_output(out, None, [Path(source.path) for source in sources if source.url is None])
    if out is not None:
        check_writable(out)
    return sources


def _rules(held: Held, memory: int) -> "Rules":
    from fedkeys.aggregator import Enrolment
    from fedkeys.engines.dask import Rules
    from fedkeys.model import Model

    enrolment = Enrolment.read(held.enrolled, held.federation) if held.enrolled else None
    bases = tuple(Model.load(existing(path)).vocabulary for path in held.bases)
    return Rules.of(held.federation, bases, memory, held.bounds, enrolment)


def _say(report: dict[str, Any], model: "Model", told: Told, seconds: float, json: bool) -> None:
    if json:
        print_json(report)
    print_account(report, 0, seconds, "peak memory, without the workers")
    narrate(sentence(report))
    warn_of_nothing(model, told.min_phones)
