"""Flower's own strategies, driving our models.

In: the name of a strategy. Out: the same strategy, with what it remembers kept as a `State`. Laws: what becomes of
updates is Flower's alone; what is no vector of finite numbers of the model's length is not handed to it; answers
are handed over in the order of places, so that sums do not depend on who was first.

Who is asked, where not all are, is drawn by Flower with a generator that nobody seeds.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.exception import AggregationError, InconsistentMessageReplies
from flwr.serverapp.strategy import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Krum,
    MultiKrum,
    Strategy,
)
from flwr.serverapp.strategy.fedopt import FedOpt

from fedkeys.engines.flower.numeric.averaging import answers_of, by_node, tested_of
from fedkeys.engines.flower.numeric.muster import Participant
from fedkeys.engines.flower.numeric.settings import NumericPlan
from fedkeys.engines.flower.numeric.wire import CONFIG, GENERATOR, weights_record
from fedkeys.errors import FedkeysError
from fedkeys.fedavg.answers import Missing
from fedkeys.fedavg.comparison import Tested
from fedkeys.fedavg.gathered import Metrics
from fedkeys.fedavg.server import Moments
from fedkeys.fedavg.state import State
from fedkeys.fedavg.training import seeds

_NUMBER = 8  # bytes of a number
_WEIGHTS = "weights"


def strategy_named(plan: NumericPlan, clients: int) -> FedAvg:
    """Give one of Flower's strategies, for so many clients."""
    asked = min(clients, plan.cohort or clients)
    shared: dict[str, Any] = {
        "fraction_train": asked / clients,
        "min_train_nodes": asked,
        "min_evaluate_nodes": clients,
        "min_available_nodes": clients,
    }
    rate = {"eta": plan.server_rate} if plan.server_rate else {}
    match plan.strategy:
        case "fedprox":
            return FedProx(**shared, proximal_mu=plan.task.local.proximal)
        case "fedadam":
            return FedAdam(**shared, **rate)
        case "fedyogi":
            return FedYogi(**shared, **rate)
        case "fedadagrad":
            return FedAdagrad(**shared, **rate)
        case "fedmedian":
            return FedMedian(**shared)
        case "fedtrimmedavg":
            return FedTrimmedAvg(**shared, beta=plan.trimmed)
        case "krum":
            return Krum(**shared, num_malicious_nodes=plan.wrong)
        case "multikrum":
            best = max(1, asked - plan.wrong)
            return MultiKrum(**shared, num_malicious_nodes=plan.wrong, num_nodes_to_select=best)
    return FedAvg(**shared)


class Borrowed(Strategy):
    """One of Flower's strategies, with a state that lasts.

    Args:
        inner: it.
        members: who takes part, in the order of their places.
        state: to go on with; its moments are what an adaptive strategy remembers.

    Attributes:
        state, metrics, tested: as of `Averaging`.
    """

    def __init__(self, inner: FedAvg, members: Sequence[Participant], state: State) -> None:
        self.inner = inner
        self.members = members
        self.state = state
        self.metrics: Metrics | None = None
        self.tested: Tested | None = None
        self._asked: list[int] = []
        if isinstance(inner, FedOpt) and state.round:
            inner.m_t = {_WEIGHTS: state.moments.mean}
            inner.v_t = {_WEIGHTS: state.moments.square}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask those whom the strategy draws; each shuffles by a generator of its own."""
        del grid
        nodes = [member.node for member in self.members]
        messages = list(self.inner.configure_train(server_round, arrays, config, _Present(nodes)))
        chosen = {message.metadata.dst_node_id for message in messages}
        self._asked = [node for node in nodes if node in chosen]
        for message in messages:
            place = nodes.index(message.metadata.dst_node_id)
            own = {**message.content.config_records[CONFIG], GENERATOR: seeds(self.state, place)}
            message.content = RecordDict({**message.content, CONFIG: ConfigRecord(own)})
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Hand over what came, and keep what comes of it.

        Raises:
            FedkeysError: the strategy does not take it.
        """
        found = by_node(replies)
        size = len(self.state.weights)
        taken, dropped, late, refused = [], 0, 0, 0
        for at, answer in answers_of(self._asked, found):
            if isinstance(answer, Missing):
                dropped, late = dropped + (answer is Missing.DROPPED), late + (answer is Missing.LATE)
            elif answer.shape != (1, size) or not np.isfinite(answer).all():
                refused += 1
            else:
                taken.append(found[self._asked[at[0]]])
        sent = len(taken) * size * _NUMBER
        samples = {member.node: member.samples for member in self.members}
        samples_taken = sum(samples[reply.metadata.src_node_id] for reply in taken)
        try:
            arrays, figures = self.inner.aggregate_train(server_round, taken)
        except (AggregationError, InconsistentMessageReplies, ValueError) as error:
            raise FedkeysError(f"Flower's {type(self.inner).__name__} gave up: {error}") from None
        before = self.state
        self.state = self._after(arrays)
        step = self.state.weights - before.weights
        self.metrics = Metrics(
            self.state.round,
            True,
            len(self.members),
            len(self._asked),
            dropped,
            late,
            refused,
            len(taken),
            samples_taken,
            sent,
            len(self._asked) * size * _NUMBER,
            float(np.linalg.norm(step)),
        )
        return weights_record(self.state.weights), figures

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Have all members test."""
        del grid
        nodes = [member.node for member in self.members]
        return list(self.inner.configure_evaluate(server_round, arrays, config, _Present(nodes)))

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Average figures as the strategy does; beside them stands what each member reached."""
        found = by_node(replies)
        self.tested = tested_of(self.members, found)
        told = self.tested.clients if self.tested else {}
        sound = [found[member.node] for member in self.members if member.name in told]
        return self.inner.aggregate_evaluate(server_round, sound)

    def summary(self) -> None:
        """Say what the strategy says of itself."""
        self.inner.summary()

    def _after(self, arrays: ArrayRecord | None) -> State:
        """Give the state after a round, with what an adaptive strategy remembers."""
        state, inner = self.state, self.inner
        weights, moments = state.weights, state.moments
        if arrays is not None:
            (array,) = arrays.values()
            weights = array.numpy()
        if isinstance(inner, FedOpt) and inner.m_t and inner.v_t:
            moments = Moments(inner.m_t[_WEIGHTS], inner.v_t[_WEIGHTS])
        return State(state.seed, state.round + 1, weights, moments, state.control)


class _Present:
    """What Flower's strategies ask of a grid before they send: who is there. It is who takes part."""

    def __init__(self, nodes: Sequence[int]) -> None:
        self._nodes = nodes

    def get_node_ids(self) -> Sequence[int]:
        """Give their numbers."""
        return self._nodes
