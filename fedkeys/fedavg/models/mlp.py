"""A multilayer perceptron: one layer of ReLU units, then one sigmoid, trained on binary cross-entropy."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.fedavg.models.base import Array, LabelRange, Labels, Model
from fedkeys.fedavg.models.linear import sigmoid


class MLPClassifier(Model):
    """A binary classifier with one hidden layer.

    The weights are those of the hidden layer (features x hidden), its intercepts, those of the output (hidden),
    its intercept.

    Args:
        features: d.
        hidden: number of ReLU units.
    """

    def __init__(
        self, features: int, hidden: int = 10, *, learning_rate: float = 0.1, alpha: float = 0.0
    ) -> None:
        super().__init__(features, learning_rate=learning_rate, alpha=alpha)
        self.hidden = hidden

    @property
    def size(self) -> int:
        """d h + h + h + 1."""
        return self.features * self.hidden + 2 * self.hidden + 1

    @property
    def penalised(self) -> Array:
        """1 for weights, 0 for intercepts."""
        d, h = self.features, self.hidden
        return np.concatenate([np.ones(d * h), np.zeros(h), np.ones(h), [0.0]])

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The labels, 0 and 1."""
        return np.arange(2)

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, as scikit-learn's MLPClassifier names them."""
        first, _, second, _ = self._layers(self._fitted())
        return [first, second[:, None]]

    @property
    def intercepts_(self) -> list[Array]:
        """The intercepts of each layer."""
        _, first, _, second = self._layers(self._fitted())
        return [first, second[None]]

    def initial(self, rng: np.random.Generator) -> Array:
        """He et al. (2015), section 2.2: normal with variance 2 / fan-in, intercepts zero."""
        d, h = self.features, self.hidden
        first = rng.normal(0.0, np.sqrt(2.0 / d), d * h)
        second = rng.normal(0.0, np.sqrt(2.0 / h), h)
        return np.concatenate([first, np.zeros(h), second, [0.0]])

    def check_labels(self, labels: LabelRange) -> None:
        """Refuse labels other than 0 and 1."""
        self._check_classes(labels, 2)

    def data_gradient(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Backpropagation: (..., P)."""
        _, _, second, _ = self._layers(weights)
        hidden, z = self._forward(weights, data)
        slope = (sigmoid(z) - labels) / data.shape[-2]
        back = np.where(hidden > 0, slope[..., None] * second[..., None, :], 0.0)
        first = np.swapaxes(data, -1, -2) @ back
        parts = [
            first.reshape(*first.shape[:-2], self.features * self.hidden),
            back.sum(-2),
            (slope[..., None, :] @ hidden)[..., 0, :],
            slope.sum(-1)[..., None],
        ]
        return np.concatenate(parts, axis=-1)

    def data_loss(self, weights: Array, data: Array, labels: Labels) -> Array:
        """Binary cross-entropy: (...)."""
        _, z = self._forward(weights, data)
        return np.asarray((np.logaddexp(0.0, z) - labels * z).mean(-1))

    def predict_proba(self, data: ArrayLike) -> Array:
        """float[n, 2], rows summing to 1."""
        _, z = self._forward(self._fitted(), self._checked(data))
        positive = sigmoid(z)[:, None]
        return np.hstack([1 - positive, positive])

    def chances(self, data: ArrayLike) -> Array:
        """float[n], the probability of the label 1."""
        return np.asarray(self.predict_proba(data)[:, 1])

    def predict(self, data: ArrayLike) -> NDArray[Any]:
        """Predict 0 or 1 for each row."""
        return np.asarray(self.predict_proba(data).argmax(-1))

    def score(self, data: ArrayLike, labels: ArrayLike) -> float:
        """Binary accuracy."""
        return float(np.mean(self.predict(data) == np.asarray(labels)))

    def _forward(self, weights: Array, data: Array) -> tuple[Array, Array]:
        first, first_intercepts, second, intercept = self._layers(weights)
        hidden = np.maximum(0.0, data @ first + first_intercepts[..., None, :])
        return hidden, (hidden @ second[..., None])[..., 0] + intercept[..., None]

    def _layers(self, weights: Array) -> tuple[Array, Array, Array, Array]:
        d, h = self.features, self.hidden
        first = weights[..., : d * h].reshape(*weights.shape[:-1], d, h)
        rest = weights[..., d * h :]
        return first, rest[..., :h], rest[..., h : 2 * h], rest[..., 2 * h]
