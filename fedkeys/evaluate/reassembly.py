"""Reassembly: what whoever holds one delta can chain back to messages.

In: a delta, as its aggregator gets it. Out: texts that an attacker would guess; and beside the messages
themselves, how many of them he has right. Law: he uses nothing but the delta.

Overlapping n-grams are chained: from an n-gram that begins a message to the one of highest order whose beginning
is the end of what is there, the most frequent first, each as often as it is counted. Where orders run out he falls
back on shorter ones. He does not know where messages end: a chain ends where nothing is left to follow it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from fedkeys.delta import Delta
from fedkeys.phone.entries import MARKS, entries
from fedkeys.words import MESSAGE_START, SENTENCE_START, fold, tokens

LEAST_WORDS = 4  # of a message, to be one that could be told from any

_START, _SENTENCE = MARKS
_LONGEST = 80  # words of a chain


class Reassembly(NamedTuple):
    """What an attacker has made of a delta.

    Attributes:
        guesses: texts, in lower case.
        messages: how many there are with `LEAST_WORDS` words or more.
        found: those that are part of a guess word for word, as they read in it.
    """

    guesses: Sequence[str]
    messages: int
    found: Sequence[str]


def reassembled(delta: Delta, texts: Sequence[str], known: Sequence[str] | None = None) -> Reassembly:
    """Attack a delta, and tell how well that went.

    Args:
        delta: what is attacked.
        texts: the messages that it was made of, to compare.
        known: words of the vocabulary that it was written against, if it was against one.
    """
    *levels, _ = entries(delta, known)
    left = [{tuple(entry.text.split(" ")): entry.times for entry in level} for level in levels]
    follows: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for level in left[1:]:
        for words in sorted(level, key=lambda words: (-level[words], words)):
            follows.setdefault(words[:-1], []).append(words)
    guesses: list[str] = []
    starts = [words for words in follows.get((_START,), []) for _ in range(left[1][words])]
    for words in starts:
        chain = list(words)
        if not _used(left, chain):
            continue
        while len(chain) < _LONGEST and (longer := _next(left, follows, chain)) is not None:
            chain.append(longer)
        guesses.append(" ".join(word for word in chain if word not in MARKS))
    said = [" ".join(_words(text)) for text in texts]
    messages = [message for message in said if message.count(" ") + 1 >= LEAST_WORDS]
    padded = [f" {guess} " for guess in guesses]
    found = [message for message in messages if any(f" {message} " in guess for guess in padded)]
    return Reassembly(guesses, len(messages), found)


def _next(
    left: list[dict[tuple[str, ...], int]],
    follows: dict[tuple[str, ...], list[tuple[str, ...]]],
    chain: list[str],
) -> str | None:
    """Give the word that follows a chain, of the longest n-gram that has not been used up."""
    for order in range(min(len(left), len(chain) + 1), 1, -1):
        for words in follows.get(tuple(chain[len(chain) - order + 1 :]), ()):
            if left[order - 1][words] > 0:
                _used(left, [*chain, words[-1]])
                return words[-1]
    return None


def _used(left: list[dict[tuple[str, ...], int]], chain: list[str]) -> bool:
    """Use up what ends a chain, of each order; tell whether its pair was left."""
    was_left = False
    for order in range(2, min(len(left), len(chain)) + 1):
        words = tuple(chain[len(chain) - order :])
        if left[order - 1].get(words, 0) > 0:
            left[order - 1][words] -= 1
            was_left |= order == 2
    return was_left


def _words(text: str) -> list[str]:
    """The words of a message as they are counted."""
    return [word for word in map(fold, tokens(text)) if word > max(MESSAGE_START, SENTENCE_START, "\x03")]
