"""Updates summed under masks; the sums themselves need the extra `privacy`."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.errors import UsageError
from fedkeys.fedavg import (
    Device,
    Exact,
    FedAdam,
    FederatedAveraging,
    LinearRegression,
    LocalTraining,
    LogisticRegression,
    Mean,
    Median,
    Participation,
    SecureMean,
)
from fedkeys.fedavg.secure import Summed, Whole


def plainly(vectors: Sequence[Whole | None], rng: np.random.Generator) -> Summed:
    """Add up what everybody sees."""
    del rng
    there = [vector for vector in vectors if vector is not None]
    return Summed(np.sum(there, axis=0, dtype=np.uint32), 0, 0)


def fleet(clients: int = 12, seed: int = 0) -> list[Device]:
    rng = np.random.default_rng(seed)
    data = [rng.normal(size=(int(rows), 3)) for rows in rng.integers(2, 9, clients)]
    return [Device(rows, (rows[:, 0] > 0).astype(int), f"client {at}") for at, rows in enumerate(data)]


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 99)), min_size=1, max_size=9), st.integers(2, 24)
)
def test_a_mean_of_whole_numbers_is_the_mean_to_within_a_step(
    clients: list[tuple[int, int]], bits: int
) -> None:
    mean = SecureMean(plainly, bits, most=2.0)
    rng = np.random.default_rng(0)
    updates = [np.random.default_rng(seed).normal(size=5) for _, seed in clients]
    most = (2**31 - 1) // (len(clients) * ((1 << bits - 1) - 1))
    if max(weight for weight, _ in clients) > most:
        with pytest.raises(UsageError, match="choose fewer bits"):
            mean.vector(updates[0], most + 1, len(clients), rng)
        return
    vectors = [
        mean.vector(update, weight, len(clients), rng)
        for update, (weight, _) in zip(updates, clients, strict=True)
    ]
    found = mean.read(np.sum(vectors, axis=0, dtype=np.uint32))
    inside = [np.clip(update, -2.0, 2.0) for update in updates]
    weights = [weight for weight, _ in clients]
    step = 2.0 / ((1 << bits - 1) - 1)
    assert np.abs(found.update - np.average(inside, axis=0, weights=weights)).max() <= step * (1 + 1e-9)
    assert found.samples == sum(weights)
    assert found.cut == sum(np.count_nonzero(np.abs(update) > 2.0) for update in updates)


def test_rounding_is_right_on_average() -> None:
    mean = SecureMean(plainly, bits=3, most=1.0)
    rng = np.random.default_rng(0)
    vectors = [mean.vector(np.full(4000, 0.4), 1, 1, rng)]
    assert abs(mean.read(vectors[0]).update.mean() - 0.4) < 4 * (1 / 3) / 2 / 4000**0.5


@pytest.mark.parametrize("weighted", [True, False])
def test_training_under_masks_is_training(weighted: bool) -> None:
    pytest.importorskip("shamirs", reason="needs fedkeys[privacy]")
    pytest.importorskip("cryptography", reason="needs fedkeys[privacy]")
    from fedkeys.simulate.masked import masked_sum

    clients = fleet()
    states = []
    for secure in (None, SecureMean(plainly), SecureMean(masked_sum)):
        algorithm = FederatedAveraging(
            LogisticRegression(3),
            mean=Mean(weighted),
            server=FedAdam(),
            participation=Participation(dropout=0.15),
            secure=secure,
        )
        history = list(algorithm.run(clients, 4, seed=1))
        assert not [metrics.failure for _, metrics in history if metrics.failure]
        states.append(history[-1])
    (exact, seen), (plain, _), (masked, unseen) = states
    assert masked.to_bytes() == plain.to_bytes()
    assert np.abs(masked.weights - exact.weights).max() < 0.01
    assert (unseen.averaged, unseen.samples) == (seen.averaged, seen.samples)
    assert unseen.bytes_up > seen.bytes_up


def test_too_many_lost_change_nothing() -> None:
    pytest.importorskip("shamirs", reason="needs fedkeys[privacy]")
    pytest.importorskip("cryptography", reason="needs fedkeys[privacy]")
    from fedkeys.simulate.masked import masked_sum

    algorithm = FederatedAveraging(
        LogisticRegression(3), participation=Participation(dropout=0.6), secure=SecureMean(masked_sum)
    )
    state = algorithm.initialize(0)
    after, metrics = algorithm.next(state, fleet(6))
    assert "needed" in str(metrics.failure)
    assert np.array_equal(after.weights, state.weights)
    assert (after.round, metrics.averaged, metrics.samples) == (1, 0, 0)
    assert metrics.bytes_up > 0  # what crossed before it failed
    few = masked_sum([np.zeros(2, np.uint32)] * 3, np.random.default_rng(0))
    assert few.total is None
    assert "of whom 4 are needed" in str(few.failure)


def test_an_update_that_is_not_finite_is_lost_and_one_that_is_too_large_cut() -> None:
    clients = fleet(5)
    clients.append(Device(np.full((2, 3), 1e300) * [[1], [-1]], [0, 1], "loud"))
    local = LocalTraining(epochs=3, learning_rate=1e10)
    algorithm = FederatedAveraging(LinearRegression(3), local, secure=SecureMean(plainly, most=1e-3))
    with np.errstate(all="ignore"):
        _, metrics = algorithm.next(algorithm.initialize(0), clients)
    assert (metrics.averaged, metrics.refused) == (5, 1)
    assert metrics.cut > 0


def test_what_cannot_be_had_of_a_sum_is_refused() -> None:
    secure = SecureMean(plainly)
    for wrong in ({"mean": Median()}, {"scaffold": True}, {"codec": Exact()}):
        with pytest.raises(UsageError, match="the plain mean"):
            FederatedAveraging(LogisticRegression(3), secure=secure, **wrong)  # type: ignore[arg-type]
    for wrong in ({"bits": 1}, {"bits": 25}, {"most": 0.0}, {"most": float("nan")}):
        with pytest.raises(UsageError):
            SecureMean(plainly, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("scenario", ["classifier", "hospitals", "schedule"])
def test_scenarios_from_the_command_line(fedkeys: Any, scenario: str) -> None:
    pytest.importorskip("shamirs", reason="needs fedkeys[privacy]")
    few = ["--rounds", "3", "--json"]
    plain, secure = (
        json.loads(fedkeys("fedavg", scenario, *few, *more).stdout) for more in ([], ["--secure"])
    )
    assert abs(plain["federated"]["accuracy"] - secure["federated"]["accuracy"]) < 0.05
    assert [round_["averaged"] for round_ in plain["rounds"]] == [
        round_["averaged"] for round_ in secure["rounds"]
    ]
    refused = fedkeys("fedavg", scenario, "--bits", "8")
    assert (refused.returncode, "add --secure" in refused.stderr) == (2, True)
