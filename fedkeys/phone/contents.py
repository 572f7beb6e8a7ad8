"""What a personal model holds: what followed each context, how often, and when last.

In: words as they are typed. Out: the same, to be kept, read, joined with what another device holds, or halved.
Law: what is made of its owner's words cannot be pickled or copied: it stays on its phone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple, NoReturn, Self

ORDER = 4
MAX_FORMS = 8  # of a word
# Words that are counted; a snapshot has room for twice as many, so for any message after them.
MOST_TYPED = 1 << 31

Context = tuple[str, ...]

_FREQUENT = 10  # of each context, the words that are offered by their counts
_RECENT = 4  # of each context, the words typed last that are offered
_STAYS = "a personal model, and what is read from it, cannot be pickled or copied: it stays on its phone"


class OnItsPhone:
    """What cannot be pickled or copied: it holds words of the owner, and stays on the phone."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(_STAYS)


class Followers(OnItsPhone):
    """What followed one context.

    Attributes:
        counts: word -> how often.
        last: word -> when last, in words typed ever; the word typed last stands last.
        total: the sum of the counts.
    """

    __slots__ = ("_frequent", "counts", "last", "total")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.total = 0
        # Kept only of more words than it holds: three of four contexts have one word.
        self._frequent: list[str] = []

    @classmethod
    def of(cls, words: Sequence[str], counts: Sequence[int], last: Iterable[int]) -> Self:
        """Make one of words in the order in which each was last typed."""
        made = cls()
        made.counts = dict(zip(words, counts, strict=True))
        made.last = dict(zip(words, last, strict=True))
        made.total = sum(counts)
        if len(counts) > _FREQUENT:
            made._rank_all()
        return made

    @property
    def frequent(self) -> list[str]:
        """The most frequent words, best first."""
        return self._frequent or sorted(self.counts, key=self._rank)

    @property
    def recent(self) -> list[str]:
        """The words typed last, the last one first."""
        return list(islice(reversed(self.last), _RECENT))

    def add(self, word: str, now: int) -> bool:
        """Count a word; tell whether it is a new one."""
        before = self.counts.get(word, 0)
        self.counts[word] = before + 1
        if before:
            del self.last[word]
        self.last[word] = now
        self.total += 1
        if len(self.counts) > _FREQUENT:
            self._rank_again(word)
        return not before

    def discard(self, words: Iterable[str]) -> int:
        """Forget words; tell how many there were."""
        before = len(self.counts)
        for word in words:
            self.total -= self.counts.pop(word, 0)
            self.last.pop(word, None)
        self._rank_all()
        return before - len(self.counts)

    def best(self, words: list[str], k: int) -> list[str]:
        """Give the k most frequent of some of the words, which stand in alphabetical order."""
        return sorted(words, key=self.counts.__getitem__, reverse=True)[:k]  # keeps the order of equals

    def _rank_again(self, word: str) -> None:
        """Put a word that was counted where it belongs: counts grow one by one, so no other enters."""
        if not self._frequent:
            self._rank_all()
        elif word in self._frequent:
            self._frequent.sort(key=self._rank)
        elif self._rank(word) < self._rank(self._frequent[-1]):
            self._frequent[-1] = word
            self._frequent.sort(key=self._rank)

    def _rank_all(self) -> None:
        many = len(self.counts) > _FREQUENT
        self._frequent = nsmallest(_FREQUENT, self.counts, key=self._rank) if many else []

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

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(_STAYS)


@dataclass(frozen=True, slots=True)
class Contents(OnItsPhone):
    """All that a personal model holds.

    Attributes:
        now: how many words were typed ever.
        after: context -> what followed it; the empty context is among them.
        written: word -> written form inside a sentence -> how often.
        messages: the words of the last few messages, the last one last.
        starts: how many sentences began with a letter, and how many of these with a capital.
    """

    now: int
    after: Mapping[Context, Followers]
    written: Mapping[str, Mapping[str, int]]
    messages: Sequence[frozenset[str]]
    starts: tuple[int, int] = (0, 0)


def halved(contents: Contents) -> Contents:
    """Halve all numbers, rounded up, which keeps their order; a written form that is hardly used goes."""
    after = {
        context: Followers.of(
            list(found.last),
            [(found.counts[word] + 1) // 2 for word in found.last],
            [(at + 1) // 2 for at in found.last.values()],
        )
        for context, found in contents.after.items()
    }
    # Rounded down, so that all forms of a word are still not more than the times it was typed.
    written = {
        word: {form: count // 2 for form, count in forms.items() if count > 1}
        for word, forms in contents.written.items()
        if max(forms.values()) > 1
    }
    starts, capitals = ((number + 1) // 2 for number in contents.starts)
    now = (contents.now + 1) // 2
    return Contents(now, after, written, contents.messages, (starts, capitals))


def joined(theirs: Followers | None, own: Followers | None, before: int) -> Followers:
    """What followed a context elsewhere, while so many words were typed, and then here."""
    theirs, own = theirs or Followers(), own or Followers()
    last = {word: at for word, at in theirs.last.items() if word not in own.last}
    last.update((word, before + at) for word, at in own.last.items())
    counts = [theirs.counts.get(word, 0) + own.counts.get(word, 0) for word in last]
    return Followers.of(list(last), counts, last.values())
