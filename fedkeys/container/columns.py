"""Columns of small whole numbers as LEB128: seven bits a byte, low ones first, high bit set but on the last.

In: arrays of whole numbers below 2^32. Out: bytes, and back. Law: reading is bounded by the bytes that are
there; a number has one encoding only, and any other is refused.

>>> pack_column(np.array([3, 300]))
b'\\x03\\xac\\x02'
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import FormatError

_LONGEST = 5
_LIMIT = 1 << 32
_MOST_NUMBERS = 1 << 23  # some 3 M n-grams; reading so many takes about half a GB
_MOST_PER_BYTE = 1040  # deflate grows to 1032 times its size at most (zlib's technical notes)


def pack_column(values: NDArray[np.integer]) -> bytes:
    """Encode whole numbers from 0 to 2^32 - 1.

    Raises:
        ValueError: a number is outside that range.
    """
    if not len(values):
        return b""
    if int(values.min()) < 0 or int(values.max()) >= _LIMIT:
        raise ValueError("a column holds whole numbers from 0 to 2^32 - 1")
    if int(values.max()) < 0x80:
        return values.astype(np.uint8).tobytes()
    left = values.astype(np.uint64)
    shifts = np.arange(0, 7 * _LONGEST, 7, dtype=np.uint64)
    groups = (left[:, None] >> shifts).astype(np.uint8) & 0x7F
    more = (left[:, None] >> shifts[1:]) > 0
    groups[:, :-1] |= np.where(more, 0x80, 0).astype(np.uint8)
    needed = np.hstack([np.ones((len(left), 1), np.bool_), more])
    return groups[needed].tobytes()


def unpack_columns(deflated: bytes, sizes: Sequence[int]) -> list[NDArray[np.int64]]:
    """Decode columns that were packed one after the other and deflated (RFC 1951, no header).

    Args:
        deflated: the bytes.
        sizes: how many numbers each column must have.

    Raises:
        FormatError: the bytes do not hold exactly these columns.
    """
    total = sum(sizes)
    if total > _MOST_NUMBERS:
        raise FormatError(f"{total:,} numbers are announced, more than the {_MOST_NUMBERS:,} that are read")
    if total > _MOST_PER_BYTE * len(deflated):
        raise FormatError(f"{len(deflated)} bytes of columns cannot hold the {total} numbers announced")
    raw = _inflate(deflated, _LONGEST * total)
    encoded = np.frombuffer(raw, np.uint8)
    last = encoded < 0x80
    ends = np.flatnonzero(last)
    if len(ends) != total or (total and ends[-1] != len(encoded) - 1):
        raise FormatError(f"the columns hold {len(ends)} whole numbers where {total} were announced")
    values = encoded.astype(np.int64) if total == len(encoded) else _join(encoded, ends)
    return np.split(values, np.cumsum(sizes)[:-1])


def _inflate(deflated: bytes, limit: int) -> bytes:
    """Inflate to at most `limit` bytes, whatever the input would grow to."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        raw = inflater.decompress(deflated, limit + 1)
    except zlib.error as error:
        raise FormatError(f"the columns cannot be inflated ({error})") from None
    if len(raw) > limit or not inflater.eof or inflater.unused_data:
        raise FormatError("the columns do not end where they should")
    return raw


def _join(encoded: NDArray[np.uint8], ends: NDArray[np.intp]) -> NDArray[np.int64]:
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if int(lengths.max()) > _LONGEST or bool(np.any((encoded[ends] == 0) & (lengths > 1))):
        raise FormatError("a whole number in the columns is not in its shortest form")
    shifts = 7 * (np.arange(len(encoded)) - np.repeat(starts, lengths))
    values = np.add.reduceat((encoded & 0x7F).astype(np.int64) << shifts, starts)
    if int(values.max()) >= _LIMIT:
        raise FormatError("a whole number in the columns is 2^32 or more")
    return values
