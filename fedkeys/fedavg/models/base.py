"""What all models share: flat weights and scikit-learn's conventions.

Shapes carry leading axes where many clients of equal shape are trained at once: weights (..., P), data
(..., n, d), labels (..., n). Weights are float64, and so is what is computed from them; data may be float32.
"""

import inspect
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.errors import UsageError

Array = NDArray[np.floating[Any]]
Labels = NDArray[Any]


class LabelRange(NamedTuple):
    """What a model needs to know of labels to take them or refuse them.

    Attributes:
        low, high: the smallest and the largest.
        whole: whether all are whole numbers.
    """

    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, labels: Labels) -> "LabelRange":
        """The range of one label or more."""
        return cls(float(labels.min()), float(labels.max()), bool(np.all(labels == np.rint(labels))))


class Model(ABC):
    """A model whose weights are one vector of length `size`.

    Args:
        features: d, the number of columns of the data.
        learning_rate: step of `partial_fit`.
        alpha: strength of the L2 penalty alpha / 2 |w|^2 on all weights but the intercepts.
    """

    def __init__(self, features: int, *, learning_rate: float = 0.1, alpha: float = 0.0) -> None:
        self.features = features
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.weights: Array = np.zeros(0)

    @property
    @abstractmethod
    def size(self) -> int:
        """P, the number of weights."""

    @property
    @abstractmethod
    def penalised(self) -> Array:
        """float[P]: 1 for the weights under the L2 penalty, 0 for intercepts."""

    @abstractmethod
    def data_gradient(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Gradient of the mean loss over the samples, without the penalty: (..., P)."""

    @abstractmethod
    def data_loss(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Mean loss over the samples, without the penalty: (...)."""

    @abstractmethod
    def predict(self, data: ArrayLike) -> NDArray[Any]:
        """Predict one label or value for each row."""

    @abstractmethod
    def score(self, data: ArrayLike, labels: ArrayLike) -> float:
        """Accuracy of a classifier, R^2 of a regression."""

    def check_labels(self, labels: LabelRange) -> None:
        """Refuse labels that the model cannot learn; a regression takes any.

        Raises:
            UsageError: a label is none of the classes.
        """
        del labels

    def chances(self, data: ArrayLike) -> Array:
        """float[n], the probability of the label 1, of a binary classifier.

        Raises:
            UsageError: the model is none.
        """
        del data
        raise UsageError(f"{type(self).__name__} is no binary classifier", remedy="choose one that is")

    def initial(self, rng: np.random.Generator) -> Array:
        """Weights to start from; zeros, where the loss is convex."""
        del rng
        return np.zeros(self.size)

    def gradient(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Gradient of `loss`: (..., P)."""
        gradient = self.data_gradient(weights, data, labels)
        return gradient + self.alpha * self.penalised * weights if self.alpha else gradient

    def loss(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Mean loss over the samples and the penalty: (...)."""
        penalty = 0.5 * self.alpha * (self.penalised * weights**2).sum(-1)
        return np.asarray(self.data_loss(weights, data, labels) + penalty)

    def with_weights(self, weights: ArrayLike) -> Self:
        """A model of the same kind with these weights."""
        vector = np.asarray(weights, float)
        if vector.shape != (self.size,):
            raise UsageError(f"{self!r} has {self.size} weights, not an array of shape {vector.shape}")
        model = type(self)(**self.get_params())
        model.weights = vector.copy()
        return model

    def partial_fit(self, data: ArrayLike, labels: ArrayLike) -> Self:
        """Take one full-batch gradient step."""
        rows, known = self._checked(data), np.asarray(labels)
        self.check_labels(LabelRange.of(known))
        if not len(self.weights):
            self.weights = self.initial(np.random.default_rng(0))
        self.weights = self.weights - self.learning_rate * self.gradient(self.weights, rows, known)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments it was made with, as scikit-learn's `clone` wants them."""
        del deep
        return {
            name: getattr(self, name)
            for name in inspect.signature(type(self).__init__).parameters
            if name != "self"
        }

    def set_params(self, **params: Any) -> Self:
        """Change arguments; unknown ones are an error."""
        unknown = params.keys() - self.get_params().keys()
        if unknown:
            raise UsageError(f"{type(self).__name__} has no parameter {sorted(unknown)[0]!r}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    def _checked(self, data: ArrayLike) -> Array:
        rows = np.asarray(data, float)
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise UsageError(f"data of shape {rows.shape} where (rows, {self.features}) was expected")
        return rows

    @staticmethod
    def _check_classes(labels: LabelRange, classes: int) -> None:
        if labels.low < 0 or labels.high >= classes or not labels.whole:
            raise UsageError(
                f"labels from {labels.low:g} to {labels.high:g} for a model of {classes} classes",
                remedy=f"number the classes 0 to {classes - 1}",
            )

    def _fitted(self) -> Array:
        if len(self.weights) != self.size:
            raise UsageError(f"{type(self).__name__} has no weights yet", remedy="call partial_fit first")
        return self.weights
