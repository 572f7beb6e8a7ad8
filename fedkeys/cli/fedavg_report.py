"""What the commands of `fedkeys fedavg` share: options, and the tables of a comparison."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fedkeys.cli.console import many, narrate, print_json, print_table, size
from fedkeys.cli.fedavg_plots import plot_comparison
from fedkeys.errors import UsageError

if TYPE_CHECKING:
    from fedkeys.fedavg import SecureMean
    from fedkeys.fedavg.comparison import Comparison
    from fedkeys.fedavg.gathered import Metrics

_Round = TypeVar("_Round")

SecureOption = Annotated[
    bool, typer.Option("--secure", help="Sum updates under masks: the server sees none of them.")
]
BitsOption = Annotated[
    int | None,
    typer.Option("--bits", min=2, max=24, help="With --secure: bits of a number.  [default: 16]"),
]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="How many rounds.")]


def report(title: str, comparison: "Comparison", json: bool, plot: Path | None, **more: Any) -> None:
    """Print a comparison, or give it as JSON with `more` beside it, and plot it if asked."""
    if plot is not None:
        plot_comparison(title, comparison, plot)
    refused = sum(metrics.refused for _, metrics in comparison.rounds)
    if refused:
        narrate(f"{refused} updates were left out: their numbers were not finite; try a lower --rate")
    warn_of_sums([metrics for _, metrics in comparison.rounds])
    if json:
        print_json({**comparison.as_dict(), **more})
        return
    print_rounds(comparison)
    names = list(comparison.federated.clients)
    rows = [
        (
            name,
            str(comparison.federated.clients[name].samples),
            *(percent(tested.clients[name].accuracy) for tested in _ways(comparison)),
            percent(comparison.elsewhere[name]),
            percent(comparison.federated.clients[name].balanced_accuracy),
            percent(comparison.federated.clients[name].auc),
            percent(comparison.federated.clients[name].calibration_error),
        )
        for name in names
    ]
    elsewhere = sum(comparison.elsewhere.values()) / len(names)
    rows.append((
        "mean", "", *(percent(tested.accuracy) for tested in _ways(comparison)), percent(elsewhere),
        percent(comparison.federated.balanced_accuracy), percent(comparison.federated.auc), "",
    ))  # fmt: skip
    columns = (
        "",
        "tests",
        "federated",
        "pooled",
        "alone",
        "alone, on all",
        "balanced",
        "AUC",
        "calibration error",
    )
    print_table(f"{title}: accuracy, then more of the federated model", columns, rows)


def warn_of_sums(rounds: "Sequence[Metrics]") -> None:
    """Say where sums under masks came to nothing, or cut numbers."""
    failed = [metrics for metrics in rounds if metrics.failure]
    if failed:
        narrate(
            f"in {many(len(failed), 'round')} nothing was added up, in round {failed[-1].round} because of "
            f"{failed[-1].failure}"
        )
    cut = sum(metrics.cut for metrics in rounds)
    if cut:
        narrate(f"{many(cut, 'number')} of updates were cut to what the sums carry; try a lower --rate")


def secure_mean(secure: bool, bits: int | None) -> "SecureMean | None":
    """Give what adds updates up under masks, where that is asked for.

    Raises:
        UsageError: bits are asked for without it.
    """
    if not secure:
        if bits is not None:
            raise UsageError("--bits is for sums under masks", remedy="add --secure, or leave it out")
        return None
    from fedkeys.fedavg import SecureMean
    from fedkeys.simulate.masked import masked_sum

    return SecureMean(masked_sum) if bits is None else SecureMean(masked_sum, bits)


def print_rounds(comparison: "Comparison") -> None:
    """Print ten of the rounds, evenly spread, with the first and the last."""
    print_table(
        "rounds",
        ("round", "available", "averaged", "sent", "accuracy"),
        [
            (
                str(metrics.round),
                str(metrics.available),
                _averaged(metrics),
                size(metrics.bytes_up),
                percent(accuracy),
            )
            for accuracy, metrics in spread_evenly(comparison.rounds)
        ],
    )


def spread_evenly(rounds: Sequence[_Round]) -> list[_Round]:
    """Give ten of the rounds, evenly spread, with the first and the last."""
    step = max(1, len(rounds) // 10)
    return [each for number, each in enumerate(rounds, 1) if number % step == 0 or number in (1, len(rounds))]


def _averaged(metrics: "Metrics") -> str:
    return str(metrics.averaged) if metrics.started else "did not start"


def _ways(comparison: "Comparison") -> Sequence[Any]:
    return comparison.federated, comparison.pooled, comparison.alone


def percent(part: float) -> str:
    """Write a part of 1 for people; a dash for what does not exist."""
    return "-" if part != part else f"{100 * part:.1f} %"
