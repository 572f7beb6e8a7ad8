"""The checksum at the end of every message, and reading the map in it with suspicion.

In: bytes without a checksum; or bytes from anywhere. Out: sealed bytes; or a map with the expected keys.
Law: no exception but `FormatError` comes out for any bytes.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgpack

from fedkeys.errors import DamagedError, FormatError, VersionError

SEAL_SIZE = 8

_MOST_KEYS = 1 << 8
_MOST_ITEMS = 1 << 20


def seal(body: bytes | bytearray) -> bytes:
    """Append the checksum: `body` must end where the value of the last msgpack entry, 8 bytes, is due."""
    return bytes(body) + blake2b(body, digest_size=SEAL_SIZE).digest()


def check_seal(data: bytes | memoryview) -> None:
    """Refuse bytes whose last 8 are not the checksum of the others.

    Raises:
        DamagedError: they are not.
    """
    body = memoryview(data)[:-SEAL_SIZE]
    if len(data) <= SEAL_SIZE or blake2b(body, digest_size=SEAL_SIZE).digest() != bytes(data[-SEAL_SIZE:]):
        raise DamagedError(
            f"the checksum of its {len(data)} bytes does not match",
            remedy="it was cut short or changed after it was written; get it again from where it came from",
        )


def unpack_map(data: bytes | memoryview, format_: str, version: int, keys: Sequence[str]) -> dict[str, Any]:
    """Unpack one msgpack map that must be of this format, up to this version, with exactly these keys.

    Args:
        data: one map and nothing after it.
        format_: what its key `format` must say.
        version: the newest `version` that is read.
        keys: all of its keys, in order.

    Raises:
        FormatError: the bytes are no such map (VersionError: it is newer).
    """
    map_ = _unpacked(data, "map")
    if not isinstance(map_, dict) or "format" not in map_ or "version" not in map_:
        raise FormatError(f"not a map that says it is a {format_!r} of some version")
    _check_kind(map_["format"], map_["version"], format_, version)
    if list(map_) != list(keys):
        raise FormatError(f"not a map with the keys {', '.join(keys)}, in this order")
    return map_


def unpack_list(data: bytes | memoryview, format_: str, version: int, names: Sequence[str]) -> dict[str, Any]:
    """Unpack one msgpack array whose first two entries are format and version, and name its entries.

    Args:
        data: one array and nothing after it.
        format_: what its first entry must say.
        version: the newest version that is read.
        names: of all entries, in order.

    Raises:
        FormatError: the bytes are no such array (VersionError: it is newer).
    """
    entries = _unpacked(data, "array")
    if not isinstance(entries, list) or len(entries) < 2:
        raise FormatError(f"not an array that says it is a {format_!r} of some version")
    _check_kind(entries[0], entries[1], format_, version)
    if len(entries) != len(names):
        raise FormatError(f"not an array of {len(names)} entries: {', '.join(names)}")
    return dict(zip(names, entries, strict=True))


def _unpacked(data: bytes | memoryview, what: str) -> Any:
    try:
        return msgpack.unpackb(data, **_LIMITS)
    except (ValueError, msgpack.UnpackException):
        return _carefully_unpacked(data, what)


def _carefully_unpacked(data: bytes | memoryview, what: str) -> Any:
    """Do what `unpackb` does, in twice the time, and say what is wrong with the bytes."""
    unpacker = msgpack.Unpacker(max_buffer_size=max(1, len(data)), **_LIMITS)
    unpacker.feed(data)
    try:
        value = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise ValueError("something comes after it")
    except msgpack.OutOfData:
        raise DamagedError(
            f"ends in the middle, after {len(data)} bytes",
            remedy="it was cut short; get it again from where it came from",
        ) from None
    except (ValueError, msgpack.UnpackException) as error:
        raise FormatError(f"not one msgpack {what} ({type(error).__name__}: {str(error)[:80]})") from None
    return value


def _shown(value: object) -> str:
    """A foreign value for an error message, short and harmless on a terminal."""
    return repr(value)[:40] if isinstance(value, str | int | float | bytes) else type(value).__name__


def _check_kind(format_found: object, found: object, format_: str, version: int) -> None:
    if isinstance(format_found, dict):  # the head of a container
        format_found = format_found.get("format", format_found)
    if format_found != format_:
        raise FormatError(f"holds a {_shown(format_found)}, not a {format_!r}")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise FormatError(f"{format_} version {_shown(found)} is not a whole number from 1 up")
    if found > version:
        raise VersionError(
            f"{format_} version {found} is newer than the {version} that this fedkeys reads",
            remedy="upgrade fedkeys, or have the file written by an older one",
        )


def _map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    map_ = dict(pairs)
    if len(map_) != len(pairs):
        raise ValueError("a key stands twice in one map")
    return map_


_LIMITS: dict[str, Any] = {
    "object_pairs_hook": _map,
    "strict_map_key": True,
    "max_map_len": _MOST_KEYS,
    "max_array_len": _MOST_ITEMS,
}
