"""The personal model: what its owner types, counted on the device and never sent.

In: messages. Out: what their owner typed after a context, how often and how long ago. Law: it is made of the
owner's words as strings, so it outlives any released vocabulary; it is only ever read by this phone's keyboard.

Unlike everything that is shipped, merged or saved it changes at every message, so it lies in dictionaries.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import NamedTuple, NoReturn

from fedkeys.counts.vocabulary import prefix_places
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, one_mark, tokens

ORDER = 4
MAX_NGRAMS = 200_000

Context = tuple[str, ...]

_MARKS = (MESSAGE_START, SENTENCE_START)
_FREQUENT = 10  # of each context, the words that are held in order of their counts
_RECENT = 4  # and in the order in which they were typed
_MESSAGES = 3  # messages whose words are remembered as such
_PART_DROPPED = 0.1  # of all n-grams, when there are too many
_OFTEN = 100  # counts from here on are as good as any


class Followers:
    """What followed one context.

    Attributes:
        counts: word -> how often.
        last: word -> when last, in words typed ever.
        total: the sum of the counts.
        frequent: the most frequent words, best first.
        recent: the words typed last, the last one first.
    """

    __slots__ = ("counts", "frequent", "last", "recent", "total")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.total = 0
        self.frequent: list[str] = []
        self.recent: list[str] = []

    def add(self, word: str, now: int, count: int = 1) -> bool:
        """Count a word; tell whether it is a new one."""
        before = self.counts.get(word, 0)
        self.counts[word] = before + count
        self.last[word] = now
        self.total += count
        # Counts grow one by one, so a word enters the first ones only when it is counted itself.
        if word not in self.frequent:
            self.frequent.append(word)
        self.frequent.sort(key=self._rank)
        del self.frequent[_FREQUENT:]
        if word in self.recent:
            self.recent.remove(word)
        self.recent.insert(0, word)
        del self.recent[_RECENT:]
        return not before

    def discard(self, words: Iterable[str]) -> int:
        """Forget words; tell how many there were."""
        before = len(self.counts)
        for word in words:
            self.total -= self.counts.pop(word, 0)
            self.last.pop(word, None)
        self.frequent = self.best(self.counts, _FREQUENT)
        self.recent = nsmallest(_RECENT, self.last, key=lambda word: -self.last[word])
        return before - len(self.counts)

    def best(self, words: Iterable[str], k: int) -> list[str]:
        """Give the k most frequent of some of the words."""
        return nsmallest(k, words, key=self._rank)

    def _rank(self, word: str) -> tuple[int, str]:
        return -self.counts[word], word


class Memory(NamedTuple):
    """What is known of one situation.

    Attributes:
        followers: what followed each known end of the context, shortest first, the empty one included.
        skipped: what came after the last word but one, whatever stood between; None if nothing did.
    """

    followers: list[Followers]
    skipped: Followers | None


class PersonalModel:
    """Counts what came after each context of up to `ORDER` - 1 words; learns message by message.

    Args:
        max_ngrams: with more n-grams than these, the least useful ones go: those typed least often, of these
            the ones typed longest ago.

    Attributes:
        now: how many words were typed ever.
        version: grows with every change.
        messages: the words of the last few messages, the last one last.
    """

    def __init__(self, max_ngrams: int = MAX_NGRAMS) -> None:
        self.max_ngrams = max_ngrams
        self.now = 0
        self.version = 0
        self.messages: deque[frozenset[str]] = deque(maxlen=_MESSAGES)
        # (word, GAP) is the context of a word with any word after it.
        self._after: dict[Context, Followers] = {(): Followers()}
        self._ngrams = 0
        self._alphabetical: list[str] = []
        self._written: dict[str, dict[str, int]] = {}

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a personal model cannot be pickled or copied: it stays on its phone")

    def __len__(self) -> int:
        """How many n-grams it holds."""
        return self._ngrams

    def learn(self, message: str) -> None:
        """Count one message."""
        context: tuple[str, ...] = ()
        words: list[str] = []
        for item in one_mark(tokens(message)):
            if item == GAP:
                context = ()
            elif item in _MARKS:
                context = (item,)
            else:
                word = fold(item)
                words.append(word)
                self.now += 1
                self._count(context, word)
                if not context or context[-1] not in _MARKS:
                    forms = self._written.setdefault(word, {})
                    forms[item] = forms.get(item, 0) + 1
                context = (*context, word)[-(ORDER - 1) :]
        self.messages.append(frozenset(words))
        self.version += 1
        if self._ngrams > self.max_ngrams:
            self._make_room()

    def recall(self, context: Sequence[str]) -> Memory:
        """Give what is known of a context, the last word last."""
        found = [self._after[()]]
        for length in range(1, min(len(context), ORDER - 1) + 1):
            after = self._after.get(tuple(context[len(context) - length :]))
            if after is None:
                break
            found.append(after)
        return Memory(found, self._after.get((context[-2], GAP)) if len(context) > 1 else None)

    def candidates(self, memory: Memory, prefix: str, k: int) -> set[str]:
        """Give the words that were typed most often, or last, after each context and begin with the prefix."""
        anywhere, *after_contexts = memory.followers
        if memory.skipped is not None:
            after_contexts.append(memory.skipped)
        if not prefix:
            found = set(anywhere.frequent[:k])
            for after in after_contexts:
                found.update(after.frequent[:k], after.recent)
            return found
        first, last = prefix_places(self._alphabetical, prefix)
        found = set(anywhere.best(self._alphabetical[first:last], k))
        for after in after_contexts:
            found.update(after.best((word for word in after.counts if word.startswith(prefix)), k))
        return found

    def written(self, word: str) -> str | None:
        """Give the form in which its owner mostly writes a word inside a sentence; None if never."""
        forms = self._written.get(word)
        return max(forms, key=lambda form: (forms[form], form)) if forms else None

    def learnt(self) -> list[tuple[str, int]]:
        """Give the words that it knows and how often each was typed, the most frequent first."""
        counts = self._after[()].counts
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    def forget(self, word: str) -> bool:
        """Forget a word in every written form, and whatever it was part of; tell whether it was known."""
        word = fold(word)
        known = word in self._after[()].counts
        for context in [context for context in self._after if word in context]:
            self._ngrams -= len(self._after.pop(context).counts)
        for after in self._after.values():
            if word in after.counts:
                self._ngrams -= after.discard([word])
        self.messages = deque((said - {word} for said in self.messages), _MESSAGES)
        self._tidy()
        return known

    def forget_all(self) -> None:
        """Forget everything."""
        self.__init__(self.max_ngrams)  # type: ignore[misc]

    def _count(self, context: Context, word: str) -> None:
        if self._after[()].add(word, self.now):
            insort(self._alphabetical, word)
            self._ngrams += 1
        for start in range(len(context)):
            self._add(context[start:], word)
        if len(context) > 1:
            self._add((context[-2], GAP), word)

    def _add(self, context: Context, word: str) -> None:
        after = self._after.get(context)
        if after is None:
            after = self._after[context] = Followers()
        self._ngrams += after.add(word, self.now)

    def _tidy(self) -> None:
        """Drop what nothing points to any more."""
        self._after = {
            context: after for context, after in self._after.items() if after.counts or not context
        }
        known = self._after[()].counts
        self._written = {word: forms for word, forms in self._written.items() if word in known}
        self._alphabetical = sorted(known)
        self.version += 1

    def _make_room(self) -> None:
        """Drop the n-grams of least use, until there is some room to spare; the words themselves stay longest."""
        kept = int(self.max_ngrams * (1 - _PART_DROPPED))
        every = [
            (min(count, _OFTEN) + (not context) * _OFTEN, after.last[word], after, word)
            for context, after in self._after.items()
            for word, count in after.counts.items()
        ]
        every.sort(key=lambda one: one[:2])
        leaving: dict[int, tuple[Followers, list[str]]] = {}
        for *_, after, word in every[: len(every) - kept]:
            leaving.setdefault(id(after), (after, []))[1].append(word)
        for after, words in leaving.values():
            self._ngrams -= after.discard(words)
        self._tidy()
