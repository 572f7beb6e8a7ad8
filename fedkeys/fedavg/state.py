"""`State`: all that a federation's server carries from round to round.

In: what a round made. Out: the same, and bytes of it. Laws: a state is never changed; saved and read again it
continues to the same bytes; every draw of a round comes from the seed and the round's number, so the round
after a resume is the round that would have been.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fedkeys.container import pack_arrays, read_bytes, unpack_arrays, write_atomically
from fedkeys.errors import FormatError
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.server import Moments

STATE_FORMAT = "fedkeys.fedavg"
STATE_VERSION = 1
MAX_STATE_BYTES = 4 << 30

_NOTHING: Mapping[str, Array] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class State:
    """The server's side between two rounds.

    Attributes:
        seed: of everything that is drawn.
        round: how many rounds were drawn, those that did not start among them.
        weights: float[P].
        moments: the server optimiser's memory.
        control: float[P], SCAFFOLD's server control variate.
        controls: client -> float[P], SCAFFOLD's control variate of each client that took part.
        residuals: client -> float[P], what compression has left unsent.
        clip: the longest that an update may be under differential privacy; 0 without.
    """

    seed: int
    round: int
    weights: Array
    moments: Moments
    control: Array
    controls: Mapping[str, Array] = field(default_factory=lambda: _NOTHING)
    residuals: Mapping[str, Array] = field(default_factory=lambda: _NOTHING)
    clip: float = 0.0

    def to_bytes(self) -> bytes:
        """Give the state as bytes; the same state gives the same bytes."""
        header = {
            "seed": self.seed,
            "round": self.round,
            "clip": float(self.clip),
            "controls": sorted(self.controls),
            "residuals": sorted(self.residuals),
        }
        arrays = {
            "weights": self.weights,
            "mean": self.moments.mean,
            "square": self.moments.square,
            "control": self.control,
            "controls": _joined(self.controls),
            "residuals": _joined(self.residuals),
        }
        return pack_arrays(STATE_FORMAT, STATE_VERSION, header, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "State":
        """Read a state.

        Raises:
            FormatError: the bytes are not one.
        """
        container = unpack_arrays(data, STATE_FORMAT, STATE_VERSION)
        header, arrays = container.header, container.arrays
        try:
            size = len(arrays["weights"])
            vectors = {name: arrays[name] for name in ("weights", "mean", "square", "control")}
            if any(vector.shape != (size,) or vector.dtype != float for vector in vectors.values()):
                raise ValueError("its vectors are not of one length")
            return cls(
                _whole(header, "seed"),
                _whole(header, "round"),
                vectors["weights"],
                Moments(vectors["mean"], vectors["square"]),
                vectors["control"],
                _parted(header["controls"], arrays["controls"], size),
                _parted(header["residuals"], arrays["residuals"], size),
                _length(header),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise FormatError(f"not a whole state of a federation ({error})") from None

    def save(self, path: str | Path) -> None:
        """Write a checkpoint, whole or not at all."""
        write_atomically(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> "State":
        """Read a checkpoint.

        Raises:
            FormatError: the file is not one.
        """
        try:
            return cls.from_bytes(read_bytes(Path(path), MAX_STATE_BYTES))
        except FormatError as error:
            raise error.at(path) from None


def _joined(vectors: Mapping[str, Array]) -> Array:
    return np.concatenate([vectors[name] for name in sorted(vectors)]) if vectors else np.zeros(0)


def _whole(header: Mapping[str, Any], name: str) -> int:
    value = header[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}, no whole number from 0 up")
    return value


def _length(header: Mapping[str, Any]) -> float:
    value = header["clip"]
    if type(value) is not float or not 0 <= value < float("inf"):
        raise ValueError(f"clip is {value!r}, no number from 0 up")
    return value


def _parted(names: object, joined: Array, size: int) -> Mapping[str, Array]:
    if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
        raise ValueError("its clients have no names")
    if len(set(names)) != len(names):
        raise ValueError("a client is there twice")
    return dict(zip(names, joined.reshape(len(names), size), strict=True))
