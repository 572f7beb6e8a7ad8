"""Differential privacy of a whole client: clip every update, add noise to their mean, and price it.

In: updates. Out: a noisy mean, and epsilon. Law: one client moves the sum by no more than the clipping length,
whatever it sends; the unit of privacy is one client with all its samples, the neighbouring relation adding or
removing one client.

McMahan et al. 2018 (ICLR), "Learning Differentially Private Recurrent Language Models"; the clipping length
that follows the updates: Andrew et al. 2021 (NeurIPS), "Differentially Private Learning with Adaptive Clipping".
The sum is divided by a number fixed beforehand, since how many answered depends on who is there. The noise is
numpy's and can be repeated from a seed: it is for experiments, and not hardened against attacks on floating
point. Clients are drawn by themselves (Poisson sampling); `FederatedAveraging` refuses what is not priced so.
"""

from dataclasses import dataclass

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.means import clipped
from fedkeys.fedavg.models.base import Array


@dataclass(frozen=True, slots=True)
class GaussianMechanism:
    """Clipping and Gaussian noise.

    Attributes:
        noise_multiplier: z, standard deviation of the noise on the sum, in clipping lengths.
        clip: the longest that an update may be; in the first round, where it adapts.
        expected: how many clients are expected to answer in a round, what the sum is divided by; a number that is
            fixed without looking at who takes part, such as the chance to be available times the clients enrolled.
        quantile: the part of updates that is to be shorter than the clipping length, towards which it moves
            after each round; None to keep it fixed.
        clip_rate: how fast it moves (Andrew et al.: 0.2).
        count_noise: standard deviation of the noise on the number of shorter updates (Andrew et al.: a
            twentieth of the cohort); it is paid for by a little more noise on the sum.
    """

    noise_multiplier: float
    clip: float
    expected: float
    quantile: float | None = None
    clip_rate: float = 0.2
    count_noise: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.noise_multiplier < float("inf"):
            raise UsageError("noise_multiplier is a number from 0 up")
        if not 0 < self.clip < float("inf") or not 0 < self.expected < float("inf"):
            raise UsageError("clip and expected are numbers above 0")
        if self.quantile is not None and not (
            0 < self.quantile < 1 and 2 * self.count_noise > self.noise_multiplier
        ):
            raise UsageError(
                "the clipping length cannot adapt so",
                remedy="choose a quantile between 0 and 1, and count_noise above half of noise_multiplier",
            )

    @property
    def noise_on_sum(self) -> float:
        """Noise on the sum in clipping lengths, so that with the count's noise z is paid (Andrew, theorem 1)."""
        if self.quantile is None or not self.noise_multiplier:
            return self.noise_multiplier
        return float((self.noise_multiplier**-2 - (2 * self.count_noise) ** -2) ** -0.5)

    def clipped(self, updates: Array, clip: float) -> Array:
        """Cut updates, float[C, P], down to `clip`."""
        return clipped(updates, clip)

    def noisy_mean(
        self, total: Array, inside: int, answered: int, clip: float, rng: np.random.Generator
    ) -> tuple[Array, float]:
        """Give the mean of clipped updates with noise, and the clipping length of the next round.

        Args:
            total: float[P], the sum of the clipped updates.
            inside: how many of them were no longer than `clip` before.
            answered: how many there were; only its difference to twice `inside` is used, and noise added to it.
            clip: the clipping length in force.
            rng: draws the noise.
        """
        noise = rng.normal(0.0, self.noise_on_sum * clip, total.shape)
        mean = (total + noise) / self.expected
        if self.quantile is None:
            return mean, clip
        # One client moves the sum of (inside or not) - 1/2 by 1/2 (Andrew et al. 2021, section 2.1).
        spread = self.count_noise if self.noise_multiplier else 0.0
        part = (inside - answered / 2 + rng.normal(0.0, spread)) / self.expected + 0.5
        return mean, clip * float(np.exp(-self.clip_rate * (part - self.quantile)))

    def epsilon(self, rounds: int, sampling: float, dp_delta: float) -> float:
        """Price some rounds with dp-accounting (privacy loss distributions), from the extra `privacy`.

        Args:
            rounds: how many.
            sampling: the chance that a client takes part in a round.
            dp_delta: delta of (epsilon, delta)-differential privacy.

        Raises:
            UsageError: dp-accounting is not installed.
        """
        try:
            import dp_accounting
            from dp_accounting.pld import PLDAccountant
        except ImportError:
            raise UsageError(
                "epsilon is priced by dp-accounting", remedy="install it with: pip install 'fedkeys[privacy]'"
            ) from None
        if not self.noise_multiplier:
            return float("inf")
        event = dp_accounting.PoissonSampledDpEvent(
            sampling, dp_accounting.GaussianDpEvent(self.noise_multiplier)
        )
        accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
        return float(accountant.compose(event, rounds).get_epsilon(dp_delta))
