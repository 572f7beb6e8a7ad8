"""Inputs: files, directories and URLs, and the spans of them that one task reads.

In: what the user names. Out: sources, and spans of them, in the order in which one machine reads. Laws: a log is
cut between messages only; what was cut is read as it was then, or not at all; what is said of a file is what one
machine says of it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from fedkeys.aggregator import PARTIAL_SUFFIX, delta_files
from fedkeys.aggregator.intake import LOG_SUFFIX, SUFFIX, WITHDRAWAL_SUFFIX
from fedkeys.aggregator.messages import messages
from fedkeys.delta.signed import MAX_MESSAGE_BYTES
from fedkeys.engines.dask.storage import fetched, file_system, is_url, shown, told
from fedkeys.errors import FedkeysError, UsageError

_SUFFIXES = (SUFFIX, LOG_SUFFIX, PARTIAL_SUFFIX)
_MOST_FILES = 1 << 12  # in one task


class UnreadError(FedkeysError):
    """A file on a disk that cannot be opened."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file with deltas, on a disk that all workers have, or behind a URL.

    Attributes:
        name: what the user knows it by.
        path: of the file; behind a URL, in its file system.
        url: by which fsspec finds that file system; None for a file on disk.
        size: in bytes; None if nobody knows.
        readable: whether who asks could open it.
    """

    name: str
    path: str = field(
        repr=False
    )  # over HTTP with what it is signed with, which belongs in no log of a worker
    url: str | None = field(default=None, repr=False)
    size: int | None = None
    readable: bool = True

    @property
    def suffix(self) -> str:
        """By which it is known what it holds."""
        return _suffix(self.path)

    @property
    def is_log(self) -> bool:
        """Whether it has messages one after the other."""
        return self.suffix in (LOG_SUFFIX, WITHDRAWAL_SUFFIX)

    @property
    def is_gone(self) -> bool:
        """Whether it was on a disk when the merge began, and is not where this process looks."""
        return self.url is None and not os.access(self.path, os.F_OK)

    @contextmanager
    def open(self, start: int = 0) -> Iterator[BinaryIO]:
        """Open it, at a byte.

        Raises:
            FedkeysError: it cannot be read.
        """
        if self.url is not None:
            with fetched(self.url, self.path, self.name, start) as stream:
                yield stream
            return
        try:
            with Path(self.path).open("rb") as stream:
                stream.seek(start)
                yield stream
        except OSError as error:
            raise UnreadError(f"cannot be read ({error.strerror})", file=self.name) from None


@dataclass(frozen=True, slots=True)
class Span:
    """Messages of a source, one after the other.

    Attributes:
        source: where they are.
        start, end: of a log, the bytes from one message to another; None for its end.
        lost: why nothing is read from its end on.
        digest: of its messages, as they were when it was cut; None where nobody has looked yet.
    """

    source: Source
    start: int = 0
    end: int | None = None
    lost: FedkeysError | None = None
    digest: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes; as many as a message may have, if nobody knows."""
        end = self.source.size if self.end is None else self.end
        return MAX_MESSAGE_BYTES if end is None else end - self.start

    def check(self, digest: bytes, error: FedkeysError | None = None) -> None:
        """Refuse what is not what it was.

        Args:
            digest: of the messages that were read.
            error: why no more were.

        Raises:
            FedkeysError: they are others, or the file is not there, or cannot be opened here alone.
        """
        unread_here = self.source.readable and isinstance(error, UnreadError)
        if self.source.is_gone or unread_here or self.digest not in (None, digest):
            raise FedkeysError(
                "is not what it was when the merge began" + (f" ({error.what})" if error else ""),
                file=self.source.name,
                remedy="let all workers see it, and nobody write to it meanwhile: nothing was written",
            )


def digesting() -> "blake2b":
    """Give what tells by its digest whether bytes are the same as others."""
    return blake2b(digest_size=16)


def sources_of(inputs: Iterable[str]) -> list[Source]:
    """Give the files meant by paths and URLs; of a directory all deltas and logs below it, in order.

    Raises:
        UsageError: an input does not exist, holds no delta, or is none that many processes can read.
    """
    found: list[Source] = []
    for text in inputs:
        if text == "-":
            raise UsageError(
                "other processes cannot read standard input", remedy="name a file, a log or a URL"
            )
        found += _behind(text) if is_url(text) else map(_on_disk, delta_files([Path(text)]))
    for source in found:
        if source.suffix == PARTIAL_SUFFIX:
            raise UsageError(
                "a partial aggregate is merged by one process", file=source.name, remedy="leave --engine out"
            )
    return list(dict.fromkeys(found))


def _on_disk(path: Path) -> Source:
    if not path.is_file():
        raise UsageError(
            "is no file that other processes can read", file=path, remedy="leave --engine out, or name a file"
        )
    readable = os.access(path, os.R_OK)
    return Source(str(path), str(path.absolute()), None, path.stat().st_size, readable)


def _behind(url: str) -> list[Source]:
    """The files behind a URL."""
    name = shown(url)
    with told(name):
        files, path = file_system(url)
        try:
            if _is_file(files, path):
                return [Source(name, path, url, files.info(path).get("size"))]
            found = [
                Source(shown(files.unstrip_protocol(each)), each, url, _size_of(files, each, about))
                for each, about in files.find(path, detail=True).items()
                if _suffix(each) in _SUFFIXES
            ]
        except FileNotFoundError:
            raise UsageError("no such file or directory", file=name) from None
    if not found:
        raise UsageError(f"no {' or '.join(f'*{suffix}' for suffix in _SUFFIXES)} file below it", file=name)
    return sorted(found, key=lambda source: source.path.split("/"))


def _is_file(files: Any, path: str) -> bool:
    """Tell a file from a directory; what is named as a file is not read for links to others, as pages are."""
    if _suffix(path) in _SUFFIXES and files.info(path)["type"] == "file":
        return True
    return not files.isdir(path)


def _size_of(files: Any, path: str, listed: Mapping[str, Any]) -> int | None:
    """Bytes of a file, which not every list of files says."""
    size: int | None = listed.get("size")
    return files.info(path).get("size") if size is None else size


def _suffix(path: str) -> str:
    """That of a path; over HTTP paths are URLs, and may go on with a query."""
    return PurePosixPath(urlsplit(path).path if "://" in path else path).suffix


def scan(source: Source, bytes_at_once: int) -> list[Span]:
    """Cut a log between messages into spans of about so many bytes.

    Raises:
        FedkeysError: it is not there.
    """
    spans: list[Span] = []
    start = end = 0
    seen = digesting()
    lost: FedkeysError | None = None
    try:
        with source.open() as stream:
            for message in messages(stream):
                if message.start - start >= bytes_at_once:
                    spans.append(Span(source, start, message.start, None, seen.digest()))
                    start, seen = message.start, digesting()
                seen.update(message.data)
                end = message.start + len(message.data)
    except UsageError:  # without what reads it
        raise
    except FedkeysError as error:
        lost = error
    last = Span(source, start, end, lost, seen.digest())
    last.check(seen.digest(), lost)
    return [*spans, last]


def planned(
    sources: Sequence[Source], bytes_at_once: int, scanned: Callable[[Sequence[Source]], list[list[Span]]]
) -> list[list[Span]]:
    """Give for each task the spans that it reads.

    Args:
        sources: in order.
        bytes_at_once: about how much one task reads.
        scanned: cuts logs into spans, as `scan` does.
    """
    logs = [
        source for source in sources if source.is_log and (source.size is None or source.size > bytes_at_once)
    ]
    cut = dict(zip(logs, scanned(logs), strict=True))
    tasks: list[list[Span]] = []
    bytes_ = 0
    for source in sources:
        for span in cut.get(source, [Span(source)]):
            if not tasks or bytes_ + span.size > bytes_at_once or len(tasks[-1]) >= _MOST_FILES:
                tasks.append([])
                bytes_ = 0
            tasks[-1].append(span)
            bytes_ += span.size
    return tasks
