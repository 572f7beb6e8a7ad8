"""`Averaging`: federated averaging as this project does it, as one of Flower's strategies.

In: members, an algorithm, a state. Out: messages to nodes, and the next state. Laws: the state is what
`FederatedAveraging.next` gives, byte for byte, if all that are asked answer; a node that fails counts as dropped,
one that does not answer in time as late, and an answer that is no vector of the model's length is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedkeys.engines.flower.numeric.muster import Participant
from fedkeys.engines.flower.numeric.wire import (
    ARRAYS,
    CONFIG,
    CORRECTION,
    GENERATOR,
    ROUND,
    figures_in,
    weights_in,
    weights_record,
)
from fedkeys.errors import FormatError, UsageError
from fedkeys.fedavg.answers import Answer, Missing
from fedkeys.fedavg.comparison import Tested
from fedkeys.fedavg.gathered import Metrics
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.state import State
from fedkeys.fedavg.training import FederatedAveraging, seeds


class Averaging(Strategy):
    """Our algorithms, driven by Flower: `Averaging(...).start(grid, ...)`, or round by round.

    The weights that are trained are those of the state, whatever arrays Flower hands over; they are the same after
    the first round.

    Args:
        algorithm: without codec and without sums under masks, which are for who trains.
        members: who takes part, in the order of their places.
        state: to go on with.

    Attributes:
        state: after the last round.
        metrics: of the last round; None before the first.
        tested: how the members did in the last test; None before one.

    Raises:
        UsageError: the algorithm has a codec, or sums under masks.
    """

    def __init__(self, algorithm: FederatedAveraging, members: Sequence[Participant], state: State) -> None:
        if algorithm.codec is not None or algorithm.secure is not None:
            raise UsageError(
                "updates travel over Flower as they are", remedy="leave out codec and sums under masks"
            )
        self.algorithm = algorithm
        self.members = members
        self.state = state
        self.metrics: Metrics | None = None
        self.tested: Tested | None = None
        self._sent: list[Message] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask those whom the algorithm draws."""
        del server_round, arrays, grid
        weights = weights_record(self.state.weights)
        turnout = self.algorithm.asked(self.state, self.members)
        self._sent = []
        for place in turnout.answering:
            member = self.members[place]
            own = {**config, ROUND: self.state.round + 1, GENERATOR: seeds(self.state, place)}
            records: dict[str, Any] = {ARRAYS: weights, CONFIG: ConfigRecord(own)}
            correction = self.algorithm.correction(self.state, member)
            if correction is not None:
                records[CORRECTION] = weights_record(correction)
            self._sent.append(
                Message(RecordDict(records), dst_node_id=member.node, message_type=MessageType.TRAIN)
            )
            yield self._sent[-1]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Put together what came, in the order of places."""
        del server_round
        turnout = self.algorithm.asked(self.state, self.members)
        nodes = [self.members[place].node for place in turnout.answering]
        found = by_node(self._sent, replies)
        self.state, self.metrics = self.algorithm.put_together(
            self.state, self.members, turnout, answers_of(nodes, found)
        )
        return weights_record(self.state.weights), metric_record(self.metrics)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Have all members test."""
        del arrays, grid
        content = RecordDict(
            {
                ARRAYS: weights_record(self.state.weights),
                CONFIG: ConfigRecord({**config, ROUND: server_round}),
            }
        )
        self._sent = []
        for member in self.members:
            self._sent.append(Message(content, dst_node_id=member.node, message_type=MessageType.EVALUATE))
            yield self._sent[-1]

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Average figures over members, each counting alike."""
        del server_round
        self.tested = tested_of(self.members, by_node(self._sent, replies))
        if self.tested is None:
            return None
        return MetricRecord(
            {
                "accuracy": self.tested.accuracy,
                "balanced-accuracy": self.tested.balanced_accuracy,
                "auc": self.tested.auc,
            }
        )

    def summary(self) -> None:
        """Say nothing: what is trained, and how, stands in the settings."""


def by_node(sent: Iterable[Message], replies: Iterable[Message]) -> dict[int, Message]:
    """Sort replies by who was asked; of two to one question the first counts.

    Of a node that is gone Flower's server replies itself, so who sent a reply does not say whose it is.
    """
    asked = {message.metadata.message_id: message.metadata.dst_node_id for message in sent}
    found: dict[int, Message] = {}
    for reply in replies:
        if (node := asked.get(reply.metadata.reply_to_message_id)) is not None:
            found.setdefault(node, reply)
    return found


def answers_of(nodes: Sequence[int], replies: Mapping[int, Message]) -> Iterator[Answer]:
    """Give what each of some nodes answered, in their order."""
    for at, node in enumerate(nodes):
        reply = replies.get(node)
        if reply is None:
            yield [at], Missing.LATE
        elif reply.has_error():
            yield [at], Missing.DROPPED
        else:
            yield [at], _weights(reply)[None]


def tested_of(members: Sequence[Participant], replies: Mapping[int, Message]) -> Tested | None:
    """Give what members reached in a test, as far as they say; None if nobody does."""
    found = {}
    for member in members:
        reply = replies.get(member.node)
        if reply is None or reply.has_error():
            continue
        try:
            found[member.name] = figures_in(reply)
        except FormatError:
            continue
    return Tested.of(found) if found else None


def metric_record(metrics: Metrics) -> MetricRecord:
    """Give what happened in a round as Flower writes figures."""
    return MetricRecord(
        {
            "selected": metrics.selected,
            "averaged": metrics.averaged,
            "dropped": metrics.dropped,
            "late": metrics.late,
            "refused": metrics.refused,
            "samples": metrics.samples,
            "update-norm": metrics.update_norm,
        }
    )


def _weights(reply: Message) -> Array:
    """The weights in an answer; an empty array if there are none, which is refused where it arrives."""
    try:
        return weights_in(reply)
    except FormatError:
        return np.zeros(0)
