"""What a client does between two rounds: some epochs of mini-batch gradient descent on its own data.

In: the server's weights, data, a generator. Out: the client's weights. Law: clients of equal shape trained
together come out as if each had been trained alone, so speed never changes a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError
from fedkeys.fedavg.models.base import Array, Model
from fedkeys.fedavg.models.estimator import EstimatorModel

Schedule = Literal["constant", "exponential", "inverse_sqrt", "cosine"]


@dataclass(frozen=True, slots=True)
class LocalTraining:
    """How clients train.

    Attributes:
        epochs: passes over the client's data in a round.
        batch_size: samples a step; None for all of them.
        learning_rate: of the first round.
        schedule: how it changes over the rounds: `constant`; `exponential` (times `decay` each round);
            `inverse_sqrt` (over the root of the round's number); `cosine` (to 0 over `horizon` rounds).
        decay: for `exponential`.
        horizon: for `cosine`.
        proximal: mu of FedProx (Li et al. 2020, MLSys, equation 2): pulls towards the server's weights.
    """

    epochs: int = 1
    batch_size: int | None = None
    learning_rate: float = 0.1
    schedule: Schedule = "constant"
    decay: float = 0.99
    horizon: int = 100
    proximal: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or (self.batch_size is not None and self.batch_size < 1):
            raise UsageError("epochs and batch_size are whole numbers from 1 up")
        if not 0 < self.learning_rate < np.inf or not 0 <= self.proximal < np.inf:
            raise UsageError("learning_rate is a number above 0, and proximal from 0 up")
        if self.schedule not in get_args(Schedule):
            raise UsageError(
                f"no schedule is named {self.schedule!r}", remedy=f"choose {', '.join(get_args(Schedule))}"
            )
        if not 0 < self.decay <= 1 or self.horizon < 1:
            raise UsageError("decay is above 0 and up to 1, and horizon from 1 up")

    def rate(self, round_: int) -> float:
        """The learning rate of a round, counted from 0."""
        match self.schedule:
            case "constant":
                return self.learning_rate
            case "exponential":
                return self.learning_rate * self.decay**round_
            case "inverse_sqrt":
                return self.learning_rate / float(np.sqrt(round_ + 1.0))
            case "cosine":
                part = min(1.0, round_ / self.horizon)
                return self.learning_rate * 0.5 * (1.0 + float(np.cos(np.pi * part)))

    def steps(self, samples: int) -> int:
        """How many gradient steps a client takes in a round."""
        return self.epochs * -(-samples // (self.batch_size or samples))


def train_together(
    model: Model,
    start: Array,
    data: Array,
    labels: NDArray[Any],
    local: LocalTraining,
    round_: int,
    rngs: Sequence[np.random.Generator],
    correction: Array | None = None,
) -> Array:
    """Train clients of equal shape, each from `start` on its own data.

    Args:
        model: gives the gradient.
        start: float[P], the server's weights.
        data: float[C, n, d]; labels: [C, n].
        local: how.
        round_: the round's number, from 0, for the schedule.
        rngs: one generator a client; it shuffles the client's samples.
        correction: float[C, P], added to every gradient (SCAFFOLD).

    Returns:
        float[C, P], the weights of each client.

    Raises:
        UsageError: the data have another number of columns than the model.
    """
    clients, samples, features = data.shape
    if features != model.features:
        raise UsageError(f"data of {features} columns for a model of {model.features} features")
    if isinstance(model, EstimatorModel):
        return model.train(start, data, labels, local.epochs, local.batch_size, rngs)
    weights = np.repeat(start[None], clients, axis=0)
    rate = local.rate(round_)
    # Too high a rate overflows; what is then not finite is refused, and counted, where it arrives.
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(local.epochs):
            for batch, known in _batches(data, labels, local.batch_size, samples, rngs):
                gradient = model.gradient(weights, batch, known)
                if local.proximal:
                    gradient = gradient + local.proximal * (weights - start)
                if correction is not None:
                    gradient = gradient + correction
                weights = weights - rate * gradient
    return weights


def _batches(
    data: Array,
    labels: NDArray[Any],
    batch_size: int | None,
    samples: int,
    rngs: Sequence[np.random.Generator],
) -> "Sequence[tuple[Array, NDArray[Any]]]":
    """Cut each client's samples, shuffled by its own generator, into batches."""
    if batch_size is None or batch_size >= samples:
        return [(data, labels)]
    order = np.stack([rng.permutation(samples) for rng in rngs])
    return [
        (np.take_along_axis(data, chosen[..., None], axis=1), np.take_along_axis(labels, chosen, axis=1))
        for chosen in np.split(order, range(batch_size, samples, batch_size), axis=1)
    ]
