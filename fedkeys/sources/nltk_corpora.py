"""NLTK's corpora, through its own corpus readers, as phones.

In: the name of a corpus that is installed. Out: phones: the authors, as far as the corpus tells them apart.

    nps_chat    a phone a chat user of one session; a message a post
    others      a phone an author, by the names that files have in `gutenberg` (before the hyphen), `inaugural`
                and `state_union` (after it); else a phone a file; a message a paragraph
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fedkeys.errors import SourceError, UsageError
from fedkeys.sources.corpus import OnProgress, PhoneTexts

_AUTHORS = {
    "gutenberg": re.compile(r"(?P<author>[^-]+)-"),
    "inaugural": re.compile(r"\d+-(?P<author>\w+)\.txt"),
    "state_union": re.compile(r"\d+-(?P<author>\w+?)(?:-\d+)?\.txt"),
}
_PARAGRAPH = re.compile(r"\n\s*\n")


class NltkCorpus:
    """A corpus that NLTK reads.

    Raises:
        UsageError: NLTK has no such corpus.
        SourceError: its data is not installed, or it is not plain text.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._reader = _reader(name)
        self._messages: dict[str, list[str]] | None = None

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give the names of the phones, in alphabetical order."""
        names = sorted(self._by_phone())
        on_progress(1.0)
        return names

    def phones(self) -> Iterator[PhoneTexts]:
        """Give every phone."""
        for name, texts in self._by_phone().items():
            yield PhoneTexts(name, texts)

    def _by_phone(self) -> dict[str, list[str]]:
        if self._messages is None:
            self._messages = {}
            read = _chat_posts if self._name == "nps_chat" else _paragraphs
            for phone, text in read(self._reader, self._name):
                self._messages.setdefault(phone, []).append(text)
        return self._messages


def _reader(name: str) -> Any:
    import nltk.corpus
    from nltk.corpus.reader import PlaintextCorpusReader

    reader: Any = getattr(nltk.corpus, name, None) if name.isidentifier() and name[0] != "_" else None
    try:
        if not hasattr(reader, "fileids"):
            raise UsageError(f"NLTK has no corpus named {name!r}", remedy="try nltk:nps_chat")
        reader.fileids()
    except LookupError:
        raise SourceError(
            f"the data of NLTK's {name} is not installed",
            remedy=f"install it with: python -m nltk.downloader {name}",
        ) from None
    if not isinstance(reader, PlaintextCorpusReader) and name != "nps_chat":
        raise SourceError(f"NLTK's {name} is not plain text", remedy="try nltk:nps_chat or nltk:gutenberg")
    return reader


def _chat_posts(reader: Any, _: str) -> Iterator[tuple[str, str]]:
    """The posts of NLTK's nps_chat, without the system's (class "System": joins, parts, actions)."""
    for file in reader.fileids():
        for post in reader.xml_posts(file):
            if post.get("class") != "System" and post.text:
                yield post.get("user"), post.text


def _paragraphs(reader: Any, name: str) -> Iterator[tuple[str, str]]:
    for file in reader.fileids():
        match = _AUTHORS[name].match(file) if name in _AUTHORS else None
        phone = match["author"] if match else file
        for paragraph in _PARAGRAPH.split(reader.raw(file)):
            text = " ".join(paragraph.split())
            if text:
                yield phone, text
