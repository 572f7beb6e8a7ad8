"""`Chat`: what one exported file holds, sender by sender.

In: the pages of an export, as the reader of its format tells them to a `Draft`. Out: phones, one a sender. Law:
a message is under the name of who wrote it, or it is counted as dropped.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fedkeys.errors import SourceError
from fedkeys.sources.corpus import OnProgress, PhoneTexts

# Marks of direction and byte order: they are not seen, and apps put them into names and dates.
MARKS = "\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
_UNSEEN = re.compile(f"[{MARKS}\x00-\x1f\x7f-\x9f]")
_LAST_TIME = 1e300  # NaN and infinity are no times


class Draft:
    """A chat that is being read.

    Attributes:
        dropped: for each reason, how much was dropped.
    """

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._texts: dict[str, list[tuple[float, str]]] = {}
        self._names: dict[str, str] = {}
        self._owner: str | None = None
        self._time = -_LAST_TIME

    def own(self, sender: str, name: str | None = None) -> None:
        """Note whose export it is, whether or not there is a message by them."""
        self._owner = sender
        self._names[sender] = readable(name or sender) or "?"

    def wrote(self, sender: str, text: str, time: float | None = None, *, name: str | None = None) -> None:
        """Take one message.

        Args:
            sender: what tells the sender from others in this file.
            text: the message; one of blanks only is dropped as empty.
            time: when, in any unit; without it the message is taken as late as the one before.
            name: what the sender is called, where that is not the id.
        """
        if time is not None and abs(time) < _LAST_TIME:
            self._time = time
        text = whole(text).strip()
        if not text:
            self.drop("empty")
            return
        self._texts.setdefault(sender, []).append((self._time, text))
        self._names[sender] = readable(name or sender) or readable(sender) or "?"

    def drop(self, reason: str, times: int = 1) -> None:
        """Note that something was dropped, maybe several times or never."""
        if times:
            self.dropped[reason] += times

    def by_name(self) -> tuple[dict[str, list[str]], str | None]:
        """Give the messages of each sender, oldest first, by names that differ, and the name of the owner."""
        named: dict[str, str] = {}
        for sender in sorted(self._names, key=lambda sender: sender != self._owner):
            name = self._names[sender]
            while name in named:
                name = f"{name} ({readable(sender)})"
            named[name] = sender
        texts = {
            name: [text for _, text in sorted(self._texts[sender], key=lambda message: message[0])]
            for name, sender in named.items()
            if sender in self._texts
        }
        return texts, next(iter(named)) if self._owner is not None else None


Reader = Callable[[Path, Draft, OnProgress], None]


class Chat:
    """One exported chat, or all of a person's; it is read when something is first asked of it.

    Args:
        path: the file.
        kind: the app it is of, for people to read.
        read: the reader of its format.
    """

    def __init__(self, path: Path, kind: str, read: Reader) -> None:
        self.kind = kind
        self._path = path
        self._read = read
        self._content: tuple[dict[str, list[str]], str | None, Mapping[str, int]] | None = None

    @property
    def owner(self) -> str | None:
        """The sender whose export it is, if the format says so, whether or not there is a message by them."""
        return self._contents()[1]

    @property
    def dropped(self) -> Mapping[str, int]:
        """For each reason, how much was dropped; most first."""
        return self._contents()[2]

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give all senders, in alphabetical order.

        Raises:
            SourceError: the file is not what it should be, or there is no message in it.
        """
        texts, _, dropped = self._contents(on_progress)
        on_progress(1.0)
        if not texts:
            seen = ", ".join(f"{reason}: {times}" for reason, times in dropped.items())
            raise SourceError(
                f"no message in this {self.kind} export" + (f" (dropped: {seen})" if seen else ""),
                file=self._path,
                remedy="export a chat in which somebody wrote something",
            )
        return sorted(texts)

    def phones(self) -> Iterator[PhoneTexts]:
        """Give every sender with their messages, in alphabetical order.

        Raises:
            SourceError: the file is not what it should be, or there is no message in it.
        """
        for name in self.names():
            yield PhoneTexts(name, self._contents()[0][name])

    def _contents(
        self, on_progress: OnProgress = lambda _: None
    ) -> tuple[dict[str, list[str]], str | None, Mapping[str, int]]:
        if self._content is None:
            draft = Draft()
            try:
                self._read(self._path, draft, on_progress)
            except OSError as error:
                raise SourceError(f"cannot be read ({error.strerror or error})", file=self._path) from None
            self._content = (*draft.by_name(), dict(draft.dropped.most_common()))
        return self._content


def whole(text: str) -> str:
    """Put halves of surrogate pairs together, and replace those that are alone: UTF-8 has no place for them.

    >>> whole("\\ud83d\\ude00 \\ud83d") == "\\U0001f600 \\ufffd"
    True
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def readable(name: str) -> str:
    r"""Write a name without marks that are not seen, and with one space where there are several.

    >>> readable("\u202a+44\u202f7700  900123\u202c")
    '+44 7700 900123'
    """
    return " ".join(_UNSEEN.sub("", whole(name)).split())
