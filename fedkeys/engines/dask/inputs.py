"""Inputs: files, directories and URLs, and the spans of them that one task reads.

In: what the user names. Out: sources, and spans of them, in the order in which one machine reads. Laws: a log is
cut between messages only; what was cut is read as it was then, or not at all; what is said of a file is what one
machine says of it.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fedkeys.aggregator import PARTIAL_SUFFIX, delta_files
from fedkeys.aggregator.intake import LOG_SUFFIX, SUFFIX, WITHDRAWAL_SUFFIX
from fedkeys.aggregator.messages import messages
from fedkeys.errors import FedkeysError, UsageError

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+(://|::)")
_MOST_FILES = 1 << 12  # in one task


@dataclass(frozen=True, slots=True)
class Source:
    """A file with deltas, on a disk that all workers have, or behind a URL.

    Attributes:
        name: what the user knows it by.
        path: of the file; behind a URL, in its file system.
        url: by which fsspec finds that file system; None for a file on disk.
        size: in bytes; 0 if nobody knows.
    """

    name: str
    path: str
    url: str | None = None
    size: int = 0

    @property
    def is_log(self) -> bool:
        """Whether it has messages one after the other."""
        return PurePosixPath(self.path).suffix in (LOG_SUFFIX, WITHDRAWAL_SUFFIX)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it.

        Raises:
            FedkeysError: it cannot be read.
        """
        try:
            with Path(self.path).open("rb") if self.url is None else self._fetched() as stream:
                yield stream
        except OSError as error:
            why = error.strerror or str(error)
            raise FedkeysError(f"cannot be read ({why})", file=self.name) from None

    @property
    def is_gone(self) -> bool:
        """Whether it was on a disk when the merge began, and is not where this process looks."""
        return self.url is None and not os.access(self.path, os.F_OK)

    def _fetched(self) -> Any:
        return file_system(self.url or "")[0].open(self.path, "rb")


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
        """Bytes, as far as is known."""
        return (self.source.size if self.end is None else self.end) - self.start

    def check(self, digest: bytes) -> None:
        """Refuse what is not what it was.

        Args:
            digest: of the messages that were read.

        Raises:
            FedkeysError: they are others, or the file is not there.
        """
        if self.source.is_gone or self.digest not in (None, digest):
            raise FedkeysError(
                "is not what it was when the merge began",
                file=self.source.name,
                remedy="let all workers see it, and nobody write to it meanwhile: nothing was written",
            )


def digesting() -> "blake2b":
    """Give what tells by its digest whether bytes are the same as others."""
    return blake2b(digest_size=16)


def is_url(text: str) -> bool:
    """Tell whether an input is a URL, not a path.

    >>> is_url("s3://bucket/monday"), is_url("C:/monday"), is_url("monday.deltas")
    (True, False, False)
    """
    return _URL.match(text) is not None


def file_system(url: str) -> tuple[Any, str]:
    """Give the file system of a URL, and the path in it.

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
        raise UsageError(f"fsspec cannot read it ({error})", file=url) from None
    return found


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
        if PurePosixPath(source.path).suffix == PARTIAL_SUFFIX:
            raise UsageError(
                "a partial aggregate is merged by one process", file=source.name, remedy="leave --engine out"
            )
    return list(dict.fromkeys(found))


def _on_disk(path: Path) -> Source:
    if not path.is_file():
        raise UsageError(
            "is no file that other processes can read", file=path, remedy="leave --engine out, or name a file"
        )
    return Source(str(path), str(path.absolute()), None, path.stat().st_size)


def _behind(url: str) -> list[Source]:
    """The files behind a URL."""
    files, path = file_system(url)
    suffixes = (SUFFIX, LOG_SUFFIX, PARTIAL_SUFFIX)
    try:
        if not files.isdir(path):
            return [Source(url, path, url, int(files.info(path).get("size") or 0))]
        below = files.find(path, detail=True)
    except FileNotFoundError:
        raise UsageError("no such file or directory", file=url) from None
    except OSError as error:
        raise FedkeysError(f"cannot be read ({error.strerror or error})", file=url) from None
    found = [
        Source(files.unstrip_protocol(name), name, url, int(about.get("size") or 0))
        for name, about in below.items()
        if name.endswith(suffixes)
    ]
    if not found:
        raise UsageError(f"no {' or '.join(f'*{suffix}' for suffix in suffixes)} file below it", file=url)
    return sorted(found, key=lambda source: source.path.split("/"))


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
    except FedkeysError as error:
        lost = error
    last = Span(source, start, end, lost, seen.digest())
    last.check(seen.digest())
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
    logs = [source for source in sources if source.is_log and not 0 < source.size <= bytes_at_once]
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
