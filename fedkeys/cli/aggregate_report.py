"""What `fedkeys aggregate` says of what it has done: a report, an account and a sentence, whoever has merged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkeys.cli.console import many, narrate, peak_memory, print_table, size

if TYPE_CHECKING:
    from fedkeys.aggregator import Intake, Merged
    from fedkeys.model import Model

_MOST_SHOWN = 50  # inputs that are set aside


def tell_of_refused(intake: "Intake", strict: bool) -> int:
    """Name what was set aside; gives how many inputs that were.

    Raises:
        PartialError: there are some, and nothing is to be written then.
    """
    from fedkeys.aggregator import MOST_NAMED
    from fedkeys.errors import PartialError

    for refused in intake.refused[:_MOST_SHOWN]:
        narrate(f"set aside: {refused}")
    set_aside = len(intake.refused) + intake.unnamed
    if set_aside > _MOST_SHOWN:
        narrate(f"set aside: {set_aside - _MOST_SHOWN:,} more; --json names up to {MOST_NAMED:,}")
    if strict and intake.refused:
        raise PartialError(
            f"{many(set_aside, 'input')} had to be set aside, so nothing was written",
            remedy="leave --strict out to merge the others",
        )
    return set_aside


def report_of_intake(intake: "Intake", phones: int, deltas: int, merged: "Merged") -> dict[str, Any]:
    """Give what is reported of what was merged."""
    return {
        "merged": intake.merged,
        "repeated": intake.repeated,
        "refused": list(intake.refused),
        "refused_unnamed": intake.unnamed,
        "refused_reasons": dict(sorted(intake.reasons.items())),
        "phones": phones,
        "deltas": deltas,
        "rows": merged.rows,
        "bytes_merged": merged.bytes,
    }


def report_of_model(model: "Model", blocked: int, out: Path | None) -> dict[str, Any]:
    """Give what is reported of a release.

    Args:
        model: what was released.
        blocked: how many words were not to be in it.
        out: the file it went to; None if nothing was written.
    """
    return {
        "ngrams": model.ngrams,
        "pruned_from": model.header["release"].get("pruned_from"),
        "payload": model.payload_digest.hex(),
        "epsilon": model.header["epsilon"],
        "dp_delta": model.header["dp_delta"],
        "blocked": blocked,
        "bytes": len(model.to_bytes()),
        "out": None if out is None else str(out),
    }


def print_account(report: dict[str, Any], on_disk: int, seconds: float, memory: str = "peak memory") -> None:
    """Print a table of what was done on stderr.

    Args:
        report: what was done.
        on_disk: bytes of a state; 0 without one.
        seconds: what it took.
        memory: what to call the most that this process held.
    """
    rows = [
        ("deltas merged", f"{report['merged']:,}"),
        *([("merged before", f"{report['repeated']:,}")] if report["repeated"] else []),
        *((f"set aside, {reason}", f"{times:,}") for reason, times in report["refused_reasons"].items()),
        ("phones", f"{report['phones']:,}"),
        ("n-grams read", f"{report['rows']:,}"),
        ("size of the deltas", size(report["bytes_merged"])),
    ]
    if "ngrams" in report:
        pruned_from = report["pruned_from"]
        rows += [
            ("words released", f"{report['ngrams'][0]:,}"),
            ("n-grams released", f"{sum(report['ngrams'][1:]):,}"),
            *([("... pruned from", f"{sum(pruned_from[1:]):,}")] if pruned_from else []),
            ("size of the model", size(report["bytes"])),
        ]
    rows += [
        *([("state on disk", size(on_disk))] if on_disk else []),
        ("seconds", f"{seconds:.{1 if seconds >= 1 else 2}f}"),
        *([(memory, size(peak_memory()))] if peak_memory() else []),
    ]
    is_dry = "out" in report and report["out"] is None
    print_table("dry run: nothing was written" if is_dry else "", ("", ""), rows, err=True)


def sentence(report: dict[str, Any], state: Path | None = None) -> str:
    """Say what was done, in one sentence."""
    phones = many(report["phones"], "phone")
    merged = many(report["merged"], "delta") + ("" if state else f" of {phones}") + " merged"
    repeated = f", {report['repeated']:,} merged before" if report["repeated"] else ""
    held = f"; {state} holds {many(report['deltas'], 'delta')} of {phones}" if state else ""
    if "partial" in report:
        held += f"; all of it in {report['partial']}"
    if "ngrams" not in report:
        return merged + repeated + held
    released = f"; {many(report['ngrams'][0], 'word')} and {many(sum(report['ngrams'][1:]), 'n-gram')}"
    where = f"released in {report['out']}" if report["out"] else "would be released"
    return f"{merged}{repeated}{held}{released} {where} ({size(report['bytes'])})"
