"""Federated averaging: `initialize() -> state`, `next(state, clients) -> (state, metrics)`.

In: clients, and how a round goes. Out: weights, round after round, and what each round cost. Laws: pure in its
inputs; with full participation and one full-batch step it is gradient descent on the pooled data; a round that
does not start, or that nobody answers, changes nothing but the number of the next draw; updates are added up as
they come, and held only where the mean must see all; where clients train and how many come at once changes no bit.

McMahan et al. 2017 (AISTATS), "Communication-Efficient Learning of Deep Networks from Decentralized Data",
algorithm 1, with the variations that `FederatedAveraging` names.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.answers import TOGETHER, Answer, Missing, blocks
from fedkeys.fedavg.clients import Client, Device, Member, train_devices
from fedkeys.fedavg.compression import Codec
from fedkeys.fedavg.gathered import Gathered, Metrics, vector_of
from fedkeys.fedavg.local import LocalTraining
from fedkeys.fedavg.means import Mean, MeanRule
from fedkeys.fedavg.models import EstimatorModel, LogisticRegression, Model
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.participation import Participation, Turnout
from fedkeys.fedavg.privacy import GaussianMechanism
from fedkeys.fedavg.secure import SecureMean
from fedkeys.fedavg.server import ServerOptimiser, ServerSGD
from fedkeys.fedavg.state import State


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
        privacy: clip updates and add noise to their sum (DP-FedAvg), every client alike; None without. Clients
            are drawn by themselves with the chance `participation.available`; `epsilon` prices it.
        secure: rounds updates to whole numbers and has them added up, so that the server sees their sum alone; who
            drops out or is late is lost on the way, and where that are too many a round changes nothing.
    """

    model: Model
    local: LocalTraining = field(default_factory=LocalTraining)
    mean: MeanRule = field(default_factory=Mean)
    server: ServerOptimiser = field(default_factory=ServerSGD)
    scaffold: bool = False
    participation: Participation = field(default_factory=Participation)
    codec: Codec | None = None
    privacy: GaussianMechanism | None = None
    secure: SecureMean | None = None

    def __post_init__(self) -> None:
        if self.privacy is not None and (
            self.scaffold
            or not isinstance(self.mean, Mean)
            or self.participation.cohort is not None
            or self.participation.min_clients > 1
        ):
            raise UsageError(
                "differential privacy is priced for the plain mean of clients that are each drawn by themselves",
                remedy="leave out scaffold, robust means, cohort and min_clients; choose participation.available",
            )
        if self.secure is not None and (
            self.scaffold
            or not isinstance(self.mean, Mean)
            or self.codec is not None
            or self.privacy is not None
        ):
            raise UsageError(
                "of a sum that nobody sees into comes the plain mean of updates that it rounds itself",
                remedy="leave out scaffold, robust means, codec and privacy",
            )
        if isinstance(self.model, EstimatorModel) and (
            self.scaffold
            or self.local.proximal
            or self.local.schedule != "constant"
            or self.local.learning_rate != LocalTraining().learning_rate
        ):
            raise UsageError(
                f"{type(self.model.estimator).__name__} steps by itself",
                remedy="give the estimator its rate; FedProx, SCAFFOLD and schedules need a model with a gradient",
            )

    def initialize(self, seed: int = 0) -> State:
        """The state before the first round."""
        weights = self.model.initial(np.random.default_rng([seed, 0]))
        clip = 0.0 if self.privacy is None else self.privacy.clip
        size = len(weights)
        return State(seed, 0, weights, self.server.start(size), np.zeros(size), clip=clip)

    def next(self, state: State, clients: Sequence[Client]) -> tuple[State, Metrics]:
        """One round: give the state after it, and what happened.

        A round that does not start, or in which nobody answers in time, leaves weights and all memory as they
        are; only its number is used up, so that the next one draws anew. Under differential privacy every round
        takes place: one that nobody answers is noise alone, since its absence would tell.

        Raises:
            UsageError: two clients have one name; the state is of another algorithm; a client's data or labels
                are not what the model takes; a client has no name of its own where the state remembers it; or
                fewer clients can be asked than the mean takes.
        """
        turnout = self.asked(state, clients)
        generators = _Generators(state, turnout.answering, {})
        chosen = [clients[at] for at in turnout.answering]
        answers = self._trained(state, chosen, generators)
        return self._put_together(state, clients, turnout, answers, generators)

    def asked(self, state: State, clients: Sequence[Member]) -> Turnout:
        """Give who is asked in the round after a state; the same state and clients give the same.

        Raises:
            UsageError: as of `next`.
        """
        return self._drawn(state, clients)[0]

    def put_together(
        self, state: State, clients: Sequence[Member], turnout: Turnout, answers: Iterable[Answer]
    ) -> tuple[State, Metrics]:
        """Finish a round whose clients train elsewhere, each with the generator that `seeds` begins.

        In the order of places it gives the bytes that `next` gives, however answers are grouped. Whoever is in no
        answer counts as dropped.

        Args:
            state: that the round began with.
            clients: who could take part.
            turnout: who was asked, as `asked` said.
            answers: what came.

        Raises:
            UsageError: as of `next`; updates are encoded, which is for who trains them; or of a client that
                was not asked, or has answered before.
        """
        if self.codec is not None or self.secure is not None:
            raise UsageError(
                "updates that were trained elsewhere come as they are", remedy="leave out codec and secure"
            )
        generators = _Generators(state, turnout.answering, {})
        return self._put_together(state, clients, turnout, answers, generators)

    def correction(self, state: State, client: Member) -> Array | None:
        """Give what SCAFFOLD adds to each gradient of a client: float[P]; None without it."""
        return state.control - vector_of(state.controls, client, state) if self.scaffold else None

    def epsilon(self, rounds: int, dp_delta: float) -> float:
        """Price some rounds: epsilon of (epsilon, delta)-differential privacy for one client's whole data.

        Every client is drawn by itself with the chance `participation.available`; dropping out or being late
        only lowers that, so the price holds with them too.

        Raises:
            UsageError: there is no privacy to price, or dp-accounting is not installed.
        """
        if self.privacy is None:
            raise UsageError("nothing bounds what a round tells", remedy="give the algorithm a privacy")
        return self.privacy.epsilon(rounds, self.participation.available, dp_delta)

    def run(self, clients: Sequence[Client], rounds: int, seed: int = 0) -> Iterator[tuple[State, Metrics]]:
        """Give state and metrics after each of some rounds; a round that does not start counts as one."""
        state = self.initialize(seed)
        for _ in range(rounds):
            state, metrics = self.next(state, clients)
            yield state, metrics

    def _drawn(self, state: State, clients: Sequence[Member]) -> tuple[Turnout, np.random.Generator]:
        """Draw a turnout; the generator goes on to draw the round's noise."""
        self._check(state, clients)
        rng = np.random.default_rng([state.seed, 1, state.round])
        return self.participation.draw(clients, self.local.epochs, rng), rng

    def _put_together(
        self,
        state: State,
        clients: Sequence[Member],
        turnout: Turnout,
        answers: Iterable[Answer],
        generators: "_Generators",
    ) -> tuple[State, Metrics]:
        _, rng = self._drawn(state, clients)
        started = self.privacy is not None or turnout.available >= self.participation.min_clients
        metrics = Metrics(
            state.round + 1,
            started,
            turnout.available,
            turnout.selected,
            turnout.dropped,
            turnout.late,
            clip=state.clip,
        )
        gathered = Gathered(self, state, metrics)
        unheard = set(range(len(turnout.answering)))
        for places, trained in blocks(answers, len(state.weights)):
            if len(unheard) - len(unheard - set(places)) != len(places):
                raise UsageError("an answer of a client that was not asked, or has answered before")
            unheard -= set(places)
            if trained is None:
                gathered.refuse(len(places))
            elif isinstance(trained, Missing):
                gathered.miss(len(places), trained is Missing.LATE)
            else:
                takers = [clients[turnout.answering[at]] for at in places]
                gathered.take(takers, generators.of(places), trained)
        gathered.miss(len(unheard), late=False)
        return gathered.finish(len(clients), rng)

    def _trained(self, state: State, chosen: Sequence[Client], rngs: "_Generators") -> Iterator[Answer]:
        """Train the clients, devices of one shape together."""
        start = state.weights.copy()
        start.setflags(write=False)
        for members in _together(chosen):
            corrections = None
            if self.scaffold:
                corrections = np.stack(
                    [state.control - vector_of(state.controls, chosen[at], state) for at in members]
                )
            devices = [client for at in members if isinstance(client := chosen[at], Device)]
            own_rngs = rngs.of(members)
            arguments = (self.model, start, self.local, state.round)
            if len(devices) == len(members):
                yield members, train_devices(devices, *arguments, own_rngs, corrections)
            else:
                correction = None if corrections is None else corrections[0]
                own = chosen[members[0]].train(*arguments, own_rngs[0], correction)
                yield members, _array_of(own)[None]

    def _check(self, state: State, clients: Sequence[Member]) -> None:
        if len({client.name for client in clients}) != len(clients):
            raise UsageError("two clients have the same name", remedy="give each Device or Hospital its own")
        if len(state.weights) != self.model.size or (self.privacy is not None and not state.clip > 0):
            raise UsageError(
                "the state is of another algorithm", remedy="begin with initialize() of this algorithm"
            )
        most = min(len(clients), self.participation.cohort or len(clients))
        if 0 < most < self.mean.least:
            raise UsageError(
                f"{most} clients can be asked, where {type(self.mean).__name__} takes {self.mean.least} updates",
                remedy="have more clients, or survive fewer wrong ones",
            )
        remembers = self.scaffold or (self.codec is not None and self.codec.feeds_back)
        if remembers and any(isinstance(client, Device) and not client.named for client in clients):
            raise UsageError(
                "what SCAFFOLD and error feedback remember of a client is kept under its name",
                remedy="give each Device a name",
            )


def seeds(state: State, place: int) -> list[int]:
    """Give what the generator of a client in the round after a state begins with.

    Args:
        state: that the round begins with.
        place: of the client among all.
    """
    return [state.seed, 2, state.round, place]


class _Generators(Sequence[np.random.Generator]):
    """A generator for each client, made when it is asked for: rounds of full batches draw nothing."""

    def __init__(self, state: State, places: Sequence[int], made: dict[int, np.random.Generator]) -> None:
        self._state = state
        self._places = places
        self._made = made

    def of(self, members: Sequence[int]) -> "_Generators":
        """Those of some of the clients."""
        return _Generators(self._state, [self._places[at] for at in members], self._made)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, at: int) -> np.random.Generator:  # type: ignore[override]
        place = self._places[at]
        if place not in self._made:
            self._made[place] = np.random.default_rng(seeds(self._state, place))
        return self._made[place]


def _array_of(answer: object) -> Array:
    """What a client of any kind gave, as an array; an empty one if it is none."""
    try:
        return np.asarray(answer)
    except ValueError:
        return np.zeros(0)


def _together(clients: Sequence[Client]) -> Iterator[list[int]]:
    """Cut clients into runs that are trained in one go: devices of one shape, as many as fit a cache."""
    run: list[int] = []
    for at, client in enumerate(clients):
        last = clients[run[-1]] if run else None
        fits = (
            isinstance(client, Device)
            and isinstance(last, Device)
            and client.shape == last.shape
            and (len(run) + 1) * client.samples * client.features <= TOGETHER
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
