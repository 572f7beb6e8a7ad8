"""Savings: what suggestions were worth so far, as a screen says it.

In: keys and characters, words asked and hit. Out: a few lines. Law: as `fedkeys evaluate` counts recall: a word
counts if the strip was shown before its first letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedkeys.evaluate.replay import spans


@dataclass(slots=True)
class Tally:
    """What was counted.

    Attributes:
        keys, characters: pressed, and sent.
        words, first, any: words before which a strip was shown; hits in its first slot, and in any.
    """

    keys: int = 0
    characters: int = 0
    words: int = 0
    first: int = 0
    any: int = 0

    def add(self, text: str, keys: int, offered: Mapping[str, Sequence[str]]) -> None:
        """Count a message that was sent.

        Args:
            text: the message.
            keys: that it took.
            offered: what stood before a word, from its first letter -> what the strip showed there, in lower case.
        """
        self.keys += keys
        self.characters += len(text)
        for start, end in spans(text):
            words = offered.get(text[:start])
            if words is not None:
                word = text[start:end].lower().replace("’", "'")
                self.words += 1
                self.first += words[:1] == [word]
                self.any += word in words

    @property
    def recall(self) -> str:
        """Say how often the strip had the word before its first letter."""
        if not self.words:
            return ""
        return f"of {self.words} words {self.any} offered,\n{self.first} of them first,\nbefore their first letter"


def savings(keys: int, characters: int) -> str:
    """Say what the suggestions saved; less than nothing where letters were taken back.

    >>> print(savings(6, 24))
    18 of 24 keys saved
    75 %
    >>> print(savings(9, 6))
    -3 of 6 keys saved
    -50 %
    >>> print(savings(0, 0))
    nothing typed yet
    """
    if not characters:
        return "nothing typed yet"
    saved = characters - keys
    return f"{saved} of {characters} keys saved\n{round(100 * saved / characters)} %"
