"""Federated averaging: `initialize() -> state`, `next(state, clients) -> (state, metrics)`.

In: clients, and how a round goes. Out: weights, round after round, and what each round cost. Laws: pure in its
inputs; with full participation and one full-batch step it is gradient descent on the pooled data; a round that
does not start, or that nobody answers, changes nothing but the number of the next draw; updates are added up as
they come, and held only where the mean must see all.

McMahan et al. 2017 (AISTATS), "Communication-Efficient Learning of Deep Networks from Decentralized Data",
algorithm 1, with the variations that `FederatedAveraging` names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.clients import Client, Device, train_devices
from fedkeys.fedavg.compression import Codec, decode
from fedkeys.fedavg.local import LocalTraining
from fedkeys.fedavg.means import Mean, MeanRule
from fedkeys.fedavg.models import LogisticRegression, Model
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.privacy import GaussianMechanism
from fedkeys.fedavg.server import ServerOptimiser, ServerSGD
from fedkeys.fedavg.state import State

_NUMBER = 8  # bytes of a number that is not encoded
_TOGETHER = (
    1 << 17
)  # numbers of data trained in one go: what stays in a core's cache (tests/bench/test_fedavg.py)


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
        spread: how much clients differ in speed, as the standard deviation of its logarithm.
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


@dataclass(frozen=True, slots=True)
class Metrics:
    """What happened in a round.

    Attributes:
        round: its number, from 1.
        started: False if too few clients were available; then nothing has changed.
        available, selected, dropped, late, averaged: numbers of clients.
        samples: of the clients that were averaged.
        bytes_up, bytes_down: what crossed, as encoded.
        update_norm: length of the mean update.
        clip: the clipping length in force; 0 without privacy.
    """

    round: int
    started: bool
    available: int
    selected: int = 0
    dropped: int = 0
    late: int = 0
    averaged: int = 0
    samples: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    update_norm: float = 0.0
    clip: float = 0.0


@dataclass(frozen=True, slots=True)
class FederatedAveraging:
    """An algorithm: what is trained, how, and how it is put together.

    >>> clients = [Device([[-1.0], [1.0]], [0, 1]), Device([[-3.0], [2.0], [4.0]], [0, 1, 1])]
    >>> algorithm = FederatedAveraging(LogisticRegression(1))
    >>> state = algorithm.initialize()
    >>> state, metrics = algorithm.next(state, clients)
    >>> state.weights.round(3).tolist(), metrics.averaged, metrics.samples
    ([0.11, 0.01], 2, 5)

    Attributes:
        model: what is trained; its own weights do not matter.
        local: how clients train; `proximal` above 0 makes it FedProx.
        mean: how updates become one; robust rules are in `fedkeys.fedavg.means`.
        server: what becomes of the mean update; FedAdam, FedYogi, FedAdagrad are in `fedkeys.fedavg.server`.
        scaffold: correct client drift by control variates (Karimireddy et al. 2020, ICML, algorithm 1, option
            II); as there, every client counts alike, whatever its samples.
        participation: who takes part.
        codec: how updates are encoded; None for exact numbers that are not encoded at all.
        privacy: clip updates and add noise to their mean (DP-FedAvg); None without.
    """

    model: Model
    local: LocalTraining = field(default_factory=LocalTraining)
    mean: MeanRule = field(default_factory=Mean)
    server: ServerOptimiser = field(default_factory=ServerSGD)
    scaffold: bool = False
    participation: Participation = field(default_factory=Participation)
    codec: Codec | None = None
    privacy: GaussianMechanism | None = None

    def initialize(self, seed: int = 0) -> State:
        """The state before the first round."""
        weights = self.model.initial(np.random.default_rng([seed, 0]))
        clip = self.privacy.clip if self.privacy else 0.0
        size = len(weights)
        return State(seed, 0, weights, self.server.start(size), np.zeros(size), clip=clip)

    def next(self, state: State, clients: Sequence[Client]) -> tuple[State, Metrics]:
        """One round: give the state after it, and what happened.

        A round that does not start, or in which nobody answers in time, leaves weights and all memory as they
        are; only its number is used up, so that the next one draws anew.

        Raises:
            UsageError: two clients have one name.
        """
        if len({client.name for client in clients}) != len(clients):
            raise UsageError("two clients have the same name", remedy="give each Device or Hospital its own")
        rng = np.random.default_rng([state.seed, 1, state.round])
        cohort, metrics = self._cohort(state, clients, rng)
        if not metrics.started or not cohort:
            return replace(state, round=state.round + 1), metrics
        rngs = [np.random.default_rng([state.seed, 2, state.round, at]) for at in cohort]
        chosen = [clients[at] for at in cohort]
        gathered = _Gathered(self, state, metrics, rngs)
        for members, trained in self._trained(state, chosen, rngs):
            gathered.take(
                [chosen[member] for member in members], [rngs[member] for member in members], trained
            )
        return gathered.finish(len(clients), rng)

    def run(self, clients: Sequence[Client], rounds: int, seed: int = 0) -> Iterator[tuple[State, Metrics]]:
        """Give state and metrics after each of some rounds; a round that does not start counts as one."""
        state = self.initialize(seed)
        for _ in range(rounds):
            state, metrics = self.next(state, clients)
            yield state, metrics

    def _cohort(
        self, state: State, clients: Sequence[Client], rng: np.random.Generator
    ) -> tuple[list[int], Metrics]:
        """Draw who is available, selected, lost and late; give the places of those who answer in time."""
        how = self.participation
        present = np.flatnonzero(rng.random(len(clients)) < how.available)
        metrics = Metrics(state.round + 1, len(present) >= how.min_clients, len(present), clip=state.clip)
        if not metrics.started:
            return [], metrics
        if how.cohort is not None and how.cohort < len(present):
            present = np.sort(rng.choice(present, how.cohort, replace=False))
        lost = rng.random(len(present)) < how.dropout
        paces = how.seconds_per_sample * rng.lognormal(0.0, how.spread, len(present))
        seconds = paces * self.local.epochs * np.array([clients[at].samples for at in present.tolist()])
        late = ~lost & (seconds > (np.inf if how.deadline is None else how.deadline))
        metrics = replace(metrics, selected=len(present), dropped=int(lost.sum()), late=int(late.sum()))
        return present[~lost & ~late].tolist(), metrics

    def _trained(
        self, state: State, chosen: Sequence[Client], rngs: Sequence[np.random.Generator]
    ) -> Iterator[tuple[Sequence[int], Array]]:
        """Train the clients, devices of one shape together: their places in `chosen`, and float[C, P]."""
        for members in _together(chosen):
            corrections = None
            if self.scaffold:
                corrections = np.stack(
                    [state.control - _of(state.controls, chosen[at], state) for at in members]
                )
            devices = [client for at in members if isinstance(client := chosen[at], Device)]
            own_rngs = [rngs[at] for at in members]
            arguments = (self.model, state.weights, self.local, state.round)
            if len(devices) == len(members):
                yield members, train_devices(devices, *arguments, own_rngs, corrections)
            else:
                correction = None if corrections is None else corrections[0]
                yield members, chosen[members[0]].train(*arguments, own_rngs[0], correction)[None]


class _Gathered:
    """Takes the clients' weights as they come, and finishes the round."""

    def __init__(
        self,
        algorithm: FederatedAveraging,
        state: State,
        metrics: Metrics,
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self._algorithm = algorithm
        self._state = state
        self._metrics = metrics
        self._cohort = len(rngs)
        self._streams = isinstance(algorithm.mean, Mean) or algorithm.privacy is not None
        self._sum: Array = np.zeros_like(state.weights)
        self._weight = 0.0
        self._held: list[Array] = []
        self._weights: list[float] = []
        self._bytes_up = 0
        self._samples = 0
        self._inside = 0
        self._control_change = np.zeros_like(state.weights)
        self._controls: dict[str, Array] = {}
        self._residuals: dict[str, Array] = {}

    def take(self, clients: Sequence[Client], rngs: Sequence[np.random.Generator], trained: Array) -> None:
        """Take the weights of some clients: float[C, P]."""
        updates: Array = trained - self._state.weights
        if self._algorithm.scaffold:
            self._update_controls(clients, updates)
            self._bytes_up += updates.size * _NUMBER  # the change of each client's control variate
        if self._algorithm.codec is not None:
            updates = np.stack([self._crossed(*each) for each in zip(clients, rngs, updates, strict=True)])
        else:
            self._bytes_up += updates.size * _NUMBER
        samples: Array = np.array([client.samples for client in clients], float)
        self._samples += int(samples.sum())
        if self._algorithm.privacy is not None:
            shortened, inside = self._algorithm.privacy.clipped(updates, self._state.clip)
            updates = np.asarray(shortened, float)
            self._inside += inside
        if self._streams:
            mean = self._algorithm.mean
            weighted = isinstance(mean, Mean) and mean.weighted and not self._algorithm.scaffold
            alike = self._algorithm.privacy is not None or not weighted
            weights: Array = np.ones(len(updates)) if alike else samples
            self._sum += weights @ updates
            self._weight += float(weights.sum())
        else:
            self._held.append(updates)
            self._weights.extend(samples.tolist())

    def finish(self, clients: int, rng: np.random.Generator) -> tuple[State, Metrics]:
        """Take the server's step."""
        algorithm, state = self._algorithm, self._state
        clip = state.clip
        if algorithm.privacy is not None:
            update, clip = algorithm.privacy.noisy_mean(
                self._sum, self._inside, self._cohort, state.clip, rng
            )
        elif self._streams:
            update = self._sum / self._weight
        else:
            update = algorithm.mean.combine(np.concatenate(self._held), np.array(self._weights))
        step, moments = algorithm.server.step(update, state.moments)
        after = State(
            seed=state.seed,
            round=state.round + 1,
            weights=state.weights + step,
            moments=moments,
            control=state.control + self._control_change / clients,
            controls={**state.controls, **self._controls},
            residuals={**state.residuals, **self._residuals},
            clip=clip,
        )
        metrics = replace(
            self._metrics,
            averaged=self._cohort,
            samples=self._samples,
            bytes_up=self._bytes_up,
            bytes_down=self._metrics.selected
            * len(state.weights)
            * _NUMBER
            * (2 if algorithm.scaffold else 1),
            update_norm=float(np.linalg.norm(update)),
        )
        return after, metrics

    def _update_controls(self, clients: Sequence[Client], updates: Array) -> None:
        """SCAFFOLD, option II: the control of a client is the mean gradient of its steps."""
        state, local = self._state, self._algorithm.local
        for client, update in zip(clients, updates, strict=True):
            before = _of(state.controls, client, state)
            travelled = local.steps(client.samples) * local.rate(state.round)
            after = before - state.control - update / travelled
            self._controls[client.name] = after
            self._control_change += after - before

    def _crossed(self, client: Client, rng: np.random.Generator, update: Array) -> Array:
        """Encode an update, count its bytes, and give what the server reads."""
        codec = self._algorithm.codec
        assert codec is not None
        if codec.feeds_back:
            update = update + _of(self._state.residuals, client, self._state)
        data = codec.encode(update, rng)
        self._bytes_up += len(data)
        read = decode(data, len(update))
        if codec.feeds_back:
            self._residuals[client.name] = update - read
        return read


def _of(vectors: Mapping[str, Array], client: Client, state: State) -> Array:
    found = vectors.get(client.name)
    return np.zeros_like(state.weights) if found is None else found


def _together(clients: Sequence[Client]) -> Iterator[list[int]]:
    """Cut clients into runs that are trained in one go: devices of one shape, as many as fit a cache."""
    run: list[int] = []
    for at, client in enumerate(clients):
        last = clients[run[-1]] if run else None
        fits = (
            isinstance(client, Device)
            and isinstance(last, Device)
            and client.shape == last.shape
            and (len(run) + 1) * client.samples * client.features <= _TOGETHER
        )
        if run and not fits:
            yield run
            run = []
        run.append(at)
    if run:
        yield run


class TrainingRun(NamedTuple):
    """What `train_rounds` gives.

    Attributes:
        model: with the weights of the last round that started.
        history: what happened in each round.
    """

    model: Model
    history: Sequence[Metrics]


def train_rounds(
    clients: Sequence[Client],
    num_rounds: int = 5,
    min_devices: int = 10,
    *,
    rng: np.random.Generator,
    model: Model | None = None,
    local: LocalTraining | None = None,
    available: float = 1.0,
) -> TrainingRun:
    """Train for some rounds with clients selected at random: the textbook loop.

    A round with fewer than `min_devices` available does not start: its metrics say so, and nothing changes.

    Args:
        clients: who may take part.
        num_rounds: how many rounds are tried.
        min_devices: how many clients a round selects, and the fewest it starts with.
        rng: draws selection, availability and the order of samples.
        model: what is trained; binary logistic regression when not given.
        local: how clients train.
        available: the chance that a client can be reached.

    >>> clients = [Device([[-1.0], [1.0]], [0, 1]) for _ in range(12)]
    >>> run = train_rounds(clients, num_rounds=3, rng=np.random.default_rng(0))
    >>> run.model.score([[-2.0], [2.0]], [0, 1]), [metrics.averaged for metrics in run.history]
    (1.0, [10, 10, 10])
    >>> run = train_rounds(clients[:4], num_rounds=1, rng=np.random.default_rng(0))
    >>> run.history[0].started
    False
    """
    if model is None:
        first = clients[0] if clients else None
        if not isinstance(first, Device):
            raise UsageError("without a model to train, the clients must be devices")
        model = LogisticRegression(first.features)
    algorithm = FederatedAveraging(
        model,
        local or LocalTraining(),
        participation=Participation(available=available, cohort=min_devices, min_clients=min_devices),
    )
    rounds = list(algorithm.run(clients, num_rounds, seed=int(rng.integers(2**32))))
    weights = rounds[-1][0].weights if rounds else algorithm.initialize().weights
    return TrainingRun(model.with_weights(weights), [metrics for _, metrics in rounds])
