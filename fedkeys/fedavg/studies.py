"""Studies: what skewed data does to each algorithm, what compression saves and loses, what robust means survive.

In: sizes and a seed. Out: rows of a table. The task of all three: ten normal clouds in 20 dimensions whose centres
are normal with standard deviation 0.6, multinomial logistic regression, accuracy on 4,000 samples that no client
has.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.fedavg.clients import Client, Device
from fedkeys.fedavg.compression import Codec, Decimals, Exact, Quantised, TopK
from fedkeys.fedavg.local import LocalTraining
from fedkeys.fedavg.means import Krum, Mean, MeanRule, Median, NormClipping, TrimmedMean
from fedkeys.fedavg.models import LogisticRegression, Model
from fedkeys.fedavg.models.base import Array, Labels
from fedkeys.fedavg.participation import Participation
from fedkeys.fedavg.partition import (
    Places,
    even,
    feature_shift,
    label_mix,
    label_skew,
    label_table,
    quantity_skew,
)
from fedkeys.fedavg.server import FedAdagrad, FedAdam, FedYogi
from fedkeys.fedavg.training import FederatedAveraging

_CLASSES = 10
_FEATURES = 20
_SPREAD = 0.6
_TESTS = 4000

OnStep = Callable[[str, float], None]


class Task(NamedTuple):
    """Clients and a test set.

    Attributes:
        clients: their data.
        labels: int[clients, labels], how many samples of each label each has.
        test_data, test_labels: what accuracy is measured on.
    """

    clients: Sequence[Client]
    labels: NDArray[np.int64]
    test_data: Array
    test_labels: Labels


class Outcome(NamedTuple):
    """What one algorithm reached.

    Attributes:
        name: of the algorithm.
        accuracy: mean over the last ten rounds.
        curve: accuracy after each round.
        bytes_up: of all rounds.
    """

    name: str
    accuracy: float
    curve: tuple[float, ...]
    bytes_up: int


class SignFlipper:
    """A client that sends ten times the opposite of what it learnt.

    Args:
        device: the device behind it.
    """

    def __init__(self, device: Device) -> None:
        self._device = device

    @property
    def name(self) -> str:
        """The device's."""
        return self._device.name

    @property
    def samples(self) -> int:
        """The device's."""
        return self._device.samples

    def train(self, model: Model, weights: Array, *rest: Any) -> Array:
        """Train, and turn the update round."""
        return weights - 10.0 * (self._device.train(model, weights, *rest) - weights)


def ten_clouds(clients: int, samples: int, alpha: float, rng: np.random.Generator) -> Task:
    """Make the task, its labels dealt out to clients in Dirichlet(alpha) parts."""
    centres = _SPREAD * rng.normal(size=(_CLASSES, _FEATURES))
    labels, test_labels = (rng.integers(_CLASSES, size=size) for size in (clients * samples, _TESTS))
    data, test_data = (centres[own] + rng.normal(size=(len(own), _FEATURES)) for own in (labels, test_labels))
    parts = label_skew(labels, clients, alpha, rng)
    devices = [Device(data[places], labels[places], f"client {at}") for at, places in enumerate(parts, 1)]
    return Task(devices, label_table(labels, parts), test_data, test_labels)


class Spread(NamedTuple):
    """How one way of dealing out leaves the clients.

    Attributes:
        name: of the way.
        samples: int[clients], how many samples each has.
        labels: int[clients], how many different labels each has.
        shift: the mean distance of the clients' means from the mean of all, in standard deviations of a feature.
    """

    name: str
    samples: NDArray[np.int64]
    labels: NDArray[np.int64]
    shift: float


def partitions(clients: int, samples: int, rng: np.random.Generator) -> list[Spread]:
    """Deal the clouds out in every way of `fedkeys.fedavg.partition`, mildly and strongly skewed."""
    centres = _SPREAD * rng.normal(size=(_CLASSES, _FEATURES))
    labels = rng.integers(_CLASSES, size=clients * samples)
    data = centres[labels] + rng.normal(size=(len(labels), _FEATURES))
    plain = even(len(labels), clients, rng)
    dealt: dict[str, tuple[Sequence[Places], Sequence[Array] | None]] = {"even": (plain, None)}
    for alpha in (1.0, 0.1):
        dealt[f"label skew, Dirichlet {alpha:g}"] = label_skew(labels, clients, alpha, rng), None
    for alpha in (10.0, 1.0):
        dealt[f"label mix, Dirichlet {alpha:g}"] = label_mix(labels, clients, alpha, rng), None
    for alpha in (1.0, 0.1):
        dealt[f"quantity skew, Dirichlet {alpha:g}"] = quantity_skew(len(labels), clients, alpha, rng), None
    for scale in (0.2, 1.0):
        dealt[f"feature shift, {scale:g}"] = plain, feature_shift(data, plain, scale, rng)
    return [_spread(name, data, labels, parts, moved) for name, (parts, moved) in dealt.items()]


def _spread(
    name: str, data: Array, labels: Labels, parts: Sequence[Places], moved: Sequence[Array] | None
) -> Spread:
    table = label_table(labels, parts)
    rows = moved if moved is not None else [data[places] for places in parts]
    distances = [np.abs(own.mean(0) - data.mean(0)) / data.std(0) for own in rows]
    return Spread(name, table.sum(1), (table > 0).sum(1), float(np.mean(distances)))


def under_skew(task: Task, rounds: int, seed: int, on_step: OnStep) -> list[Outcome]:
    """Run each algorithm with a tenth of the clients a round and ten local epochs, where clients drift apart."""
    participation = Participation(cohort=max(1, len(task.clients) // 10))
    local = LocalTraining(epochs=10, batch_size=10, learning_rate=0.1)
    pulled = LocalTraining(epochs=10, batch_size=10, learning_rate=0.1, proximal=1.0)
    variants: dict[str, dict[str, Any]] = {
        "FedAvg": {},
        "FedProx": {"local": pulled},
        "SCAFFOLD": {"scaffold": True},
        "FedAdam": {"server": FedAdam(0.1)},
        "FedYogi": {"server": FedYogi(0.1)},
        "FedAdagrad": {"server": FedAdagrad(0.1)},
    }
    shared = {"local": local, "participation": participation}
    return _outcomes(task, {name: {**shared, **own} for name, own in variants.items()}, rounds, seed, on_step)


def compressed(task: Task, rounds: int, seed: int, on_step: OnStep) -> list[Outcome]:
    """Run FedAvg with each codec."""
    codecs: dict[str, Codec] = {
        "exact": Exact(),
        "4 decimals": Decimals(4),
        "8 bits": Quantised(8),
        "4 bits": Quantised(4),
        "1 bit": Quantised(1),
        "top 5 %, error feedback": TopK(0.05),
        "top 5 %, forgetful": TopK(0.05, feeds_back=False),
    }
    variants = {
        name: {"codec": codec, "local": LocalTraining(learning_rate=0.5)} for name, codec in codecs.items()
    }
    return _outcomes(task, variants, rounds, seed, on_step)


def attacked(task: Task, rounds: int, seed: int, on_step: OnStep) -> list[Outcome]:
    """Run each mean with a fifth of the clients flipping the sign of their updates, ten times as large."""
    clients = [
        SignFlipper(client) if isinstance(client, Device) and at % 5 == 0 else client
        for at, client in enumerate(task.clients)
    ]
    wrong = len(clients) // 5
    means: dict[str, MeanRule] = {
        "mean": Mean(),
        "norm clipping": NormClipping(),
        "median": Median(),
        "trimmed mean": TrimmedMean(0.25),
        "Krum": Krum(wrong),
        "multi-Krum": Krum(wrong, best=len(clients) // 2),
    }
    local = LocalTraining(learning_rate=0.5)
    variants = {name: {"mean": mean, "local": local} for name, mean in means.items()}
    return _outcomes(task._replace(clients=clients), variants, rounds, seed, on_step)


def _outcomes(
    task: Task, variants: dict[str, dict[str, Any]], rounds: int, seed: int, on_step: OnStep
) -> list[Outcome]:
    found = []
    for name, how in variants.items():
        algorithm = FederatedAveraging(LogisticRegression(_FEATURES, _CLASSES), **how)
        curve: list[float] = []
        bytes_up = 0
        for state, metrics in algorithm.run(task.clients, rounds, seed):
            model = algorithm.model.with_weights(state.weights)
            curve.append(model.score(task.test_data, task.test_labels))
            bytes_up += metrics.bytes_up
            on_step(name, len(curve) / rounds)
        found.append(Outcome(name, float(np.mean(curve[-10:])), tuple(curve), bytes_up))
    return found
