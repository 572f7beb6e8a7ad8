"""The journal of a personal store: the messages learnt since its snapshot was written.

In: the items of a message. Out: the same, after a restart. Law: a message that `append` returned from is there;
of one that was being written when the process was killed, or the power failed, nothing is there.

A journal is a file of records, one a message, only ever appended to. A record is

    length     4 bytes, low ones first: of the message
    check      4 bytes, low ones first: CRC-32 of the length (ISO 3309), so that a damaged length is no end of file
    message    msgpack: [format, version, generation, items, checksum], sealed as `fedkeys.container` says

`items` are what `fedkeys.words.tokens` made of the message: words as they were written, and marks. What is
dropped there, addresses, numbers and codes, is never in a journal; the words are, in the order of the message.
They belong to the snapshot of the same generation, and mean nothing beside any other.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgpack

from fedkeys.container import SEAL_SIZE, check_seal, read_bytes, seal, sync_directory, unpack_list
from fedkeys.errors import DamagedError, FormatError

JOURNAL_FORMAT = "fedkeys.journal"
JOURNAL_VERSION = 1

_HEAD = 8  # bytes of length and check
_NAMES = ("format", "version", "generation", "items", "checksum")
_MOST_BYTES = 1 << 28


class Record(NamedTuple):
    """A message in a journal.

    Attributes:
        generation: that of the snapshot it comes after.
        items: its words and marks.
        end: where it ends in the file, in bytes.
    """

    generation: int
    items: list[str]
    end: int


class Journal:
    """A journal that is appended to.

    Args:
        path: the file; it is made with the first message.
        generation: that of the snapshot it belongs to.

    Attributes:
        size: how long it is, in bytes.
    """

    def __init__(self, path: Path, generation: int) -> None:
        self.path = path
        self.generation = generation
        self.size = path.stat().st_size if path.exists() else 0
        self._file: int | None = None

    def append(self, items: Sequence[str]) -> None:
        """Write a message and flush it to the disk.

        Raises:
            OSError: it cannot be written; how the file ends is not known then.
        """
        record = pack_record(self.generation, items)
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.open(self.path, flags, 0o600)
            sync_directory(self.path.parent)
        written = 0
        while written < len(record):
            written += os.write(self._file, record[written:])
        os.fsync(self._file)
        self.size += len(record)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def pack_record(generation: int, items: Sequence[str]) -> bytes:
    """Write a message as a record."""
    entries = [JOURNAL_FORMAT, JOURNAL_VERSION, generation, list(items), bytes(SEAL_SIZE)]
    message = seal(msgpack.packb(entries)[:-SEAL_SIZE])
    length = len(message).to_bytes(4, "little")
    return length + zlib.crc32(length).to_bytes(4, "little") + message


def read_journal(path: Path) -> Iterator[Record]:
    """Give the messages of a journal; a last one that is not whole is none.

    Raises:
        FormatError: it was changed after it was written, or is no journal (VersionError: it is newer).
        FedkeysError: it cannot be read.
    """
    data = read_bytes(path, _MOST_BYTES)
    at = 0
    while at < len(data):
        try:
            record = _record(data, at)
        except FormatError as error:
            error.place = f"byte {at}"
            raise error.at(path) from None
        if record is None:
            return
        yield record
        at = record.end


def _record(data: bytes, at: int) -> Record | None:
    """The record at a place; None if it is the last one, and not whole."""
    head = data[at : at + _HEAD]
    if len(head) < _HEAD:
        return None
    if zlib.crc32(head[:4]).to_bytes(4, "little") != head[4:]:
        if not data[at:].strip(b"\0"):
            return None  # a power cut may leave zeros where nothing was written yet
        raise DamagedError("the check of a record's length does not match")
    end = at + _HEAD + int.from_bytes(head[:4], "little")
    message = data[at + _HEAD : end]
    try:
        check_seal(message)
    except DamagedError:
        if end >= len(data):
            return None
        raise
    entries = unpack_list(message, JOURNAL_FORMAT, JOURNAL_VERSION, _NAMES)
    match entries["generation"], entries["items"]:
        case int(generation), list(items) if all(isinstance(item, str) for item in items):
            return Record(generation, items, end)
    raise FormatError("not a generation and a list of words and marks")
