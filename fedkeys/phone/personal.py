"""The personal model: what its owner types, counted on the device and never sent.

In: messages. Out: what their owner typed after a context, and how often. Law: it is made of the owner's words
as strings, so it outlives any released vocabulary; it is only ever read by this phone's keyboard.

Unlike everything that is shipped, merged or saved it changes at every message, so it lies in dictionaries.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import NoReturn

from fedkeys.counts.vocabulary import prefix_places
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, one_mark, tokens

ORDER = 3

_MARKS = (MESSAGE_START, SENTENCE_START)
_KEPT_IN_ORDER = 8  # a strip of three slots asks for four words at most


class Followers:
    """What followed one context.

    Attributes:
        counts: word -> how often.
        total: the sum of the counts.
        first: the most frequent words, best first; no more than are ever asked for at once.
    """

    __slots__ = ("counts", "first", "total")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.total = 0
        self.first: list[str] = []

    def add(self, word: str) -> bool:
        """Count a word once more; tell whether it is a new one."""
        count = self.counts.get(word, 0) + 1
        self.counts[word] = count
        self.total += 1
        # Counts only grow, so a word enters the first ones only when it is counted itself.
        if word not in self.first:
            self.first.append(word)
        self.first.sort(key=self._rank)
        del self.first[_KEPT_IN_ORDER:]
        return count == 1

    def best(self, words: Iterable[str], k: int) -> list[str]:
        """Give the k most frequent of some of the words."""
        return nsmallest(k, words, key=self._rank)

    def _rank(self, word: str) -> tuple[int, str]:
        return -self.counts[word], word


class PersonalModel:
    """Counts what came after each context of up to `ORDER` - 1 words; learns message by message."""

    def __init__(self) -> None:
        self._after: dict[tuple[str, ...], Followers] = {(): Followers()}
        self._alphabetical: list[str] = []
        self._written: dict[str, dict[str, int]] = {}

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a personal model cannot be pickled or copied: it stays on its phone")

    def learn(self, message: str) -> None:
        """Count one message."""
        context: tuple[str, ...] = ()
        for item in one_mark(tokens(message)):
            if item == GAP:
                context = ()
            elif item in _MARKS:
                context = (item,)
            else:
                word = fold(item)
                self._count(context, word)
                if not context or context[-1] not in _MARKS:
                    forms = self._written.setdefault(word, {})
                    forms[item] = forms.get(item, 0) + 1
                context = (*context, word)[-(ORDER - 1) :]

    def followers(self, context: Sequence[str]) -> list[Followers]:
        """Give what followed each known end of the context, shortest first, the empty one included."""
        found: list[Followers] = []
        for length in range(min(len(context), ORDER - 1) + 1):
            after = self._after.get(tuple(context[len(context) - length :]))
            if after is None:
                break
            found.append(after)
        return found

    def candidates(self, followers: Sequence[Followers], prefix: str, k: int) -> set[str]:
        """Give the words that were typed most often after each context and begin with the prefix."""
        if not prefix:
            return {word for after in followers for word in after.first[:k]}
        anywhere, *after_contexts = followers
        first, last = prefix_places(self._alphabetical, prefix)
        found = set(anywhere.best(self._alphabetical[first:last], k))
        for after in after_contexts:
            found.update(after.best((word for word in after.counts if word.startswith(prefix)), k))
        return found

    def written(self, word: str) -> str | None:
        """Give the form in which its owner mostly writes a word inside a sentence; None if never."""
        forms = self._written.get(word)
        return max(forms, key=lambda form: (forms[form], form)) if forms else None

    def _count(self, context: tuple[str, ...], word: str) -> None:
        if self._after[()].add(word):
            insort(self._alphabetical, word)
        for start in range(len(context)):
            self._after.setdefault(context[start:], Followers()).add(word)
