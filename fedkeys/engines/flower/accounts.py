"""The account of a run's rounds: one line of JSON each, in the directory that the run keeps.

In: accounts, one after the other. Out: lines, and what they say. Laws: a line that a kill has cut short is none,
and spoils no other; a round that is made again has one line, the last.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedkeys.engines.flower import ROUNDS_FILE
from fedkeys.errors import FormatError, UsageError

LONGEST_FAILURE = 500  # characters of what is kept of one


def note(failures: list[str], why: str) -> None:
    """Note what went wrong in a round, each thing once, as far as it is short and can be shown in a line."""
    told = "".join(each if each.isprintable() else " " for each in why[:LONGEST_FAILURE])
    if told not in failures:
        failures.append(told)


def all_made(keep: Path, rounds: int) -> UsageError:
    """Say that a run has no rounds left to make."""
    return UsageError(f"all {rounds} rounds are made", file=keep, remedy="set more rounds")


def append_round(keep: Path, account: Mapping[str, Any]) -> None:
    """Write down what happened in a round, which the account names by its number."""
    line = json.dumps(dict(account)).encode() + b"\n"
    with (keep / ROUNDS_FILE).open("a+b") as file:
        file.seek(0)
        whole = 0
        for known in file:
            if not known.endswith(b"\n") or json.loads(known)["round"] >= account["round"]:
                break
            whole += len(known)
        file.truncate(whole)
        file.write(line)


def rounds_in(keep: Path) -> list[dict[str, Any]]:
    """Read what happened in the rounds that are made so far.

    Raises:
        FormatError: a line is no account.
    """
    path = keep / ROUNDS_FILE
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_account(line, path, number) for number, line in enumerate(lines, 1)]


def _account(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
        int(found["round"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError(
            "is no account of a round", file=path, place=f"line {number}", remedy="leave the line out"
        ) from None
    return found
