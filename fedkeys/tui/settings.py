"""Settings: what the screens remember from one time to the next.

In: a file, maybe none yet. Out: a theme, and keys. Law: what cannot be read is said, and a file that is none is
left as it is.

It is JSON that a person may edit: `{"theme": "textual-light", "keys": {"accept-1": "f12", "phone": "ctrl+o"}}`.
Keys are named as F1 names them beside what they do; what can have another key is what `NAMES` has.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedkeys.container import read_bytes, write_atomically
from fedkeys.errors import FedkeysError, FormatError

_MOST_BYTES = 1 << 16
_EXPECTED = '{"theme": name, "keys": {"accept-1": "f12"}}'

NAMES = (
    *("send", "accept-1", "accept-2", "accept-3", "phone", "bring", "forget", "incognito", "select-all"),
    *("typing", "federation", "leaves", "compare", "hospitals", "help", "theme", "quit"),
    *("play", "step", "anew", "cohort", "min-phones", "dropout", "epsilon", "secure"),
    *("page-before", "page-after", "bounds", "replay", "speed", "clear"),
    *("train", "rounds-of-hospitals", "secure-hospitals"),
)


@dataclass(slots=True)
class Settings:
    """What is remembered.

    Attributes:
        path: where; None for nowhere.
        theme: the name of a theme; None for the default.
        keys: what a binding is called -> the keys that it has, separated by commas.
        problems: what in the file was left out, and why.
    """

    path: Path | None = None
    theme: str | None = None
    keys: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read a file; defaults if there is none, or if it is none: then nothing is remembered, and it is left."""
        if not path.exists():
            return cls(path)
        try:
            found = json.loads(read_bytes(path, _MOST_BYTES))
        except (FedkeysError, ValueError, RecursionError) as error:
            return cls(problems=[f"{path.name} is not read, and left as it is: {error}"])
        if not isinstance(found, dict) or not isinstance(found.get("keys", {}), dict):
            return cls(problems=[f"{path.name} is not settings, and left as it is; expected {_EXPECTED}"])
        made = cls(path)
        theme = found.get("theme")
        if isinstance(theme, str | None):
            made.theme = theme
        taken: dict[str, str] = {}
        for name, keys in found.get("keys", {}).items():
            if name not in NAMES or not isinstance(keys, str) or not keys:
                made.problems.append(f"{name!r} has no key {keys!r}: F1 says what has which name")
            elif (other := taken.get(keys)) is not None:
                made.problems.append(f"{keys!r} is the key of {other} already, not of {name}")
            else:
                made.keys[name] = taken[keys] = keys
                taken[keys] = name
        return made

    def save(self) -> None:
        """Write the theme into the file, if there is one or is to be one; what else is in it stays.

        Raises:
            FormatError: what is there now is no settings file; it is left as it is.
            FedkeysError: it cannot be written.
        """
        if self.path is None:
            return
        said: dict[str, Any] = {}
        try:
            if self.path.exists():
                said = json.loads(read_bytes(self.path, _MOST_BYTES))
            said["theme"] = self.theme
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except (ValueError, RecursionError, TypeError) as error:
            raise FormatError(f"is no settings file ({error})", file=self.path) from None
        except OSError as error:
            raise FedkeysError(f"cannot be made ({error.strerror})", file=self.path.parent) from None
        write_atomically(self.path, (json.dumps(said, indent=2) + "\n").encode())
