"""Messages out of files: one a file, or a log of many, one after the other.

In: a binary stream. Out: each message's bytes and where it begins. Laws: at most one message and one block of the
stream are held; a message that is no sound delta does not keep the ones after it out, as long as it is one whole
msgpack object; where that ends cannot be told, the rest of the stream is given up, with its place.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import msgpack

from fedkeys.delta.signed import MAX_MESSAGE_BYTES
from fedkeys.errors import FormatError

_BLOCK = 1 << 16


class Message(NamedTuple):
    """One message of a stream.

    Attributes:
        start: the place of its first byte, from 0.
        data: its bytes.
    """

    start: int
    data: bytes


def messages(stream: BinaryIO) -> Iterator[Message]:
    """Cut a stream of concatenated deltas into messages.

    Raises:
        FormatError: what begins at the place named is no msgpack object of at most `MAX_MESSAGE_BYTES`.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_MESSAGE_BYTES + 2 * _BLOCK)
    held, start = bytearray(), 0
    while block := stream.read(_BLOCK):
        held += block
        unpacker.feed(block)
        while True:
            try:
                unpacker.skip()
            except msgpack.OutOfData:
                break
            except (ValueError, msgpack.UnpackException) as error:
                raise _lost(
                    start, f"what begins there is no msgpack object ({type(error).__name__})"
                ) from None
            length = unpacker.tell() - start
            yield Message(start, bytes(held[:length]))
            del held[:length]
            start += length
        if len(held) > MAX_MESSAGE_BYTES:
            raise _lost(start, f"a message of more than the {MAX_MESSAGE_BYTES:,} bytes that are read")
    if held:
        raise _lost(start, f"it ends in the middle of a message, {len(held)} bytes into it")


def _lost(start: int, why: str) -> FormatError:
    return FormatError(
        f"{why}, so nothing from there on was read",
        place=f"byte {start}",
        remedy="the messages before it count",
    )
