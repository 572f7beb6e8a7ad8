"""Each algorithm beside its paper's pseudocode, written out in plain loops."""

from typing import Any

import numpy as np
import pytest

from fedkeys.errors import UsageError
from fedkeys.fedavg import (
    Device,
    FedAdam,
    FederatedAveraging,
    GaussianMechanism,
    Krum,
    LocalTraining,
    LogisticRegression,
    Median,
    Participation,
    TopK,
    TrimmedMean,
)
from fedkeys.fedavg.figures import figures

MODEL = LogisticRegression(3)


def fleet(sizes: list[int], seed: int = 0) -> list[Device]:
    rng = np.random.default_rng(seed)
    return [
        Device(rng.normal(size=(size, 3)) + at, rng.integers(2, size=size), f"d{at}")
        for at, size in enumerate(sizes)
    ]


def slope(client: Device, weights: Any) -> Any:
    return MODEL.gradient(weights, client._data, client._labels)


def test_scaffold_is_algorithm_1_of_karimireddy() -> None:
    clients, rate, steps, seed = fleet([5, 8, 13, 21]), 0.3, 3, 4
    participation = Participation(cohort=2)
    algorithm = FederatedAveraging(
        MODEL, LocalTraining(steps, None, rate), scaffold=True, participation=participation
    )
    x, c = np.zeros(4), np.zeros(4)
    own = {client.name: np.zeros(4) for client in clients}
    seen = set()
    for round_, (state, _) in enumerate(algorithm.run(clients, 6, seed)):
        turnout = participation.draw(clients, steps, np.random.default_rng([seed, 1, round_]))
        moves, changes = [], []
        for client in [clients[at] for at in turnout.answering]:
            seen.add(client.name)
            y = x.copy()
            for _ in range(steps):
                y -= rate * (slope(client, y) - own[client.name] + c)
            after = own[client.name] - c + (x - y) / (steps * rate)
            moves.append(y - x)
            changes.append(after - own[client.name])
            own[client.name] = after
        x = x + np.mean(moves, axis=0)
        c = c + np.sum(changes, axis=0) / len(clients)
        assert np.allclose(state.weights, x, rtol=1e-12, atol=1e-12)
        assert np.allclose(state.control, c, rtol=1e-12, atol=1e-12)
    assert len(seen) > 2
    assert np.linalg.norm(c) > 0.01


def test_fedprox_pulls_towards_the_servers_weights() -> None:
    clients, rate, mu = fleet([5, 9]), 0.3, 0.7
    algorithm = FederatedAveraging(MODEL, LocalTraining(4, None, rate, proximal=mu))
    x = np.zeros(4)
    for state, _ in algorithm.run(clients, 3):
        ends = []
        for client in clients:
            y = x.copy()
            for _ in range(4):
                y = y - rate * (slope(client, y) + mu * (y - x))
            ends.append(y)
        x = (5 * ends[0] + 9 * ends[1]) / 14
        assert np.allclose(state.weights, x, rtol=1e-12, atol=1e-12)


def test_the_servers_mean_is_damped() -> None:
    """Reddi et al. 2021, algorithm 2: m = beta1 m + (1 - beta1) update. Updates 1 and -1, tau 1, beta2 0.5."""
    optimiser = FedAdam(rate=1.0, beta1=0.9, beta2=0.5, tau=1.0)
    step, moments = optimiser.step(np.ones(1), optimiser.start(1))
    assert (moments.mean[0], moments.square[0], step[0]) == pytest.approx((0.1, 1.0, 0.05))
    step, moments = optimiser.step(-np.ones(1), moments)
    assert (moments.mean[0], moments.square[0], step[0]) == pytest.approx((-0.01, 1.0, -0.005))


def krum(updates: Any, neighbours: int) -> int:
    scores = []
    for at, one in enumerate(updates):
        apart = sorted(float(((one - other) ** 2).sum()) for k, other in enumerate(updates) if k != at)
        scores.append(sum(apart[:neighbours]))
    return int(np.argmin(scores))


def test_krum_is_that_of_blanchard() -> None:
    differs = 0
    for seed in range(40):
        updates = np.random.default_rng(seed).normal(size=(7, 2))
        chosen = krum(updates, 7 - 2 - 2)
        assert np.array_equal(Krum(2).combine(updates, np.ones(7)), updates[chosen])
        differs += chosen != krum(updates, 7 - 2 - 1)
    assert differs


def test_calibration_errors_do_not_cancel_between_bins() -> None:
    assert figures([1, 0], [0.15, 0.85]).calibration_error == pytest.approx(0.85)


def test_stragglers_take_longer_for_more_epochs() -> None:
    clients = fleet([10] * 4)
    participation = Participation(seconds_per_sample=0.01, spread=0.0, deadline=0.25)
    for epochs, late in ((1, 0), (2, 0), (3, 4)):
        assert participation.draw(clients, epochs, np.random.default_rng(0)).late == late


def test_trimming_cuts_the_part_that_was_said() -> None:
    updates = np.arange(100.0)[:, None] ** 2
    assert TrimmedMean(0.29).combine(updates, np.ones(100))[0] == pytest.approx(
        (np.arange(29.0, 71.0) ** 2).mean()
    )


def test_with_error_feedback_what_was_not_sent_is_kept() -> None:
    """Weights and what is still unsent are together what exact updates would have moved."""
    (client,) = fleet([30])
    algorithm = FederatedAveraging(MODEL, codec=TopK(0.25))
    state = algorithm.initialize()
    for _ in range(20):
        unsent = state.residuals.get(client.name, np.zeros(4))
        expected = state.weights + unsent - 0.1 * slope(client, state.weights)
        state, _ = algorithm.next(state, [client])
        assert np.count_nonzero(state.residuals[client.name] == 0) <= 1
        assert np.allclose(state.weights + state.residuals[client.name], expected, rtol=1e-6, atol=1e-12)


class Wrong:
    """A client that sends what it likes."""

    name, samples = "wrong", 7

    def __init__(self, sent: Any) -> None:
        self._sent = sent

    def train(self, *_: Any) -> Any:
        return self._sent


@pytest.mark.parametrize(
    "sent",
    [
        np.full(4, np.nan),
        np.array([0, np.inf, 0, 0]),
        np.full(4, 1e200),
        np.zeros(5),
        np.zeros((4, 1)),
        [],
        3.0,
        [[1.0], [1.0, 2.0]],
        ["a", "b", "c", "d"],
        None,
    ],
    ids=["nan", "inf", "huge", "long", "flat", "empty", "number", "ragged", "text", "none"],
)
@pytest.mark.parametrize(
    "how",
    [{}, {"mean": Median()}, {"codec": TopK(0.5)}, {"privacy": GaussianMechanism(0.5, 1.0, 3)}],
    ids=["mean", "median", "codec", "private"],
)
def test_updates_that_are_no_updates_are_left_out(sent: Any, how: Any) -> None:
    clients = fleet([6, 6, 9])
    algorithm = FederatedAveraging(MODEL, **how)
    state = algorithm.initialize()
    expected, whole = algorithm.next(state, clients)
    after, metrics = algorithm.next(state, [*clients, Wrong(sent)])
    assert (metrics.refused, metrics.averaged, metrics.samples) == (1, 3, whole.samples)
    assert metrics.bytes_up == whole.bytes_up
    if "privacy" not in how:
        assert np.allclose(after.weights, expected.weights, atol=1e-12)
    assert np.isfinite(after.weights).all()


def test_if_every_update_is_refused_nothing_changes() -> None:
    algorithm = FederatedAveraging(MODEL)
    after, metrics = algorithm.next(algorithm.initialize(), [Wrong(np.full(4, np.nan))])
    assert (metrics.refused, metrics.averaged, after.round) == (1, 0, 1)
    assert not after.weights.any()


def private(**how: Any) -> FederatedAveraging:
    return FederatedAveraging(MODEL, privacy=GaussianMechanism(1.0, 0.5, 20), **how)


def test_a_private_sum_is_divided_by_the_number_that_was_fixed() -> None:
    """With next to no noise: three clients of the expected twenty move the weights by three twentieths."""
    clients = fleet([5, 6, 7])
    algorithm = FederatedAveraging(
        MODEL, LocalTraining(learning_rate=0.01), privacy=GaussianMechanism(1e-9, 10.0, 20)
    )
    after, _ = algorithm.next(algorithm.initialize(), clients)
    expected = -0.01 * np.sum([slope(client, np.zeros(4)) for client in clients], axis=0) / 20
    assert np.allclose(after.weights, expected, rtol=1e-3)


def test_a_private_round_without_anybody_is_noise() -> None:
    algorithm = private(participation=Participation(available=1e-9))
    after, metrics = algorithm.next(algorithm.initialize(), fleet([5] * 3))
    assert (metrics.started, metrics.available, metrics.averaged) == (True, 0, 0)
    assert after.weights.std() > 0


def test_the_clipping_length_moves_by_what_was_counted_over_the_number_fixed() -> None:
    mechanism = GaussianMechanism(1e-9, 1.0, 10, quantile=0.5, clip_rate=0.2, count_noise=1e-8)
    rng = np.random.default_rng(0)
    for inside, answered, part in ((6, 8, 0.7), (0, 0, 0.5), (0, 10, 0.0), (10, 10, 1.0)):
        _, clip = mechanism.noisy_mean(np.zeros(2), inside, answered, 1.0, rng)
        assert clip == pytest.approx(np.exp(-0.2 * (part - 0.5)), rel=1e-6)


def test_noise_on_the_count_is_paid_for_by_the_sum() -> None:
    """Andrew et al. 2021, theorem 1: z^-2 = z_sum^-2 + (2 sigma_b)^-2; both releases cost what z alone does."""
    mechanism = GaussianMechanism(1.0, 1.0, 10, quantile=0.5, count_noise=1.0)
    assert mechanism.noise_on_sum == pytest.approx((4 / 3) ** 0.5)
    noisy, _ = mechanism.noisy_mean(np.zeros(40_000), 5, 10, 2.0, np.random.default_rng(0))
    assert noisy.std() == pytest.approx((4 / 3) ** 0.5 * 2.0 / 10, rel=0.02)
    accounting = pytest.importorskip("dp_accounting")
    pld = pytest.importorskip("dp_accounting.pld")
    both = pld.PLDAccountant()
    both.compose(accounting.GaussianDpEvent((4 / 3) ** 0.5)).compose(accounting.GaussianDpEvent(2.0))
    assert mechanism.epsilon(1, 1.0, 1e-5) == pytest.approx(both.get_epsilon(1e-5), rel=1e-3)


def test_an_algorithm_prices_its_own_rounds() -> None:
    pytest.importorskip("dp_accounting")
    algorithm = private(participation=Participation(available=0.1))
    assert algorithm.epsilon(10, 1e-5) == GaussianMechanism(1.0, 0.5, 20).epsilon(10, 0.1, 1e-5)
    with pytest.raises(UsageError, match="nothing bounds"):
        FederatedAveraging(MODEL).epsilon(1, 1e-5)


@pytest.mark.parametrize(
    "how",
    [
        {"scaffold": True},
        {"mean": Median()},
        {"participation": Participation(cohort=3)},
        {"participation": Participation(min_clients=2)},
    ],
    ids=["scaffold", "robust", "cohort", "minimum"],
)
def test_what_the_price_does_not_cover_is_refused(how: Any) -> None:
    with pytest.raises(UsageError, match="differential privacy is priced"):
        private(**how)
