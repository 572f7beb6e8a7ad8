"""What the server does with the mean of the updates: the optimisers of adaptive federated optimisation.

In: the mean update (clients' weights less the server's). Out: a step, and the optimiser's own memory. Law: pure;
`ServerSGD()` with its defaults is plain FedAvg.

Reddi et al. 2021 (ICLR), "Adaptive Federated Optimization", algorithm 2: m is a running mean of the updates,
v of their squares, kept by one of three rules; the step is rate * m / (sqrt(v) + tau).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from fedkeys.fedavg.models.base import Array


class Moments(NamedTuple):
    """An optimiser's memory: float[P] each."""

    mean: Array
    square: Array


class ServerOptimiser(Protocol):
    """Turns the mean update into the server's step."""

    def start(self, size: int) -> Moments:
        """The memory before the first round."""

    def step(self, update: Array, moments: Moments) -> tuple[Array, Moments]:
        """The step to add to the weights, and the memory after it."""


@dataclass(frozen=True, slots=True)
class ServerSGD:
    """Gradient descent on the server, with momentum if asked; rate 1 without momentum is FedAvg."""

    rate: float = 1.0
    momentum: float = 0.0

    def start(self, size: int) -> Moments:
        """Zeros."""
        return Moments(np.zeros(size), np.zeros(size))

    def step(self, update: Array, moments: Moments) -> tuple[Array, Moments]:
        """Rate times the (running) update."""
        mean = self.momentum * moments.mean + update
        return self.rate * mean, Moments(mean, moments.square)


@dataclass(frozen=True, slots=True)
class _Adaptive(ABC):
    rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def start(self, size: int) -> Moments:
        """No mean; squares at tau^2, as in the paper."""
        return Moments(np.zeros(size), np.full(size, self.tau**2))

    def step(self, update: Array, moments: Moments) -> tuple[Array, Moments]:
        """Rate times mean over root of the mean square."""
        mean = self.beta1 * moments.mean + (1 - self.beta1) * update
        square = self._square(moments.square, update**2)
        return self.rate * mean / (np.sqrt(square) + self.tau), Moments(mean, square)

    @abstractmethod
    def _square(self, before: Array, now: Array) -> Array:
        """The mean square after one more."""


@dataclass(frozen=True, slots=True)
class FedAdagrad(_Adaptive):
    """Squares add up."""

    beta1: float = 0.0

    def _square(self, before: Array, now: Array) -> Array:
        return before + now


@dataclass(frozen=True, slots=True)
class FedAdam(_Adaptive):
    """Squares are a running mean."""

    def _square(self, before: Array, now: Array) -> Array:
        return self.beta2 * before + (1 - self.beta2) * now


@dataclass(frozen=True, slots=True)
class FedYogi(_Adaptive):
    """Squares move towards the new ones by a step that does not depend on how far they are."""

    def _square(self, before: Array, now: Array) -> Array:
        return before - (1 - self.beta2) * now * np.sign(before - now)
