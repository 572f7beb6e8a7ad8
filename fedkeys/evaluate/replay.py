"""Replaying a message key by key.

In: a message and something that suggests. Out: a `Score`, and figures of it. The rules, which every figure states:

- Words are lower-cased `[a-z]+('[a-z]+)*`; whatever else stands in a message is neither asked nor counted:
  no emoji or number, and no part of "naïve" or "b52". The parts of an address are words, and misses.
- Recall: the strip is read before the first letter; a hit is the word in the first place (top-1), or in one
  of three (top-3). A word outside the vocabulary is a miss.
- Keystroke savings: 1 - keys pressed / characters, counting one space a word. The strip of three is read
  before the first letter and after each letter but the last; accepting a word costs one key and types the
  space. A word that was passed over by typing on is not offered again to complete the same word, unless asked for;
  this holds for every system. (The keyboard may offer it for what it takes for a slip, where slots are left.)
"""

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedkeys.phone import PassedOver

SLOTS = 3

FIGURES = ("top1", "top3", "keystroke_savings")

_WORD = re.compile(r"(?<!\w)(?<!\w')[A-Za-z]+(?:'[A-Za-z]+)*(?!\w)")
_CURLY = str.maketrans("’‘", "''")


class Suggests(Protocol):
    """Anything that offers words, best first, for a message as typed so far."""

    def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
        """Give at most k words in lower case, to complete it none of those that were passed over."""

    def learn(self, message: str) -> None:
        """See a message after it was predicted."""


@dataclass(slots=True)
class Score:
    """What replaying has counted so far.

    Attributes:
        words: words asked.
        top1, top3: hits.
        characters: letters and one space a word; keys: keys pressed.
        next_ns, completion_ns: CPU time of the thread for each suggestion, in nanoseconds.
    """

    words: int = 0
    top1: int = 0
    top3: int = 0
    characters: int = 0
    keys: int = 0
    next_ns: list[int] = field(default_factory=list)
    completion_ns: list[int] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """What `figures` are made of."""
        return self.words, self.top1, self.top3, self.keys, self.characters

    def summary(self) -> dict[str, float]:
        """Give recall and keystroke savings as parts of 1."""
        return dict(zip(FIGURES, figures(np.array([self.counts]))[0].tolist(), strict=True))

    def add(self, other: "Score") -> None:
        """Count what another one has counted too."""
        for name in ("words", "top1", "top3", "characters", "keys"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.next_ns += other.next_ns
        self.completion_ns += other.completion_ns


def figures(counts: NDArray[np.number[Any]]) -> NDArray[np.float64]:
    """Give top-1, top-3 and keystroke savings of each row: float64[n, 3].

    Args:
        counts: [n, 5], words, hits in the first place, hits in any, keys and characters; all 0 where nothing
            was asked.
    """
    words, top1, top3, keys, characters = counts.T
    asked = np.maximum(1, words)
    return np.stack([top1 / asked, top3 / asked, 1 - keys / np.maximum(1, characters)], axis=1)


def replay(message: str, system: Suggests, score: Score, repeats: bool = False) -> None:
    """Type one message with a system's help, then let it learn the message.

    Args:
        message: what is typed.
        system: what offers words.
        score: where it is counted.
        repeats: whether words that were passed over are offered again.
    """
    for start, end in spans(message):
        type_word(message, start, end, system, score, repeats)
    system.learn(message)


def spans(message: str) -> Iterator[tuple[int, int]]:
    """Give where the words of a message that are asked begin and end."""
    return (match.span() for match in _WORD.finditer(message.translate(_CURLY)))


def asked_words(message: str) -> int:
    """How many words of a message are asked."""
    return sum(1 for _ in spans(message))


def type_word(
    message: str, start: int, end: int, system: Suggests, score: Score, repeats: bool = False
) -> None:
    """Type one word of a message.

    Args:
        message: what is typed.
        start, end: where the word is, of `spans`.
        system, score, repeats: as of `replay`.
    """
    text = message.translate(_CURLY)
    word = text[start:end].lower()
    passed_over = PassedOver()
    score.words += 1
    score.characters += len(word) + 1
    for typed in range(len(word)):
        before = text[: start + typed]
        left_out = passed_over.at(before)
        began = time.thread_time_ns()
        offered = system.words(before, SLOTS, left_out)
        took = time.thread_time_ns() - began
        (score.completion_ns if typed else score.next_ns).append(took)
        if not typed:
            score.top1 += offered[:1] == [word]
            score.top3 += word in offered
        if word in offered:
            score.keys += typed + 1
            return
        if not repeats:
            passed_over.shown(before, offered)
    score.keys += len(word) + 1
