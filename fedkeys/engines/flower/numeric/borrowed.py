"""Flower's own strategies, driving our models.

In: the name of a strategy. Out: the same strategy, with what it remembers kept as a `State`. Laws: what becomes of
updates is Flower's alone; it is handed no answer as it came, but vectors of finite numbers of the model's length,
with the samples that their clients had when they were mustered, in the order of places, so that sums do not depend
on who was first; what is not finite in the end changes nothing.

Who is asked, where not all are, is drawn by Flower with a generator that nobody seeds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
from fedkeys.engines.flower.numeric.wire import (
    ARRAYS,
    CONFIG,
    EXAMPLES,
    GENERATOR,
    METRICS,
    figures_written,
    weights_record,
)
from fedkeys.fedavg.answers import Missing
from fedkeys.fedavg.comparison import Tested
from fedkeys.fedavg.gathered import Metrics, is_finite, too_few
from fedkeys.fedavg.models.base import Array
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
        least: fewer answers are not handed over.

    Attributes:
        state, metrics, tested: as of `Averaging`.
    """

    def __init__(self, inner: FedAvg, members: Sequence[Participant], state: State, least: int = 1) -> None:
        self.inner = inner
        self._least = least
        self.members = members
        self.state = state
        self.metrics: Metrics | None = None
        self.tested: Tested | None = None
        self._sent: list[Message] = []
        self._remind()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask those whom the strategy draws; each shuffles by a generator of its own."""
        del grid
        nodes = [member.node for member in self.members]
        self._sent = list(self.inner.configure_train(server_round, arrays, config, _Present(nodes)))
        for message in self._sent:
            place = nodes.index(message.metadata.dst_node_id)
            own = {**message.content.config_records[CONFIG], GENERATOR: seeds(self.state, place)}
            message.content = RecordDict({**message.content, CONFIG: ConfigRecord(own)})
        return self._sent

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Hand over what came, and keep what comes of it."""
        found = by_node(self._sent, replies)
        asked = {message.metadata.dst_node_id for message in self._sent}
        chosen = [member for member in self.members if member.node in asked]
        size, counts, failure = len(self.state.weights), Counter[str](), None
        taken, samples = [], 0
        for at, answer in answers_of([member.node for member in chosen], found):
            member = chosen[at[0]]
            if isinstance(answer, Missing):
                counts[answer.value] += 1
            elif answer.shape != (1, size) or not is_finite(answer):
                counts["refused"] += 1
            else:
                taken.append(_rebuilt(found[member.node], answer[0], member.samples))
                samples += member.samples
        before, figures = self.state, None
        self.state = replace(before, round=before.round + 1)
        if 0 < len(taken) < self._least:
            failure = too_few(len(taken), self._least)
        elif taken:
            try:
                arrays, figures = self.inner.aggregate_train(server_round, taken)
                self.state = self._after(arrays)
            except (AggregationError, InconsistentMessageReplies, ValueError) as error:
                failure = f"Flower's {type(self.inner).__name__} gave up: {error}"
                self._remind()
        self.metrics = Metrics(
            self.state.round,
            True,
            len(self.members),
            len(chosen),
            counts["dropped"],
            counts["late"],
            counts["refused"],
            0 if failure else len(taken),
            0 if failure else samples,
            len(taken) * size * _NUMBER,
            len(chosen) * size * _NUMBER,
            float(np.linalg.norm(self.state.weights - before.weights)),
            failure=failure,
        )
        return weights_record(self.state.weights), figures

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Have all members test."""
        del grid
        nodes = [member.node for member in self.members]
        self._sent = list(self.inner.configure_evaluate(server_round, arrays, config, _Present(nodes)))
        return self._sent

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Average figures as the strategy does; beside them stands what each member reached."""
        found = by_node(self._sent, replies)
        self.tested = tested_of(self.members, found)
        told = []
        for member in self.members:
            if self.tested and member.name in self.tested.clients:
                figures = figures_written(self.tested.clients[member.name])
                told.append(_holding(found[member.node], {METRICS: MetricRecord(figures)}))
        return self.inner.aggregate_evaluate(server_round, told) if told else None

    def summary(self) -> None:
        """Say what the strategy says of itself."""
        self.inner.summary()

    def _after(self, arrays: ArrayRecord | None) -> State:
        """Give the state after a round, with what an adaptive strategy remembers.

        Raises:
            ValueError: it is not finite.
        """
        state, inner = self.state, self.inner
        weights, moments = state.weights, state.moments
        if arrays is not None:
            (array,) = arrays.values()
            weights = array.numpy()
        if isinstance(inner, FedOpt) and inner.m_t and inner.v_t:
            moments = Moments(inner.m_t[_WEIGHTS], inner.v_t[_WEIGHTS])
        if not all(map(is_finite, (weights, *moments))):
            raise ValueError("what it gave is not finite")
        return replace(state, weights=weights, moments=moments)

    def _remind(self) -> None:
        """Have an adaptive strategy remember what the state does."""
        inner, (mean, square) = self.inner, self.state.moments
        if isinstance(inner, FedOpt):
            known = square.any()  # from the first step on none of them is 0
            inner.m_t = {_WEIGHTS: mean} if known else None
            inner.v_t = {_WEIGHTS: square} if known else None


def _rebuilt(reply: Message, weights: Array, samples: int) -> Message:
    """Give an answer as Flower's strategies expect it, with nothing in it that a node merely says."""
    records = {ARRAYS: weights_record(weights), METRICS: MetricRecord({EXAMPLES: samples})}
    return _holding(reply, records)


def _holding(reply: Message, records: Mapping[str, ArrayRecord | MetricRecord]) -> Message:
    """Give an answer another content."""
    reply.content = RecordDict(dict(records))
    return reply


class _Present:
    """What Flower's strategies ask of a grid before they send: who is there. It is who takes part."""

    def __init__(self, nodes: Sequence[int]) -> None:
        self._nodes = nodes

    def get_node_ids(self) -> Sequence[int]:
        """Give their numbers."""
        return self._nodes
