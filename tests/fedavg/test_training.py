"""The round: exact where the textbook is, pure, resumable, and honest about who took part."""

import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.errors import FormatError, UsageError
from fedkeys.fedavg import (
    Device,
    FedAdagrad,
    FedAdam,
    FederatedAveraging,
    FedYogi,
    GaussianMechanism,
    Krum,
    LocalTraining,
    LogisticRegression,
    Mean,
    Median,
    MLPClassifier,
    NormClipping,
    Participation,
    Quantised,
    ServerSGD,
    State,
    TopK,
    TrimmedMean,
    train_rounds,
)
from fedkeys.fedavg.answers import Missing
from fedkeys.fedavg.state import STATE_FORMAT, STATE_VERSION


def fleet(sizes: list[int], seed: int = 0, features: int = 3, noise: float = 1.0) -> list[Device]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=features)
    clients = []
    for at, size in enumerate(sizes):
        data = rng.normal(size=(size, features))
        clients.append(Device(data, (data @ truth + noise * rng.normal(size=size) > 0).astype(int), f"d{at}"))
    return clients


def pooled(clients: list[Device]) -> tuple[Any, Any]:
    return np.concatenate([c._data for c in clients]), np.concatenate([c._labels for c in clients])


@pytest.mark.parametrize(
    "model", [LogisticRegression(3, alpha=0.1), MLPClassifier(3, 4)], ids=["linear", "mlp"]
)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_one_full_batch_step_each_is_gradient_descent_on_pooled_data(
    model: Any, sizes: list[int], seed: int
) -> None:
    """To 1e-12: one client alone is plain gradient descent, all together are pooled gradient descent."""
    clients = fleet(sizes, seed)
    algorithm = FederatedAveraging(model, LocalTraining(learning_rate=0.3))
    data, labels = pooled(clients)
    weights = algorithm.initialize(seed).weights
    for state, metrics in algorithm.run(clients, 3, seed):
        weights = weights - 0.3 * model.gradient(weights, data, labels)
        assert np.allclose(state.weights, weights, rtol=1e-12, atol=1e-12)
        assert metrics.averaged == len(sizes)
        assert metrics.samples == sum(sizes)


def test_devices_of_one_shape_come_out_as_if_trained_alone() -> None:
    alike, odd = fleet([8, 8, 8, 8]), fleet([8, 8, 8, 8])
    for at, device in enumerate(odd):
        odd[at] = type("Odd", (), {  # the same device, not known to be one
            "name": device.name, "samples": device.samples, "train": device.train,
        })()  # fmt: skip
    for local in (LocalTraining(epochs=3, batch_size=3), LocalTraining(epochs=2, proximal=0.5)):
        for scaffold in (False, True):
            algorithm = FederatedAveraging(LogisticRegression(3), local, scaffold=scaffold)
            for (one, _), (other, _) in zip(algorithm.run(alike, 3), algorithm.run(odd, 3), strict=True):
                assert np.allclose(one.weights, other.weights, rtol=1e-12, atol=1e-14)


VARIANTS = {
    "FedAvg": {},
    "unweighted": {"mean": Mean(weighted=False)},
    "FedProx": {"local": LocalTraining(epochs=2, batch_size=4, proximal=0.1)},
    "SCAFFOLD": {"scaffold": True, "local": LocalTraining(epochs=2, batch_size=4)},
    "momentum": {"server": ServerSGD(0.5, 0.9)},
    "FedAdam": {"server": FedAdam()},
    "FedYogi": {"server": FedYogi()},
    "FedAdagrad": {"server": FedAdagrad()},
    "median": {"mean": Median()},
    "trimmed": {"mean": TrimmedMean(0.2)},
    "Krum": {"mean": Krum(1, best=3)},
    "norm clipping": {"mean": NormClipping()},
    "8 bits": {"codec": Quantised(8)},
    "top k": {"codec": TopK(0.5)},
    "private": {"privacy": GaussianMechanism(0.5, 1.0, 16, quantile=0.5)},
    "dropouts": {"participation": Participation(available=0.9, cohort=8, dropout=0.2, deadline=0.02)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_pure_resumable_and_learning(variant: str) -> None:
    clients = fleet([10, 12, 12, 12, 12, 14, 20, 30] * 2, seed=3)
    algorithm = FederatedAveraging(LogisticRegression(3), **VARIANTS[variant])
    history = [state for state, _ in algorithm.run(clients, 12, seed=5)]
    first = algorithm.initialize(5).to_bytes()
    assert algorithm.initialize(5).to_bytes() == first
    resumed = State.from_bytes(history[5].to_bytes())
    before = resumed.to_bytes()
    for expected in history[6:]:
        after, _ = algorithm.next(resumed, clients)
        assert resumed.to_bytes() == before
        assert after.to_bytes() == expected.to_bytes()
        resumed, before = State.from_bytes(after.to_bytes()), after.to_bytes()
    data, labels = pooled(clients)
    assert LogisticRegression(3).with_weights(history[-1].weights).score(data, labels) > 0.7


def test_seeds_matter_and_only_they() -> None:
    clients = fleet([9] * 12)
    algorithm = FederatedAveraging(
        LogisticRegression(3), LocalTraining(batch_size=2), participation=Participation(cohort=4)
    )
    runs = [[state.to_bytes() for state, _ in algorithm.run(clients, 3, seed)] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_round_with_too_few_does_not_start_and_changes_nothing() -> None:
    algorithm = FederatedAveraging(
        LogisticRegression(3), participation=Participation(available=0.5, min_clients=9)
    )
    clients = fleet([5] * 10)
    state = algorithm.initialize(0)
    after, metrics = algorithm.next(state, clients)
    assert not metrics.started
    assert metrics.averaged == 0
    assert replace(after, round=state.round).to_bytes() == state.to_bytes()
    started = [metrics.started for _, metrics in algorithm.run(clients, 60, seed=1)]
    assert 0 < sum(started) < 15  # 11 in 1,024 by chance


def test_dropouts_and_stragglers_are_left_out_and_counted() -> None:
    clients = fleet([10] * 50)
    participation = Participation(cohort=40, dropout=0.25, deadline=0.012)
    algorithm = FederatedAveraging(LogisticRegression(3), participation=participation)
    for _, metrics in algorithm.run(clients, 5):
        assert metrics.selected == 40
        assert metrics.averaged == 40 - metrics.dropped - metrics.late
        assert metrics.dropped
        assert metrics.late


def test_a_round_that_loses_everybody_does_not_stop_the_ones_after_it() -> None:
    clients = fleet([10] * 3)
    algorithm = FederatedAveraging(LogisticRegression(3), participation=Participation(dropout=0.6))
    averaged = [metrics.averaged for _, metrics in algorithm.run(clients, 60)]
    assert 0 in averaged[:40]
    assert sum(count > 0 for count in averaged[averaged.index(0) :]) > 20


def test_scaffold_counts_every_client_alike() -> None:
    """Its fixed point is the unweighted one, with clients of any size."""
    clients = fleet([10, 190])
    local = LocalTraining(learning_rate=0.5)
    *_, (plain, _) = FederatedAveraging(LogisticRegression(3), local, mean=Mean(weighted=False)).run(
        clients, 400
    )
    *_, (corrected, _) = FederatedAveraging(LogisticRegression(3), local, scaffold=True).run(clients, 400)
    assert np.allclose(plain.weights, corrected.weights, atol=1e-3)


def test_if_everybody_is_late_nothing_changes() -> None:
    algorithm = FederatedAveraging(LogisticRegression(3), participation=Participation(deadline=1e-9))
    state = algorithm.initialize(0)
    after, metrics = algorithm.next(state, fleet([5] * 3))
    assert (metrics.started, metrics.late, metrics.averaged) == (True, 3, 0)
    assert np.array_equal(after.weights, state.weights)


class Flipped:
    """A client that sends the opposite of what it learnt, ten times over."""

    def __init__(self, device: Device) -> None:
        self.name, self.samples, self._device = device.name, device.samples, device

    def train(self, model: Any, weights: Any, *rest: Any) -> Any:
        return weights - 10 * (self._device.train(model, weights, *rest) - weights)


@pytest.mark.parametrize(
    ("mean", "survives"),
    [(Mean(), False), (Median(), True), (TrimmedMean(0.25), True), (Krum(4), True), (Krum(4, best=12), True)],
    ids=str,
)
def test_robust_means_survive_a_fifth_that_flip_signs(mean: Any, survives: bool) -> None:
    honest = fleet([60] * 20, seed=7, noise=0.1)
    clients = [Flipped(client) if at % 5 == 0 else client for at, client in enumerate(honest)]
    algorithm = FederatedAveraging(LogisticRegression(3), LocalTraining(epochs=5), mean=mean)
    *_, (state, _) = algorithm.run(clients, 20)
    data, labels = pooled(honest)
    score = LogisticRegression(3).with_weights(state.weights).score(data, labels)
    assert (score > 0.8) == survives


def test_norm_clipping_bounds_what_one_client_does() -> None:
    honest = fleet([60] * 20, seed=7, noise=0.1)
    clients = [Flipped(honest[0]), *honest[1:]]
    algorithm = FederatedAveraging(LogisticRegression(3), mean=NormClipping(most=0.01))
    after, metrics = algorithm.next(algorithm.initialize(), clients)
    assert np.linalg.norm(after.weights) <= 0.01
    assert metrics.update_norm <= 0.01


def test_means_of_equal_updates_are_that_update() -> None:
    updates = np.tile([1.0, -2.0, 0.5], (7, 1))
    for rule in (
        Mean(),
        Mean(weighted=False),
        Median(),
        TrimmedMean(),
        Krum(1),
        Krum(2, best=3),
        NormClipping(),
    ):
        assert np.allclose(rule.combine(updates, np.arange(1.0, 8)), updates[0])


def test_trimming_and_krum_by_hand() -> None:
    updates = np.array([[0.0], [1.0], [2.0], [3.0], [100.0]])
    weights = np.ones(5)
    assert TrimmedMean(0.2).combine(updates, weights) == [2.0]
    assert Median().combine(updates, weights) == [2.0]
    # With f = 1 each update is held against its two nearest: 1 and 2 are nearest, 1 comes first.
    assert Krum(1).combine(updates, weights) == [1.0]
    assert Krum(1, best=2).combine(updates, weights) == [1.5]
    assert Krum(1, best=None).combine(updates, weights) == [1.5]  # 0 to 3, without the wrong one
    with pytest.raises(UsageError, match="4 updates, where Krum wants 5 to survive 1 wrong"):
        Krum(1).combine(updates[:4], weights[:4])


def test_krum_that_hears_from_too_few_changes_nothing() -> None:
    algorithm = FederatedAveraging(LogisticRegression(3), mean=Krum(1, best=None), scaffold=True)
    clients = fleet([30] * 7)
    before = algorithm.initialize()
    own = np.arange(4.0)[None]
    answers = [([0, 1], np.repeat(own, 2, 0)), ([2], Missing.LATE), ([3, 4], np.repeat(own, 2, 0))]
    turnout = algorithm.asked(before, clients)
    after, metrics = algorithm.put_together(before, clients, turnout, answers)
    assert after.to_bytes() == replace(before, round=1).to_bytes()
    assert (metrics.averaged, metrics.samples, metrics.dropped, metrics.late) == (0, 0, 2, 1)
    assert metrics.failure == "4 updates came, where the mean takes 5 or more"
    answers.append(([5], own))
    after, metrics = algorithm.put_together(before, clients, turnout, answers)
    assert (metrics.averaged, metrics.failure) == (5, None)
    with pytest.raises(UsageError, match="4 clients can be asked, where Krum takes 5 updates"):
        algorithm.next(before, clients[:4])
    with pytest.raises(UsageError, match="not asked, or has answered before"):
        algorithm.put_together(before, clients, turnout, [*answers, ([1], own)])


def test_a_control_variate_stays_where_the_rate_is_0() -> None:
    local = LocalTraining(schedule="cosine", horizon=2)
    algorithm = FederatedAveraging(LogisticRegression(3), local, scaffold=True)
    states = [state for state, _ in algorithm.run(fleet([30] * 4), 4)]
    for before, after in pairwise(states[1:]):
        assert np.array_equal(after.weights, before.weights)
        assert np.array_equal(after.control, before.control)
    assert np.abs(states[3].control).max() > 0


def test_server_optimisers_by_hand() -> None:
    """Two steps of Reddi et al. 2021, algorithm 2, on paper: update 1, then -1, tau 1, beta1 0, beta2 0.5."""
    expected = {FedAdagrad: [2.0, 3.0], FedAdam: [1.0, 1.0], FedYogi: [1.0, 1.0]}
    for kind, squares in expected.items():
        optimiser = kind(rate=1.0, beta1=0.0, beta2=0.5, tau=1.0)
        moments = optimiser.start(1)
        for update, square in zip((1.0, -1.0), squares, strict=True):
            step, moments = optimiser.step(np.array([update]), moments)
            assert np.isclose(moments.square[0], square)
            assert np.isclose(step[0], update / (np.sqrt(square) + 1))


def test_yogi_moves_by_a_fixed_part_where_adam_moves_by_the_difference() -> None:
    yogi, adam = FedYogi(tau=1.0, beta2=0.9), FedAdam(tau=1.0, beta2=0.9)
    update = np.array([0.1])
    assert np.isclose(yogi.step(update, yogi.start(1))[1].square[0], 1 - 0.1 * 0.01)
    assert np.isclose(adam.step(update, adam.start(1))[1].square[0], 0.9 + 0.1 * 0.01)


def test_schedules() -> None:
    rates = {
        "constant": [1, 1, 1],
        "exponential": [1, 0.5, 0.25],
        "inverse_sqrt": [1, 2**-0.5, 3**-0.5],
        "cosine": [1, 0.5, 0],
    }
    for name, expected in rates.items():
        local = LocalTraining(learning_rate=1.0, schedule=name, decay=0.5, horizon=2)  # type: ignore[arg-type]
        assert np.allclose([local.rate(round_) for round_ in range(3)], expected)


def test_train_rounds_selects_and_says_when_it_cannot() -> None:
    clients = fleet([20] * 15)
    run = train_rounds(clients, num_rounds=4, min_devices=6, rng=np.random.default_rng(0))
    assert [metrics.averaged for metrics in run.history] == [6] * 4
    few = train_rounds(clients[:5], num_rounds=2, rng=np.random.default_rng(0))
    assert [metrics.started for metrics in few.history] == [False, False]
    assert not few.model.weights.any()
    sometimes = train_rounds(clients, 30, 10, rng=np.random.default_rng(1), available=0.6)
    assert len({metrics.started for metrics in sometimes.history}) == 2


def test_a_client_keeps_its_data() -> None:
    device = fleet([5])[0]
    with pytest.raises(TypeError, match="stays where it is"):
        pickle.dumps(device)
    assert set(device.evaluate(LogisticRegression(3).with_weights(np.zeros(4)))) == {
        "samples",
        "score",
        "loss",
    }


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        ([[1.0]], [0, 1]),
        ([1.0], [0]),
        (np.zeros((0, 2)), []),
        ([[np.nan]], [0]),
        ([[1.0]], [np.inf]),
        ([["a"]], [0]),
        ([[1.0], [1.0, 2.0]], [0, 1]),
    ],
    ids=["labels", "flat", "empty", "missing", "infinite", "text", "ragged"],
)
def test_a_device_wants_rows_and_labels(data: Any, labels: Any) -> None:
    with pytest.raises(UsageError):
        Device(data, labels)


@pytest.mark.parametrize("test_data", [[[1.0, 2.0]], [1.0], [[1.0], [2.0]]], ids=["wide", "flat", "more"])
def test_a_device_is_tested_on_what_it_trains_on(test_data: Any) -> None:
    with pytest.raises(UsageError, match="to test on as to train on"):
        Device([[1.0]], [0], "a", test_data, [0])


@pytest.mark.parametrize("labels", [[0, 2], [0, -1], [0, 0.5]], ids=str)
@pytest.mark.parametrize("model", [LogisticRegression(1), MLPClassifier(1)], ids=["linear", "mlp"])
def test_labels_that_are_no_classes_are_refused(model: Any, labels: Any) -> None:
    device = Device([[1.0], [2.0]], labels)
    algorithm = FederatedAveraging(model)
    with pytest.raises(UsageError, match="number the classes 0 to 1"):
        algorithm.next(algorithm.initialize(), [device])
    with pytest.raises(UsageError, match="number the classes 0 to 1"):
        model.partial_fit([[1.0], [2.0]], labels)
    wide = FederatedAveraging(type(model)(2))
    with pytest.raises(UsageError, match="model of 2 features"):
        wide.next(wide.initialize(), [Device([[1.0], [2.0]], [0, 1])])


class Spoiler:
    """A client that writes into the weights it is given."""

    name, samples = "spoiler", 1

    def train(self, _: Any, weights: Any, *__: Any) -> Any:
        weights += 1
        return weights


def test_a_client_cannot_change_the_servers_weights() -> None:
    algorithm = FederatedAveraging(LogisticRegression(3))
    with pytest.raises(ValueError, match="read-only"):
        algorithm.next(algorithm.initialize(), [Spoiler()])


def test_what_is_remembered_of_a_client_needs_its_name() -> None:
    unnamed = [Device([[1.0]], [0]), Device([[2.0]], [1])]
    for how in ({"scaffold": True}, {"codec": TopK(0.5)}):
        algorithm = FederatedAveraging(LogisticRegression(1), **how)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="give each Device a name"):
            algorithm.next(algorithm.initialize(), unnamed)
    algorithm = FederatedAveraging(LogisticRegression(1))
    assert algorithm.next(algorithm.initialize(), unnamed)[1].averaged == 2
    with pytest.raises(UsageError, match="of another algorithm"):
        algorithm.next(FederatedAveraging(LogisticRegression(2)).initialize(), unnamed)


def test_two_clients_of_one_name_are_refused() -> None:
    one = fleet([5])[0]
    algorithm = FederatedAveraging(LogisticRegression(3))
    with pytest.raises(UsageError, match="same name"):
        algorithm.next(algorithm.initialize(), [one, one])


def test_a_checkpoint_is_a_file(tmp_path: Any) -> None:
    algorithm = FederatedAveraging(LogisticRegression(3), scaffold=True)
    state, _ = algorithm.next(algorithm.initialize(), fleet([5, 6]))
    state.save(tmp_path / "a.state")
    assert State.load(tmp_path / "a.state").to_bytes() == state.to_bytes()
    (tmp_path / "b.state").write_bytes(state.to_bytes()[:-9])
    with pytest.raises(FormatError, match=r"b\.state"):
        State.load(tmp_path / "b.state")
    assert replace(state, round=9).to_bytes() != state.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "x"},
        {"seed": -1},
        {"round": 1.5},
        {"clip": float("nan")},
        {"clip": -1.0},
        {"controls": 5},
        {"controls": ["d0", "d0"]},
        {"controls": ["d0"]},
        {"residuals": [1]},
    ],
    ids=str,
)
def test_a_checkpoint_that_says_something_else_is_refused(change: dict[str, Any]) -> None:
    algorithm = FederatedAveraging(LogisticRegression(3), scaffold=True)
    state, _ = algorithm.next(algorithm.initialize(), fleet([5, 6]))
    whole = unpack_arrays(state.to_bytes(), STATE_FORMAT, STATE_VERSION)
    header = {key: whole.header[key] for key in ("seed", "round", "clip", "controls", "residuals")}
    assert State.from_bytes(pack_arrays(STATE_FORMAT, STATE_VERSION, header, whole.arrays)).round == 1
    with pytest.raises(FormatError, match="not a whole state"):
        State.from_bytes(pack_arrays(STATE_FORMAT, STATE_VERSION, {**header, **change}, whole.arrays))
