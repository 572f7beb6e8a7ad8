"""One question to many nodes, and their answers as they come.

In: a record for each node. Out: replies, one after the other. Laws: what comes past the deadline is not given; a
node that failed is told apart from one that did not answer; no more replies are held than come at once.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeVar

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedkeys.delta.secure import MOST_NUMBERS
from fedkeys.delta.signed import MAX_MESSAGE_BYTES
from fedkeys.engines.flower.accounts import LONGEST_FAILURE
from fedkeys.engines.flower.wire import Said, said_in
from fedkeys.errors import FedkeysError, FormatError

# Seconds between two looks, a tenth of the time that has been waited; Flower's own `send_and_receive` waits 3.
_PAUSE, _LEAST_PAUSE = 0.3, 0.01
_MOST_BYTES = max(MAX_MESSAGE_BYTES, 4 * MOST_NUMBERS + (1 << 16))  # a delta, or a vector under masks
_MOST_MESSAGES = 1 << 12  # all deltas of a phone, which a bounded one shows again
_PUSHED_TOGETHER = 256  # messages: what they have in common goes once

_Item = TypeVar("_Item")


class Reply(NamedTuple):
    """What one node answered.

    Attributes:
        node: which.
        seconds: since it was asked.
        message: its answer; None if it failed.
        failure: why it failed; None if it did not.
    """

    node: int
    seconds: float
    message: Message | None
    failure: str | None

    def read(self) -> Said:
        """Read the answer.

        Raises:
            FedkeysError: the node failed, says that it cannot do what was asked, or what it says is unsound.
        """
        if self.message is None:
            raise FedkeysError(self.failure or "a node failed")
        said = said_in(self.message)
        longest = max(map(len, said.messages), default=0)
        if longest > _MOST_BYTES or len(said.messages) > _MOST_MESSAGES:
            raise FormatError(
                f"a node sent {len(said.messages):,} messages of up to {longest:,} bytes, "
                f"where {_MOST_MESSAGES:,} of {_MOST_BYTES:,} are taken"
            )
        if "failure" in said.facts:
            raise FedkeysError(str(said.facts["failure"])[:LONGEST_FAILURE])
        return said


def exchange(
    grid: Grid, kind: str, records: Mapping[int, RecordDict], group: str, seconds: float
) -> Iterator[Reply]:
    """Ask nodes, and give what they answer in time.

    Args:
        grid: the way to the nodes.
        kind: of message, such as "query.count".
        records: what each node is asked.
        group: to which the messages belong, such as the number of a round.
        seconds: to wait, at the most.
    """
    messages = (
        Message(record, dst_node_id=node, message_type=kind, group_id=group)
        for node, record in records.items()
    )
    for message, took, reply in replies(grid, messages, seconds):
        node = message.metadata.dst_node_id
        if reply is None:
            yield Reply(node, took, None, "the message could not be sent")
        elif reply.has_error():
            yield Reply(node, took, None, failure_in(reply)[:LONGEST_FAILURE])
        else:
            yield Reply(node, took, reply, None)


def replies(
    grid: Grid, messages: Iterable[Message], seconds: float
) -> Iterator[tuple[Message, float, Message | None]]:
    """Send messages, and give each with what is replied in time, and after how many seconds.

    Args:
        grid: the way to the nodes.
        messages: they live as long as they are waited for. Of one that cannot be sent there is no reply.
        seconds: to wait, at the most.
    """
    began = time.monotonic()
    asked: dict[str, Message] = {}
    for some in batched(messages, _PUSHED_TOGETHER):
        for message in some:
            message.metadata.ttl = seconds
        for message, id_ in zip(some, grid.push_messages(some), strict=True):
            if id_:
                asked[id_] = message
            else:
                yield message, 0.0, None
    while asked:
        for reply in grid.pull_messages(list(asked)):
            if reply.metadata.reply_to_message_id in asked:
                yield asked.pop(reply.metadata.reply_to_message_id), time.monotonic() - began, reply
        took = time.monotonic() - began
        if not asked or took > seconds:
            return
        time.sleep(min(_PAUSE, max(_LEAST_PAUSE, took / 10)))


def failure_in(reply: Message) -> str:
    """Give why a node has failed, as Flower says it."""
    return reply.error.reason or f"error {reply.error.code}"


def nodes_there(grid: Grid, least: int, seconds: float) -> list[int]:
    """Wait until there are enough nodes, or it has taken too long; give those that are there, in order."""
    end = time.monotonic() + seconds
    while True:
        nodes = sorted(grid.get_node_ids())
        if len(nodes) >= least or time.monotonic() > end:
            return nodes
        time.sleep(_PAUSE)


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Give items, so many at a time (itertools has this from Python 3.12)."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
