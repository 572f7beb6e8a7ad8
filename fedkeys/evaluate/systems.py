"""The systems that are compared: the keyboard, the model alone, and baselines.

In: a model, or the training text. Out: words for a message as typed so far.

    keyboard         everyone's model mixed with the user's personal model, which learns on
    model            everyone's model alone
    bigram           the most frequent successors of the last word, then the most frequent words
    frequent words   the most frequent words
    stupid back-off  counts of the training text, longest context first (`fedkeys.evaluate.backoff`)
    KenLM, nltk.lm   other libraries, which score every word (`fedkeys.evaluate.scans`)

The baselines count all the training text, whatever a release rule withholds from the model; KenLM alone has the
model itself.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest
from typing import Protocol

from fedkeys.counts.vocabulary import prefix_places
from fedkeys.evaluate.replay import Suggests
from fedkeys.phone import Keyboard, hand_mixed
from fedkeys.words import GAP, at_cursor, fold, tokens


class KeyboardSystem:
    """A keyboard that is replayed.

    Args:
        keyboard: what is asked.
        learns: whether it learns what was typed.
    """

    def __init__(self, keyboard: Keyboard, *, learns: bool) -> None:
        self._keyboard = keyboard
        self._learns = learns

    def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
        """Give the keyboard's suggestions."""
        return [suggestion.word.lower() for suggestion in self._keyboard.suggest(text, k, passed_over)]

    def learn(self, message: str) -> None:
        """Learn a message, if it learns at all."""
        if self._learns:
            self._keyboard.learn(message)


class Ranker(Protocol):
    """Anything that ranks words after a context."""

    def best(self, context: Sequence[str], prefix: str, k: int) -> Sequence[str]:
        """Give the k best words, best first.

        Args:
            context: folded items before the word, with the mark before the first one, as `at_cursor` gives them.
            prefix: folded, what the words begin with.
            k: how many.
        """


class BaselineSystem:
    """A ranker that is replayed, and does not learn.

    Args:
        ranker: what is asked.
    """

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
        """Give the ranker's best words but the one that is typed already."""
        cursor = at_cursor(text)
        if cursor.prefix is None:
            return []
        prefix = fold(cursor.prefix)
        left_out = {prefix, *passed_over}
        found = self._ranker.best(tuple(map(fold, cursor.items)), prefix, k + len(left_out))
        return [word for word in found if word not in left_out][:k]

    def learn(self, message: str) -> None:
        """Baselines do not learn."""


class Counting:
    """Plain counts of words and bigrams, ranked once."""

    def __init__(self, texts: Iterable[str]) -> None:
        words: Counter[str] = Counter()
        after: dict[str, Counter[str]] = {}
        for text in texts:
            last = GAP
            for item in map(fold, tokens(text)):
                if item > "\x03":
                    words[item] += 1
                    if last != GAP:
                        after.setdefault(last, Counter())[item] += 1
                last = item
        self.words: Sequence[str] = _ranked(words)
        self.after = {word: _ranked(counts) for word, counts in after.items()}
        self._rank = {word: rank for rank, word in enumerate(self.words)}
        self._alphabetical = sorted(self.words)

    def most_frequent(self, prefix: str, k: int) -> Sequence[str]:
        """Give the k most frequent words that begin with a prefix."""
        if not prefix:
            return self.words[:k]
        first, last = prefix_places(self._alphabetical, prefix)
        return nsmallest(k, self._alphabetical[first:last], key=self._rank.__getitem__)


class FrequentWords:
    """The most frequent words.

    Args:
        counting: counts of the training text.
    """

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def best(self, context: Sequence[str], prefix: str, k: int) -> Sequence[str]:
        """Give words by count."""
        del context
        return self._counting.most_frequent(prefix, k)


class Bigrams:
    """The most frequent successors of the last word.

    Args:
        counting: counts of the training text.
    """

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def best(self, context: Sequence[str], prefix: str, k: int) -> Sequence[str]:
        """Give successors of the last word by count, then words by count."""
        found: list[str] = []
        for word in self._counting.after.get(context[-1], ()) if context else ():
            if word.startswith(prefix):
                found.append(word)
                if len(found) == k:
                    return found
        more = self._counting.most_frequent(prefix, k + len(found))
        return [*found, *(word for word in more if word not in found)][:k]


def systems_of(keyboard: Keyboard, personal: bool, counting: Counting) -> dict[str, Suggests]:
    """Name the systems that are always asked.

    Args:
        keyboard: the one that is evaluated.
        personal: whether it goes on learning.
        counting: counts of the training text.
    """
    return {
        "keyboard": KeyboardSystem(keyboard, learns=personal),
        "model": KeyboardSystem(Keyboard(keyboard.model, mix=hand_mixed()), learns=False),
        "bigram": BaselineSystem(Bigrams(counting)),
        "frequent_words": BaselineSystem(FrequentWords(counting)),
    }


def _ranked(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))
