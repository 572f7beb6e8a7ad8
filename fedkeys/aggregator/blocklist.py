"""The blocklist: words that no release may hold.

In: a text file, one word a line. Out: the words, as counting knows them. Law: a line that could not block anything
is an error, never passed over: who blocks a word relies on it.
"""

from pathlib import Path

from fedkeys.errors import SourceError, UsageError
from fedkeys.words import fold, is_word

_MOST_BYTES = 64 << 20


def read_blocklist(path: Path) -> list[str]:
    """Read words, one a line; empty lines, and lines that begin with #, are left out.

    Raises:
        SourceError: a line is no single word, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SourceError(f"more than the {_MOST_BYTES >> 20} MiB that are read", file=path)
        lines = data.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise SourceError(f"cannot be read ({error.strerror})", file=path) from None
    except UnicodeDecodeError as error:
        raise SourceError(f"is not UTF-8 at byte {error.start}", file=path) from None
    words = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                words.append(blocked_word(text))
            except UsageError as error:
                raise SourceError(
                    error.what, file=path, place=f"line {number}", remedy=error.remedy
                ) from None
    return words


def blocked_word(text: str) -> str:
    """Give the word that is meant, in the form in which it is counted.

    Raises:
        UsageError: it is none that is ever counted.

    >>> blocked_word("LONDON")
    'london'
    """
    word = fold(text)
    if not is_word(word):
        raise UsageError(
            f"{text[:40]!r} is no single word that is ever counted, so it cannot be blocked",
            remedy="write one word a line",
        )
    return word
