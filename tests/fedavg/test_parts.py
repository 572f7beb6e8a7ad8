"""Compression, privacy, shares, partitions, figures."""

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedkeys.errors import FormatError, UsageError
from fedkeys.fedavg import (
    Decimals,
    Device,
    Exact,
    FederatedAveraging,
    GaussianMechanism,
    LogisticRegression,
    Quantised,
    TopK,
    average,
    compress,
    noisy_average,
    weighted_average,
)
from fedkeys.fedavg.compression import decode
from fedkeys.fedavg.figures import figures
from fedkeys.fedavg.hospitals import Hospital, federated_scale
from fedkeys.fedavg.partition import even, feature_shift, label_mix, label_skew, label_table, quantity_skew
from fedkeys.fedavg.shares import FRACTION_BITS, add, open_sum, split

vectors = hnp.arrays(float, st.integers(1, 40), elements=st.floats(-1e3, 1e3, width=32))


def test_averages_by_hand() -> None:
    layers = [[np.array([1.0, 2.0]), np.array([[3.0]])], [np.array([3.0, 6.0]), np.array([[5.0]])]]
    first, second = weighted_average(layers, [1, 3])
    assert first.tolist() == [2.5, 5.0]
    assert second.tolist() == [[4.5]]
    for wrong in ([], [(np.zeros(2), 0.0)], [(np.zeros(2), -1.0)], [(np.zeros(2), 1.0), (np.zeros(3), 1.0)]):
        with pytest.raises(UsageError):
            weighted_average(wrong)
    with pytest.raises(UsageError):
        average([layers[0], layers[0][:1]])
    assert compress([np.array([0.12345]), 1.0], 3)[0].tolist() == [0.123]


def test_noise_of_many_cancels() -> None:
    rng = np.random.default_rng(0)
    updates = [np.full(1000, 5.0)] * 100
    noisy = noisy_average(updates, 1.0, rng)
    assert abs(noisy.std() - 0.1) < 0.02
    assert abs(noisy.mean() - 5.0) < 0.02


CODECS = [Exact(), Decimals(2), Decimals(8), Quantised(8), Quantised(4), Quantised(1), TopK(0.3), TopK(1.0)]


@pytest.mark.parametrize("codec", CODECS, ids=str)
@given(update=vectors)
def test_codecs_give_something_close_of_the_same_shape(codec: Any, update: Any) -> None:
    data = codec.encode(update, np.random.default_rng(0))
    read = decode(data, len(update))
    spread = float(update.max() - update.min())
    error = np.abs(read - update).max()
    match codec:
        case Exact():
            assert error == 0
        case Decimals(decimals):
            assert error <= 0.5 * 10.0**-decimals + 1e-9
        case Quantised(bits):
            assert error <= spread / (2**bits - 1) + 1e-9
        case TopK(part):
            kept = max(1, round(part * len(update)))
            assert np.count_nonzero(read) <= kept
            assert error <= np.sort(np.abs(update))[::-1][kept:].max(initial=0.0) + 1e-4


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_stochastic_quantisation_is_right_on_average(bits: int) -> None:
    rng = np.random.default_rng(0)
    update = rng.normal(size=20)
    read = np.mean([decode(Quantised(bits).encode(update, rng), 20) for _ in range(4000)], axis=0)
    assert np.abs(read - update).max() < 5 * np.ptp(update) / 2 / np.sqrt(4000)


def test_fewer_bits_are_fewer_bytes() -> None:
    update = np.random.default_rng(0).normal(size=8000)
    codecs = (Exact(), Quantised(8), Quantised(4), Quantised(1))
    sizes = [len(codec.encode(update, np.random.default_rng(0))) for codec in codecs]
    assert [sizes[0] // size for size in sizes] == [1, 7, 15, 61]


@given(st.binary(max_size=60))
def test_any_bytes_are_an_update_or_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode(data, 5)


def test_decimals_out_of_all_bounds_are_refused() -> None:
    with pytest.raises(FormatError):
        decode(msgpack.packb(["decimals", 5, 400, "i1", bytes(5)]), 5)


def test_with_error_feedback_nothing_is_lost() -> None:
    """A constant gradient's every entry arrives in time, though a tenth of them is sent a round."""
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(50, 20)), rng.integers(2, size=50)
    device = Device(data, labels, "one")
    exact = FederatedAveraging(LogisticRegression(20))
    *_, (whole, _) = exact.run([device], 300)
    gaps = {}
    for feeds_back in (True, False):
        algorithm = FederatedAveraging(LogisticRegression(20), codec=TopK(0.1, feeds_back=feeds_back))
        *_, (state, metrics) = algorithm.run([device], 300)
        gaps[feeds_back] = np.linalg.norm(state.weights - whole.weights)
        assert metrics.bytes_up < 21 * 8 / 2
    assert gaps[True] < gaps[False]


def test_clipping_bounds_a_client_and_noise_is_what_was_said() -> None:
    mechanism = GaussianMechanism(noise_multiplier=2.0, clip=0.5, expected=10)
    updates = mechanism.clipped(np.array([[3.0, 4.0], [0.3, 0.0]]), 0.5)
    assert np.allclose(np.linalg.norm(updates, axis=1), [0.5, 0.3])
    mean, clip = mechanism.noisy_mean(np.zeros(20_000), 1, 7, 0.5, np.random.default_rng(0))
    assert clip == 0.5
    assert abs(mean.std() - 2.0 * 0.5 / 10) < 0.002


def test_the_clipping_length_moves_to_its_quantile() -> None:
    rng = np.random.default_rng(0)
    mechanism = GaussianMechanism(noise_multiplier=0.1, clip=0.01, expected=100, quantile=0.5, count_noise=5)
    clip = mechanism.clip
    lengths = np.linspace(0, 2, 100)
    updates = lengths[:, None] * np.eye(1, 4)
    for _ in range(200):
        total = mechanism.clipped(updates, clip).sum(0)
        _, clip = mechanism.noisy_mean(total, int((lengths <= clip).sum()), 100, clip, rng)
    assert 0.8 < clip < 1.2


def test_epsilon_is_that_of_dp_accounting() -> None:
    pytest.importorskip("dp_accounting")
    mechanism = GaussianMechanism(noise_multiplier=1.0, clip=1.0, expected=10)
    once = mechanism.epsilon(rounds=1, sampling=1.0, dp_delta=1e-5)
    assert 4.3 < once < 4.4  # Balle and Wang 2018, theorem 8, gives 4.377
    assert mechanism.epsilon(10, 0.01, 1e-5) < once < mechanism.epsilon(2, 1.0, 1e-5)
    assert GaussianMechanism(0.0, 1.0, 10).epsilon(1, 1.0, 1e-5) == float("inf")


@given(st.lists(hnp.arrays(float, 5, elements=st.floats(-1e6, 1e6)), min_size=2, max_size=5))
def test_shares_open_to_the_sum(secrets: list[Any]) -> None:
    parties = len(secrets)
    dealt = [split(secret, parties) for secret in secrets]
    sums = [add([shares[holder] for shares in dealt]) for holder in range(parties)]
    assert np.allclose(open_sum(sums), np.sum(secrets, axis=0), atol=parties * 2.0**-FRACTION_BITS)


def test_no_single_share_tells_anything() -> None:
    """Bytes of each share of a constant vector are uniform: chi-squared within what chance allows."""
    for holder in range(3):
        values = np.concatenate([split(np.full(500, 7.25), 3)[holder].values for _ in range(20)])
        counts = np.bincount(values.view(np.uint8), minlength=256)
        expected = counts.sum() / 256
        chi_squared = float(((counts - expected) ** 2 / expected).sum())
        assert 150 < chi_squared < 380  # 255 degrees of freedom: outside with probability below 1e-6
    one, other = (split(np.zeros(50), 3)[2].values for _ in range(2))
    assert not np.any(one == other)


def test_only_the_sum_of_the_same_vectors_is_opened() -> None:
    alice, bob, cy = (split([value], 2) for value in (1.0, 2.0, 4.0))
    with pytest.raises(UsageError, match="single vector"):
        open_sum([add([share]) for share in alice])
    with pytest.raises(UsageError, match="single vector"):
        open_sum(alice)
    with pytest.raises(UsageError, match="different vectors"):
        open_sum([add([alice[0], bob[0]]), add([alice[1], cy[1]])])
    with pytest.raises(UsageError, match="added twice"):
        add([alice[0], alice[0]])
    with pytest.raises(UsageError, match="added twice"):
        add([add([alice[0], bob[0]]), bob[0]])
    with pytest.raises(UsageError, match="could overflow"):
        add([alice[0], bob[0], cy[0]])


def test_wrong_use_of_shares_is_an_error() -> None:
    shares = split([1.0], 3)
    with pytest.raises(UsageError, match="2 or more"):
        split([1.0], 1)
    for wrong in ([1e30], [float("nan")], [[1.0]]):
        with pytest.raises(UsageError):
            split(wrong, 2)
    with pytest.raises(UsageError, match="only its own"):
        add(shares)
    for few in (shares[:2], [shares[0]] * 3, []):
        with pytest.raises(UsageError):
            open_sum(few)
    with pytest.raises(UsageError, match="no shares"):
        add([])
    assert "values" not in repr(shares[0])


partitions = st.tuples(st.integers(1, 30), st.integers(30, 200), st.floats(0.05, 100), st.integers(0, 99))


@given(partitions)
def test_every_sample_goes_to_one_client_and_nobody_is_left_empty(case: tuple[int, int, float, int]) -> None:
    clients, samples, alpha, seed = case
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=samples)
    for parts in (
        even(samples, clients, rng),
        label_skew(labels, clients, alpha, rng),
        label_mix(labels, clients, alpha, rng),
        quantity_skew(samples, clients, alpha, rng),
    ):
        assert len(parts) == clients
        assert min(map(len, parts)) >= 1
        assert sorted(np.concatenate(parts).tolist()) == list(range(samples))
        assert label_table(labels, parts).sum() == samples


def test_a_mix_of_labels_leaves_sizes_equal() -> None:
    """Hsu, Qi and Brown 2019: equal sizes, and mixes whose spread alpha sets around how often labels occur."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), [400, 300, 200, 100])
    purities = []
    for alpha in (0.05, 1.0, 100.0):
        parts = label_mix(labels, 20, alpha, rng)
        assert {len(part) for part in parts} == {50}
        table = label_table(labels, parts)
        purities.append(float((table.max(1) / 50).mean()))
    assert purities[0] > 0.8 > purities[1] > 0.5 > purities[2] > 0.35
    assert np.allclose(table.mean(0), [20, 15, 10, 5])


def test_alpha_sets_the_skew() -> None:
    labels = np.repeat(np.arange(10), 500)

    def purity(alpha: float) -> float:
        table = label_table(labels, label_skew(labels, 20, alpha, np.random.default_rng(0)))
        return float((table.max(1) / table.sum(1)).mean())

    assert purity(100.0) < 0.15 < purity(1.0) < 0.5 < purity(0.05)


def test_feature_shift_moves_each_client_by_an_offset() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(100, 3))
    parts = even(100, 4, rng)
    for places, moved in zip(parts, feature_shift(data, parts, 1.0, rng), strict=True):
        offsets = moved - data[places]
        assert np.allclose(offsets, offsets[0])
        assert np.abs(offsets[0]).max() > 0.01


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_figures_are_those_of_scikit_learn(cases: list[tuple[int, float]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels, chances = map(np.array, zip(*cases, strict=True))
    found = figures(labels, chances)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, chances > 0.5))
    if len(set(labels.tolist())) == 2:
        assert found.balanced_accuracy == pytest.approx(
            metrics.balanced_accuracy_score(labels, chances > 0.5)
        )
        assert found.auc == pytest.approx(metrics.roc_auc_score(labels, chances))
    else:
        assert np.isnan(found.auc)
    assert found.brier == pytest.approx(np.mean((chances - labels) ** 2))


def test_calibration_by_hand() -> None:
    assert figures([1, 0, 1, 1], [0.75, 0.75, 0.75, 0.75]).calibration_error == pytest.approx(0.0)
    assert figures([1, 1], [0.95, 0.85]).calibration_error == pytest.approx(0.1)


def test_hospitals_standardise_together_as_one_would() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.normal(loc=at, scale=1 + at, size=(20 + 10 * at, 3)) for at in range(3)]
    for table in tables:
        table[:, 2] = 0.1  # which no float is, exactly
    halves = [np.arange(len(table)) % 2 for table in tables]
    hospitals = [
        Hospital(f"h{at}", table, half, table[:5], half[:5])
        for at, (table, half) in enumerate(zip(tables, halves, strict=True))
    ]
    scale = federated_scale([hospital.moments() for hospital in hospitals])
    everyone = np.concatenate(tables)
    assert np.allclose(scale.mean, everyone.mean(0))
    assert np.allclose(scale.spread, [*everyone.std(0)[:2], 1.0])
    together = [hospital.standardised_by(scale) for hospital in hospitals]
    rows = np.concatenate([hospital._data for hospital in together])
    assert np.allclose(rows[:, :2].mean(0), 0)
    assert np.allclose(rows[:, :2].std(0), 1)
    assert together[0].moments().means.tolist() == hospitals[0].moments().means.tolist()
    model = LogisticRegression(3).with_weights(np.zeros(4))
    assert together[1].test(model).samples == 5


def test_a_scale_far_from_zero_is_exact() -> None:
    rng = np.random.default_rng(0)
    rows = 1e9 + rng.normal(size=(90, 1))
    parts = [rows[:20], rows[20:21], rows[21:]]
    hospitals = [
        Hospital(str(at), part, np.zeros(len(part)), part, np.zeros(len(part)))
        for at, part in enumerate(parts)
    ]
    scale = federated_scale([hospital.moments() for hospital in hospitals])
    assert scale.spread == pytest.approx(rows.std(0), rel=1e-6)
    assert scale.mean == pytest.approx(rows.mean(0), rel=1e-15)


def test_as_many_weights_as_updates() -> None:
    updates = [np.zeros(2), np.ones(2)]
    for weights in ([1.0], [1.0, 2.0, 3.0], [1.0, float("inf")], [1.0, float("nan")]):
        with pytest.raises(UsageError):
            weighted_average(updates, weights)
