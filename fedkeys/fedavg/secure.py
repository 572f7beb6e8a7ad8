"""Updates as whole numbers, of which the server sees the sum alone.

In: updates, and how many samples each was made of. Out: uint32 vectors, one a client; of their sum the weighted
mean.
Laws: sums of as many vectors as were allowed for do not overflow; rounding is right on average; what is cut is
counted.

An entry is cut to a range that all clients have in common, rounded up or down to a whole number of steps in
proportion to its distance (as `compression.Quantised` does, there with the range of each update), and multiplied
by the client's weight, all modulo 2^32. The weight stands behind the entries, and behind it how many entries were
cut. How such vectors are added up without being seen is not decided here: see `fedkeys.simulate.masked`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError
from fedkeys.fedavg.models.base import Array

_LARGEST = (1 << 31) - 1  # of a sum's entry, by size

Whole = NDArray[np.uint32]


class Summed(NamedTuple):
    """What came of adding vectors up.

    Attributes:
        total: uint32[n], the sum modulo 2^32; None if nothing came of it.
        bytes_up, bytes_down: that clients have sent, and were told.
        failure: why nothing came of it; None if something did.
    """

    total: Whole | None
    bytes_up: int
    bytes_down: int
    failure: str | None = None


class Summing(Protocol):
    """A way of adding vectors up."""

    def __call__(self, vectors: Sequence[Whole | None], rng: np.random.Generator) -> Summed:
        """Add vectors up.

        Args:
            vectors: uint32[n] of each client; None for one that is lost on the way.
            rng: draws what has to be drawn, but for secrets.

        Returns:
            Their sum, or why there is none: they are too few, or too many are lost.
        """


class Mean(NamedTuple):
    """What a sum says.

    Attributes:
        update: float[P], the weighted mean.
        samples: of all clients in it.
        cut: how many entries of their updates were cut.
    """

    update: Array
    samples: int
    cut: int


@dataclass(frozen=True, slots=True)
class SecureMean:
    """The weighted mean of updates that nobody sees.

    Attributes:
        summing: adds vectors up.
        bits: of an entry, its sign among them.
        most: the largest entry of an update, by size; larger ones are cut.

    Raises:
        UsageError: a number is out of its range.
    """

    summing: Summing
    bits: int = 16
    most: float = 8.0

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 24:
            raise UsageError(f"bits is {self.bits}", remedy="choose 2 to 24")
        if not 0 < self.most < float("inf"):
            raise UsageError(f"most is {self.most}", remedy="choose a number above 0")

    @property
    def _levels(self) -> int:
        """How many steps there are on each side of 0."""
        return (1 << self.bits - 1) - 1

    def vector(self, update: Array, weight: int, clients: int, rng: np.random.Generator) -> Whole:
        """Write an update.

        Args:
            update: float[P], finite.
            weight: how many samples it was made of.
            clients: how many vectors may be added up.
            rng: draws the rounding.

        Returns:
            uint32[P + 2].

        Raises:
            UsageError: the weight is so large that a sum could overflow.
        """
        most = _LARGEST // (clients * self._levels)
        if weight > most:
            raise UsageError(
                f"{weight:,} samples of one of {clients:,} clients, with {self.bits} bits a number, overflow 32",
                remedy=f"choose fewer bits: up to {most:,} samples go with these",
            )
        inside = np.clip(update, -self.most, self.most)
        exact = inside / self.most * self._levels
        below = np.floor(exact)
        whole = (below + (rng.random(len(update)) < exact - below)).astype(np.int64) * weight
        cut = int(np.count_nonzero(inside != update))
        return np.append(whole, (weight, min(cut, _LARGEST // clients))).astype(np.uint32)

    def read(self, total: Whole) -> Mean:
        """Read a sum of such vectors: uint32[P + 2]."""
        *_, samples, cut = total.tolist()
        update: Array = total[:-2].view(np.int32) * (self.most / self._levels / max(1, samples))
        return Mean(update, samples, cut)
