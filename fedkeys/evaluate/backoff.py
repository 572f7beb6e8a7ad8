"""Stupid back-off: relative frequencies, times 0.4 for each word less of context.

In: the training text. Out: the best words after a context. Law: what comes out is what scoring every word would
give, equal scores in alphabetical order.

T. Brants, A. C. Popat, P. Xu, F. J. Och and J. Dean, Large Language Models in Machine Translation, EMNLP 2007,
section 4. A word's score is that of the longest context in which it was seen, so of each context only the k most
frequent words that no longer one has can be among the best. A context counts as often as a word of its sentence
follows it.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, MESSAGE_START_ID, SENTENCE_START_ID, Vocabulary, count_ngrams
from fedkeys.phone.lexicon import Lexicon
from fedkeys.words import MESSAGE_START, SENTENCE_START

FACTOR = 0.4

_MARKS = {MESSAGE_START: MESSAGE_START_ID, SENTENCE_START: SENTENCE_START_ID}
_CHUNK = 64


class _Level(NamedTuple):
    """Words after the contexts of one length, context by context, each one's in alphabetical order.

    Attributes:
        first: int64[contexts + 1], where those of a context begin.
        ids: uint32[n]; counts: int64[n].
        ranked: int64[n], the rows of each context again, the most frequent first.
        totals: int64[contexts], how many words came after each.
    """

    first: NDArray[np.int64]
    ids: NDArray[np.uint32]
    counts: NDArray[np.int64]
    ranked: NDArray[np.int64]
    totals: NDArray[np.int64]

    def row(self, context: int, id_: int) -> int:
        """Give the row of a word after a context, or -1."""
        start, end = int(self.first[context]), int(self.first[context + 1])
        row = start + int(np.searchsorted(self.ids[start:end], id_))
        return row if row < end and self.ids[row] == id_ else -1

    def by_count(self, context: int, ids: tuple[int, int] | None) -> Iterator[int]:
        """Give the rows of words after a context, of all or in a range of ids, the most frequent first."""
        start, end = int(self.first[context]), int(self.first[context + 1])
        if ids is None:
            rows = self.ranked[start:end]
        else:
            left, right = (start + np.searchsorted(self.ids[start:end], ids)).tolist()
            rows = left + np.argsort(-self.counts[left:right], kind="stable")
        for begin in range(0, len(rows), _CHUNK):
            yield from rows[begin : begin + _CHUNK].tolist()


class StupidBackoff:
    """Ranks words by stupid back-off.

    Args:
        texts: the training text.
        order: the longest n-grams that are counted.
    """

    def __init__(self, texts: Iterable[str], order: int) -> None:
        lexicon = Lexicon()
        sequence = lexicon.read(texts).sequence
        self._vocabulary = Vocabulary(lexicon.words)
        ids = [MESSAGE_START_ID, SENTENCE_START_ID, *map(self._vocabulary.ids.__getitem__, lexicon.words)]
        counts = count_ngrams(sequence, order).renumbered(np.array(ids, np.uint32))
        self._levels: list[_Level] = []
        for length, level in enumerate(counts.levels):
            own = level.counts
            if not length:  # marks are contexts, and never what follows one
                own = np.where(level.words < FIRST_WORD, 0, own)
            ranked = np.lexsort((level.words, -own, level.parents))
            first = counts.child_offsets(length)
            totals = np.diff(np.concatenate([[0], np.cumsum(own)])[first])
            self._levels.append(_Level(first, level.words, own, ranked, totals))

    def best(self, context: Sequence[str], prefix: str, k: int) -> list[str]:
        """Give the k words with the highest scores."""
        ids = self._vocabulary.prefix_range(prefix) if prefix else None
        contexts = self._contexts(context)
        found: list[tuple[float, int]] = []
        for at, (length, place) in enumerate(contexts):
            level = self._levels[length]
            longer = contexts[:at]
            scale = FACTOR ** (len(context[-len(self._levels) + 1 :]) - length) / max(
                1, int(level.totals[place])
            )
            left = k
            for row in level.by_count(place, ids):
                id_ = int(level.ids[row])
                if id_ >= FIRST_WORD and all(self._levels[m].row(other, id_) < 0 for m, other in longer):
                    found.append((-scale * int(level.counts[row]), id_))
                    left -= 1
                    if not left:
                        break
        return [self._vocabulary.word(id_) for _, id_ in nsmallest(k, found)]

    def _contexts(self, context: Sequence[str]) -> list[tuple[int, int]]:
        """The lengths and places of the contexts that are known, longest first."""
        known: list[tuple[int, int]] = []
        ids = [_MARKS.get(item) if item in _MARKS else self._vocabulary.find(item) for item in context]
        for length in range(min(len(self._levels) - 1, len(ids)), -1, -1):
            place = 0
            for depth, id_ in enumerate(ids[len(ids) - length :]):
                place = self._levels[depth].row(place, id_) if id_ is not None else -1
                if place < 0:
                    break
            if place >= 0:
                known.append((length, place))
        return known
