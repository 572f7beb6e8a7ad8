"""What `fedkeys flower keyboard` says of its rounds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedkeys.cli.console import many, print_table, released, size, warn_of_nothing, warn_of_promise

if TYPE_CHECKING:
    from fedkeys.model import Model

_DISPENSABLE = ("down", "seconds", "idle", "sent", "there")


def judge(accounts: Sequence[Mapping[str, Any]], model: "Model | None", min_phones: int) -> None:
    """Say what the last model of some rounds is worth, if that is little.

    Args:
        accounts: of the rounds.
        model: the last that they released; None if no round started.
        min_phones: what a release needs.

    Raises:
        PartialError: there is no model, or nothing was merged and it holds no word.
    """
    from fedkeys.errors import PartialError

    if model is None:
        raise PartialError("no round started, so there is no model", remedy="see that all nodes are there")
    if not model.ngrams[0] and not any(account["merged"] for account in accounts):
        raise PartialError("nothing that phones have sent was merged, and the model holds no word")
    warn_of_nothing(model, min_phones)
    warn_of_promise(model)


def print_report(accounts: Sequence[Mapping[str, Any]], nodes: int) -> None:
    """Print a table of the rounds on stdout."""
    trouble = [
        name
        for name in ("idle", "lost", "late", "known", "refused", "failed", "spent")
        if any(a[name] for a in accounts)
    ]
    print_table(
        f"{many(nodes, 'node')} on Flower",
        ("round", "there", "asked", *trouble, "merged", "sent", "down", "words", "n-grams", "seconds"),
        [
            (
                str(account["round"]),
                f"{account['available']:,}",
                f"{account['sampled']:,}" if account["sampled"] else "not started",
                *(f"{account[name]:,}" for name in trouble),
                f"{account['merged']:,}",
                size(account["bytes_up"]),
                size(account["bytes_down"]),
                *released(account["ngrams"]),
                f"{account['seconds']:.1f}",
            )
            for account in accounts
        ],
        dispensable=_DISPENSABLE,
    )
