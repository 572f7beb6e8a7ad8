"""Federated against pooled against alone: what federation is worth, on the same tests.

In: devices with data to train and to test on, and an algorithm. Out: a `Comparison`. Law: all three train the
same model with the same local training for the same number of rounds. Pooled and alone are plain training: one
client, no averaging, no server's optimiser, nothing encoded; with batches, pooled data make more steps a round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkeys.fedavg.clients import Device, pool
from fedkeys.fedavg.figures import Figures
from fedkeys.fedavg.gathered import Metrics
from fedkeys.fedavg.models.base import Array, Model
from fedkeys.fedavg.participation import Participation
from fedkeys.fedavg.training import FederatedAveraging

OnRound = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Tested:
    """How one way of training does.

    Attributes:
        accuracy: mean over the clients' tests, each counting alike.
        balanced_accuracy, auc: likewise; clients where a figure does not exist are left out.
        clients: client -> its figures.
    """

    accuracy: float
    balanced_accuracy: float
    auc: float
    clients: dict[str, Figures]

    @classmethod
    def of(cls, clients: dict[str, Figures]) -> "Tested":
        """Average figures over clients."""
        return cls(
            _mean([figures.accuracy for figures in clients.values()]),
            _mean([figures.balanced_accuracy for figures in clients.values()]),
            _mean([figures.auc for figures in clients.values()]),
            clients,
        )

    def as_dict(self) -> dict[str, Any]:
        """Give the figures for `--json`; those that do not exist are null."""
        return {
            "accuracy": self.accuracy,
            "balanced_accuracy": _null(self.balanced_accuracy),
            "auc": _null(self.auc),
            "clients": {
                name: {key: _null(value) for key, value in figures._asdict().items()}
                for name, figures in self.clients.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out.

    Attributes:
        federated: all clients together, nobody's data leaving.
        pooled: one place with everybody's data.
        alone: each client with its own data only, tested on its own patients.
        elsewhere: client -> accuracy of the model it trained alone, mean over the tests of all clients.
        rounds: accuracy after each round, and what happened in it.
        model: the federated model.
    """

    federated: Tested
    pooled: Tested
    alone: Tested
    elsewhere: dict[str, float]
    rounds: list[tuple[float, Metrics]]
    model: Model

    def as_dict(self) -> dict[str, Any]:
        """Give the comparison for `--json`."""
        return {
            "federated": self.federated.as_dict(),
            "pooled": self.pooled.as_dict(),
            "alone": {**self.alone.as_dict(), "on_all_clients": self.elsewhere},
            "rounds": [
                {
                    "round": metrics.round,
                    "started": metrics.started,
                    "available": metrics.available,
                    "selected": metrics.selected,
                    "refused": metrics.refused,
                    "averaged": metrics.averaged,
                    "bytes_up": metrics.bytes_up,
                    "cut": metrics.cut,
                    "failure": metrics.failure,
                    "accuracy": accuracy,
                }
                for accuracy, metrics in self.rounds
            ],
        }


def compare(
    devices: Sequence[Device],
    algorithm: FederatedAveraging,
    rounds: int,
    seed: int = 0,
    on_round: OnRound = lambda *_: None,
) -> Comparison:
    """Train federated, pooled and alone, and test all three on every client's test data."""
    history: list[tuple[float, Metrics]] = []
    weights = algorithm.initialize(seed).weights
    for state, metrics in algorithm.run(devices, rounds, seed):
        weights = state.weights
        history.append((_tested(devices, algorithm.model, weights).accuracy, metrics))
        on_round("federated", len(history) / rounds)
    pooled = _trained([pool(devices)], algorithm, rounds, seed)
    on_round("pooled", 1.0)
    own: dict[str, Figures] = {}
    elsewhere: dict[str, float] = {}
    for done, device in enumerate(devices, 1):
        lone = algorithm.model.with_weights(_trained([device], algorithm, rounds, seed))
        own[device.name] = device.test(lone)
        elsewhere[device.name] = _mean([other.test(lone).accuracy for other in devices])
        on_round("alone", done / len(devices))
    return Comparison(
        _tested(devices, algorithm.model, weights),
        _tested(devices, algorithm.model, pooled),
        Tested.of(own),
        elsewhere,
        history,
        algorithm.model.with_weights(weights),
    )


def _trained(devices: Sequence[Device], algorithm: FederatedAveraging, rounds: int, seed: int) -> Array:
    """Train plainly: nobody drops out, and the mean of one is that one."""
    plain = FederatedAveraging(algorithm.model, algorithm.local, participation=Participation())
    weights = plain.initialize(seed).weights
    for state, _ in plain.run(devices, rounds, seed):
        weights = state.weights
    return weights


def _tested(devices: Sequence[Device], model: Model, weights: Array) -> Tested:
    loaded = model.with_weights(weights)
    return Tested.of({device.name: device.test(loaded) for device in devices})


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _null(value: float) -> float | None:
    return None if np.isnan(value) else value
