"""Clients: whoever holds data that stays where it is.

In: private arrays. Out: how many samples there are, trained weights, and figures about a model. Law: nothing
here gives a row of the data away; a client cannot be pickled.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.errors import UsageError
from fedkeys.fedavg.figures import Figures, figures
from fedkeys.fedavg.local import LocalTraining, train_together
from fedkeys.fedavg.models.base import Array, LabelRange, Model

_NUMBERS = count()


class Member(Protocol):
    """What a server knows of who can take part in a round."""

    @property
    def name(self) -> str:
        """What tells it from the others."""

    @property
    def samples(self) -> int:
        """How many samples it trains on."""


class Client(Member, Protocol):
    """Anything that can take part in a round here."""

    def train(
        self,
        model: Model,
        weights: Array,
        local: LocalTraining,
        round_: int,
        rng: np.random.Generator,
        correction: Array | None = None,
    ) -> Array:
        """Train from the server's weights; give its own: float[P]."""


class Device:
    """A device with private data.

    Args:
        data: float[n, d].
        labels: [n].
        name: what tells it from the others; a number of its own when not given, which no other process knows.
        test_data, test_labels: more of the same to test on; without them nothing can be tested.

    Attributes:
        named: whether a name was given.

    Raises:
        UsageError: shapes do not fit, or a number is missing or infinite.

    >>> device = Device([[0.0], [1.0]], [0, 1])
    >>> device.samples, device.features
    (2, 1)
    """

    def __init__(
        self,
        data: ArrayLike,
        labels: ArrayLike,
        name: str | None = None,
        test_data: ArrayLike | None = None,
        test_labels: ArrayLike | None = None,
    ) -> None:
        self._data: Array = _numbers(data, "data")
        self._labels: NDArray[Any] = _numbers(labels, "labels")
        self._test: Array = _numbers(self._data[:0] if test_data is None else test_data, "test data")
        self._test_labels: NDArray[Any] = _numbers([] if test_labels is None else test_labels, "test labels")
        for rows, known in ((self._data, self._labels), (self._test, self._test_labels)):
            if rows.ndim != 2 or known.shape != rows.shape[:1] or rows.shape[1] != self._data.shape[-1]:
                raise UsageError(
                    f"data of shape {rows.shape} with labels of shape {known.shape}",
                    remedy="give data as (rows, features) and one label a row, to test on as to train on",
                )
        if not len(self._data):
            raise UsageError("a client without data cannot train")
        self._label_range = LabelRange.of(self._labels)
        self.named = name is not None
        self._name = name if name is not None else f"device-{next(_NUMBERS)}"

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self._name

    @property
    def samples(self) -> int:
        """How many rows it has."""
        return len(self._data)

    @property
    def features(self) -> int:
        """How many columns its data has."""
        return int(self._data.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns; devices of one shape are trained together."""
        return self._data.shape

    def train(
        self,
        model: Model,
        weights: Array,
        local: LocalTraining,
        round_: int,
        rng: np.random.Generator,
        correction: Array | None = None,
    ) -> Array:
        """Train from the server's weights; give its own: float[P]."""
        corrections = None if correction is None else correction[None]
        own: Array = train_devices([self], model, weights, local, round_, [rng], corrections)[0]
        return own

    def evaluate(self, model: Model) -> Mapping[str, float]:
        """Tell how a model with weights does on the data that it trains on."""
        return {
            "samples": float(self.samples),
            "score": model.score(self._data, self._labels),
            "loss": float(model.loss(model.weights, self._data, self._labels)),
        }

    def test(self, model: Model) -> Figures:
        """Tell how a binary classifier does on the data to test on.

        Raises:
            UsageError: there is none.
        """
        self._check_tests()
        return figures(self._test_labels, model.chances(self._test))

    def test_loss(self, model: Model) -> float:
        """Tell a model's loss on the data to test on.

        Raises:
            UsageError: there is none.
        """
        self._check_tests()
        return float(model.loss(model.weights, self._test, self._test_labels))

    def _check_tests(self) -> None:
        if not len(self._test):
            raise UsageError(
                f"{self.name} has nothing to test on", remedy="give it test_data and test_labels"
            )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: its data stays where it is")


def train_devices(
    devices: Sequence[Device],
    model: Model,
    weights: Array,
    local: LocalTraining,
    round_: int,
    rngs: Sequence[np.random.Generator],
    corrections: Array | None = None,
) -> Array:
    """Train devices of one shape in one go, each as `Device.train` would: float[C, P].

    Raises:
        UsageError: a device's data or labels are not what the model takes.
    """
    for device in devices:
        model.check_labels(device._label_range)
    return train_together(
        model,
        weights,
        _stacked([device._data for device in devices]),
        _stacked([device._labels for device in devices]),
        local,
        round_,
        rngs,
        corrections,
    )


def pool(devices: Sequence[Device], name: str = "pooled") -> Device:
    """Put the data of devices together, which no federation does: only to compare with it."""
    return Device(
        np.concatenate([device._data for device in devices]),
        np.concatenate([device._labels for device in devices]),
        name,
    )


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put arrays of one shape on one another; a single one without a copy."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def _numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Give finite numbers, float32 as they are, all others as float64."""
    try:
        given = np.asarray(values)
        numbers = given if given.dtype == np.float32 else given.astype(float)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the {what} are not an array of numbers ({error})") from None
    if not np.isfinite(numbers).all():
        raise UsageError(
            f"the {what} have missing or infinite numbers", remedy="fill them in, or leave their rows out"
        )
    return numbers
