"""Storage: what is behind a URL, as fsspec reads it.

In: URLs. Out: file systems and streams. Laws: whatever goes wrong there is told of in a sentence that names the
file; no sentence holds what a URL is signed with, or a password in it.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

from fedkeys.errors import FedkeysError, UsageError

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+(://|::)")
_USER = re.compile(r"(://)(?:\S*:\S*|[^\s/@]*)@")  # up to the last @, since a password may hold any sign
_QUERY = re.compile(r"(://[^\s?#]*)[?#]\S+")
_BLOCK = 1 << 20


def is_url(text: str) -> bool:
    """Tell whether an input is a URL, not a path.

    >>> is_url("s3://bucket/monday"), is_url("C:/monday"), is_url("monday.deltas")
    (True, False, False)
    """
    return _URL.match(text) is not None and not os.access(text, os.F_OK)


def shown(text: object) -> str:
    """Give a text without what URLs in it keep to themselves.

    >>> shown("https://me:secret@host/monday.deltas?Signature=secret")
    'https://host/monday.deltas?...'
    >>> shown("no route to sftp://me:pa#s/s@w@host/a: it is gone")
    'no route to sftp://host/a: it is gone'
    """
    return _QUERY.sub(r"\1?...", _USER.sub(r"\1", str(text)))


def file_system(url: str) -> tuple[Any, str]:
    """Give the file system of a URL, and the path in it; some end with what this gives, and so do their streams.

    Raises:
        UsageError: fsspec is missing, or does not know how to read it.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError("URLs need fsspec", remedy="pip install 'fedkeys[dask]'") from None
    try:
        found: tuple[Any, str] = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"fsspec cannot read it ({shown(error)})", file=shown(url)) from None
    return found


@contextmanager
def fetched(url: str, path: str, name: str, start: int) -> Iterator[BinaryIO]:
    """Read a file.

    Args:
        url: by which its file system is found.
        path: of the file there.
        name: what the user knows it by.
        start: the first byte to read.

    Raises:
        FedkeysError: it cannot be read.
    """
    with told(name):
        files, _ = file_system(url)
        stream = files.open(path, "rb")
    with closing(stream), io.BufferedReader(_Fetched(stream, name), _BLOCK) as whole:
        _skip(stream, whole, start)
        yield whole


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say what went wrong with a file; each storage has errors of its own.

    Raises:
        FedkeysError: something went wrong.
    """
    try:
        yield
    except FedkeysError:
        raise
    except Exception as error:
        why = getattr(error, "strerror", None) or shown(error) or type(error).__name__
        raise FedkeysError(f"cannot be read ({why})", file=name) from None


class _Fetched(io.RawIOBase):
    """A stream of fsspec, which may give less than it is asked for long before its end."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        with told(self._name):
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _skip(stream: Any, whole: BinaryIO, start: int) -> None:
    """Go to a byte; what comes over HTTP without a length can only be read up to there."""
    try:
        stream.seek(start)
    except (OSError, ValueError):
        while start > 0 and (data := whole.read(min(start, _BLOCK))):
            start -= len(data)
