"""Linear models: logistic regression (binary and multinomial), linear SVM, linear regression.

The weights of one output are its d coefficients followed by its intercept; those of several outputs follow one
another.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.fedavg.models.base import Array, LabelRange, Labels, Model


class LinearModel(Model):
    """A model of K outputs, each a weighted sum of the features and an intercept."""

    @property
    def outputs(self) -> int:
        """K."""
        return 1

    @property
    def size(self) -> int:
        """K (d + 1)."""
        return self.outputs * (self.features + 1)

    @property
    def penalised(self) -> Array:
        """1 for coefficients, 0 for intercepts."""
        return np.tile(np.append(np.ones(self.features), 0.0), self.outputs)

    @property
    def coef_(self) -> Array:
        """float[K, d]."""
        return self._by_output(self._fitted())[:, :-1]

    @property
    def intercept_(self) -> Array:
        """float[K]."""
        return self._by_output(self._fitted())[:, -1]

    @abstractmethod
    def _slope(self, outputs: Array, labels: Labels) -> Array:
        """Derivative of each sample's loss by the outputs: (..., n, K)."""

    @abstractmethod
    def _losses(self, outputs: Array, labels: Labels) -> Array:
        """Each sample's loss: (..., n)."""

    def raw(self, weights: Array, data: Array) -> Array:
        """The outputs: (..., n, K)."""
        per_output = self._by_output(weights)
        coefficients, intercepts = per_output[..., :-1], per_output[..., -1]
        return np.asarray(data @ np.swapaxes(coefficients, -1, -2) + intercepts[..., None, :])

    def data_gradient(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Slope times data, averaged: (..., P)."""
        slope = self._slope(self.raw(weights, data), labels) / data.shape[-2]
        coefficients = np.swapaxes(slope, -1, -2) @ data
        gradient = np.concatenate([coefficients, slope.sum(-2)[..., None]], axis=-1)
        return gradient.reshape(*gradient.shape[:-2], self.size)

    def data_loss(self, weights: Array, data: Array, labels: Labels) -> Array:
        """The mean of the samples' losses: (...)."""
        return np.asarray(self._losses(self.raw(weights, data), labels).mean(-1))

    def decision_function(self, data: ArrayLike) -> Array:
        """The outputs: (n,) for one output, (n, K) for several."""
        outputs = self.raw(self._fitted(), self._checked(data))
        return outputs[:, 0] if self.outputs == 1 else outputs

    def _by_output(self, weights: Array) -> Array:
        return weights.reshape(*weights.shape[:-1], self.outputs, self.features + 1)


class LinearClassifier(LinearModel):
    """A linear classifier of the labels 0 ... `classes` - 1; two classes take one output."""

    def __init__(
        self, features: int, classes: int = 2, *, learning_rate: float = 0.1, alpha: float = 0.0
    ) -> None:
        super().__init__(features, learning_rate=learning_rate, alpha=alpha)
        self.classes = classes

    @property
    def outputs(self) -> int:
        """One for two classes, else one a class."""
        return 1 if self.classes == 2 else self.classes

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The labels."""
        return np.arange(self.classes)

    def check_labels(self, labels: LabelRange) -> None:
        """Refuse labels other than 0 ... classes - 1."""
        self._check_classes(labels, self.classes)

    def predict(self, data: ArrayLike) -> NDArray[Any]:
        """Predict a label for each row."""
        outputs = self.decision_function(data)
        return (outputs > 0).astype(int) if outputs.ndim == 1 else outputs.argmax(-1)

    def score(self, data: ArrayLike, labels: ArrayLike) -> float:
        """Accuracy."""
        return float(np.mean(self.predict(data) == np.asarray(labels)))


class LogisticRegression(LinearClassifier):
    """Logistic regression: binary with one output, multinomial (softmax) with one output a class.

    >>> model = LogisticRegression(1, learning_rate=1.0)
    >>> for _ in range(50):
    ...     _ = model.partial_fit([[-1.0], [1.0]], [0, 1])
    >>> model.predict([[-2.0], [3.0]]).tolist()
    [0, 1]
    """

    def predict_proba(self, data: ArrayLike) -> Array:
        """float[n, classes], rows summing to 1."""
        outputs = self.raw(self._fitted(), self._checked(data))
        if self.outputs == 1:
            positive = sigmoid(outputs)
            return np.hstack([1 - positive, positive])
        return softmax(outputs)

    def chances(self, data: ArrayLike) -> Array:
        """float[n], the probability of the label 1."""
        if self.classes != 2:
            return super().chances(data)
        return np.asarray(self.predict_proba(data)[:, 1])

    def _slope(self, outputs: Array, labels: Labels) -> Array:
        if self.outputs == 1:
            return sigmoid(outputs) - labels[..., None]
        return softmax(outputs) - one_hot(labels, self.classes)

    def _losses(self, outputs: Array, labels: Labels) -> Array:
        if self.outputs == 1:
            z = outputs[..., 0]
            return np.asarray(np.logaddexp(0.0, z) - labels * z)
        chosen = (outputs * one_hot(labels, self.classes)).sum(-1)
        return np.asarray(np.logaddexp.reduce(outputs, axis=-1) - chosen)


class LinearSVM(LinearClassifier):
    """Linear support vector machine: hinge loss, one against the rest for more than two classes."""

    def chances(self, data: ArrayLike) -> Array:
        """float[n], the sigmoid of the margin: ranked and cut at 0.5 as the margin is, but not calibrated."""
        if self.classes != 2:
            return super().chances(data)
        return sigmoid(self.decision_function(data))

    def _signs(self, labels: Labels) -> Array:
        if self.outputs == 1:
            return 2.0 * labels[..., None] - 1.0
        return 2.0 * one_hot(labels, self.classes) - 1.0

    def _slope(self, outputs: Array, labels: Labels) -> Array:
        signs = self._signs(labels)
        return np.where(signs * outputs < 1.0, -signs, 0.0)

    def _losses(self, outputs: Array, labels: Labels) -> Array:
        return np.asarray(np.maximum(0.0, 1.0 - self._signs(labels) * outputs).sum(-1))


class LinearRegression(LinearModel):
    """Linear regression: half the squared error."""

    def predict(self, data: ArrayLike) -> NDArray[Any]:
        """Predict a value for each row."""
        return self.decision_function(data)

    def score(self, data: ArrayLike, labels: ArrayLike) -> float:
        """R^2, the part of the variance that is explained."""
        values = np.asarray(labels, float)
        spread = float(((values - values.mean()) ** 2).sum())
        return 1.0 - float(((values - self.predict(data)) ** 2).sum()) / spread if spread else 0.0

    def _slope(self, outputs: Array, labels: Labels) -> Array:
        return outputs - labels[..., None]

    def _losses(self, outputs: Array, labels: Labels) -> Array:
        return np.asarray(0.5 * (outputs[..., 0] - labels) ** 2)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def softmax(outputs: Array) -> Array:
    """Exponentials over their sum along the last axis, without overflow."""
    powers = np.exp(outputs - outputs.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def one_hot(labels: Labels, classes: int) -> Array:
    """(..., n) whole numbers as (..., n, classes) zeros and ones."""
    return np.asarray(np.asarray(labels)[..., None] == np.arange(classes), float)
