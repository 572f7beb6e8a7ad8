"""A container of arrays: a header for people and programs, and blocks, most of them read without a copy.

In: a format name, a version, a header map and named arrays. Out: one sealed msgpack array of three:

    [head, body, checksum]

`head` is a map: `format`, `version`, `header`, `arrays`, `payload` (16 bytes) and `pad` (zeros). `arrays` is a
list of [name, dtype, length, offset in the body], the arrays being one-dimensional and little-endian; a fifth
entry says of an array that is deflated (RFC 1951, no header) how many bytes it takes in the body. `body` is a
byte string; `pad` is as long as it takes for the body to begin at a multiple of 64 bytes, and so does every
array, right after the one before. `payload` is BLAKE2b over the body as it is with no array deflated. Law: it
depends on the arrays alone, so equal arrays have equal payload digests, whatever their headers say and whatever
deflated them. A container inflates to at most 16 times its size and 64 KiB.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from fedkeys.container.deflated import deflate, inflate
from fedkeys.container.sealed import SEAL_SIZE, check_seal, seal, unpack_map
from fedkeys.errors import FormatError

_ALIGNMENT = 64
_HEAD_KEYS = ("format", "version", "header", "arrays", "payload", "pad")
_DTYPES = ("|u1", "<u2", "<u4", "<u8", "<i8", "<f4", "<f8")
_MOST_INFLATED = 16  # times the size of the file
_ALWAYS_INFLATED = 1 << 16
_BIN32 = 5  # bytes of the mark and length of a msgpack byte string of up to 4 GiB


@dataclass(frozen=True, slots=True)
class Container:
    """What `unpack_arrays` read.

    Attributes:
        version: of the format.
        header: the header map, as it was written.
        arrays: read-only; views into the bytes where they are not deflated.
        payload: 16 bytes, the digest of all arrays.
    """

    version: int
    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    payload: bytes


def pack_arrays(
    format_: str,
    version: int,
    header: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    deflated: Collection[str] = (),
) -> bytes:
    """Write a container: same values, same bytes, as far as zlib is the same.

    Args:
        format_: what it holds.
        version: of that format.
        header: for people and programs.
        arrays: one-dimensional.
        deflated: names of those that are worth it.
    """
    table: list[list[Any]] = []
    body, payload, inflated = bytearray(), _Payload(), 0
    for name, array in arrays.items():
        body += bytes(-len(body) % _ALIGNMENT)
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        block = little.tobytes()
        payload.add(block)
        table.append([name, little.dtype.str, len(little), len(body)])
        if name in deflated:
            inflated += len(block)
            block = deflate(block)
            table[-1].append(len(block))
        body += block
    head = {
        "format": format_,
        "version": version,
        "header": dict(header),
        "arrays": table,
        "payload": payload.digest(),
        "pad": b"",
    }
    before_body = 1 + len(msgpack.packb(head)) + _BIN32
    head["pad"] = bytes(-before_body % _ALIGNMENT)
    data = bytearray(b"\x93" + msgpack.packb(head))
    data += b"\xc6" + len(body).to_bytes(4, "big") + body
    data += b"\xc4" + bytes([SEAL_SIZE])
    if inflated > _room(len(data)):  # far more alike than words and counts are
        return pack_arrays(format_, version, header, arrays)
    return seal(data)


def unpack_arrays(data: bytes | memoryview, format_: str, version: int) -> Container:
    """Read a container of this format, up to this version.

    Raises:
        FormatError, DamagedError, VersionError: the bytes are not one.
    """
    view = memoryview(data)
    head_bytes, body = _split(view, format_)
    head = unpack_map(head_bytes, format_, version, _HEAD_KEYS)
    check_seal(view)
    header = head["header"]
    if not isinstance(header, dict) or not isinstance(head["arrays"], list):
        raise FormatError("the header is not a map beside a table of arrays")
    arrays: dict[str, NDArray[Any]] = {}
    payload, end, room = _Payload(), 0, _room(len(view))
    for entry in head["arrays"]:
        block = _block(entry, len(body), end)
        raw = body[block.offset : block.end]
        if block.deflated:
            room -= block.size
            if room < 0:
                raise FormatError(f"the arrays would inflate to more than {_MOST_INFLATED} times the file")
            raw = memoryview(_inflated(raw, block))
        payload.add(raw)
        arrays[block.name] = np.frombuffer(raw, block.dtype)
        end = block.end
    if end != len(body) or payload.digest() != head["payload"]:
        raise FormatError("the payload digest in the header is not that of the payload")
    return Container(head["version"], header, arrays, head["payload"])


def _room(size: int) -> int:
    """How much may be inflated from a file of some size."""
    return _MOST_INFLATED * size + _ALWAYS_INFLATED


class _Payload:
    """The digest of arrays, each at a multiple of 64 bytes, one after the other."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._size = 0

    def add(self, block: bytes | memoryview) -> None:
        gap = -self._size % _ALIGNMENT
        self._hash.update(bytes(gap))
        self._hash.update(block)
        self._size += gap + len(block)

    def digest(self) -> bytes:
        return self._hash.digest()


class _Block(NamedTuple):
    """Where an array is in the body, and what it is: `size` bytes once it is inflated."""

    name: str
    dtype: np.dtype[Any]
    offset: int
    end: int
    size: int
    deflated: bool


def _split(view: memoryview, format_: str) -> tuple[memoryview, memoryview]:
    """Find the bytes of head and body without unpacking, hence without copying, the body."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(view) or 1)
    unpacker.feed(view[: 1 << 20])
    try:
        if unpacker.read_array_header() != 3:
            raise FormatError(f"not a {format_!r}: not an array of head, body and checksum")
        head_start = unpacker.tell()
        unpacker.skip()
        head_end = unpacker.tell()
    except msgpack.OutOfData:
        raise FormatError(f"not a whole {format_!r}: ends in its head") from None
    except (ValueError, msgpack.UnpackException):
        raise FormatError(f"not a {format_!r}: does not begin as one") from None
    length = int.from_bytes(view[head_end + 1 : head_end + _BIN32], "big")
    body_start, body_end = head_end + _BIN32, head_end + _BIN32 + length
    if bytes(view[head_end : head_end + 1]) != b"\xc6" or body_end + 2 + SEAL_SIZE != len(view):
        raise FormatError(f"not a whole {format_!r}: the body is not as long as the file says")
    return view[head_start:head_end], view[body_start:body_end]


def _block(entry: Any, body: int, after: int) -> _Block:
    """An entry of the table, the array before which ends at `after`, in a body of so many bytes."""
    match entry:
        case [str(name), str(dtype), int(length), int(offset), *stored] if dtype in _DTYPES:
            size = length * np.dtype(dtype).itemsize
            match stored:
                case []:
                    end = offset + size
                case [int(bytes_)]:
                    end = offset + bytes_
                case _:
                    raise FormatError(f"array {name!r} has more in the table than an array has")
            if length < 0 or not offset <= end <= body:
                raise FormatError(f"array {name!r} reaches outside the body")
            if offset != after + -after % _ALIGNMENT:
                raise FormatError(f"array {name!r} does not follow the one before")
            return _Block(name, np.dtype(dtype), offset, end, size, bool(stored))
    raise FormatError(f"the table of arrays has an entry that is none: {str(entry)[:80]}")


def _inflated(deflated: memoryview, block: _Block) -> bytes:
    otherwise = f"array {block.name!r} does not inflate to its {block.size} bytes"
    raw = inflate(deflated, block.size, f"array {block.name!r}", otherwise)
    if len(raw) != block.size:
        raise FormatError(otherwise)
    return raw
