"""A frozen vocabulary: words in alphabetical order, so that a prefix is a range of ids.

In: words. Out: ids, from `FIRST_WORD` up. Law: the same words give the same ids and the same digest,
whatever order they came in. Alphabetical means by Unicode code point, which is also the order of the UTF-8
bytes.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b

MESSAGE_START_ID = 0
SENTENCE_START_ID = 1
FIRST_WORD = 2

_AFTER_EVERY_WORD = "\U0010ffff"


class Vocabulary:
    """Words in alphabetical order; the id of a word is its place plus `FIRST_WORD`.

    >>> vocabulary = Vocabulary(["you", "see", "yours"])
    >>> vocabulary.words
    ('see', 'you', 'yours')
    >>> vocabulary.ids["you"], vocabulary.prefix_range("you")
    (3, (3, 5))
    """

    __slots__ = ("__dict__", "words")

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(sorted(set(words)))

    @classmethod
    def from_sorted(cls, words: Iterable[str]) -> "Vocabulary":
        """Take words that are known to be distinct and in order."""
        vocabulary = cls.__new__(cls)
        vocabulary.words = tuple(words)
        return vocabulary

    def __len__(self) -> int:
        return len(self.words)

    def word(self, id_: int) -> str:
        """Give the word of an id from `FIRST_WORD` up."""
        return self.words[id_ - FIRST_WORD]

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word; built at first use."""
        return {word: place for place, word in enumerate(self.words, FIRST_WORD)}

    def find(self, word: str) -> int | None:
        """Give the id of a word, or None. Needs no dictionary, so a keyboard starts at once."""
        place = bisect_left(self.words, word)
        if place < len(self.words) and self.words[place] == word:
            return place + FIRST_WORD
        return None

    def prefix_range(self, prefix: str) -> tuple[int, int]:
        """Give the ids of all words that begin with `prefix`, as a half-open range."""
        first, last = prefix_places(self.words, prefix)
        return first + FIRST_WORD, last + FIRST_WORD

    @cached_property
    def digest(self) -> bytes:
        """16 bytes of BLAKE2b over the words, joined by newlines, in UTF-8."""
        return blake2b(self._text, digest_size=16).digest()

    @property
    def reference(self) -> bytes:
        """What a delta written against these words says of them: their digest, or nothing if there are none."""
        return self.digest if self.words else b""

    def packed(self) -> bytes:
        """Give the words, of which there are some, deflated, for `unpacked`."""
        return zlib.compress(self._text)

    @classmethod
    def unpacked(cls, data: bytes) -> "Vocabulary":
        """Read what `packed` gave."""
        return cls.from_sorted(zlib.decompress(data).decode().split("\n"))

    @property
    def _text(self) -> bytes:
        return "\n".join(self.words).encode()


class GrowingVocabulary:
    """Words in the order in which they came; the id of a word is its place plus `FIRST_WORD`, and stays.

    >>> words = GrowingVocabulary()
    >>> words.id("you"), words.id("see"), words.id("you"), words.words
    (2, 3, 2, ['you', 'see'])
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.words)

    def find(self, word: str) -> int | None:
        """Give the id of a word, or None."""
        return self._ids.get(word)

    def id(self, word: str) -> int:
        """Give the id of a word, a new one if it has none."""
        id_ = self._ids.get(word)
        if id_ is None:
            id_ = self._ids[word] = len(self.words) + FIRST_WORD
            self.words.append(word)
        return id_

    def ids(self, words: Iterable[str]) -> list[int]:
        """Give the ids of words, one after the other."""
        known = self._ids
        return [known.get(word) or self.id(word) for word in words]


def prefix_places(words: Sequence[str], prefix: str) -> tuple[int, int]:
    """Give the places of all words that begin with `prefix` in an alphabetical list, as a half-open range.

    >>> prefix_places(["see", "you", "yours"], "you")
    (1, 3)
    """
    first = bisect_left(words, prefix)
    return first, bisect_left(words, prefix + _AFTER_EVERY_WORD, first)
