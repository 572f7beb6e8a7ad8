"""WhatsApp's "Export chat": text, alone or in a zip with the media.

In: lines such as these, of Android and of iOS, with the date and the clock of the phone's language:

    31/12/2023, 21:41 - Anna: text
    [31.12.23, 9:41:15 PM] Anna: text

Out: a `Chat`. A line that does not begin like that goes on the message before. Law: one file writes all its dates
in one shape, so a line that begins with a date of another shape is somebody's text.
"""

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, NamedTuple

from fedkeys.errors import SourceError
from fedkeys.sources.chats.chat import MARKS, Chat, Draft, readable
from fedkeys.sources.chats.notices import body_of
from fedkeys.sources.corpus import OnProgress

KIND = "WhatsApp"

_MARK = re.compile(f"[{MARKS}]")
_HEADER = re.compile(
    r"""
    (?P<bracket>\[)?
    (?P<first>\d{1,4})(?P<separator>[/.-])\ ?\d{1,2}(?P=separator)\ ?(?P<last>\d{1,4})\.?
    (?P<comma>[,،]?)\s
    (?:[^\W\d_]{1,9}\.?,?\s?)?                              # klo, um, às; 下午, 오후
    \d{1,2}(?P<colon>[:.])\d\d(?P<seconds>[:.]\d\d)?
    (?P<half>\s?[^\W\d_]{1,7}(?:\.?\s?[^\W\d_]{1,2})?\.?)?  # PM, p.m., p. m., م
    (?(bracket)\]|\s[-–])(?:\s|$)
    """,
    re.VERBOSE,
)
_BEGINNING = "[0123456789"
_EXPECTED = "expected lines such as: 31/12/2023, 21:41 - Anna: text"

_LONGEST_NAME = 100
_MOST_COLONS = 3  # in a name
_ALWAYS_SO = 3  # so often, and always, a colon follows: it belongs to the name
_MOST_WORDS = 10
# "Anna changed the group name to: ...": notices with a colon, which look as if somebody had written them.
_SENTENCE = re.compile(
    r".* (?:changed|created|added|removed|pinned|joined|turned|updated) (?:the|this|their|your|group|to|a)\b",
    re.IGNORECASE,
)

_LARGEST = 1 << 30  # bytes of text that are taken out of a zip
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BAD_ZIP = (
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    ValueError,
    EOFError,
    LookupError,
)

_SAMPLE = 200  # lines that are looked at to tell a chat from other text
_LEAST_SHARE = 0.2

Shape = tuple[bool, str, bool, int, str, str, bool, bool]


class _Line(NamedTuple):
    shape: Shape
    rest: str


class _Entry(NamedTuple):
    """One dated line, with the lines that go on it."""

    lines: list[str]

    def prefixes(self) -> list[str]:
        """What may be the sender's name: all before one colon or another."""
        head = self.lines[0][: 2 * _LONGEST_NAME]
        colons = [match.start() for match in re.finditer(r":(?=\s|$)", head)]
        return [readable(head[:place]) for place in colons[:_MOST_COLONS]]


def whatsapp_chat(path: Path) -> Chat:
    """Open an export: a text file, or a zip that holds one."""
    return Chat(path, KIND, read_whatsapp)


def shape_of(lines: Iterable[str]) -> Shape | None:
    """The shape that a chat's dates have; nothing if these lines are not of a chat."""
    written = list(islice((line for line in lines if line.strip(" \r\n\t\ufeff")), _SAMPLE))
    dated = [_dated(line) for line in written]
    shapes = Counter(line.shape for line in dated if line and re.search(r":(?:\s|$)", line.rest))
    if not shapes:
        return None
    shape, times = shapes.most_common(1)[0]
    at_once = dated[0] is not None and dated[0].shape == shape
    return shape if at_once or (times > 1 and times >= _LEAST_SHARE * len(written)) else None


def begins_chat(lines: Sequence[str]) -> bool:
    """Whether the first line is one of a chat, told at little cost where it is not."""
    return bool(lines) and _dated(lines[0]) is not None and shape_of(lines) is not None


def read_whatsapp(path: Path, draft: Draft, on_progress: OnProgress) -> None:
    """Read an export.

    Raises:
        SourceError: it is not UTF-8, a zip without a chat, or no line of it begins with a date.
    """
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        for lines in _unzipped(path):
            _read_lines(lines, path, draft)
        return
    size = max(1, path.stat().st_size)
    with path.open("rb") as file:
        _read_lines(list(_decoded(file, path, lambda: on_progress(file.tell() / size))), path, draft)


def _read_lines(lines: Sequence[str], path: Path, draft: Draft) -> None:
    shape = shape_of(lines)
    if shape is None:
        raise SourceError("not a WhatsApp export", file=path, place="line 1", remedy=_EXPECTED)
    entries: list[_Entry] = []
    for line in lines:
        dated = _dated(line)
        if dated and dated.shape == shape:
            entries.append(_Entry([dated.rest]))
        elif entries:
            entries[-1].lines.append(line)
        elif line.strip():
            draft.drop("before the first date")
    _tell(entries, draft)


def _tell(entries: Sequence[_Entry], draft: Draft) -> None:
    """Part names from messages, and notices from both."""
    prefixes = [entry.prefixes() for entry in entries]
    depths = _depths(prefixes)
    names = Counter(all_[depth] for all_, depth in zip(prefixes, depths, strict=True) if all_)
    for entry, all_, depth in zip(entries, prefixes, depths, strict=True):
        if not all_ or not all_[depth] or _is_notice(all_[depth], names):
            draft.drop("system line")
            continue
        first = re.split(r":(?:\s|$)", entry.lines[0], maxsplit=depth + 1)[-1]
        body = body_of("\n".join([first, *entry.lines[1:]]))
        if body.reason:
            draft.drop(body.reason)
        if body.text:
            draft.wrote(all_[depth], body.text)


def _depths(prefixes: Sequence[Sequence[str]]) -> list[int]:
    """How many colons each sender's name has: as many as it has every time."""
    followed = Counter(pair for all_ in prefixes for pair in pairwise(all_))
    times = Counter(prefix for all_ in prefixes for prefix in all_)

    def depth(all_: Sequence[str]) -> int:
        for place, pair in enumerate(pairwise(all_)):
            if followed[pair] < times[pair[0]] or times[pair[0]] < _ALWAYS_SO:
                return place
        return max(0, len(all_) - 1)

    return [depth(all_) for all_ in prefixes]


def _is_notice(name: str, names: Counter[str]) -> bool:
    """Whether what stands before a colon is a sentence of the app rather than a name."""
    words = name.split()
    if len(name) > _LONGEST_NAME or len(words) > _MOST_WORDS or _SENTENCE.match(name):
        return True
    if names[name] < _ALWAYS_SO and (name.count('"') % 2 or name.count("“") != name.count("”")):
        return True
    # "Anna a changé le sujet : ..." begins with a sender's name, and is there once.
    shorter = (" ".join(words[:count]) for count in range(1, len(words) - 1))
    return names[name] == 1 and any(names[start] for start in shorter)


def _dated(line: str) -> _Line | None:
    """Part a line that begins with a date into the date's shape and the rest; nothing if it does not."""
    marked = line[:80]
    head = _MARK.sub("", marked)
    if not head or not (head[0] in _BEGINNING or head[0].isdecimal()):
        return None
    match = _HEADER.match(head)
    if not match or not _is_date(match):
        return None
    shape = (
        bool(match["bracket"]),
        match["separator"],
        len(match["first"]) > 2,
        len(match["first"]) if len(match["first"]) > 2 else len(match["last"]),
        match["comma"],
        match["colon"],
        bool(match["seconds"]),
        bool(match["half"]),
    )
    end = match.end() if head == marked else _place(marked, match.end())
    return _Line(shape, line[end:])


def _is_date(match: re.Match[str]) -> bool:
    first, last = len(match["first"]), len(match["last"])
    return (first == 4 and last <= 2) or (first <= 2 and last in (2, 4))


def _place(marked: str, seen: int) -> int:
    """Where so many characters that are not marks have gone by."""
    for place, char in enumerate(marked):
        if not seen:
            return place
        seen -= not _MARK.match(char)
    return len(marked)


def _decoded(file: IO[bytes], path: Path, on_lines: Callable[[], None] = lambda: None) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if not number % 4096:
            on_lines()
        try:
            yield line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise SourceError(
                "not UTF-8 text", file=path, place=f"line {number}", remedy="export the chat again"
            ) from None


def _unzipped(path: Path) -> Iterator[list[str]]:
    """The chats in a zip: `_chat.txt`, else what is called after WhatsApp, else any text that looks like one."""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [info for info in archive.infolist() if info.filename.lower().endswith(".txt")]
            chats = [info for info in texts if info.filename.rpartition("/")[2] == "_chat.txt"]
            chats = chats or [info for info in texts if "whatsapp" in info.filename.lower()] or texts
            if not chats:
                raise SourceError(
                    "no chat in this zip", file=path, remedy=_EXPECTED.replace("lines", "a .txt of lines")
                )
            if any(info.compress_type not in _PACKED for info in chats):
                raise zipfile.BadZipFile("packed in a way that WhatsApp does not use")
            if sum(info.file_size for info in chats) > _LARGEST:
                raise SourceError(
                    "more text than a chat has", file=path, remedy="unzip it, and name the .txt file"
                )
            for info in chats:
                with archive.open(info) as file:
                    yield list(_decoded(file, path))
    except _BAD_ZIP as error:
        raise SourceError(
            f"not a sound zip ({error})", file=path, remedy="unzip it, and name the .txt file"
        ) from None
