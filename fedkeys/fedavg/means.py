"""How updates become one: the plain mean, and means that a few wrong updates cannot carry away.

In: updates, float[C, P], and their weights. Out: float[P]. Laws: with equal updates every rule gives that
update; only `Mean` may see the updates one after the other, the robust rules need them all at once.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.models.base import Array


class MeanRule(Protocol):
    """Combines updates."""

    @property
    def least(self) -> int:
        """Of fewer updates there is no mean."""

    def combine(self, updates: Array, weights: Array) -> Array:
        """Give one update for many: float[P] of float[C, P] and float[C]."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean, weighted by samples as in FedAvg (McMahan et al. 2017), or with every client alike.

    Attributes:
        weighted: by samples.
    """

    weighted: bool = True
    least: ClassVar[int] = 1

    def combine(self, updates: Array, weights: Array) -> Array:
        """The weighted mean."""
        return np.asarray(self.shares(weights) @ updates)

    def shares(self, weights: Array) -> Array:
        """What part of the mean each client is."""
        shares = weights if self.weighted else np.ones_like(weights)
        return np.asarray(shares / shares.sum())


@dataclass(frozen=True, slots=True)
class Median:
    """The median of each coordinate (Yin et al. 2018, ICML, definition 1)."""

    least: ClassVar[int] = 1

    def combine(self, updates: Array, weights: Array) -> Array:
        """The coordinate-wise median; weights do not count."""
        del weights
        return np.asarray(np.median(updates, axis=0))


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """The mean of each coordinate without its lowest and highest values (Yin et al. 2018, definition 2).

    Attributes:
        part: of the clients, cut off at each end.
    """

    part: float = 0.2
    least: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0 <= self.part < 0.5:
            raise UsageError(f"part is {self.part}", remedy="choose from 0 to below 0.5")

    def combine(self, updates: Array, weights: Array) -> Array:
        """The coordinate-wise trimmed mean; weights do not count."""
        del weights
        cut = int(Fraction(str(self.part)) * len(updates))  # 0.29 of 100 are 29, which floats make 28
        return np.asarray(np.sort(updates, axis=0)[cut : len(updates) - cut].mean(0))


@dataclass(frozen=True, slots=True)
class Krum:
    """The update with the nearest neighbours, or the mean of the best of them (multi-Krum).

    Blanchard et al. 2017 (NeurIPS), section 4: an update's score is the sum of the squared distances to its
    C - f - 2 nearest others.

    Attributes:
        wrong: f, how many wrong updates are to be survived; 2 f + 2 < C. With dropouts ask for more clients
            than that: a round with too few answers changes nothing, since no rule could keep the promise.
        best: m, how many of the best are averaged, up to C - f; 1 is Krum, None is C - f.
    """

    wrong: int
    best: int | None = 1

    def __post_init__(self) -> None:
        if self.wrong < 0 or (self.best is not None and self.best < 1):
            raise UsageError("wrong is from 0 up, and best from 1 up")

    @property
    def least(self) -> int:
        """2 f + 3, or m + f where that is more."""
        return max(2 * self.wrong + 3, self.wrong + (self.best or 1))

    def combine(self, updates: Array, weights: Array) -> Array:
        """The mean of the best; weights do not count.

        Raises:
            UsageError: there are too few updates.
        """
        del weights
        count = len(updates)
        if count < self.least:
            raise UsageError(
                f"{count} updates, where Krum wants {self.least} to survive {self.wrong} wrong ones",
                remedy="it needs more than 2 f + 2 clients, and m up to C - f",
            )
        norms = (updates**2).sum(1)
        distances = np.maximum(0.0, norms[:, None] + norms[None] - 2 * updates @ updates.T)
        np.fill_diagonal(distances, np.inf)
        nearest = np.sort(distances, axis=1)[:, : count - self.wrong - 2]
        best = count - self.wrong if self.best is None else self.best
        chosen = np.argsort(nearest.sum(1), kind="stable")[:best]
        return np.asarray(updates[chosen].mean(0))


@dataclass(frozen=True, slots=True)
class NormClipping:
    """The mean of updates cut down to a length (Sun et al. 2019, section 3.4: "norm thresholding").

    Attributes:
        most: the longest that an update may be; None for the median length of the round's updates.
        weighted: by samples.
    """

    most: float | None = None
    weighted: bool = True
    least: ClassVar[int] = 1

    def combine(self, updates: Array, weights: Array) -> Array:
        """The mean of the clipped updates."""
        lengths = np.linalg.norm(updates, axis=1)
        most = float(np.median(lengths)) if self.most is None else self.most
        return Mean(self.weighted).combine(clipped(updates, most), weights)


def clipped(updates: Array, most: float) -> Array:
    """Scale updates longer than `most` down to it; float[..., P]."""
    lengths = np.linalg.norm(updates, axis=-1, keepdims=True)
    return np.asarray(updates * np.minimum(1.0, most / np.maximum(lengths, np.finfo(float).tiny)))
