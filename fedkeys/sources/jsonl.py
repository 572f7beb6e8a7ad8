"""JSON Lines with `user`, `text` and optional `time`: a phone a user.

In: a `.jsonl` or `.jsonl.gz` file, users in any order. Out: phones, their messages by time where every message
of the phone has one, else as they stand. A file that is large for memory is first dealt out, by user, to
temporary files of a few dozen MB each, for the eyes of this account only and gone at the end; these are then
read one after the other.
"""

import gzip
import json
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgpack

from fedkeys.errors import SourceError
from fedkeys.sources.corpus import OnProgress, PhoneTexts

_IN_MEMORY = 256 << 20  # bytes of text; as Python objects they take two to three times that
_PART = 64 << 20
_MOST_PARTS = 512  # files open at once
_LAST_TIME = 1e300  # NaN and infinity are no times
_EXPECTED = '{"user": string, "text": string, "time": string or number (optional)}'
_GZIP_GROWTH = 6  # chat deflates to about a fifth


class _Message(NamedTuple):
    user: str
    text: str
    time: str | float | None


class JsonLines:
    """One JSON Lines file, plain or compressed with gzip.

    Args:
        path: the file.
        in_memory: up to how many bytes of text are kept in memory rather than dealt out to files.
    """

    def __init__(self, path: Path, in_memory: int = _IN_MEMORY) -> None:
        self._path = path
        size = path.stat().st_size * (_GZIP_GROWTH if path.suffix == ".gz" else 1)
        self._parts = 1 if size <= in_memory else min(_MOST_PARTS, 2 + size // min(_PART, in_memory))
        self._memory: dict[str, list[_Message]] | None = None
        self._directory: Path | None = None
        self._names: Sequence[str] | None = None

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Read the file once and give its users, in alphabetical order.

        Raises:
            SourceError: a line is not what it should be, or there is none.
        """
        if self._names is None:
            if self._parts == 1:
                self._memory = _by_user(self._messages(on_progress))
                self._names = sorted(self._memory)
            else:
                self._names = self._deal_out(on_progress)
        if not self._names:
            raise SourceError("no message in it", file=self._path, remedy=f"one a line: {_EXPECTED}")
        on_progress(1.0)
        return self._names

    def phones(self) -> Iterator[PhoneTexts]:
        """Give every phone.

        Raises:
            SourceError: a line is not what it should be.
        """
        self.names()
        for part in range(self._parts):
            by_user = self._memory if self._memory is not None else _by_user(self._read_part(part))
            for user, messages in by_user.items():
                yield PhoneTexts(user, _in_order(messages))

    def _messages(self, on_progress: OnProgress) -> Iterator[_Message]:
        size = max(1, self._path.stat().st_size)
        try:
            with self._path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as unzipped:
                lines: Iterable[bytes] = unzipped if self._path.suffix == ".gz" else raw
                for number, line in enumerate(lines, 1):
                    if not number % 4096:
                        on_progress(raw.tell() / size)
                    if line.strip():
                        yield _message(line, self._path, number)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"cannot be read ({error})", file=self._path) from None

    def _deal_out(self, on_progress: OnProgress) -> Sequence[str]:
        names: set[str] = set()
        self._directory = Path(tempfile.mkdtemp(prefix="fedkeys-"))
        weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        with ExitStack() as stack:
            files = [stack.enter_context(self._part(part).open("wb")) for part in range(self._parts)]
            for message in self._messages(on_progress):
                names.add(message.user)
                files[zlib.crc32(message.user.encode()) % self._parts].write(msgpack.packb(message))
        return sorted(names)

    def _part(self, part: int) -> Path:
        assert self._directory is not None
        return self._directory / f"{part}.msgpack"

    def _read_part(self, part: int) -> Iterator[_Message]:
        with self._part(part).open("rb") as file:
            yield from (_Message(*fields) for fields in _unpacked(file))


def _unpacked(file: IO[bytes]) -> Iterator[Any]:
    return iter(msgpack.Unpacker(file, max_buffer_size=0))


def _message(line: bytes, path: Path, number: int) -> _Message:
    expected = f"expected {_EXPECTED}"
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON ({error})", file=path, place=f"line {number}", remedy=expected) from None
    match fields:
        case {"user": str(user), "text": str(text)} if user == _whole(user):
            time = fields.get("time")
            if time is None or isinstance(time, str):
                return _Message(user, _whole(text), time and _whole(time))
            if isinstance(time, int | float) and not isinstance(time, bool) and abs(time) < _LAST_TIME:
                return _Message(user, _whole(text), float(time))
    raise SourceError("not a message", file=path, place=f"line {number}", remedy=expected)


def _whole(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON may hold but UTF-8 may not."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _by_user(messages: Iterable[_Message]) -> dict[str, list[_Message]]:
    by_user: dict[str, list[_Message]] = {}
    for message in messages:
        by_user.setdefault(message.user, []).append(message)
    return by_user


def _in_order(messages: Sequence[_Message]) -> list[str]:
    """Sort by time where each message has one: as numbers if all are, else as text, as ISO dates sort."""
    times = [message.time for message in messages]
    if any(time is None for time in times):
        return [message.text for message in messages]
    try:
        keys: Sequence[Any] = [float(time) for time in times if time is not None]
    except ValueError:
        keys = [str(time) for time in times]
    order = sorted(range(len(messages)), key=keys.__getitem__)
    return [messages[place].text for place in order]
