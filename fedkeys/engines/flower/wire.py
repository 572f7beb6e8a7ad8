"""Our bytes in Flower's records.

In: numbers and texts, and messages of our own formats. Out: a `RecordDict`, and back. Laws: bytes go as arrays of
uint8, which Flower cuts into parts and puts together again, whatever their length (bytes in a `ConfigRecord` go as
one part, and too long ones are lost); what does not come as it should is refused, and nothing is unpickled.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict

from fedkeys.errors import FormatError, RefusedError, TakenError, UsageError

TOKEN_SIZE = 16  # of what a phone draws for each delta, and hears its fate by

_FACTS, _BYTES = "fedkeys", "messages"
_STYPE = "fedkeys.bytes"

Fact = bool | int | float | str | bytes
Answering = Callable[[Message, Context], Message]


def carried(messages: Sequence[bytes]) -> ArrayRecord:
    """Put messages into a record, which may be part of many questions: it is then sent once."""
    return ArrayRecord({
        f"{place:06}": Array(dtype="uint8", shape=(len(data),), stype=_STYPE, data=data)
        for place, data in enumerate(messages)
    })  # fmt: skip


def packed(facts: Mapping[str, Fact], messages: ArrayRecord | Sequence[bytes] = ()) -> RecordDict:
    """Put facts and messages into records."""
    record = messages if isinstance(messages, ArrayRecord) else carried(messages)
    return RecordDict({_FACTS: ConfigRecord(dict(facts)), _BYTES: record})


def answering(answer: Answering, failed: Callable[[str], RecordDict | Error]) -> Answering:
    """Have a failure told in a sentence: what Flower would send of an exception may quote what was at hand.

    Args:
        answer: answers a question, or raises.
        failed: makes of the sentence what is answered then.
    """

    def told(message: Message, context: Context) -> Message:
        try:
            return answer(message, context)
        except (FormatError, RefusedError, TakenError, UsageError) as error:
            failure = error.what
            logging.getLogger("fedkeys").warning("%s", error)
        except Exception as error:
            failure = f"{type(error).__name__} on a node, whose log says more"
            logging.getLogger("fedkeys").exception("a question could not be answered")
        return Message(failed(failure), reply_to=message)

    return told


class Said(NamedTuple):
    """What is in a message.

    Attributes:
        facts: numbers and texts.
        messages: of our own formats, in the order in which they were put there.
    """

    facts: Mapping[str, Any]
    messages: Sequence[bytes]

    def whole(self, name: str) -> int:
        """Give a whole number.

        Raises:
            FormatError: there is none, or it is below 0 or not below 2^32.
        """
        found = self.facts.get(name)
        if type(found) is not int or not 0 <= found < 1 << 32:
            raise FormatError(f"a message whose {name!r} is no whole number")
        return found

    def name(self, name: str, size: int) -> bytes:
        """Give a name of so many bytes.

        Raises:
            FormatError: there is none.
        """
        found = self.facts.get(name)
        if not isinstance(found, bytes) or len(found) != size:
            raise FormatError(f"a message whose {name!r} does not have {size} bytes")
        return found


def said_in(message: Message) -> Said:
    """Read a message.

    Raises:
        FormatError: it does not have what every message has.
    """
    facts = message.content.config_records.get(_FACTS)
    found = message.content.array_records.get(_BYTES)
    if facts is None or found is None:
        raise FormatError(f"a message {message.metadata.message_type!r} that is none of fedkeys")
    return Said(dict(facts), [found[name].data for name in sorted(found)])
