"""A directory of text files: a phone a file, a message a line, oldest first."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fedkeys.errors import SourceError
from fedkeys.sources.chats.whatsapp import begins_chat
from fedkeys.sources.corpus import OnProgress, PhoneTexts


class TextFolder:
    """The `.txt` files of a directory, or a single one.

    Raises:
        SourceError: the directory has none, or an exported chat is among them: it has many senders.
    """

    def __init__(self, path: Path) -> None:
        self._files = (
            [path] if path.is_file() else sorted(file for file in path.glob("*.txt") if file.is_file())
        )
        if not self._files:
            raise SourceError("no .txt file in it", file=path, remedy="put one file for each phone there")

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give the file names without their ending."""
        on_progress(1.0)
        return [_name(file) for file in self._files]

    def phones(self) -> Iterator[PhoneTexts]:
        """Give every phone, in the order of the file names."""
        for file in self._files:
            yield PhoneTexts(_name(file), _messages(file))


def _name(file: Path) -> str:
    """The file's name without its ending; bytes that are not UTF-8 are replaced."""
    return os.fsencode(file.stem).decode(errors="replace")


def _messages(file: Path) -> list[str]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot be read ({error.strerror})", file=file) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            "not UTF-8 text", file=file, place=f"line {line}", remedy="save the file as UTF-8"
        ) from None
    lines = [line for line in text.splitlines() if line.strip()]
    if begins_chat(lines):
        raise SourceError(
            "a WhatsApp export, not a message a line",
            file=file,
            place="line 1",
            remedy="name this file alone, or move it elsewhere",
        )
    return lines
