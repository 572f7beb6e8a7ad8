"""Accounting: the epsilon of all that was told, and the noise that an epsilon asks for.

In: events. Out: epsilon at a given delta, by privacy loss distributions (dp-accounting). Laws: more events never
cost less; what cannot be priced is refused.

Noise. A release tells sums of order 1, then those of order 2 over words that were told, and so on. Which sums it
looks at next depends on what it has told, but all of them together one phone moves by no more than its length, so
they cost what one Gaussian mechanism of that length costs: this is a filter that never stops anything (Koskela,
Tobaben and Honkela 2023, "Individual privacy accounting with Gaussian differential privacy", theorem 9; Smith
and Thakurta 2022, "Fully adaptive composition for Gaussian differential privacy"). The noise is the discrete
Gaussian (Canonne, Kamath and Steinke 2020), whose delta at a given epsilon differs from the continuous one's by
about a part in s^2 for a standard deviation of s, of which `fedkeys.privacy.histogram` wants at least 100.

Thresholds. For any one phone there is a chance of `threshold_delta` that a release tells something that it alone
has sent: these chances add up, and what is left of delta is the noise's.
"""

from collections.abc import Sequence
from math import exp, isinf
from statistics import NormalDist
from typing import Any

from fedkeys.errors import UsageError
from fedkeys.privacy.events import NoisyRelease

_NEEDS = "install it with: pip install 'fedkeys[privacy]'"
_LEAST, _MOST = 0.1, 1e4  # noise multipliers; the least is worth an epsilon of 98 at 5e-7
_EXACT = 1e-4  # relative, of multipliers
_FARTHEST = 1.02  # that dp-accounting, which rounds up, asks for more than the closed form


def epsilon_of(events: Sequence[NoisyRelease], dp_delta: float) -> float:
    """Price events, all of them together.

    Args:
        events: what was done with the sums of the same phones.
        dp_delta: delta of (epsilon, delta)-differential privacy.

    Returns:
        Epsilon: 0 for no event, infinity if the thresholds alone take all of delta.

    Raises:
        UsageError: delta is no chance, or dp-accounting is not installed.
    """
    check_delta(dp_delta)
    left = dp_delta - sum(event.threshold_delta for event in events)
    if not events or left <= 0:
        return float("inf") if events else 0.0
    # Gaussians composed are a Gaussian (Dong, Roth and Su 2022, "Gaussian differential privacy", corollary 2).
    precision = sum(event.multiplier**-2 for event in events)
    return _epsilon_of_noise(precision**-0.5, left)


def multiplier_for(epsilon: float, dp_delta: float, releases: int = 1) -> float:
    """Find the least noise at which so many equal releases cost no more than epsilon.

    Half of delta is for thresholds: each release may take `dp_delta / 2 / releases`.

    Args:
        epsilon: above 0.
        dp_delta: delta of (epsilon, delta)-differential privacy.
        releases: how many there are to be in all.

    Returns:
        The noise multiplier of one release.

    Raises:
        UsageError: nothing lies between the least and the most noise that is looked at, a number is out of its
            range, or dp-accounting is not installed.
    """
    check_delta(dp_delta)
    if not epsilon > 0 or releases < 1:
        raise UsageError(
            f"epsilon is {epsilon}, for {releases} releases",
            remedy="choose an epsilon above 0, and 1 release or more",
        )
    # A search in closed form for where to begin; what dp-accounting says of that is what counts.
    low, high = _LEAST, _MOST
    if _delta_of_noise(high, epsilon) > dp_delta / 2:
        raise UsageError(f"no noise is enough for an epsilon of {epsilon}", remedy="choose a larger one")
    while high > low * (1 + _EXACT):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if _delta_of_noise(middle, epsilon) <= dp_delta / 2 else (middle, high)
    least = high
    while (found := _epsilon_of_noise(high, dp_delta / 2)) > epsilon:
        high *= 1 + _EXACT
        if isinf(found) or high > _FARTHEST * least:
            raise UsageError(
                f"an epsilon of {epsilon:g} at a delta of {dp_delta:g} cannot be priced",
                remedy="choose a larger delta of differential privacy",
            )
    return float(high * releases**0.5)


def mu_of(epsilon: float, dp_delta: float) -> float:
    """Give how far apart an (epsilon, delta)-private Gaussian mechanism may keep two fleets.

    Returns:
        The greatest distance in standard deviations, in closed form: no package is asked.

    Raises:
        UsageError: delta is no chance.
    """
    check_delta(dp_delta)
    low, high = 1 / _MOST, 1 / _LEAST
    while high > low * (1 + _EXACT):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if _delta_of_noise(1 / middle, epsilon) > dp_delta else (middle, high)
    return low


def check_delta(dp_delta: float) -> None:
    """Refuse a delta that is no chance.

    Raises:
        UsageError: it does not lie between 0 and 1.
    """
    if not 0 < dp_delta < 1:
        raise UsageError(
            f"delta of differential privacy is {dp_delta}",
            remedy="choose a chance well below one in as many as there are phones, such as 1e-6",
        )


def _epsilon_of_noise(multiplier: float, dp_delta: float) -> float:
    dp_accounting, accountant = _accounting()
    return float(accountant.compose(dp_accounting.GaussianDpEvent(multiplier)).get_epsilon(dp_delta))


def _delta_of_noise(multiplier: float, epsilon: float) -> float:
    """Delta of one Gaussian mechanism (Balle and Wang 2018, "Improving the Gaussian mechanism", theorem 8)."""
    normal, length = NormalDist(), 1 / multiplier
    if epsilon > 700:
        return 0.0
    return normal.cdf(length / 2 - epsilon / length) - exp(epsilon) * normal.cdf(
        -length / 2 - epsilon / length
    )


def _accounting() -> tuple[Any, Any]:
    try:
        import dp_accounting
        from dp_accounting.pld import PLDAccountant
    except ImportError:
        raise UsageError("epsilon is priced by dp-accounting", remedy=_NEEDS) from None
    return dp_accounting, PLDAccountant(dp_accounting.NeighboringRelation.REPLACE_SPECIAL)
