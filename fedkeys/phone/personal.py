"""The personal model: what its owner types, counted on the device and never sent.

In: messages. Out: what their owner typed after a context, and how often. Law: it is made of the owner's words
as strings, so it outlives any released vocabulary; it is only ever read by this phone's keyboard.

Unlike everything that is shipped, merged or saved it changes at every message, so it lies in dictionaries.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, tokens

ORDER = 3

_MARKS = (MESSAGE_START, SENTENCE_START)


class Followers(NamedTuple):
    """What followed a context.

    Attributes:
        counts: word -> how often.
        total: the sum of the counts.
    """

    counts: dict[str, int]
    total: int


class PersonalModel:
    """Counts what came after each context of up to `ORDER` - 1 words; learns message by message."""

    def __init__(self) -> None:
        self._after: dict[tuple[str, ...], dict[str, int]] = {}
        self._totals: dict[tuple[str, ...], int] = {}
        self._written: dict[str, dict[str, int]] = {}

    def learn(self, message: str) -> None:
        """Count one message."""
        context: tuple[str, ...] = ()
        for item in tokens(message):
            if item == GAP:
                context = ()
            elif item in _MARKS:
                # Of several marks in a row the start of the message counts, as everywhere.
                context = context if context == (MESSAGE_START,) else (item,)
            else:
                word = fold(item)
                self._count(context, word)
                if not context or context[-1] not in _MARKS:
                    forms = self._written.setdefault(word, {})
                    forms[item] = forms.get(item, 0) + 1
                context = (*context, word)[-(ORDER - 1) :]

    def followers(self, context: Sequence[str]) -> Iterator[Followers]:
        """Give what followed the context and each shorter end of it, shortest first, () included."""
        for length in range(min(len(context), ORDER - 1) + 1):
            key = tuple(context[len(context) - length :])
            after = self._after.get(key)
            if after is None:
                return
            yield Followers(after, self._totals[key])

    def written(self, word: str) -> str | None:
        """Give the form in which its owner mostly writes a word inside a sentence; None if never."""
        forms = self._written.get(word)
        return max(forms, key=lambda form: (forms[form], form)) if forms else None

    def _count(self, context: tuple[str, ...], word: str) -> None:
        for start in range(len(context) + 1):
            key = context[start:]
            after = self._after.setdefault(key, {})
            after[word] = after.get(word, 0) + 1
            self._totals[key] = self._totals.get(key, 0) + 1
