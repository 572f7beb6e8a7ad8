"""The textbook scenarios: who the clients are, and what is run with them.

In: sizes and seeds. Out: devices, algorithms, results. What is generated is documented here, so that anyone can
say what a figure was measured on.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.clients import Device
from fedkeys.fedavg.gathered import Metrics
from fedkeys.fedavg.hospitals import Hospital, federated_scale
from fedkeys.fedavg.local import LocalTraining
from fedkeys.fedavg.models import EstimatorModel, LinearSVM, LogisticRegression, MLPClassifier, Model
from fedkeys.fedavg.models.base import Array, Labels
from fedkeys.fedavg.partition import label_skew
from fedkeys.fedavg.preparation import split
from fedkeys.fedavg.secure import SecureMean
from fedkeys.fedavg.training import FederatedAveraging

ModelName = Literal["logistic", "mlp", "svm", "sgdclassifier"]
Standardisation = Literal["federated", "local", "none"]

HOSPITALS = ("north", "east", "south", "west", "island")
_SHARES = (0.40, 0.25, 0.18, 0.10, 0.07)  # of the patients, of five hospitals from large to small


def model_named(name: ModelName, features: int, alpha: float = 0.0, rate: float = 0.1) -> Model:
    """Give an untrained model.

    Args:
        name: which.
        features: how many columns its data has.
        alpha: strength of the L2 penalty.
        rate: the step of an estimator that steps by itself; the others take that of `LocalTraining`.

    Raises:
        UsageError: `sgdclassifier` without scikit-learn.
    """
    match name:
        case "logistic":
            return LogisticRegression(features, alpha=alpha)
        case "mlp":
            return MLPClassifier(features, hidden=10, alpha=alpha)
        case "svm":
            return LinearSVM(features, alpha=alpha)
        case "sgdclassifier":
            try:
                from sklearn.linear_model import SGDClassifier
            except ImportError:
                raise UsageError(
                    "sgdclassifier is scikit-learn's",
                    remedy="install it with: pip install 'fedkeys[sklearn]'",
                ) from None
            # The client has shuffled its rows already, by its own generator; the estimator would by numpy's.
            own = SGDClassifier(
                loss="log_loss",
                alpha=max(alpha, 1e-4),
                shuffle=False,
                learning_rate="constant",
                eta0=rate,
            )
            return EstimatorModel(features, own)
    raise UsageError(f"no model is named {name!r}")


def algorithm_named(
    name: ModelName,
    features: int,
    *,
    rate: float,
    epochs: int = 1,
    batch_size: int | None = None,
    alpha: float = 0.0,
    secure: SecureMean | None = None,
) -> FederatedAveraging:
    """Give FedAvg of a model, the rate being the estimator's own where it steps by itself."""
    model = model_named(name, features, alpha, rate)
    local = LocalTraining(epochs, batch_size)
    if not isinstance(model, EstimatorModel):
        local = replace(local, learning_rate=rate)
    return FederatedAveraging(model, local, secure=secure)


def classifier_devices(
    devices: int, samples: int, alpha: float, rng: np.random.Generator, features: int = 10
) -> list[Device]:
    """Devices with private data of one task, unlike in labels and in size.

    Two normal clouds in `features` dimensions whose centres lie 3 standard deviations apart, in a random
    direction. Each label is dealt out to the devices in Dirichlet(alpha) parts; a quarter of each device's data is
    for testing.

    Args:
        devices: how many.
        samples: how many each has on average.
        alpha: small for strong skew.
        rng: draws all of it.
    """
    total = devices * samples
    direction = rng.normal(size=features)
    labels = rng.integers(2, size=total)
    data = rng.normal(size=(total, features))
    data += np.outer(labels - 0.5, 3.0 * direction / np.linalg.norm(direction))
    found = []
    for at, places in enumerate(label_skew(labels, devices, alpha, rng), 1):
        shuffled = rng.permutation(places)
        tests = max(1, len(places) // 4)
        test, train = shuffled[:tests], shuffled[tests:] if len(places) > 1 else shuffled
        found.append(Device(data[train], labels[train], f"device {at}", data[test], labels[test]))
    return found


def five_hospitals(rng: np.random.Generator) -> tuple[list[Hospital], str]:
    """Five hospitals of different size and case mix, and what they were made of.

    scikit-learn's breast cancer data (Wolberg et al. 1995: 569 tumours, 30 features, malignant or benign),
    where it is installed; else 569 patients with 30 normal features, of which ten say something of the outcome.
    The patients are ordered by a noisy score of their first feature before they are dealt out, so that large
    hospitals see severe cases.
    """
    data, outcome, what = _patients(rng)
    order = np.argsort(-data[:, 0] / data[:, 0].std() + rng.normal(0.0, 2.0, len(data)))
    ends = (np.cumsum(_SHARES)[:-1] * len(data)).astype(int)
    hospitals = []
    for name, places in zip(HOSPITALS, np.split(order, ends), strict=True):
        train, test = split(outcome[places])
        own, known = data[places], outcome[places]
        hospitals.append(Hospital(name, own[train], known[train], own[test], known[test]))
    return hospitals, what


def _patients(rng: np.random.Generator) -> tuple[Array, Labels, str]:
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError:
        data = rng.normal(size=(569, 30)) * rng.lognormal(0.0, 1.0, 30)
        effect = np.append(rng.normal(size=10), np.zeros(20)) / data.std(0)
        outcome = (2.0 * data @ effect + rng.logistic(size=569) > 0).astype(int)
        return data, outcome, "generated patients (569 x 30; scikit-learn is not installed)"
    loaded = load_breast_cancer()
    return loaded.data, 1 - loaded.target, "scikit-learn's breast cancer data"


def standardised(hospitals: list[Hospital], how: Standardisation) -> list[Hospital]:
    """Standardise on site: by the federated mean and variance, by each hospital's own, or not at all."""
    match how:
        case "federated":
            scale = federated_scale([hospital.moments() for hospital in hospitals])
            return [hospital.standardised_by(scale) for hospital in hospitals]
        case "local":
            return [h.standardised_by(federated_scale([h.moments()])) for h in hospitals]
        case "none":
            return hospitals
    raise UsageError(f"no standardisation is named {how!r}")


@dataclass(frozen=True, slots=True)
class Attendance:
    """What came of rounds with random availability.

    Attributes:
        availability: the chance that a device can be reached.
        started: part of the rounds that started.
        averaged: devices averaged in a round that started, on average.
        accuracy: of the model after the last round, mean over the devices' tests.
    """

    availability: float
    started: float
    averaged: float
    accuracy: float


def attendance(devices: list[Device], algorithm: FederatedAveraging, rounds: int, seed: int) -> Attendance:
    """Run rounds and tell how many could start, and how good the model became."""
    history: list[Metrics] = []
    weights = algorithm.initialize(seed).weights
    for state, metrics in algorithm.run(devices, rounds, seed):
        weights = state.weights
        history.append(metrics)
    model = algorithm.model.with_weights(weights)
    started = [metrics for metrics in history if metrics.started]
    return Attendance(
        algorithm.participation.available,
        len(started) / rounds,
        float(np.mean([metrics.averaged for metrics in started])) if started else 0.0,
        float(np.mean([device.test(model).accuracy for device in devices])),
    )
