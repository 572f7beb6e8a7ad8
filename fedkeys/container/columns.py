"""Columns of small whole numbers as LEB128: seven bits a byte, low ones first, high bit set but on the last.

In: arrays of whole numbers below 2^32. Out: bytes, and back. Law: reading is bounded by the bytes that are
there; a number has one encoding only, and any other is refused.

>>> pack_column(np.array([3, 300]))
b'\\x03\\xac\\x02'
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.container.deflated import deflate, inflate
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
    return _encoded(values)[0].tobytes()


def pack_columns(columns: Sequence[NDArray[np.int64]], sizes: NDArray[np.int64]) -> list[bytes]:
    """Encode and deflate the columns of messages, as `unpack_columns` reads them.

    Args:
        columns: each of all messages, one after the other.
        sizes: int64[messages, columns], how many of its numbers belong to each message.

    Raises:
        ValueError: a number is below 0, or 2^32 or more.
    """
    starts = np.cumsum(sizes).reshape(sizes.shape) - sizes
    values = np.empty(int(sizes.sum()), np.int64)
    for number, column in enumerate(columns):
        values[spans(starts[:, number], sizes[:, number])] = column
    encoded, lengths = _encoded(values)
    ends = np.concatenate([[0], np.cumsum(lengths)])[np.cumsum(sizes.sum(1))].tolist()
    raw = encoded.tobytes()
    return [deflate(raw[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def unpack_columns(deflated: Sequence[bytes], sizes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Decode messages' columns, each packed one after the other and deflated (RFC 1951, no header).

    Args:
        deflated: the bytes of each message.
        sizes: int64[messages, columns], how many numbers each column of each message must have.

    Returns:
        Each column, of all messages one after the other.

    Raises:
        FormatError: the bytes of some message do not hold exactly these columns.
    """
    totals = sizes.sum(1)
    for total, bytes_ in zip(totals.tolist(), deflated, strict=True):
        if total > _MOST_NUMBERS:
            raise FormatError(
                f"{total:,} numbers are announced, more than the {_MOST_NUMBERS:,} that are read"
            )
        if total > _MOST_PER_BYTE * len(bytes_):
            raise FormatError(f"{len(bytes_)} bytes of columns cannot hold the {total} numbers announced")
    raws = [
        _inflated(bytes_, _LONGEST * total) for bytes_, total in zip(deflated, totals.tolist(), strict=True)
    ]
    encoded = np.frombuffer(b"".join(raws), np.uint8)
    further = np.flatnonzero(encoded >= 0x80)  # bytes that are not the last of their number: few
    byte_ends = np.cumsum([len(raw) for raw in raws])
    whole = np.diff(byte_ends - np.searchsorted(further, byte_ends), prepend=0)
    wrong = np.flatnonzero(whole != totals)
    if len(wrong):
        raise FormatError(
            f"the columns hold {whole[wrong[0]]} whole numbers where {totals[wrong[0]]} were announced"
        )
    filled = byte_ends[np.diff(byte_ends, prepend=0) > 0]
    if np.any(encoded[filled - 1] >= 0x80):
        raise FormatError("the columns end in the middle of a whole number")
    values = _numbers(encoded, further)
    if len(raws) == 1:
        return np.split(values, np.cumsum(sizes[0])[:-1])
    starts = np.cumsum(sizes).reshape(sizes.shape) - sizes
    return [values.take(spans(starts[:, column], sizes[:, column])) for column in range(sizes.shape[1])]


def spans(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the places of several spans, one after the other.

    >>> spans(np.array([10, 20]), np.array([2, 3])).tolist()
    [10, 11, 20, 21, 22]
    """
    ends = np.cumsum(sizes)
    shifts: NDArray[np.int64] = np.repeat(starts - (ends - sizes), sizes)
    shifts += np.arange(len(shifts))
    return shifts


def _encoded(values: NDArray[np.integer]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of whole numbers, and how many each has."""
    if len(values) and not (int(values.min()) >= 0 and int(values.max()) < _LIMIT):
        raise ValueError("a column holds whole numbers from 0 to 2^32 - 1")
    lengths = np.ones(len(values), np.int64)
    longer = np.flatnonzero(values >= 0x80)
    rest = values[longer]
    while len(longer):
        lengths[longer] += 1
        rest = rest >> 7
        longer, rest = longer[rest >= 0x80], rest[rest >= 0x80]
    ends = np.cumsum(lengths)
    encoded = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    at, rest = ends - lengths, values.astype(np.int64)
    while len(at):
        more = rest >= 0x80
        encoded[at] = np.where(more, (rest & 0x7F) | 0x80, rest)
        at, rest = at[more] + 1, rest[more] >> 7
    return encoded, lengths


def _inflated(deflated: bytes, limit: int) -> bytes:
    return inflate(deflated, limit, "the columns", "the columns do not end where they should")


def _numbers(encoded: NDArray[np.uint8], further: NDArray[np.intp]) -> NDArray[np.int64]:
    """The whole numbers of an encoding, given the places of the bytes that are not the last of theirs."""
    # `compress` takes a sixth of the time of a mask as index.
    values: NDArray[np.int64] = encoded.compress(encoded < 0x80).astype(np.int64)
    if not len(further):
        return values
    every = np.arange(len(further))
    numbers = further - every  # to which number each such byte belongs
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
    ranks = every - np.repeat(firsts, np.diff(firsts, append=len(numbers)))
    longer, bytes_before = numbers[firsts], np.diff(firsts, append=len(numbers))
    if int(ranks.max()) >= _LONGEST - 1 or not np.all(values[longer]):
        raise FormatError("a whole number in the columns is not in its shortest form")
    values[longer] <<= 7 * bytes_before
    groups = (encoded[further] & 0x7F).astype(np.int64) << (7 * ranks)
    for rank in range(int(ranks.max()) + 1):
        chosen = ranks == rank
        values[numbers[chosen]] |= groups[chosen]
    if int(values[longer].max()) >= _LIMIT:
        raise FormatError("a whole number in the columns is 2^32 or more")
    return values
