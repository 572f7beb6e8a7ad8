"""Noise, thresholds and their price; needs the extra `privacy`."""

from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkeys.errors import FormatError, UsageError
from fedkeys.privacy import Histogram, NoisyRelease, epsilon_of, event_from, multiplier_for

pytest.importorskip("dp_accounting", reason="needs fedkeys[privacy]")
dp = pytest.importorskip("opendp.prelude", reason="needs fedkeys[privacy]")

DELTA = 1e-6


def delta_of_noise(multiplier: float, epsilon: float) -> float:
    """A second accountant: the closed form of one Gaussian mechanism (Balle and Wang 2018, theorem 8)."""
    normal, length = NormalDist(), 1 / multiplier
    return normal.cdf(length / 2 - epsilon / length) - exp(epsilon) * normal.cdf(
        -length / 2 - epsilon / length
    )


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("releases", [1, 3])
def test_two_accountants_agree(epsilon: float, releases: int) -> None:
    multiplier = multiplier_for(epsilon, DELTA, releases)
    event = NoisyRelease(multiplier, DELTA / 2 / releases)
    assert epsilon_of([event] * releases, DELTA) == pytest.approx(epsilon, rel=2e-3)
    together = multiplier / sqrt(releases)
    assert delta_of_noise(together, epsilon) == pytest.approx(DELTA / 2, rel=2e-2)
    # OpenDP prices by concentrated differential privacy, which is never less and not far off.
    profile = dp.c.make_zCDP_to_approxDP(_gaussian(multiplier)).map(1000.0 * sqrt(releases))
    assert epsilon * 0.999 <= profile.epsilon(DELTA / 2) <= epsilon * 1.15


def _gaussian(multiplier: float) -> object:
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    return dp.m.make_gaussian(*space, scale=multiplier * 1000)


events = st.builds(NoisyRelease, st.floats(2, 20), st.floats(1e-9, 2e-7))


@settings(deadline=None, max_examples=10)
@given(st.lists(events, max_size=4), events)
def test_what_is_done_more_never_costs_less(done: list[NoisyRelease], more: NoisyRelease) -> None:
    before, after = epsilon_of(done, DELTA), epsilon_of([*done, more], DELTA)
    assert after > before
    assert epsilon_of([more, *done], DELTA) == pytest.approx(after)


def test_thresholds_that_take_all_of_delta_leave_no_promise() -> None:
    assert epsilon_of([], DELTA) == 0
    assert epsilon_of([NoisyRelease(100.0, DELTA)], DELTA) == float("inf")
    assert epsilon_of([NoisyRelease(100.0, DELTA / 2)] * 2, DELTA) == float("inf")


@pytest.mark.parametrize(
    "arguments", [(0.0, DELTA), (-1.0, DELTA), (1.0, 0.0), (1.0, 1.0), (1.0, DELTA, 0), (1e-9, 1e-12)]
)
def test_what_cannot_be_promised_is_refused(arguments: tuple[float, float]) -> None:
    with pytest.raises(UsageError):
        multiplier_for(*arguments)


def test_events_come_back_and_unknown_ones_are_refused() -> None:
    event = NoisyRelease(4.5, 5e-7)
    assert event_from(event.as_map()) == event
    for wrong in (
        {**event.as_map(), "event": "laplace"},
        {**event.as_map(), "sampled": 0.1},
        {**event.as_map(), "multiplier": "4.5"},
        {**event.as_map(), "multiplier": float("nan")},
        {**event.as_map(), "threshold_delta": 0.0},
        {},
    ):
        with pytest.raises(FormatError):
            event_from(wrong)


HISTOGRAM = Histogram(norm=4096, most=512, distinct=2000, multiplier=1.2, threshold_delta=5e-7)


def test_opendp_vouches_for_the_threshold_and_the_noise() -> None:
    mechanism = HISTOGRAM._mechanism(HISTOGRAM.threshold)
    rho, delta = mechanism.map((2000, 4096, 512))
    assert rho == pytest.approx(1 / (2 * 1.2**2))
    assert delta <= 5e-7
    lower = HISTOGRAM._mechanism(int(HISTOGRAM.threshold - HISTOGRAM.scale / 100)).map((2000, 4096, 512))
    assert lower[1] > 5e-7


def test_noise_is_gaussian_and_what_is_below_the_threshold_is_not_told() -> None:
    far, below = HISTOGRAM.threshold + int(20 * HISTOGRAM.scale), HISTOGRAM.most
    sums = np.where(np.arange(12_000) % 3 > 0, far, below)
    rows, noisy = HISTOGRAM.tell(sums)
    assert rows.tolist() == [row for row in range(12_000) if row % 3]
    noise = (noisy - far) / HISTOGRAM.scale
    assert abs(noise.mean()) < 5 / sqrt(len(noise))
    assert abs(noise.std() - 1) < 5 / sqrt(2 * len(noise))
    assert abs(np.mean(np.abs(noise) > 1.96) - 0.05) < 5 * sqrt(0.05 * 0.95 / len(noise))
    again, _ = HISTOGRAM.tell(sums)
    assert again.tolist() == rows.tolist()
    assert not np.array_equal(HISTOGRAM.tell(sums)[1], noisy)
    assert [len(part) for part in HISTOGRAM.tell(np.zeros(0, np.int64))] == [0, 0]


def test_sums_at_the_threshold_are_told_half_of_the_time() -> None:
    rows, _ = HISTOGRAM.tell(np.full(4000, HISTOGRAM.threshold))
    assert abs(len(rows) / 4000 - 0.5) < 5 * 0.5 / sqrt(4000)


def test_noise_from_a_seed_comes_again() -> None:
    sums = np.full(100, HISTOGRAM.threshold + 10_000)
    first, again = (HISTOGRAM.tell(sums, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    rows, noisy = HISTOGRAM.tell(np.full(12_000, HISTOGRAM.threshold * 9), np.random.default_rng(1))
    assert len(rows) == 12_000
    assert noisy.std() == pytest.approx(HISTOGRAM.scale, rel=0.05)


def test_noise_too_coarse_for_whole_numbers_is_refused() -> None:
    for wrong in ({"norm": 10}, {"norm": 0}, {"most": 0}, {"distinct": 0}, {"threshold_delta": 1.0}):
        numbers = {"norm": 4096, "most": 512, "distinct": 2000, "multiplier": 1.2, "threshold_delta": 5e-7}
        with pytest.raises(UsageError):
            Histogram(**{**numbers, **wrong})  # type: ignore[arg-type]


def test_thresholds_are_little_above_what_noise_alone_asks_for() -> None:
    """Of d sums that one phone alone has made none may be told: each of them with a chance of delta / d."""
    least = HISTOGRAM.most + HISTOGRAM.scale * -NormalDist().inv_cdf(-log(1 - 5e-7) / 2000)
    assert least <= HISTOGRAM.threshold <= least * 1.01
