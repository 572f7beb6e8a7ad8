"""The ClientApp: a phone, as Flower runs it.

In: a question to this node. Out: what the phone says. Laws: its texts stay on its machine; what cannot be done is
answered with one sentence, in which no text is.
"""

import json
from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedkeys.delta import Bounds
from fedkeys.delta.secure import Step
from fedkeys.engines.flower.memory import Memory, base_in, remembered
from fedkeys.engines.flower.node import Node
from fedkeys.engines.flower.summed import take_step
from fedkeys.engines.flower.wire import facts_of, packed
from fedkeys.errors import FedkeysError
from fedkeys.simulate.steps import STEPS

app = ClientApp()

Answering = Callable[[Message, Context], Message]


def answering(answer: Answering) -> Answering:
    """Have a failure told in a sentence, instead of a traceback with what was at hand."""

    def told(message: Message, context: Context) -> Message:
        try:
            return answer(message, context)
        except FedkeysError as error:
            return Message(packed({"failure": error.what}), reply_to=message)

    return told


@app.query("count")
@answering
def count(message: Message, context: Context) -> Message:
    """Send what is new."""
    facts = facts_of(message)
    node = Node.of(context)
    bounds = bounds_of(facts["bounds"])
    node.check(facts["federation"], bounds)
    base = base_in(message)
    with remembered(node, facts["order"], bounds, facts["rounds"]) as memory:
        memory.told(facts)
        type_for(memory, len(node.texts), facts["round"], facts["rounds"], facts["spread"])
        phone = memory.member.phone
        said = memory.upload(base, facts["round"]) if phone.may_send else []
    return Message(packed({"sequence": phone.sequence}, said), reply_to=message)


@app.query("answer")
@answering
def answer(message: Message, context: Context) -> Message:
    """Hear what became of what was sent."""
    facts = facts_of(message)
    node = Node.of(context)
    with remembered(node, facts["order"], bounds_of(facts["bounds"]), facts["rounds"]) as memory:
        memory.told(facts)
    return Message(packed({}), reply_to=message)


def summing(step: Step) -> Answering:
    """Give what answers one step of a sum that nobody sees into."""

    @answering
    def answer_step(message: Message, context: Context) -> Message:
        facts = facts_of(message)
        node = Node.of(context)
        bounds = bounds_of(facts["bounds"])
        node.check(facts["federation"], bounds)
        with remembered(node, facts["order"], bounds, facts["rounds"]) as memory:
            if step is Step.KEYS:
                memory.told(facts)
                type_for(memory, len(node.texts), facts["round"], facts["rounds"], facts["spread"])
            said, about = take_step(memory, node, step, message, facts, context)
            memory.save()  # that shares were given away is written down before they are
        return Message(packed(about, said), reply_to=message)

    return answer_step


for _step in STEPS:
    app.query(_step.name.lower())(summing(_step))


def bounds_of(said: str) -> Bounds | None:
    """Read bounds as a question says them."""
    found = json.loads(said)
    return Bounds(**{f"max_{name}": value for name, value in found.items()}) if found else None


def type_for(memory: Memory, messages: int, number: int, rounds: int, spread: bool) -> None:
    """Have the phone's owner type what belongs to a round: all there is, or an even part of it."""
    memory.type_up_to(messages * number // rounds if spread else messages)
