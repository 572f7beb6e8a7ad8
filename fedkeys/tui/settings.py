"""Settings: what the screens remember from one time to the next.

In: a file, maybe none yet. Out: a theme, and keys. Law: a file that cannot be read is left as it is, and said.

It is JSON that a person may edit: `{"theme": "textual-light", "keys": {"accept-1": "f12", "phone": "ctrl+o"}}`.
Keys are named as F1 names them beside what they do; what can have another key is what `NAMES` has.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from fedkeys.container import read_bytes, write_atomically
from fedkeys.errors import FedkeysError, FormatError

_MOST_BYTES = 1 << 16

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
    """

    path: Path | None = None
    theme: str | None = None
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read a file; defaults if there is none.

        Raises:
            FormatError: it is no settings file.
            FedkeysError: it cannot be read.
        """
        if not path.exists():
            return cls(path)
        expected = 'expected {"theme": name, "keys": {"accept-1": "f12"}}'
        try:
            found = json.loads(read_bytes(path, _MOST_BYTES))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not JSON ({error})", file=path, remedy=expected) from None
        match found:
            case {**entries} if not entries.keys() - {"theme", "keys"}:
                theme, keys = entries.get("theme"), entries.get("keys", {})
                if isinstance(theme, str | None) and isinstance(keys, dict):
                    for name, key in keys.items():
                        if name not in NAMES or not isinstance(key, str) or not key:
                            raise FormatError(
                                f"{name!r} has no key, or {key!r} is none",
                                file=path,
                                remedy=f"keys are of {', '.join(NAMES)}",
                            )
                    return cls(path, theme, keys)
        raise FormatError("not settings of fedkeys", file=path, remedy=expected)

    def save(self) -> None:
        """Write the file, if there is to be one.

        Raises:
            FedkeysError: it cannot be written.
        """
        if self.path is None:
            return
        said = {"theme": self.theme, "keys": self.keys}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FedkeysError(f"cannot be made ({error.strerror})", file=self.path.parent) from None
        write_atomically(self.path, (json.dumps(said, indent=2) + "\n").encode())
