"""The checksum at the end of every message, and reading the map in it with suspicion.

In: bytes without a checksum; or bytes from anywhere. Out: sealed bytes; or a map with the expected keys.
Law: no exception but `FormatError` comes out for any bytes.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgpack

from fedkeys.errors import DamagedError, FormatError, VersionError

SEAL_SIZE = 8


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


def unpack_map(data: bytes | memoryview, keys: Sequence[str]) -> dict[str, Any]:
    """Unpack one msgpack map that must have exactly these keys, in this order, and nothing after it.

    Raises:
        FormatError: the bytes are no such map.
    """
    unpacker = msgpack.Unpacker(
        object_pairs_hook=_map, strict_map_key=True, max_buffer_size=max(1, len(data))
    )
    unpacker.feed(data)
    try:
        map_ = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise ValueError("something comes after it")
    except msgpack.OutOfData:
        raise DamagedError(
            f"ends in the middle, after {len(data)} bytes",
            remedy="it was cut short; get it again from where it came from",
        ) from None
    except (ValueError, msgpack.UnpackException) as error:
        raise FormatError(f"not one msgpack map ({type(error).__name__}: {str(error)[:80]})") from None
    if not isinstance(map_, dict) or list(map_) != list(keys):
        raise FormatError(f"not a map with the keys {', '.join(keys)}, in this order")
    return map_


def check_version(header: Mapping[str, Any], version: int, what: str) -> None:
    """Refuse a format newer than `version`.

    Raises:
        VersionError: it is newer.
        FormatError: it is no version at all.
    """
    found = header["version"]
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise FormatError(f"{what} version {found!r} is not a whole number from 1 up")
    if found > version:
        raise VersionError(
            f"{what} version {found} is newer than the {version} that this fedkeys reads",
            remedy="upgrade fedkeys, or have the file written by an older one",
        )


def _map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    map_ = dict(pairs)
    if len(map_) != len(pairs):
        raise ValueError("a key stands twice in one map")
    return map_
