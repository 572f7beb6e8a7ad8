"""JSON that is larger than memory, value by value.

In: a text file that holds one JSON value. Out: the names and elements of what is walked through, and whole values
where they are asked for. Law: no more is held than the value that was asked for and the piece of file it is in.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from fedkeys.errors import SourceError

_PIECE = 1 << 16  # characters
_LARGEST = 64 << 20  # of one value
_DECODER = json.JSONDecoder()


class JsonStream:
    """A walk through one JSON text, from its beginning to its end.

    Args:
        file: the text.
        path: what errors name.
        on_piece: called each time when more was read.
    """

    def __init__(self, file: IO[str], path: Path, on_piece: Callable[[], None] = lambda: None) -> None:
        self._file = file
        self._path = path
        self._on_piece = on_piece
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def peek(self) -> str:
        """Give the first character of what comes next; nothing at the end."""
        while True:
            while self._at < len(self._text):
                char = self._text[self._at]
                if char not in " \t\r\n\ufeff":
                    return char
                self._at += 1
            if not self._more(_PIECE):
                return ""

    def members(self) -> Iterator[str]:
        """Walk through an object: after each name its value must be walked through or taken.

        Raises:
            SourceError: here and everywhere, what comes next is not JSON.
        """
        self._take("{")
        if self.peek() != "}":
            while True:
                key = self.value() if self.peek() == '"' else self._refuse("a name in quotes")
                self._take(":")
                yield key
                if self.peek() != ",":
                    break
                self._take(",")
        self._take("}")

    def elements(self) -> Iterator[None]:
        """Walk through an array: each element must be walked through or taken."""
        self._take("[")
        if self.peek() != "]":
            while True:
                yield
                if self.peek() != ",":
                    break
                self._take(",")
        self._take("]")

    def value(self) -> Any:
        """Take the next value whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                held = len(self._text) - self._at
                if isinstance(error, RecursionError) or held > _LARGEST or not self._more(max(_PIECE, held)):
                    self._refuse("a value")
            else:
                # A number may go on in the next piece.
                if end < len(self._text) or not self._more(_PIECE):
                    self._at = end
                    return value

    def end(self) -> None:
        """Make sure that nothing comes after."""
        if self.peek():
            self._refuse("the end")

    def place(self) -> str:
        """Where the walk is, for people to read."""
        return f"line {self._line + self._text.count(chr(10), 0, self._at)}"

    def _take(self, char: str) -> None:
        if self.peek() != char:
            self._refuse(f'a "{char}"')
        self._at += 1

    def _more(self, size: int) -> bool:
        """Read on, and forget what was walked through; whether there was more."""
        if self._ended:
            return False
        try:
            piece = self._file.read(size)
        except UnicodeDecodeError:
            raise SourceError(
                "not UTF-8 text", file=self._path, place=f"after {self.place()}", remedy="export it again"
            ) from None
        self._on_piece()
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + piece
        self._at = 0
        self._ended = not piece
        return bool(piece)

    def _refuse(self, expected: str) -> Any:
        found = repr(self._text[self._at : self._at + 20]) if self.peek() else "the end of the file"
        raise SourceError(
            f"not JSON: expected {expected}, found {found}",
            file=self._path,
            place=self.place(),
            remedy="export it again, and whole",
        )
