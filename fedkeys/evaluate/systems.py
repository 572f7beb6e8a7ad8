"""The systems that are compared: the keyboard, the model alone, and two baselines.

In: a model, or the training text. Out: words for a message as typed so far.

    keyboard        everyone's model mixed with the user's personal model, which learns on
    model           everyone's model alone
    bigram          the most frequent successors of the last word, then the most frequent words
    frequent words  the most frequent words

The baselines count all the training text, whatever a release rule withholds from the model.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest

from fedkeys.counts.vocabulary import prefix_places
from fedkeys.phone import Keyboard
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


class BaselineSystem:
    """Most frequent successors, or words.

    Args:
        counting: counts of the training text.
        bigrams: whether it looks at the last word.
    """

    def __init__(self, counting: Counting, *, bigrams: bool) -> None:
        self._counting = counting
        self._bigrams = bigrams

    def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
        """Give successors of the last word by count, then words by count."""
        cursor = at_cursor(text)
        if cursor.prefix is None:
            return []
        prefix = fold(cursor.prefix)
        found: list[str] = []
        left_out = {prefix, *passed_over}
        if self._bigrams and cursor.items:
            for word in self._counting.after.get(fold(cursor.items[-1]), ()):
                if word.startswith(prefix) and word not in left_out:
                    found.append(word)
                    if len(found) == k:
                        return found
        for word in self._counting.most_frequent(prefix, k + len(found) + len(left_out)):
            if word not in found and word not in left_out and len(found) < k:
                found.append(word)
        return found

    def learn(self, message: str) -> None:
        """Baselines do not learn."""


def _ranked(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))
