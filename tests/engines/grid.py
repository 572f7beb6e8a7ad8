"""A grid without a network: the ClientApp answers in this process, once for each node."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

Fault = Callable[[int, str], str | None]


class InProcessGrid(Grid):
    """Nodes that are there, each with its settings.

    Attributes:
        app: what answers.
        instead: node -> what it answers, instead of what the app would.

    Args:
        app: what answers.
        nodes: node -> its settings.
        fault: asked before a node answers, with its number and the kind of message: "asked" for a question that is
            lost, "answered" for an answer that is lost, "failed" for a node that fails; None if all is well.
    """

    def __init__(
        self, app: ClientApp, nodes: Mapping[int, Mapping[str, Any]], fault: Fault = lambda *_: None
    ) -> None:
        self.contexts = {
            node: Context(
                run_id=1, node_id=node, node_config=dict(settings), state=RecordDict(), run_config={}
            )
            for node, settings in nodes.items()
        }
        self.fault = fault
        self.kinds: list[tuple[str, int]] = []  # of messages, and to whom
        self.asked: dict[str, Message] = {}  # kind -> the last message of it
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1  # what Flower's process has
        self.instead: dict[int, Callable[[Message], Message]] = {}
        self.app = app
        self._replies: dict[str, Message] = {}

    def restart(self, node: int) -> None:
        """Forget what is in a node's memory, as a node that was killed does."""
        self.contexts[node].state = RecordDict()

    def get_node_ids(self) -> Iterable[int]:
        return list(self.contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = message.object_id
            ids.append(message.metadata.message_id)
            node, kind = message.metadata.dst_node_id, message.metadata.message_type
            self.kinds.append((kind, node))
            self.asked[kind] = message
            fault = self.fault(node, kind)
            if fault == "asked":
                continue
            reply = self._answer(message, node, fault)
            if fault != "answered":
                self._replies[message.metadata.message_id] = reply
        return ids

    def _answer(self, message: Message, node: int, fault: str | None) -> Message:
        if fault == "failed":
            return Message(Error(code=2, reason="the app raised"), reply_to=message)
        if node in self.instead:
            return self.instead[node](message)
        return self.app(message, self.contexts[node])

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [self._replies.pop(id_) for id_ in list(message_ids) if id_ in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        del timeout
        return self.pull_messages(self.push_messages(messages))

    def set_run(self, run: Any) -> None: ...

    @property
    def run(self) -> Any: ...

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise NotImplementedError
