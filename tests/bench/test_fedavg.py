"""How fast federated averaging is: `pytest tests/bench/test_fedavg.py --benchmark-enable`.

Two jobs. The first, beside a plain loop over clients and samples: 1,000 clients of 100 samples and a logistic
model of 1,000 weights, one full-batch step each; a round is timed. The second, of FLUTE's published table (Garcia
et al. 2022): logistic regression on MNIST-shaped data (784 x 10), 1,000 clients of 60 samples, 10 a round, 100
rounds. One core with OMP_NUM_THREADS=1. Without --benchmark-enable each runs once, small, as a test.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

from fedkeys.fedavg import Device, FederatedAveraging, LocalTraining, LogisticRegression, Participation, State


@cache
def fleet(clients: int, samples: int, features: int, classes: int) -> list[Device]:
    rng = np.random.default_rng(0)
    return [
        Device(rng.normal(size=(samples, features)), rng.integers(classes, size=samples), f"c{at}")
        for at in range(clients)
    ]


def clients_of(config: Any, full: int) -> int:
    return full if config.getoption("--benchmark-enable") else 20


def client_loop(clients: list[Device], weights: Any) -> Any:
    """FedAvg as a numpy user would write it: a loop over clients, each step in matrices."""
    total, mean = 0, np.zeros_like(weights)
    for client in clients:
        p = 1 / (1 + np.exp(-(client._data @ weights[:-1] + weights[-1])))
        slope = (p - client._labels) / client.samples
        own = weights - 0.1 * np.append(slope @ client._data, slope.sum())
        mean += client.samples * own
        total += client.samples
    return mean / total


def plain_round(clients: list[Device], weights: Any) -> Any:
    """FedAvg as one would write it first: a loop over clients, a loop over their samples' batches of 32."""
    total, mean = 0, np.zeros_like(weights)
    for client in clients:
        own = weights.copy()
        gradient = np.zeros_like(weights)
        for row, label in zip(client._data, client._labels.tolist(), strict=True):
            p = 1 / (1 + np.exp(-(row @ own[:-1] + own[-1])))
            gradient[:-1] += (p - label) * row
            gradient[-1] += p - label
        own -= 0.1 * gradient / client.samples
        mean += client.samples * own
        total += client.samples
    return mean / total


@pytest.mark.benchmark(group="a round: 1,000 clients x 100 samples x 1,000 weights, one full-batch step")
def test_full_batch_round(benchmark: Any, request: Any) -> None:
    clients = fleet(clients_of(request.config, 1000), 100, 999, 2)
    algorithm = FederatedAveraging(LogisticRegression(999), LocalTraining(learning_rate=0.1))
    state = algorithm.initialize()
    after, _ = benchmark.pedantic(algorithm.next, (state, clients), rounds=5)
    assert np.allclose(after.weights, plain_round(clients, state.weights))


@pytest.mark.benchmark(group="a round: 1,000 clients x 100 samples x 1,000 weights, one full-batch step")
def test_full_batch_round_in_plain_loops(benchmark: Any, request: Any) -> None:
    clients = fleet(clients_of(request.config, 1000), 100, 999, 2)
    benchmark.pedantic(plain_round, (clients, np.zeros(1000)), rounds=3)


@pytest.mark.benchmark(group="a round: 1,000 clients x 100 samples x 1,000 weights, one full-batch step")
def test_full_batch_round_in_a_client_loop(benchmark: Any, request: Any) -> None:
    clients = fleet(clients_of(request.config, 1000), 100, 999, 2)
    benchmark.pedantic(client_loop, (clients, np.zeros(1000)), rounds=5)


@pytest.mark.benchmark(group="100 rounds of FLUTE's job: 784 x 10, 10 of 1,000 clients of 60 samples a round")
def test_flute_job(benchmark: Any, request: Any) -> None:
    clients = fleet(clients_of(request.config, 1000), 60, 784, 10)
    algorithm = FederatedAveraging(
        LogisticRegression(784, 10),
        LocalTraining(epochs=1, batch_size=10, learning_rate=0.1),
        participation=Participation(cohort=10),
    )

    def job() -> State:
        return [state for state, _ in algorithm.run(clients, 100 if len(clients) == 1000 else 2)][-1]

    assert benchmark.pedantic(job, rounds=3).round >= 2
