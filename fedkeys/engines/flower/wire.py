"""Our bytes in Flower's records.

In: numbers and texts, and messages of our own formats. Out: a `RecordDict`, and back. Laws: bytes go as arrays of
uint8, which Flower cuts into parts and puts together again, whatever their length (bytes in a `ConfigRecord` go as
one part, and too long ones are lost); what does not come as it should is refused, and nothing is unpickled.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedkeys.errors import FormatError

_FACTS, _BYTES = "fedkeys", "messages"
_STYPE = "fedkeys.bytes"

Fact = bool | int | float | str | bytes


def packed(facts: Mapping[str, Fact], messages: Sequence[bytes] = ()) -> RecordDict:
    """Put facts and messages into records."""
    arrays = {
        f"{place:06}": Array(dtype="uint8", shape=(len(data),), stype=_STYPE, data=data)
        for place, data in enumerate(messages)
    }
    return RecordDict({_FACTS: ConfigRecord(dict(facts)), _BYTES: ArrayRecord(arrays)})


def facts_of(message: Message) -> dict[str, Any]:
    """Give the facts in a message.

    Raises:
        FormatError: it has none.
    """
    records = message.content.config_records
    if _FACTS not in records:
        raise FormatError(f"a message {message.metadata.message_type!r} without the record {_FACTS!r}")
    return dict(records[_FACTS])


def messages_of(message: Message) -> list[bytes]:
    """Give the messages in a message, in the order in which they were put there.

    Raises:
        FormatError: it has no place for any.
    """
    records = message.content.array_records
    if _BYTES not in records:
        raise FormatError(f"a message {message.metadata.message_type!r} without the record {_BYTES!r}")
    found = records[_BYTES]
    return [found[name].data for name in sorted(found)]
