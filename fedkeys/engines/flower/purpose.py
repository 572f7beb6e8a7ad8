"""What a kept directory is for: it is gone on with under the terms that it was begun under, and no others.

In: a directory, and terms by the names of their settings. Out: a file that says them. Law: what does not fit is
refused before anything is changed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedkeys.container import read_bytes, write_atomically
from fedkeys.errors import FormatError, UsageError

PURPOSE_FILE = "purpose.json"

_MOST_BYTES = 1 << 20


def check_purpose(keep: Path, terms: Mapping[str, Any]) -> None:
    """Refuse a directory that was begun under other terms; of these nothing else is asked.

    Raises:
        UsageError: it was, and which one differs.
        FormatError: what says so is damaged.
    """
    before = _purpose_of(keep)
    for name, value in terms.items() if before else ():
        if before.get(name) != value:
            raise UsageError(
                f"was begun with {name} {_shown(before.get(name))}, not {_shown(value)}",
                file=keep,
                remedy="ask for what was asked for then, or name another directory to keep",
            )


def write_purpose(keep: Path, terms: Mapping[str, Any]) -> None:
    """Write down what a directory is for, unless that is written down."""
    if not _purpose_of(keep):
        write_atomically(keep / PURPOSE_FILE, json.dumps(dict(terms)).encode())


def _purpose_of(keep: Path) -> dict[str, Any]:
    path = keep / PURPOSE_FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(read_bytes(path, _MOST_BYTES)))
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(
            f"does not say what the directory is for ({error})",
            file=path,
            remedy="name another directory to keep",
        ) from None


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
