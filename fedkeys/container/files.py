"""Reading files whole, and writing them so that a kill leaves the old one or the new one.

In: a path. Out: bytes; or a complete file. Law: nobody ever sees half a file under its name.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fedkeys.errors import FedkeysError, FormatError


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        FormatError: it is larger.
        FedkeysError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            # Of a regular file no more is asked for than it has: a read makes room for all that it may get.
            size = os.fstat(file.fileno()).st_size if path.is_file() else limit
            data = file.read(min(limit, size) + 1)
    except OSError as error:
        raise FedkeysError(f"cannot be read ({error.strerror})", file=path) from None
    if len(data) > limit:
        raise FormatError(f"more than the {limit:,} bytes that are read", file=path)
    return data


@contextmanager
def atomic_file(path: Path, *, durable: bool = True, private: bool = False) -> Iterator[BinaryIO]:
    """Write beside the target, flush to the disk, then rename over it (POSIX rename is atomic).

    A target that is no regular file, such as a pipe or /dev/null, is written to as it is.

    Args:
        path: the file; directories above it are made.
        durable: flush to the disk; without it a power cut may lose the file, though no kill can.
        private: readable for its owner only.

    Raises:
        FedkeysError: the file cannot be written; the old one, if any, is as it was.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            partial.chmod(0o600 if private else 0o666 & ~_umask())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise FedkeysError(f"cannot be written ({error.strerror})", file=path) from None


def write_atomically(path: Path, data: bytes, *, durable: bool = True, private: bool = False) -> None:
    """Write a file whole, as `atomic_file` does.

    Raises:
        FedkeysError: the file cannot be written; the old one, if any, is as it was.
    """
    with atomic_file(path, durable=durable, private=private) as file:
        file.write(data)


def sync_directory(path: Path) -> None:
    """Flush the names in a directory to the disk, where the system lets a directory be opened."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
