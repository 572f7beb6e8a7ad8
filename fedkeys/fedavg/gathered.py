"""A round's second half: take the clients' weights as they come, and finish the round.

In: trained weights. Out: the next state, and what the round cost. Laws: an update that is not finite, or that its
codec cannot carry, is left out and counted, and moves nothing; of fewer than the mean takes nothing comes, nor of
a step that is not finite; updates are added up as they come and held only where the mean must see all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fedkeys.errors import FormatError, UsageError
from fedkeys.fedavg.clients import Member
from fedkeys.fedavg.compression import decode
from fedkeys.fedavg.means import Mean
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.secure import SecureMean, Whole
from fedkeys.fedavg.state import State

if TYPE_CHECKING:
    from fedkeys.fedavg.training import FederatedAveraging

_NUMBER = 8  # bytes of a number that is not encoded


@dataclass(frozen=True, slots=True)
class Metrics:
    """What happened in a round.

    Under differential privacy the guarantee covers the weights and the clipping length, not these figures: they
    count true clients, and are for whoever runs the experiment.

    Attributes:
        round: its number, from 1.
        started: False if too few clients were available; then nothing has changed.
        available, selected, dropped, late, refused, averaged: numbers of clients; refused are those whose update
            was not finite, of another length, or more than its codec can carry.
        samples: of the clients that were averaged.
        bytes_up, bytes_down: what crossed, as encoded.
        update_norm: length of the mean update.
        clip: the clipping length in force; 0 without privacy.
        cut: how many entries of updates were larger than a sum under masks carries.
        failure: why nothing came of such a sum, or of clients that answered; None if something did.
    """

    round: int
    started: bool
    available: int
    selected: int = 0
    dropped: int = 0
    late: int = 0
    refused: int = 0
    averaged: int = 0
    samples: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    update_norm: float = 0.0
    clip: float = 0.0
    cut: int = 0
    failure: str | None = None


class Gathered:
    """What has come in of a round.

    Args:
        algorithm: how updates become one, and what becomes of it.
        state: that the round began with.
        metrics: what is known of the round so far.
    """

    def __init__(self, algorithm: "FederatedAveraging", state: State, metrics: Metrics) -> None:
        self._algorithm = algorithm
        self._state = state
        self._metrics = metrics
        self._streams = isinstance(algorithm.mean, Mean)
        self._sum: Array = np.zeros_like(state.weights)
        self._weight = 0.0
        self._held: list[Array] = []
        self._vectors: list[Whole] = []
        self._weights: list[float] = []
        self._refused = 0
        self._averaged = 0
        self._bytes_up = 0
        self._bytes_down = 0  # besides the weights
        self._samples = 0
        self._inside = 0
        self._control_change = np.zeros_like(state.weights)
        self._controls: dict[str, Array] = {}
        self._residuals: dict[str, Array] = {}

    def refuse(self, clients: int) -> None:
        """Count clients whose answer is no vector of the model's length."""
        self._refused += clients

    def miss(self, clients: int, late: bool) -> None:
        """Count clients that were asked and gave nothing, or not in time."""
        known = self._metrics
        self._metrics = (
            replace(known, late=known.late + clients)
            if late
            else replace(known, dropped=known.dropped + clients)
        )

    def take(self, clients: Sequence[Member], rngs: Sequence[np.random.Generator], trained: Array) -> None:
        """Take the weights of some clients: float[C, P]."""
        updates: Array = trained - self._state.weights
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(updates, axis=1)
        kept = np.flatnonzero(np.isfinite(lengths)).tolist()
        before = updates
        if len(kept) < len(updates):
            updates = updates[kept]
        if self._algorithm.codec is not None:
            read = {at: self._crossed(clients[at], rngs[at], before[at]) for at in kept}
            kept = [at for at in kept if read[at] is not None]
            updates = np.array([read[at] for at in kept]).reshape(len(kept), len(self._sum))
        elif self._algorithm.secure is None:
            self._bytes_up += updates.size * _NUMBER
        self._refused += len(before) - len(kept)
        if not kept:
            return
        if self._algorithm.secure is not None:
            self._write(
                self._algorithm.secure, [clients[at] for at in kept], [rngs[at] for at in kept], updates
            )
            return
        self._averaged += len(kept)
        takers = [clients[at] for at in kept]
        if self._algorithm.scaffold:
            self._update_controls(takers, before[kept])
        self._add(takers, updates, lengths[kept])

    def finish(self, clients: int, rng: np.random.Generator) -> tuple[State, Metrics]:
        """Take the server's step.

        Args:
            clients: how many there are, whether they took part or not.
            rng: draws the noise of differential privacy.
        """
        algorithm, state = self._algorithm, self._state
        if algorithm.secure is not None and self._metrics.started:
            self._add_up(algorithm.secure, rng)
        metrics = replace(
            self._metrics,
            refused=self._refused,
            averaged=self._averaged,
            samples=self._samples,
            bytes_up=self._bytes_up,
            bytes_down=self._metrics.selected
            * len(state.weights)
            * _NUMBER
            * (2 if algorithm.scaffold else 1)
            + self._bytes_down,
        )
        clip = state.clip
        if algorithm.privacy is not None:
            update, clip = algorithm.privacy.noisy_mean(
                self._sum, self._inside, self._averaged, state.clip, rng
            )
        elif self._averaged < algorithm.mean.least:
            return replace(state, round=state.round + 1), self._averaging_none(metrics)
        elif self._streams:
            update = self._sum / self._weight
        else:
            update = algorithm.mean.combine(np.concatenate(self._held), np.array(self._weights))
        with np.errstate(over="ignore", invalid="ignore"):
            step, moments = algorithm.server.step(update, state.moments)
            weights = state.weights + step
        if not all(map(is_finite, (weights, *moments))):
            failure = "the step that the server would take is not finite"
            return replace(state, round=state.round + 1), replace(
                metrics, averaged=0, samples=0, failure=failure
            )
        after = State(
            seed=state.seed,
            round=state.round + 1,
            weights=weights,
            moments=moments,
            control=state.control + self._control_change / clients,
            controls={**state.controls, **self._controls},
            residuals={**state.residuals, **self._residuals},
            clip=clip,
        )
        return after, replace(metrics, update_norm=float(np.linalg.norm(update)))

    def _averaging_none(self, metrics: Metrics) -> Metrics:
        """Say that nobody is averaged, and why, if somebody could have been."""
        if not self._averaged:
            return metrics
        why = too_few(self._averaged, self._algorithm.mean.least)
        return replace(metrics, averaged=0, samples=0, failure=why)

    def _write(
        self,
        secure: SecureMean,
        clients: Sequence[Member],
        rngs: Sequence[np.random.Generator],
        updates: Array,
    ) -> None:
        """Write updates as whole numbers."""
        mean = self._algorithm.mean
        weighted = isinstance(mean, Mean) and mean.weighted
        for client, rng, update in zip(clients, rngs, updates, strict=True):
            weight = client.samples if weighted else 1
            self._vectors.append(secure.vector(update, weight, self._metrics.selected, rng))
            self._samples += client.samples

    def _add_up(self, secure: SecureMean, rng: np.random.Generator) -> None:
        """Have whole numbers added up, of all clients that were selected."""
        lost = [None] * (self._metrics.selected - len(self._vectors))
        summed = secure.summing([*self._vectors, *lost], rng)
        self._bytes_up, self._bytes_down = summed.bytes_up, summed.bytes_down
        if summed.total is None:
            self._samples = 0
            self._metrics = replace(self._metrics, failure=summed.failure)
            return
        mean = secure.read(summed.total)
        self._metrics = replace(self._metrics, cut=mean.cut)
        self._averaged = len(self._vectors)
        self._sum, self._weight = mean.update, 1.0

    def _add(self, clients: Sequence[Member], updates: Array, lengths: Array) -> None:
        """Add updates to the sum, or hold them for a mean that must see all."""
        algorithm = self._algorithm
        samples: Array = np.array([client.samples for client in clients], float)
        self._samples += int(samples.sum())
        if algorithm.privacy is not None:
            if algorithm.codec is not None:
                lengths = np.linalg.norm(updates, axis=1)
            self._inside += int(np.count_nonzero(lengths <= self._state.clip))
            updates = algorithm.privacy.clipped(updates, self._state.clip)
        if self._streams:
            mean = algorithm.mean
            by_samples = isinstance(mean, Mean) and mean.weighted
            alike = algorithm.privacy is not None or algorithm.scaffold or not by_samples
            weights: Array = np.ones(len(updates)) if alike else samples
            self._sum += weights @ updates
            self._weight += float(weights.sum())
        else:
            self._held.append(updates)
            self._weights.extend(samples.tolist())

    def _update_controls(self, clients: Sequence[Member], updates: Array) -> None:
        """SCAFFOLD, option II: the control of a client is the mean gradient of its steps."""
        state, local = self._state, self._algorithm.local
        for client, update in zip(clients, updates, strict=True):
            before = vector_of(state.controls, client, state)
            travelled = local.steps(client.samples) * local.rate(state.round)
            if not travelled:  # where a schedule has come to 0 no gradient is known
                continue
            after = before - state.control - update / travelled
            self._controls[client.name] = after
            self._control_change += after - before
            self._bytes_up += update.size * _NUMBER  # the change of its control variate crosses too

    def _crossed(self, client: Member, rng: np.random.Generator, update: Array) -> Array | None:
        """Encode an update, count its bytes, and give what the server reads; None if it cannot be carried."""
        codec = self._algorithm.codec
        assert codec is not None
        if codec.feeds_back:
            update = update + vector_of(self._state.residuals, client, self._state)
        try:
            data = codec.encode(update, rng)
            self._bytes_up += len(data)
            read = decode(data, len(update))
        except (UsageError, FormatError):
            return None
        if codec.feeds_back:
            self._residuals[client.name] = update - read
        return read


def too_few(came: int, least: int) -> str:
    """Say why nothing came of clients that answered."""
    return f"{came} updates came, where the mean takes {least} or more"


def is_finite(vector: Array) -> bool:
    """Whether a vector has a length."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.linalg.norm(vector)))


def vector_of(vectors: Mapping[str, Array], client: Member, state: State) -> Array:
    """What is kept for a client; zeros for one that is new."""
    found = vectors.get(client.name)
    return np.zeros_like(state.weights) if found is None else found
