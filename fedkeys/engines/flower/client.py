"""The ClientApp: a phone, or a client of federated averaging, as Flower runs it.

In: a question to this node. Out: what the phone says. Laws: its texts stay on its machine; what cannot be done is
answered with one sentence, in which no text is, and the node's own log has the rest.
"""

import json
import logging
from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedkeys.delta import Bounds
from fedkeys.delta.secure import Step
from fedkeys.engines.flower.memory import Memory, base_in, remembered
from fedkeys.engines.flower.node import Node
from fedkeys.engines.flower.numeric import node as numeric
from fedkeys.engines.flower.summed import take_step
from fedkeys.engines.flower.wire import Said, packed, said_in
from fedkeys.errors import FormatError, RefusedError, TakenError, UsageError
from fedkeys.simulate.steps import STEPS

app = ClientApp()
numeric.register(app)

Answering = Callable[[Message, Context], Message]


def answering(answer: Answering) -> Answering:
    """Have a failure told in a sentence: what Flower would send of an exception may quote what was at hand."""

    def told(message: Message, context: Context) -> Message:
        try:
            return answer(message, context)
        except (FormatError, RefusedError, TakenError, UsageError) as error:
            failure = error.what
            logging.getLogger("fedkeys").warning("%s", error)
        except Exception as error:
            failure = f"{type(error).__name__} on a node, whose log says more"
            logging.getLogger("fedkeys").exception("a question could not be answered")
        return Message(packed({"failure": failure}), reply_to=message)

    return told


@app.query("count")
@answering
def count(message: Message, context: Context) -> Message:
    """Send what is new."""
    asked = said_in(message)
    node, bounds = Node.of(context), bounds_in(asked)
    node.check(asked.facts["federation"], bounds)
    with remembered(node, asked.whole("order"), bounds, asked.whole("rounds")) as memory:
        memory.told(asked.facts)
        if node.masked or memory.member.phone.run is not None:
            raise RefusedError("a phone that is summed up, and sends nothing that can be seen alone")
        type_for(memory, node, asked)
        said = memory.upload(base_in(asked), asked.whole("round")) if memory.has_something else []
    return Message(packed({"token": memory.token}, said), reply_to=message)


def summing(step: Step) -> Answering:
    """Give what answers one step of a sum that nobody sees into."""

    @answering
    def answer_step(message: Message, context: Context) -> Message:
        asked = said_in(message)
        node, bounds = Node.of(context), bounds_in(asked)
        node.check(asked.facts["federation"], bounds)
        with remembered(node, asked.whole("order"), bounds, asked.whole("rounds")) as memory:
            if step is Step.KEYS:
                memory.told(asked.facts)
                type_for(memory, node, asked)
            said, about = take_step(memory, node, step, asked, context)
        return Message(packed(about, said), reply_to=message)

    return answer_step


for _step in STEPS:
    app.query(_step.name.lower())(summing(_step))


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
