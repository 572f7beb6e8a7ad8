"""`Checkpoint`: what a simulated federation keeps after each round, so that it can go on another day.

In: after each round its model and the phones' records. Out: the same. Laws: what is kept of a round is
complete before the aggregator's state says that the round is done, so a kill at any instant leaves the round
before; no message is kept, only how many of them each phone has sent.

A checkpoint is a directory: `plan`, what the rounds were begun with; `state/`, the aggregator's; and for each
round `NUMBER.model` and `NUMBER.phones`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from fedkeys.container import pack_arrays, read_bytes, unpack_arrays, write_atomically
from fedkeys.counts import Vocabulary
from fedkeys.errors import UsageError
from fedkeys.model import Model
from fedkeys.simulate.member import Record

if TYPE_CHECKING:
    from fedkeys.simulate.plan import Plan

_FORMAT, _VERSION = "fedkeys.checkpoint", 1
_MOST_BYTES = 1 << 30


class Checkpoint:
    """What is kept of a federation.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.base_of = lru_cache(maxsize=8)(self._base_of)

    @property
    def state(self) -> Path:
        """Where the aggregator keeps its state."""
        return self._path / "state"

    def begin(self, plan: "Plan", names: Sequence[str], seed: int) -> None:
        """Note what the rounds begin with.

        Raises:
            UsageError: there are rounds already, or something else.
        """
        if (self._path / "plan").exists():
            raise UsageError(
                "holds the rounds of a federation",
                file=self._path,
                remedy="go on with --resume, or name another",
            )
        if self._path.exists() and (not self._path.is_dir() or any(map(_is_of_others, self._path.iterdir()))):
            why = "holds something else" if self._path.is_dir() else "is a file"
            raise UsageError(
                f"{why}, and what rounds reach needs a directory",
                file=self._path,
                remedy="name one of its own",
            )
        header = {"plan": _as_map(plan), "seed": seed.to_bytes(8), "phones": _digest(names)}
        write_atomically(self._path / "plan", pack_arrays(_FORMAT, _VERSION, header, {}))

    def resume(self, plan: "Plan", names: Sequence[str], seed: int) -> None:
        """Hold what is asked for against what the rounds began with.

        Raises:
            UsageError: there are none, or they began with another plan, other phones or another seed.
        """
        if not (self._path / "plan").exists():
            raise UsageError("holds no rounds to resume", file=self._path, remedy="leave --resume out")
        header = self._read("plan").header
        changed = [
            f"--{name.replace('_', '-')} was {_said(header['plan'].get(name), value)}"
            for name, value in _as_map(plan).items()
            if header["plan"].get(name) != value  # before there was an option, nobody gave it
        ]
        if header["seed"] != seed.to_bytes(8):
            changed.append("--seed was another")
        if header["phones"] != _digest(names):
            changed.append("the phones were others")
        if changed:
            raise UsageError(
                f"cannot be resumed: {', '.join(changed)}",
                file=self._path,
                remedy="give what the rounds began with",
            )

    def keep(self, number: int, model: Model, records: Mapping[str, Record]) -> None:
        """Keep what was reached in a round."""
        packed = np.frombuffer(msgpack.packb(dict(records)), np.uint8)
        data = pack_arrays(_FORMAT, _VERSION, {"round": number}, {"records": packed})
        write_atomically(self._path / f"{number}.phones", data)
        model.save(self._path / f"{number}.model")

    def model(self, number: int) -> Model:
        """Give the model of a round."""
        return Model.load(self._path / f"{number}.model")

    def records(self, number: int) -> dict[str, Record]:
        """Give what each phone had sent after a round."""
        packed = self._read(f"{number}.phones").arrays["records"].tobytes()
        found = msgpack.unpackb(packed, use_list=False)
        return {name: Record.read(*record) for name, record in found.items()}

    def _base_of(self, number: int) -> Vocabulary | None:
        """Give the vocabulary that was known when a round began."""
        before = range(number - 1, 0, -1)
        kept = next((past for past in before if (self._path / f"{past}.model").exists()), None)
        return self.model(kept).vocabulary if kept else None

    def _read(self, name: str) -> Any:
        path = self._path / name
        return unpack_arrays(read_bytes(path, _MOST_BYTES), _FORMAT, _VERSION)


def _is_of_others(path: Path) -> bool:
    """Tell whether a file is not what a kill left of writing the plan."""
    return not path.name.startswith(".plan.")


def _as_map(plan: "Plan") -> dict[str, Any]:
    return asdict(plan)


def _said(value: object, now: object) -> str:
    """Say what an option was; its numbers one by one, if it is given now too."""
    if isinstance(value, dict):
        if now is None:
            return "given"
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return "not given" if value is None else str(value)


def _digest(names: Sequence[str]) -> bytes:
    return blake2b(msgpack.packb(list(names)), digest_size=16).digest()
