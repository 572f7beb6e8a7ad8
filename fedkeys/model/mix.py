"""The mix: how likely a candidate is, from all that is known of it.

In: rows of features, one a candidate (`fedkeys.phone.situation` makes them), and weights. Out: a score for each;
the scores' softmax is the chance of each candidate. Law: which words are offered depends on nothing else.

A conditional logit (McFadden 1974) whose utility is linear in the features and in a few hidden units:

    score(x) = x . a + max(0, x . W + b) . c

Hidden units let what one feature is worth depend on others, as sets of weights chosen by the length of the
matched context would; on ubuntu_irc four such sets were worth 0.1 points of top-1 recall, 16 units 0.6.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import FormatError

HIDDEN = 16

Rows = NDArray[np.float32]
Weights = NDArray[np.floating[Any]]


class Choices(NamedTuple):
    """Situations in which one candidate was the right one, all rows one after the other.

    Attributes:
        rows: float32[n, F].
        starts: int64[m], where the rows of each situation begin.
        chosen: int64[m], the row that was right.
    """

    rows: Rows
    starts: NDArray[np.int64]
    chosen: NDArray[np.int64]


@dataclass(frozen=True)
class Mix:
    """Weights for rows of F features.

    Attributes:
        features: F.
        weights: float[size(F)]: a, then W by rows, b, c.

    Raises:
        FormatError: there are not as many weights as there should be, or one is no number.
    """

    features: int
    weights: Weights

    def __post_init__(self) -> None:
        if self.weights.shape != (size(self.features),):
            raise FormatError(f"{len(self.weights)} weights for a mix of {self.features} features")
        if not np.isfinite(self.weights).all():
            raise FormatError("a weight of the mix is not a number")

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Score candidates: float32[n]."""
        linear, inner, bias, outer = self._parts
        hidden = rows @ inner
        hidden += bias
        np.maximum(hidden, 0, out=hidden)
        return np.asarray(rows @ linear + hidden @ outer)

    @cached_property
    def _parts(self) -> tuple[Rows, Rows, Rows, Rows]:
        return _parts(self.weights.astype(np.float32), self.features)


def size(features: int) -> int:
    """How many weights a mix has."""
    return features + features * HIDDEN + 2 * HIDDEN


def initial(features: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Weights to begin training with: hidden units at random, of no effect yet."""
    weights = np.zeros(size(features))
    inner = slice(features, features + features * HIDDEN)
    weights[inner] = rng.normal(0, 1 / np.sqrt(features), features * HIDDEN)
    return weights


def loss_and_gradient(weights: Weights, choices: Choices) -> tuple[float, NDArray[np.float64]]:
    """Give the mean of -log(chance of what was right), and its gradient: float64[size(F)]."""
    features = choices.rows.shape[1]
    linear, inner, bias, outer = _parts(weights.astype(np.float32), features)
    hidden = np.maximum(choices.rows @ inner + bias, 0)
    scores = (choices.rows @ linear + hidden @ outer).astype(np.float64)
    counts = np.diff(np.append(choices.starts, len(scores)))
    scores -= np.repeat(np.maximum.reduceat(scores, choices.starts), counts)
    chances = np.exp(scores)
    chances /= np.repeat(np.add.reduceat(chances, choices.starts), counts)
    loss = -float(np.mean(np.log(np.maximum(chances[choices.chosen], 1e-12))))
    chances[choices.chosen] -= 1
    slope = (chances / len(choices.starts)).astype(np.float32)
    inward = slope[:, None] * outer * (hidden > 0)
    parts = (slope @ choices.rows, (choices.rows.T @ inward).ravel(), inward.sum(0), slope @ hidden)
    return loss, np.concatenate(parts).astype(np.float64)


def _parts(weights: Rows, features: int) -> tuple[Rows, Rows, Rows, Rows]:
    linear, inner, bias, outer = np.split(weights, np.cumsum([features, features * HIDDEN, HIDDEN]))
    return linear, inner.reshape(features, HIDDEN), bias, outer
