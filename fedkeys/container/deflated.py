"""Deflate (RFC 1951, no header) of bytes that may come from anybody.

In: bytes. Out: deflated ones, and back. Law: inflating never gives more bytes than were asked for, whatever the
input would grow to.
"""

import zlib

from fedkeys.errors import FormatError


def deflate(raw: bytes) -> bytes:
    """Deflate bytes."""
    compressor = zlib.compressobj(level=6, wbits=-15)
    return compressor.compress(raw) + compressor.flush()


def inflate(deflated: bytes | memoryview, limit: int, what: str, otherwise: str) -> bytes:
    """Inflate to at most `limit` bytes.

    Args:
        deflated: one whole deflated stream.
        limit: how many bytes it may grow to.
        what: how an error is to call it.
        otherwise: what an error says of one that is longer, is cut, or has something after it.

    Raises:
        FormatError: it is none of these bytes.
    """
    inflater = zlib.decompressobj(wbits=-15)
    try:
        raw = inflater.decompress(deflated, limit + 1)
    except zlib.error as error:
        raise FormatError(f"{what} cannot be inflated ({error})") from None
    if len(raw) > limit or not inflater.eof or inflater.unused_data:
        raise FormatError(otherwise)
    return raw
