"""`Corpus`: many phones with their messages, whatever they are read from.

In: what the user named. Out: phones, one at a time, so that a corpus larger than memory works as long as each
phone fits.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from fedkeys.errors import SourceError, UsageError

OnProgress = Callable[[float], None]


class PhoneTexts(NamedTuple):
    """One phone's messages.

    Attributes:
        name: the name of the phone in its corpus.
        texts: its messages, oldest first.
    """

    name: str
    texts: Sequence[str]


class Corpus(Protocol):
    """A corpus that can be read any number of times."""

    def names(self, on_progress: OnProgress = ...) -> Sequence[str]:
        """Give the names of all phones; where that takes a pass over the data, report the part done."""

    def phones(self) -> Iterator[PhoneTexts]:
        """Give every phone, in any order that is the same each time."""


def open_corpus(spec: str | Path) -> Corpus:
    """Open a corpus.

    Args:
        spec: a directory of `.txt` files, a phone a file; a `.txt` file, one phone; a `.jsonl` or
            `.jsonl.gz` file with `user`, `text` and optional `time`; a chat export, a phone a sender (WhatsApp's
            text or zip, Telegram's JSON, SMS Backup & Restore's XML, an mbox); or `nltk:NAME`.

    Raises:
        UsageError: there is no such corpus.
        SourceError: it is none that can be read.
    """
    from fedkeys.sources.folder import TextFolder
    from fedkeys.sources.jsonl import JsonLines

    text = str(spec)
    if text.startswith("nltk:"):
        from fedkeys.sources.nltk_corpora import NltkCorpus

        return NltkCorpus(text.removeprefix("nltk:"))
    path = Path(spec)
    if path.is_dir():
        return TextFolder(path)
    if path.is_file() and path.name.endswith((".jsonl", ".jsonl.gz")):
        return JsonLines(path)
    remedy = "name a directory of .txt files, a .jsonl(.gz) file, a chat export or nltk:NAME"
    if not path.exists():
        raise UsageError("no such corpus", file=path, remedy=remedy)
    if path.is_file():
        from fedkeys.sources.chats import open_chat

        chat = open_chat(path)
        if chat:
            return chat
        if path.suffix == ".txt":
            return TextFolder(path)
    raise SourceError("not a directory of .txt files, a .jsonl or a chat export", file=path, remedy=remedy)
