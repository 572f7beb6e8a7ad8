"""What a run settles in its first round, and holds to until its end.

In: the settings, and who takes part. Out: a file beside the state, and what it says. Law: a run goes on with what
its weights were trained on: the same settings, the same columns in the same preparation.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from fedkeys.container import write_atomically
from fedkeys.engines.flower.numeric.preparing import Preparation
from fedkeys.engines.flower.numeric.wire import FAULTS
from fedkeys.errors import FormatError


@dataclass(frozen=True, slots=True)
class Terms:
    """What was settled.

    Attributes:
        settings: by their names, those that have to stay.
        features: how many columns the data have.
        preparation: how clients prepare them, as JSON.
        members: the names of the clients.
    """

    settings: dict[str, Any]
    features: int
    preparation: str
    members: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write them, whole or not at all."""
        write_atomically(path, json.dumps(asdict(self)).encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read them.

        Raises:
            FormatError: the file is not there, or is none.
        """
        try:
            found = cls(**json.loads(path.read_text()))
            Preparation.from_json(found.preparation)
            members = tuple(map(str, found.members))
            return cls(dict(found.settings), int(found.features), found.preparation, members)
        except (OSError, FormatError, *FAULTS) as error:
            raise FormatError(
                f"does not say what the rounds beside it were made with ({error})",
                file=path,
                remedy="give the run another directory to keep",
            ) from None

    def changed(self, settings: dict[str, Any]) -> list[str]:
        """Give the names of settings that are others now."""
        return [name for name, value in settings.items() if self.settings.get(name) != value]

    def differences(self, members: Sequence[str]) -> list[str]:
        """Say who is new, and who is not there any more."""
        new, gone = (sorted(set(a) - set(b)) for a, b in ((members, self.members), (self.members, members)))
        found = [f"{name} was not there in the first round" for name in new]
        return found + [f"{name}, who was there in the first round, is not" for name in gone]
