"""The ClientApp: a phone, or a client of federated averaging, as Flower runs it.

In: a question to this node. Out: what the phone says. Laws: its texts stay on its machine; what cannot be done is
answered with one sentence, in which no text is, and the node's own log has the rest.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedkeys.delta import Bounds
from fedkeys.delta.secure import Step
from fedkeys.engines.flower.memory import Memory, base_in, remembered
from fedkeys.engines.flower.node import Node
from fedkeys.engines.flower.numeric import node as numeric
from fedkeys.engines.flower.summed import take_step
from fedkeys.engines.flower.wire import Answering, Said, answering, packed, said_in
from fedkeys.errors import RefusedError
from fedkeys.simulate.steps import STEPS

app = ClientApp()
numeric.register(app)


def _telling(answer: Answering) -> Answering:
    return answering(answer, lambda failure: packed({"failure": failure}))


@app.query("count")
@_telling
def count(message: Message, context: Context) -> Message:
    """Send what is new."""
    with _at_hand(message, context) as (asked, node, memory):
        memory.told(asked.facts)
        if node.masked or memory.member.phone.run is not None:
            raise RefusedError("a phone that is summed up, and sends nothing that can be seen alone")
        type_for(memory, node, asked)
        said = memory.upload(base_in(asked), asked.whole("round")) if memory.has_something else []
    return Message(packed({"token": memory.token}, said), reply_to=message)


def summing(step: Step) -> Answering:
    """Give what answers one step of a sum that nobody sees into."""

    @_telling
    def answer_step(message: Message, context: Context) -> Message:
        with _at_hand(message, context) as (asked, node, memory):
            if step is Step.KEYS:
                memory.told(asked.facts)
                type_for(memory, node, asked)
            said, about = take_step(memory, node, step, asked, context)
        return Message(packed(about, said), reply_to=message)

    return answer_step


for _step in STEPS:
    app.query(_step.name.lower())(summing(_step))


@contextmanager
def _at_hand(message: Message, context: Context) -> Iterator[tuple[Said, Node, Memory]]:
    """Read a question, and have this node's phone for as long as it takes to answer.

    Raises:
        RefusedError: it is of another federation, or asks for more than this node gives.
    """
    asked = said_in(message)
    node, bounds = Node.of(context), bounds_in(asked)
    node.check(asked.facts["federation"], bounds)
    with remembered(node, asked.whole("order"), bounds, asked.whole("rounds")) as memory:
        yield asked, node, memory


def bounds_in(asked: Said) -> Bounds | None:
    """Read the bounds that a question names.

    Raises:
        UsageError: they are none that could be kept.
    """
    found = json.loads(asked.facts["bounds"])
    return Bounds(**{f"max_{name}": value for name, value in found.items()}) if found else None


def type_for(memory: Memory, node: Node, asked: Said) -> None:
    """Have the phone's owner type all there is, or, where the node says so, an even part of it a round."""
    messages, number, rounds = len(node.texts), asked.whole("round"), asked.whole("rounds")
    memory.type_up_to(messages * number // max(1, rounds) if node.spread else messages)
