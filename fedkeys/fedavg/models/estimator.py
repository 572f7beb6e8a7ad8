"""Any estimator with `partial_fit` and array attributes, as a model that federates.

In: an estimator in scikit-learn's conventions. Out: a `Model` whose weights are the estimator's arrays, one
after the other. Law: the estimator given is never changed; every client trains a copy that begins at the
server's weights. Its own learning rate and penalty count; what it counts besides its arrays, such as the number
of steps that some schedules of `SGDClassifier` go by, begins anew in each round.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.errors import UsageError
from fedkeys.fedavg.models.base import Array, LabelRange, Labels, Model


class EstimatorModel(Model):
    """Wraps an estimator such as scikit-learn's `SGDClassifier`.

    Args:
        features: d, the number of columns of the data.
        estimator: anything with `partial_fit(data, labels, classes)`, `predict` and array attributes.
        classes: how many labels, 0 ... classes - 1.
        arrays: the attributes that are averaged.
    """

    def __init__(
        self,
        features: int,
        estimator: Any,
        classes: int = 2,
        arrays: Sequence[str] = ("coef_", "intercept_"),
    ) -> None:
        super().__init__(features)
        self.estimator = estimator
        self.classes = classes
        self.arrays = tuple(arrays)
        primed = self._primed()
        missing = [name for name in self.arrays if not isinstance(getattr(primed, name, None), np.ndarray)]
        if missing:
            raise UsageError(f"{type(estimator).__name__} has no array {missing[0]!r} after partial_fit")
        self._shapes = [getattr(primed, name).shape for name in self.arrays]

    @property
    def size(self) -> int:
        """The number of entries of all arrays."""
        return sum(int(np.prod(shape)) for shape in self._shapes)

    @property
    def penalised(self) -> Array:
        """Nothing: the estimator has its own penalty."""
        return np.zeros(self.size)

    @property
    def coef_(self) -> NDArray[Any]:
        """The estimator's coefficients."""
        return np.asarray(self.fitted().coef_)

    @property
    def intercept_(self) -> NDArray[Any]:
        """The estimator's intercepts."""
        return np.asarray(self.fitted().intercept_)

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The labels."""
        return np.arange(self.classes)

    def fitted(self) -> Any:
        """A copy of the estimator with the weights trained."""
        return self._loaded(self._fitted())

    def check_labels(self, labels: LabelRange) -> None:
        """Refuse labels other than 0 ... classes - 1."""
        self._check_classes(labels, self.classes)

    def train(
        self,
        start: Array,
        data: Array,
        labels: Labels,
        epochs: int,
        batch_size: int | None,
        rngs: Sequence[np.random.Generator],
    ) -> Array:
        """Let each client's copy fit its data, shuffled, for some epochs: float[C, P]."""
        trained = []
        for rows, known, rng in zip(data, labels, rngs, strict=True):
            copy_ = self._loaded(start)
            for _ in range(epochs):
                order = rng.permutation(len(rows))
                for at in range(0, len(rows), batch_size or len(rows)):
                    batch = order[at : at + (batch_size or len(rows))]
                    copy_.partial_fit(rows[batch], known[batch])
            trained.append(self._flat(copy_))
        return np.stack(trained)

    def data_gradient(self, weights: Array, data: Array, labels: Labels) -> Array:
        """There is none: the estimator steps by itself."""
        del weights, data, labels
        raise UsageError(f"{type(self.estimator).__name__} gives no gradient", remedy="train it with `train`")

    def data_loss(self, weights: Array, data: Array, labels: Labels) -> Array:
        """The part predicted wrongly, the one loss that every classifier has."""
        return np.asarray(1.0 - self._loaded(weights).score(data, labels))

    def predict(self, data: ArrayLike) -> NDArray[Any]:
        """Predict as the estimator does."""
        return np.asarray(self.fitted().predict(self._checked(data)))

    def predict_proba(self, data: ArrayLike) -> Array:
        """float[n, classes], as the estimator says it.

        Raises:
            UsageError: the estimator has no probabilities.
        """
        loaded = self.fitted()
        if not hasattr(loaded, "predict_proba"):
            raise UsageError(f"{type(self.estimator).__name__} gives no probabilities")
        return np.asarray(loaded.predict_proba(self._checked(data)))

    def score(self, data: ArrayLike, labels: ArrayLike) -> float:
        """Accuracy."""
        return float(np.mean(self.predict(data) == np.asarray(labels)))

    def chances(self, data: ArrayLike) -> Array:
        """The estimator's probabilities where it has some, else the sigmoid of its margin."""
        if self.classes != 2:
            return super().chances(data)
        loaded, rows = self.fitted(), self._checked(data)
        if hasattr(loaded, "predict_proba"):
            return np.asarray(loaded.predict_proba(rows)[:, 1])
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * loaded.decision_function(rows))))

    def _primed(self) -> Any:
        """A copy that has met one row, and so has its arrays."""
        primed = copy.deepcopy(self.estimator)
        primed.partial_fit(np.zeros((1, self.features)), [0], classes=np.arange(self.classes))
        return primed

    def _loaded(self, weights: Array) -> Any:
        loaded = self._primed()
        at = 0
        for name, shape in zip(self.arrays, self._shapes, strict=True):
            size = int(np.prod(shape))
            getattr(loaded, name)[...] = weights[at : at + size].reshape(shape)
            at += size
        return loaded

    def _flat(self, estimator: Any) -> Array:
        return np.concatenate([np.ravel(getattr(estimator, name)) for name in self.arrays])
