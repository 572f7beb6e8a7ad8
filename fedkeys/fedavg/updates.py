"""Arithmetic of updates: averages, rounding, and the simple teaching form of a noisy sum.

In: updates: each an array, or a list of arrays as a model's layers are. Out: one of the same form. Law: a
weighted average with equal weights is the average; the average of one is that one.

The names are those of the textbook; `fedkeys.fedavg.training` uses the same functions on flat vectors.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError

Array = NDArray[np.floating[Any]]


def average(updates: Iterable[Any]) -> Any:
    """The mean of updates, each counting alike; they are not all held at once.

    >>> average([np.array([1.0, 2.0]), np.array([3.0, 6.0])])
    array([2., 4.])
    >>> average([[np.array([1.0]), 2.0], [np.array([3.0]), 4.0]])
    [array([2.]), array(3.)]
    """
    return weighted_average((update, 1.0) for update in updates)


def weighted_average(updates: Iterable[Any], weights: Iterable[float] | None = None) -> Any:
    """The mean of updates, each counting by its weight, as FedAvg does by samples.

    McMahan et al. 2017 (AISTATS), algorithm 1.

    Args:
        updates: the updates; without `weights`, pairs of (update, weight).
        weights: one number from 0 up for each.

    Raises:
        UsageError: there is nothing to average, or the weights do not fit.

    >>> weighted_average([np.array([0.0]), np.array([4.0])], [3, 1])
    array([1.])
    """
    pairs = updates if weights is None else _paired(updates, weights)
    total: Any = None
    sum_of_weights = 0.0
    for update, weight in pairs:
        if not 0 <= weight < float("inf"):
            raise UsageError(f"a weight is {weight}", remedy="weights are numbers from 0 up")
        share = _each(partial(np.multiply, weight), update)
        total = share if total is None else _both(np.add, total, share)
        sum_of_weights += weight
    if total is None or sum_of_weights == 0:
        raise UsageError(
            "there is nothing to average", remedy="give at least one update with a weight above 0"
        )
    return _each(lambda array: array / sum_of_weights, total)


def compress(update: Any, decimals: int = 4) -> Any:
    """Round an update to some decimals, the simplest way to send less.

    >>> compress(np.array([0.123456, -1.0]), decimals=2)
    array([ 0.12, -1.  ])
    """
    return _each(lambda array: np.round(array, decimals), update)


def noisy_average(updates: Iterable[Any], noise_scale: float, rng: np.random.Generator) -> Any:
    """The mean of updates to each of which its client added normal noise.

    The simple teaching form of "secure" aggregation: the noises partly cancel in the mean, so that it is close
    to the true one while each update alone is blurred.

    It protects little. The server sees every blurred update and can average a client's updates over rounds;
    updates are not clipped, so no noise scale bounds what one says; and numpy's generator is no cryptographic
    source. For a sum that nobody can see into use `fedkeys.fedavg.shares`, for a stated privacy loss
    `fedkeys.fedavg.privacy`.

    Args:
        updates: the true updates.
        noise_scale: standard deviation of the noise that each client adds to each number.
        rng: draws the noise.

    >>> noisy_average([np.array([1.0]), np.array([3.0])], 0.0, np.random.default_rng(0))
    array([2.])
    """
    return average(
        _each(lambda array: array + rng.normal(0.0, noise_scale, np.shape(array)), update)
        for update in updates
    )


def _paired(updates: Iterable[Any], weights: Iterable[float]) -> Iterator[tuple[Any, float]]:
    missing: Any = object()
    for update, weight in zip_longest(updates, weights, fillvalue=missing):
        if update is missing or weight is missing:
            raise UsageError("there are not as many weights as updates")
        yield update, weight


def _each(function: Callable[[Array], Array], update: Any) -> Any:
    if isinstance(update, list | tuple):
        return [np.asarray(function(np.asarray(array, float))) for array in update]
    return np.asarray(function(np.asarray(update, float)))


def _both(function: Callable[[Array, Array], Array], one: Any, other: Any) -> Any:
    if isinstance(one, list):
        if not isinstance(other, list) or len(one) != len(other):
            raise UsageError("updates with different numbers of arrays cannot be averaged")
        return [_both(function, mine, theirs) for mine, theirs in zip(one, other, strict=True)]
    if np.shape(one) != np.shape(other):
        raise UsageError(f"updates of the shapes {np.shape(one)} and {np.shape(other)} cannot be averaged")
    return function(one, other)
