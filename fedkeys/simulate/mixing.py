"""Training the mix on many phones: `fedkeys.fedavg` averages what each phone's own messages teach.

In: phones that train, and how. Out: a `Mix`. Law: the server sees weights alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError
from fedkeys.fedavg import FedAdam, FederatedAveraging, LocalTraining, Participation
from fedkeys.fedavg.models import Model
from fedkeys.model.mix import Mix, initial, size
from fedkeys.phone.mixing import MixTrainer
from fedkeys.phone.situation import FEATURES

_RATE = 0.03
_RATE_FROM_START = (
    0.01  # of 0.03, 0.01 and 0.003 the best, or level with it, by `python -m tests.bench.tune_mix`
)


@dataclass(frozen=True, slots=True)
class MixPlan:
    """How the mix is trained.

    Attributes:
        rounds: how many at the most (on ubuntu_irc 150 gave 0.2 points of top-1 recall less than 300).
        times: how often a phone takes part at the most: fewer phones learn their own messages by heart. On the
            shipped ones, 15 at a time, 24, 40, 100 and 300 rounds gave 12.0, 13.3, 13.1 and 12.6 % top-1 recall.
        cohort: how many phones take part in each.
        phones: how many phones of a fleet train at all, drawn at random.
        rate: of the server's steps; None for what serves best.
    """

    rounds: int = 300
    cohort: int = 40
    phones: int = 500
    times: int = 40
    rate: float | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "cohort", "phones", "times"):
            value = getattr(self, name)
            if value < 1:
                raise UsageError(f"{name} of the mix is {value}", remedy="choose 1 or more")
        if self.rate is not None and not self.rate > 0:
            raise UsageError(f"rate of the mix is {self.rate}", remedy="choose a number above 0")

    def rounds_of(self, phones: int) -> int:
        """How many rounds so many phones train for."""
        return min(self.rounds, max(1, self.times * phones // min(self.cohort, phones)))


def train_mix(
    trainers: Sequence[MixTrainer],
    plan: MixPlan,
    seed: int,
    on_round: Callable[[float], None] = lambda _: None,
    start: Mix | None = None,
    available: float = 1.0,
    dropout: float = 0.0,
) -> Mix:
    """Train a mix: FedAdam (Reddi et al. 2021) over phones that each take a few steps.

    Args:
        trainers: the phones.
        plan: how.
        seed: of all draws.
        on_round: called with the part of the rounds that is done.
        start: a mix to go on from; None to begin with nothing learnt.
        available: the chance that a phone can be reached in a round.
        dropout: the chance that a phone that was asked is lost on the way.

    Raises:
        UsageError: no phone has typed anything.
    """
    clients = [trainer for trainer in trainers if trainer.samples]
    if not clients:
        raise UsageError("no phone has messages to train the mix on", remedy="bring a larger corpus")
    rounds = plan.rounds_of(len(clients))
    algorithm = FederatedAveraging(
        cast(Model, _MixWeights(start)),  # the clients train it, the server only averages
        LocalTraining(epochs=1, batch_size=16, learning_rate=0.1, schedule="cosine", horizon=rounds),
        server=FedAdam(rate=plan.rate or (_RATE if start is None else _RATE_FROM_START)),
        participation=Participation(cohort=plan.cohort, available=available, dropout=dropout),
    )
    weights = algorithm.initialize(seed).weights
    for done, (state, _) in enumerate(algorithm.run(clients, rounds, seed), 1):
        weights = state.weights
        on_round(done / rounds)
    return Mix(FEATURES, weights.astype(np.float32))


class _MixWeights:
    """What the server knows of the mix: how many weights there are, and how they begin."""

    size = size(FEATURES)

    def __init__(self, start: Mix | None) -> None:
        self._start = start

    def initial(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return initial(FEATURES, rng) if self._start is None else self._start.weights.astype(np.float64)
