"""The histogram: sums with noise, of which those are told that come above a threshold.

In: integer sums, and how far one phone can move them. Out: the rows that may be told, and their sums with noise.
Laws: noise comes from OpenDP, which draws the discrete Gaussian exactly from the operating system's source; what
OpenDP says of a mechanism's privacy is what counts, not what is computed here.

Which sums there are is itself private: a sum that one phone alone has made must not be told. Noise and a threshold
see to that but for a small chance (Korolova et al. 2009; with Gaussian noise Gopi et al. 2020, "Differentially
private set union", and Rogers 2023, "A unifying privacy analysis framework for unknown domain algorithms", which
OpenDP's `make_gaussian_threshold` follows).
"""

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError

Rows = NDArray[np.int64]
Sums = NDArray[np.int64]

_STEPS = 2000  # of a thousandth of the noise each: two standard deviations
LEAST_SCALE = 100.0  # so that the discrete Gaussian is as good as the continuous one


@dataclass(frozen=True)
class Histogram:
    """Noise and threshold.

    Attributes:
        norm: the length (2-norm) of what one phone can add to all sums together.
        most: what it can add to one of them.
        distinct: how many sums it can add to.
        multiplier: standard deviation of the noise, in `norm`s.
        threshold_delta: for any one phone the chance, at the most, that a sum is told that it alone has made.
        least_phones: any one sum that fewer phones have made is told with a chance of no more than
            `threshold_delta / distinct`.

    Raises:
        UsageError: a number is out of its range, the noise is too small for whole numbers, or OpenDP is not
            installed.
    """

    norm: int
    most: int
    distinct: int
    multiplier: float
    threshold_delta: float
    least_phones: int = 1

    def __post_init__(self) -> None:
        if (
            min(self.norm, self.most, self.distinct, self.least_phones) < 1
            or not 0 < self.threshold_delta < 1
        ):
            raise UsageError("what one phone can add is 1 or more, and the chance lies between 0 and 1")
        if self.scale < LEAST_SCALE:
            raise UsageError(
                f"noise with a standard deviation of {self.scale:.1f} is too coarse in whole numbers",
                remedy="let phones scale what they send to a greater length",
            )

    @property
    def scale(self) -> float:
        """Standard deviation of the noise."""
        return self.multiplier * self.norm

    @cached_property
    def threshold(self) -> int:
        """The least noisy sum that is told: no lower than what OpenDP asks for at this chance."""
        tail = self.threshold_delta / self.distinct
        found = int(self.most + self.scale * -NormalDist().inv_cdf(tail))
        step = max(1, int(self.scale / 1000))
        for _ in range(_STEPS):
            if self._delta_of(found) <= self.threshold_delta:
                break
            found += step
        else:
            raise UsageError(
                f"no threshold keeps a chance of {self.threshold_delta:g} in the arithmetic of OpenDP",
                remedy="choose a larger delta of differential privacy, fewer releases, or fewer n-grams a phone",
            )
        others = max(0, self.least_phones - 2)  # beside the one that this allows for
        return found + others * self.most

    def tell(self, sums: Sums, rng: np.random.Generator | None = None) -> tuple[Rows, Sums]:
        """Add noise to sums, and give those that come to the threshold or above it.

        Args:
            sums: int64[n], 1 or more each: that a sum is 0 is not told by its absence.
            rng: draws noise that can be repeated, and so protects nobody; None for the operating system's source.

        Returns:
            int64[m], their rows in order, and int64[m], their noisy sums.
        """
        if rng is not None:
            noisy = np.rint(sums + rng.normal(0.0, self.scale, len(sums))).astype(np.int64)
            rows = np.flatnonzero(noisy >= self.threshold)
            return rows, noisy[rows]
        if not len(sums):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        told = self._mechanism(self.threshold)(dict(enumerate(sums.tolist())))
        rows = np.fromiter(told.keys(), np.int64, len(told))
        order = np.argsort(rows)
        return rows[order], np.fromiter(told.values(), np.int64, len(told))[order]

    def _delta_of(self, threshold: int) -> float:
        distances = self.distinct, self.norm, self.most
        return float(self._mechanism(threshold).map(distances)[1])

    def _mechanism(self, threshold: int) -> Any:
        try:
            import opendp.prelude as dp
        except ImportError:
            raise UsageError(
                "noise is drawn by OpenDP", remedy="install it with: pip install 'fedkeys[privacy]'"
            ) from None
        dp.enable_features("contrib")
        return dp.m.make_gaussian_threshold(
            dp.map_domain(dp.atom_domain(T="u32"), dp.atom_domain(T="i64")),
            dp.l02inf_distance(dp.absolute_distance(T="i64")),
            scale=self.scale,
            threshold=threshold,
        )
