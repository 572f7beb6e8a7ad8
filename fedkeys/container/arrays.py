"""A container of arrays: a header for people and programs, and raw blocks that are read without a copy.

In: a format name, a version, a header map and named arrays. Out: one sealed msgpack array of three:

    [head, body, checksum]

`head` is a map: `format`, `version`, `header`, `arrays` (a list of [name, dtype, length, offset in the
body], the arrays being one-dimensional and little-endian), `payload` (16 bytes of BLAKE2b over the body) and
`pad` (zeros). `body` is a byte string; `pad` is as long as it takes for the body to begin at a multiple of
64 bytes, and so does every array. Law: the body depends on the arrays alone, so equal arrays have equal
payload digests whatever their headers say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from fedkeys.container.sealed import SEAL_SIZE, check_seal, seal, unpack_map
from fedkeys.errors import FormatError

_ALIGNMENT = 64
_HEAD_KEYS = ("format", "version", "header", "arrays", "payload", "pad")
_DTYPES = ("|u1", "<u2", "<u4", "<u8", "<i8", "<f4", "<f8")
_BIN32 = 5  # bytes of the mark and length of a msgpack byte string of up to 4 GiB


@dataclass(frozen=True, slots=True)
class Container:
    """What `unpack_arrays` read.

    Attributes:
        header: the header map, as it was written.
        arrays: read-only views into the bytes.
        payload: 16 bytes, the digest of all arrays.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    payload: bytes


def pack_arrays(
    format_: str, version: int, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Write a container: same values, same bytes."""
    table: list[list[Any]] = []
    body = bytearray()
    for name, array in arrays.items():
        body += bytes(-len(body) % _ALIGNMENT)
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        table.append([name, little.dtype.str, len(little), len(body)])
        body += little.tobytes()
    head = {
        "format": format_,
        "version": version,
        "header": dict(header),
        "arrays": table,
        "payload": blake2b(body, digest_size=16).digest(),
        "pad": b"",
    }
    before_body = 1 + len(msgpack.packb(head)) + _BIN32
    head["pad"] = bytes(-before_body % _ALIGNMENT)
    data = bytearray(b"\x93" + msgpack.packb(head))
    data += b"\xc6" + len(body).to_bytes(4, "big") + body
    data += b"\xc4" + bytes([SEAL_SIZE])
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
    if blake2b(body, digest_size=16).digest() != head["payload"]:
        raise FormatError("the payload digest in the header is not that of the payload")
    header = head["header"]
    if not isinstance(header, dict) or not isinstance(head["arrays"], list):
        raise FormatError("the header is not a map beside a table of arrays")
    arrays = dict(_array(entry, body) for entry in head["arrays"])
    return Container(header, arrays, head["payload"])


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
    except (ValueError, msgpack.UnpackException):
        raise FormatError(f"not a {format_!r}: does not begin as one") from None
    length = int.from_bytes(view[head_end + 1 : head_end + _BIN32], "big")
    body_start, body_end = head_end + _BIN32, head_end + _BIN32 + length
    if bytes(view[head_end : head_end + 1]) != b"\xc6" or body_end + 2 + SEAL_SIZE != len(view):
        raise FormatError(f"not a whole {format_!r}: the body is not as long as the file says")
    return view[head_start:head_end], view[body_start:body_end]


def _array(entry: Any, body: memoryview) -> tuple[str, NDArray[Any]]:
    match entry:
        case [str(name), str(dtype), int(length), int(offset)] if dtype in _DTYPES:
            end = offset + length * np.dtype(dtype).itemsize
            if length < 0 or offset < 0 or end > len(body):
                raise FormatError(f"array {name!r} reaches outside the body")
            return name, np.frombuffer(body[offset:end], dtype)
    raise FormatError(f"the table of arrays has an entry that is none: {str(entry)[:80]}")
