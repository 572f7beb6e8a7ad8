"""Who takes part in a round: who is available, who is selected, who is lost or late.

In: clients and a generator. Out: the places of those who answer in time, and how many did not. Law: every client
is drawn by itself, so that without a cohort taking part is a Poisson sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.clients import Member


class Turnout(NamedTuple):
    """Who came.

    Attributes:
        available, selected, dropped, late: numbers of clients.
        answering: the places of those who answer in time, ascending.
    """

    available: int
    selected: int
    dropped: int
    late: int
    answering: list[int]


@dataclass(frozen=True, slots=True)
class Participation:
    """Who takes part in a round.

    Attributes:
        available: the chance that a client can be reached when the round begins.
        cohort: how many of these are selected, at random; None for all.
        min_clients: with fewer available the round does not start.
        dropout: the chance that a selected client never answers.
        deadline: seconds after which an answer is too late; None to wait for all.
        seconds_per_sample: how long a client of middling speed takes for a sample, once.
        spread: how much clients differ in speed, as the standard deviation of its logarithm; a client's speed is
            drawn anew in each round, as that of a phone with other work to do.
    """

    available: float = 1.0
    cohort: int | None = None
    min_clients: int = 1
    dropout: float = 0.0
    deadline: float | None = None
    seconds_per_sample: float = 0.001
    spread: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.available <= 1 or not 0 <= self.dropout < 1:
            raise UsageError("available lies above 0 and up to 1, dropout from 0 to below 1")
        if (self.cohort is not None and self.cohort < 1) or self.min_clients < 1:
            raise UsageError("cohort and min_clients are whole numbers from 1 up")
        if not (self.deadline is None or self.deadline > 0) or not self.seconds_per_sample >= 0:
            raise UsageError("deadline is above 0 and seconds_per_sample from 0 up")
        if not 0 <= self.spread < float("inf"):
            raise UsageError("spread is a number from 0 up")

    def draw(self, clients: Sequence[Member], epochs: int, rng: np.random.Generator) -> Turnout:
        """Draw a round's turnout; with too few available nobody is selected.

        Args:
            clients: who could take part.
            epochs: how many times a client goes over its samples, for its time.
            rng: draws it.
        """
        present = np.flatnonzero(rng.random(len(clients)) < self.available)
        available = len(present)
        if available < self.min_clients:
            return Turnout(available, 0, 0, 0, [])
        if self.cohort is not None and self.cohort < available:
            present = np.sort(rng.choice(present, self.cohort, replace=False))
        lost = rng.random(len(present)) < self.dropout
        paces = self.seconds_per_sample * rng.lognormal(0.0, self.spread, len(present))
        seconds = paces * epochs * np.array([clients[at].samples for at in present.tolist()])
        late = ~lost & (seconds > (np.inf if self.deadline is None else self.deadline))
        return Turnout(
            available, len(present), int(lost.sum()), int(late.sum()), present[~lost & ~late].tolist()
        )
