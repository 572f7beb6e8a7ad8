"""The ClientApp: a phone, as Flower runs it.

In: a question to this node. Out: what the phone says. Laws: its texts stay on its machine; what cannot be done is
answered with one sentence, in which no text is.
"""

import json
from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedkeys.counts import Vocabulary
from fedkeys.delta import Bounds
from fedkeys.engines.flower.memory import Memory, remembered
from fedkeys.engines.flower.node import Node
from fedkeys.engines.flower.wire import facts_of, messages_of, packed
from fedkeys.errors import FedkeysError
from fedkeys.model import Model

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


def bounds_of(said: str) -> Bounds | None:
    """Read bounds as a question says them."""
    found = json.loads(said)
    return Bounds(**{f"max_{name}": value for name, value in found.items()}) if found else None


def base_in(message: Message) -> Vocabulary | None:
    """Give the words of the last model, which a question brings if there is one."""
    models = messages_of(message)
    return Model.from_bytes(models[0]).vocabulary if models else None


def type_for(memory: Memory, messages: int, number: int, rounds: int, spread: bool) -> None:
    """Have the phone's owner type what belongs to a round: all there is, or an even part of it."""
    memory.type_up_to(messages * number // rounds if spread else messages)
