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
from fedkeys.engines.flower.wire import Said, said_in
from fedkeys.errors import FedkeysError, FormatError

_PAUSE = 0.3  # seconds between two looks for replies; Flower's own `send_and_receive` waits 3
_MOST_BYTES = max(MAX_MESSAGE_BYTES, 4 * MOST_NUMBERS + (1 << 16))  # a delta, or a vector under masks
_MOST_MESSAGES = 1 << 12  # all deltas of a phone, which a bounded one shows again
_LONGEST_FAILURE = 500  # characters of what a node says of one
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
            raise FedkeysError(str(said.facts["failure"])[:_LONGEST_FAILURE])
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
    began = time.monotonic()
    asked: dict[str, int] = {}
    for nodes in batched(records, _PUSHED_TOGETHER):
        messages = [
            Message(records[node], dst_node_id=node, message_type=kind, group_id=group, ttl=seconds)
            for node in nodes
        ]
        for node, id_ in zip(nodes, grid.push_messages(messages), strict=True):
            if id_:
                asked[id_] = node
            else:
                yield Reply(node, 0.0, None, "the message could not be sent")
    while asked:
        for reply in grid.pull_messages(list(asked)):
            took = time.monotonic() - began
            if reply.metadata.reply_to_message_id not in asked:
                continue
            node = asked.pop(reply.metadata.reply_to_message_id)
            if reply.has_error():
                reason = reply.error.reason or f"error {reply.error.code}"
                yield Reply(node, took, None, reason[:_LONGEST_FAILURE])
            else:
                yield Reply(node, took, reply, None)
        if not asked or time.monotonic() - began > seconds:
            return
        time.sleep(_PAUSE)


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Give items, so many at a time (itertools has this from Python 3.12)."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
