"""Gradients are those of the losses, and the models are scikit-learn's where that is installed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedkeys.errors import UsageError
from fedkeys.fedavg import LinearRegression, LinearSVM, LogisticRegression, MLPClassifier
from fedkeys.fedavg.models import Model

MODELS: dict[str, Any] = {
    "binary": lambda alpha: LogisticRegression(3, alpha=alpha),
    "multinomial": lambda alpha: LogisticRegression(3, 4, alpha=alpha),
    "svm": lambda alpha: LinearSVM(3, alpha=alpha),
    "svm of four": lambda alpha: LinearSVM(3, 4, alpha=alpha),
    "regression": lambda alpha: LinearRegression(3, alpha=alpha),
    "perceptron": lambda alpha: MLPClassifier(3, 5, alpha=alpha),
}


def sample(model: Model, rng: np.random.Generator, rows: int = 6) -> tuple[Any, Any]:
    data = rng.normal(size=(rows, 3))
    if isinstance(model, LinearRegression):
        return data, rng.normal(size=rows)
    return data, rng.integers(getattr(model, "classes", 2), size=rows)


@pytest.mark.parametrize("name", MODELS)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
def test_the_gradient_is_that_of_the_loss(name: str, seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    model: Model = MODELS[name](alpha)
    data, labels = sample(model, rng)
    weights = rng.normal(size=model.size)
    coarse, fine = (numeric_gradient(model, weights, data, labels, step) for step in (1e-5, 1e-6))
    # Where a kink of hinge or ReLU lies inside the step, there is no gradient to compare with.
    assume(np.allclose(coarse, fine, atol=1e-5))
    assert np.allclose(model.gradient(weights, data, labels), fine, atol=1e-4)


def numeric_gradient(model: Model, weights: Any, data: Any, labels: Any, step: float) -> Any:
    ends = [model.loss(weights + sign * step * np.eye(model.size), data, labels) for sign in (1, -1)]
    return (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("name", MODELS)
def test_many_clients_at_once_are_each_alone(name: str) -> None:
    rng = np.random.default_rng(1)
    model: Model = MODELS[name](0.1)
    samples = [sample(model, rng) for _ in range(4)]
    weights = rng.normal(size=(4, model.size))
    data, labels = (np.stack(part) for part in zip(*samples, strict=True))
    together = model.gradient(weights, data, labels)
    losses = model.loss(weights, data, labels)
    for at, (own, known) in enumerate(samples):
        assert np.allclose(together[at], model.gradient(weights[at], own, known), rtol=1e-12)
        assert np.isclose(losses[at], model.loss(weights[at], own, known), rtol=1e-12)


def fitted(model: Any, data: Any, labels: Any, steps: int) -> Any:
    for _ in range(steps):
        model.partial_fit(data, labels)
    return model


def blobs(classes: int, rows: int = 300) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    labels = rng.integers(classes, size=rows)
    return rng.normal(size=(rows, 3)) + 1.5 * np.eye(classes, 3)[labels], labels


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_is_that_of_scikit_learn(classes: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    data, labels = blobs(classes)
    alpha = 0.1
    ours = fitted(LogisticRegression(3, classes, learning_rate=0.5, alpha=alpha), data, labels, 3000)
    theirs = linear_model.LogisticRegression(C=1 / (alpha * len(data)), tol=1e-10, max_iter=10_000).fit(
        data, labels
    )
    assert np.allclose(ours.predict_proba(data), theirs.predict_proba(data), atol=1e-5)
    assert np.allclose(ours.coef_ - ours.coef_.mean(0) * (classes > 2), theirs.coef_, atol=1e-4)
    assert ours.score(data, labels) == theirs.score(data, labels)


def test_linear_svm_is_that_of_scikit_learn() -> None:
    svm = pytest.importorskip("sklearn.svm")
    data, labels = blobs(2)
    alpha = 0.1
    ours = LinearSVM(3, learning_rate=0.5, alpha=alpha)
    for step in range(6000):
        ours.learning_rate = 0.5 / (1 + 0.01 * step)
        ours.partial_fit(data, labels)
    theirs = svm.SVC(kernel="linear", C=1 / (alpha * len(data)), tol=1e-8).fit(data, labels)
    assert np.allclose(ours.coef_, theirs.coef_, atol=0.01)


def test_linear_regression_is_least_squares() -> None:
    rng = np.random.default_rng(2)
    data = rng.normal(size=(200, 3))
    values = data @ [1.0, -2.0, 0.5] + 3 + rng.normal(scale=0.1, size=200)
    ours = fitted(LinearRegression(3, learning_rate=0.5), data, values, 300)
    exact = np.linalg.lstsq(np.hstack([data, np.ones((200, 1))]), values, rcond=None)[0]
    assert np.allclose(np.append(ours.coef_, ours.intercept_), exact)
    assert ours.score(data, values) > 0.99


def test_a_perceptron_learns_what_no_linear_model_can() -> None:
    rng = np.random.default_rng(0)
    data = rng.uniform(-1, 1, (400, 2))
    labels = (data[:, 0] * data[:, 1] > 0).astype(int)
    perceptron = MLPClassifier(2, 10, learning_rate=0.5)
    perceptron.weights = perceptron.initial(np.random.default_rng(3))
    assert fitted(perceptron, data, labels, 3000).score(data, labels) > 0.95
    assert fitted(LogisticRegression(2, learning_rate=0.5), data, labels, 500).score(data, labels) < 0.65
    assert perceptron.coefs_[0].shape == (2, 10)
    assert [len(own) for own in perceptron.intercepts_] == [10, 1]


@pytest.mark.parametrize("name", MODELS)
def test_scikit_learn_s_conventions(name: str) -> None:
    model = MODELS[name](0.2)
    data, labels = sample(model, np.random.default_rng(0))
    params = model.get_params()
    assert params["alpha"] == 0.2
    assert type(model)(**params).get_params() == params
    assert model.set_params(learning_rate=0.7).learning_rate == 0.7
    assert repr(model).startswith(type(model).__name__)
    with pytest.raises(UsageError, match="no parameter"):
        model.set_params(nothing=1)
    with pytest.raises(UsageError, match="no weights yet"):
        model.predict(data)
    assert model.partial_fit(data, labels) is model
    assert model.predict(data).shape == (6,)
    if hasattr(model, "predict_proba"):
        assert np.allclose(model.predict_proba(data).sum(1), 1)
    if hasattr(model, "coef_"):
        assert model.coef_.shape == (len(model.intercept_), 3)
    with pytest.raises(UsageError, match="was expected"):
        model.partial_fit(np.zeros((2, 9)), [0, 1])
    with pytest.raises(UsageError, match="weights"):
        model.with_weights(np.zeros(2))


def test_sigmoids_do_not_overflow() -> None:
    model = LogisticRegression(1)
    extreme = np.array([[1e6], [-1e6]])
    weights = np.array([1.0, 0.0])
    assert np.isfinite(model.loss(weights, extreme, np.array([0, 1])))
    assert np.isfinite(model.gradient(weights, extreme, np.array([0, 1]))).all()
