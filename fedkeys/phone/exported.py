"""What a personal model knows, as a text that its owner can read, keep and carry to another phone.

In: the contents of a personal model. Out: lines, and back. Law: what is read is closed as a personal model is
(`fedkeys.phone.personal`); anything else is refused, by line.

The text is JSON Lines (UTF-8). The first line says what it is, how many words were typed ever, how many sentences
began with a letter and how many of these with a capital (0 where it does not say); then come n-grams, shorter ones
first, and written forms:

    {"format": "fedkeys.personal", "version": 1, "now": 1203, "starts": 210, "capitals": 180}
    {"context": [], "word": "tomorrow", "count": 5, "last": 1184}
    {"context": ["see", "you"], "word": "tomorrow", "count": 3, "last": 1184}
    {"word": "london", "form": "London", "count": 2}

`last` is when it was last typed, in words typed ever. A context has up to three words; ⟨message⟩ or ⟨sentence⟩ is
the beginning of one; ⟨any⟩ at its end is any one word. The words of the last few messages are not in the text.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedkeys.container import read_bytes
from fedkeys.errors import FormatError, VersionError
from fedkeys.phone.contents import MAX_FORMS, MOST_TYPED, ORDER, Contents, Context, Followers
from fedkeys.phone.snapshot import starts_of
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, is_word, is_written_form

EXPORT_FORMAT = "fedkeys.personal"
EXPORT_VERSION = 1

_NAMES = {MESSAGE_START: "⟨message⟩", SENTENCE_START: "⟨sentence⟩", GAP: "⟨any⟩"}
_MARKS = {name: mark for mark, name in _NAMES.items()}
_MOST_BYTES = 1 << 27
_MOST_LINES = 1 << 20


def export_lines(contents: Contents) -> Iterator[str]:
    """Give the lines of the text."""
    starts, capitals = contents.starts
    yield _line(
        format=EXPORT_FORMAT, version=EXPORT_VERSION, now=contents.now, starts=starts, capitals=capitals
    )
    for context in sorted(contents.after, key=lambda context: (len(context), context)):
        after = contents.after[context]
        named = [_NAMES.get(item, item) for item in context]
        for word in sorted(after.counts):
            yield _line(context=named, word=word, count=after.counts[word], last=after.last[word])
    for word, forms in sorted(contents.written.items()):
        for form, count in sorted(forms.items()):
            yield _line(word=word, form=form, count=count)


def read_exported(path: Path) -> Contents:
    """Read such a text.

    Raises:
        FormatError: it is none, or nothing that a personal model could have learnt (VersionError: it is newer).
        FedkeysError: the file cannot be read.
    """
    data = read_bytes(path, _MOST_BYTES)
    if data.count(b"\n") > _MOST_LINES:
        raise FormatError(f"more than the {_MOST_LINES:,} lines that are read", file=path)
    reading: _Reading | None = None
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            if reading is None:
                reading = _Reading(*_first(_parsed(line)))
            elif line.strip():
                reading.take(_parsed(line))
        except FormatError as error:
            error.place = f"line {number}"
            raise error.at(path) from None
    assert reading is not None  # there is always a first line
    return reading.contents()


class _Reading:
    """What was read so far."""

    def __init__(self, now: int, starts: tuple[int, int]) -> None:
        self._now = now
        self._starts = starts
        self._after: dict[Context, dict[str, tuple[int, int]]] = {(): {}}  # word -> when last, and how often
        self._written: dict[str, dict[str, int]] = {}

    def take(self, entry: dict[str, Any]) -> None:
        match entry:
            case {"context": list(context), "word": str(word), "count": int(count), "last": int(last)} if (
                len(entry) == 4
            ):
                self._take_ngram(_context(context), word, count, last)
            case {"word": str(word), "form": str(form), "count": int(count)} if len(entry) == 3:
                self._take_form(word, form, count)
            case _:
                raise FormatError("neither an n-gram (context, word, count, last) nor a written form")

    def contents(self) -> Contents:
        after = {context: _followers(found) for context, found in self._after.items()}
        return Contents(self._now, after, self._written, (), self._starts)

    def _take_ngram(self, context: Context, word: str, count: int, last: int) -> None:
        if not is_word(word):
            raise FormatError(f"{word[:40]!a} is not one word as it is counted, in lower case")
        words = self._after[()]
        if word in self._after.get(context, ()):
            raise FormatError("this n-gram stands twice")
        if not 1 <= count <= last <= self._now:
            raise FormatError(
                f"count, last and {self._now} words typed ever do not grow in this order, from 1"
            )
        if context:
            for item in context:
                if item not in _NAMES and item not in words:
                    raise FormatError(f"{item!a} has no line of its own before it")
            shorter = () if context[-1] == GAP else context[1:]
            if word not in self._after.get(shorter, ()):
                raise FormatError("has no line without the first word of its context before it")
            shorter_last, shorter_count = self._after[shorter][word]
            if count > shorter_count or last > shorter_last:
                raise FormatError("typed more often, or later, than without the first word of its context")
        self._after.setdefault(context, {})[word] = last, count

    def _take_form(self, word: str, form: str, count: int) -> None:
        if word not in self._after[()]:
            raise FormatError(f"{word[:40]!a} has no line of its own before its written forms")
        if form != word and not is_written_form(form, word):
            raise FormatError(f"{form[:40]!a} is no way to write {word!a}")
        forms = self._written.setdefault(word, {})
        if form in forms:
            raise FormatError("this written form stands twice")
        if len(forms) == MAX_FORMS:
            raise FormatError(f"more than {MAX_FORMS} written forms of one word")
        if not 1 <= count <= self._after[()][word][1] - sum(forms.values()):
            raise FormatError("written more often than typed, or never")
        forms[form] = count


def _followers(found: dict[str, tuple[int, int]]) -> Followers:
    words = sorted(found, key=found.__getitem__)
    return Followers.of(words, [found[word][1] for word in words], [found[word][0] for word in words])


def _context(named: list[Any]) -> Context:
    context = tuple(_MARKS.get(item, item) if isinstance(item, str) else "" for item in named)
    first, rest = context[:1], context[1:]
    if rest == (GAP,):
        rest = ()
    marks = (MESSAGE_START, SENTENCE_START)
    if (
        len(context) >= ORDER
        or not all(map(is_word, rest))
        or not all(x in marks or is_word(x) for x in first)
    ):
        raise FormatError(f"not a context of up to {ORDER - 1} words, in lower case")
    return context


def _first(entry: dict[str, Any]) -> tuple[int, tuple[int, int]]:
    """How many words were typed ever, and how sentences began, as the first line says."""
    match entry:
        case {"format": str(format_), "version": int(version), "now": int(now)} if format_ == EXPORT_FORMAT:
            if version > EXPORT_VERSION:
                raise VersionError(
                    f"version {version} is newer than the {EXPORT_VERSION} that this fedkeys reads",
                    remedy="upgrade fedkeys",
                )
            if version < 1 or not 0 <= now <= MOST_TYPED:
                raise FormatError(f"version {version} or {now} words typed ever cannot be")
            return now, starts_of(entry, now)
    raise FormatError("the first line does not say that this was exported by fedkeys personal")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise FormatError("not JSON in UTF-8") from None
    if not isinstance(entry, dict) or any(isinstance(value, bool) for value in entry.values()):
        raise FormatError("not a map of words and numbers")
    return entry


def _line(**entry: object) -> str:
    return json.dumps(entry, ensure_ascii=False)
