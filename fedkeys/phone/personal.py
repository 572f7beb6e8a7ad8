"""The personal model: what its owner types, counted on the device and never sent.

In: messages. Out: what their owner typed after a context, how often and how long ago. Laws: it is made of the
owner's words as strings, so it outlives any released vocabulary; it is only ever read by this phone's keyboard;
what it holds is closed, so that with an n-gram stay each of its words and the n-gram without the first of them,
typed as often or more, and as lately.

Unlike everything that is shipped or merged it changes at every message, so it lies in dictionaries
(`fedkeys.phone.contents`). `fedkeys.phone.store` keeps it on disk.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterable, Sequence

from fedkeys.counts.vocabulary import prefix_places
from fedkeys.errors import FedkeysError
from fedkeys.phone.contents import (
    MAX_FORMS,
    MOST_TYPED,
    ORDER,
    Contents,
    Context,
    Followers,
    Memory,
    OnItsPhone,
    halved,
    joined,
)
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, one_mark, tokens

MAX_NGRAMS = 200_000

_MARKS = (MESSAGE_START, SENTENCE_START)
_MESSAGES = 3  # messages whose words are remembered as such
_CAPITALS_BEFORE = 2  # sentences that began with one before any was seen
_PART_DROPPED = 0.1  # of all n-grams, when there are too many
_OFTEN = 100  # counts from here on are as good as any


class PersonalModel(OnItsPhone):
    """Counts what came after each context of up to `ORDER` - 1 words; learns message by message.

    After `MOST_TYPED` words all numbers are halved, so that what is compared stays as it was, but for rounding.

    Args:
        max_ngrams: with more n-grams than these a tenth goes, the least useful: of those of two words or more
            the ones typed least often, of these the ones typed longest ago; words by themselves after all others.

    Attributes:
        now: how many words were typed ever.
        version: grows with every change.
        messages: the words of the last few messages, the last one last.
    """

    def __init__(self, max_ngrams: int = MAX_NGRAMS) -> None:
        self.max_ngrams = max_ngrams
        self.version = 0
        self._become(Contents(0, {(): Followers()}, {}, ()))

    def __len__(self) -> int:
        """How many n-grams it holds."""
        return self._ngrams

    @property
    def contents(self) -> Contents:
        """All that it holds, to be read before it changes."""
        starts = self._starts, self._capitals
        return Contents(self.now, self._after, self._written, tuple(self.messages), starts)

    @property
    def words(self) -> Sequence[str]:
        """The words that it knows, in alphabetical order; to be read before it changes."""
        return self._alphabetical

    @property
    def capitalises(self) -> bool:
        """Whether its owner begins sentences with a capital; so it is assumed until some have begun without."""
        return 2 * (self._capitals + _CAPITALS_BEFORE) >= self._starts + _CAPITALS_BEFORE

    def learn(self, message: str) -> None:
        """Count one message."""
        self.learn_items(one_mark(tokens(message)))

    def learn_items(self, items: Iterable[str]) -> None:
        """Count one message, given as the words and single marks that `fedkeys.words` makes of it."""
        items = list(items)
        shouted = _is_shouted(items)
        context: tuple[str, ...] = ()
        words: list[str] = []
        for item in items:
            if item == GAP:
                context = ()
            elif item in _MARKS:
                context = (item,)
            else:
                word = fold(item)
                words.append(word)
                self.now += 1
                self._count(context, word)
                if shouted:
                    pass  # says nothing of how its words are written
                elif not context or context[-1] not in _MARKS:
                    self._count_form(word, item)
                elif item[0].isalpha():
                    self._starts += 1
                    self._capitals += item[0].isupper()
                context = (*context, word)[-(ORDER - 1) :]
        self.messages.append(frozenset(words))
        self.version += 1
        self._halve()
        self._make_room()

    def merge(self, before: Contents) -> None:
        """Learn what was typed elsewhere, as if it had been typed here before all else.

        Raises:
            FedkeysError: these are too many words for one life.
        """
        own, now = self.contents, self.now + before.now
        if now > MOST_TYPED:
            raise FedkeysError(f"{now:,} words typed are more than the {MOST_TYPED:,} that are counted")
        after = {
            context: joined(before.after.get(context), own.after.get(context), before.now)
            for context in {**before.after, **own.after}
        }
        starts, capitals = (sum(both) for both in zip(before.starts, own.starts, strict=True))
        messages = (*before.messages, *own.messages)
        self._become(Contents(now, after, before.written, messages, (starts, capitals)))
        for word, forms in own.written.items():
            for form, count in forms.items():
                self._count_form(word, form, count)
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

    def after(self, context: Context) -> Followers | None:
        """Give what followed just this context, not its ends; None if nothing did."""
        return self._after.get(context)

    def candidates(self, memory: Memory, prefix: str, k: int) -> Iterable[str]:
        """Give the words that were typed most often, or last, after each context and begin with the prefix.

        Their order is the same in every process, as a set's is not: training adds up in it.
        """
        anywhere, *after_contexts = memory.followers
        if memory.skipped is not None:
            after_contexts.append(memory.skipped)
        if not prefix:
            found = dict.fromkeys(anywhere.frequent[:k])
            for after in after_contexts:
                found |= dict.fromkeys(after.frequent[:k])
                found |= dict.fromkeys(after.recent)
            return found
        first, last = prefix_places(self._alphabetical, prefix)
        known = self._alphabetical[first:last]
        found = dict.fromkeys(anywhere.best(known, k))
        for after in after_contexts:
            if len(known) < len(after.counts):
                words = [word for word in known if word in after.counts]
            else:
                words = sorted(word for word in after.counts if word.startswith(prefix))
            found |= dict.fromkeys(after.best(words, k))
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
        if word not in self._after[()].counts:
            return False
        for context in [context for context in self._after if word in context]:
            del self._after[context]
        for after in self._after.values():
            if word in after.counts:
                after.discard([word])
        self._tidy()
        return True

    def forget_all(self) -> None:
        """Forget everything."""
        self._become(Contents(0, {(): Followers()}, {}, ()))

    def _become(self, contents: Contents) -> None:
        """Hold this and nothing else."""
        self.now = contents.now
        self._starts, self._capitals = contents.starts
        self.messages: deque[frozenset[str]] = deque(contents.messages, _MESSAGES)
        # (word, GAP) is the context of a word with any word after it.
        self._after = dict(contents.after)
        self._written = {word: dict(forms) for word, forms in contents.written.items()}
        self._tidy()

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

    def _count_form(self, word: str, form: str, times: int = 1) -> None:
        forms = self._written.setdefault(word, {})
        if form not in forms and len(forms) >= MAX_FORMS:
            del forms[min(forms, key=lambda form: (forms[form], form))]
        forms[form] = forms.get(form, 0) + times

    def _tidy(self) -> None:
        """Drop what nothing points to any more, and count what is left."""
        self._after = {
            context: after for context, after in self._after.items() if after.counts or not context
        }
        known = self._after[()].counts
        self._written = {word: forms for word, forms in self._written.items() if word in known}
        self.messages = deque((said & known.keys() for said in self.messages), _MESSAGES)
        self._alphabetical = sorted(known)
        self._ngrams = sum(len(after.counts) for after in self._after.values())
        self.version += 1

    def _halve(self) -> None:
        """After more words than are counted, halve all numbers, so that a snapshot can always hold them."""
        while self.now > MOST_TYPED:
            self._become(halved(self.contents))

    def _make_room(self) -> None:
        """With too many n-grams, drop those of least use until there is some room to spare."""
        if self._ngrams <= self.max_ngrams:
            return
        kept = int(self.max_ngrams * (1 - _PART_DROPPED))
        # An n-gram is not typed less often, nor less lately, than a longer one that ends with it; of equals the
        # longer one goes first, so that none is left behind that cannot be reached. The names make it the same
        # for equal contents in any order.
        every = [
            (not context, min(count, _OFTEN), after.last[word], -len(context), context, word)
            for context, after in self._after.items()
            for word, count in after.counts.items()
        ]
        every.sort()
        leaving: dict[Context, list[str]] = {}
        for *_, context, word in every[: len(every) - kept]:
            leaving.setdefault(context, []).append(word)
        for context, words in leaving.items():
            self._after[context].discard(words)
        self._tidy()


def _is_shouted(items: Sequence[str]) -> bool:
    """Tell whether all words of a message, two or more, are in capitals."""
    words = [item for item in items if item not in (*_MARKS, GAP) and item.upper() != item.lower()]
    return len(words) > 1 and max(map(len, words)) > 1 and all(item == item.upper() for item in words)
