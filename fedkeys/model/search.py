"""The best k words after a context, exactly, without looking at the others.

In: the arrays of a model. Out: ranked (id, probability) pairs. Law: what comes out is what ranking every word
would give (a test does just that).

Why a few entries are enough: after a context, the probability of a word is the largest of what the context
and each shorter one give it, each times the weights on the way down, because interpolation only adds. So the
list of the longest context that has a word gives its true value, every other list no more, and a word that is
not among the first k of the list that gives its true value has k words before it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD

_HEAD = 1024  # looked at before all of a long list; on chat, 99 % of one-letter completions end there


class Suggestion(NamedTuple):
    """A word to offer.

    Attributes:
        word: in its usual written form.
        probability: of this word coming next, among all words; with a prefix typed, not yet divided by the
            probability of the prefix.
    """

    word: str
    probability: float


class Match(NamedTuple):
    """One context that the model knows.

    Attributes:
        successors: uint32[n], ids in order of probability.
        probabilities: float32[n].
        weight: what it leaves to the next shorter context.
    """

    successors: NDArray[np.uint32]
    probabilities: NDArray[np.float32]
    weight: float


class Search:
    """Looks contexts up and ranks words after them.

    Args:
        arrays: the arrays of a model, as `fedkeys.model.build` lays them out.
        order: N, the model's order.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], order: int) -> None:
        lengths = range(1, order)
        self.order = order
        self._contexts = [arrays[f"context_{m}"] for m in lengths]
        self._first = [arrays[f"first_{m}"] for m in lengths]
        self._weights = [arrays[f"weight_{m}"] for m in lengths]
        self._successors = [arrays[f"successor_{m}"] for m in lengths]
        self._probabilities = [arrays[f"probability_{m}"] for m in lengths]
        self._unigram = arrays["unigram"]
        self._by_probability = arrays["by_probability"]
        self._best_of_range = lru_cache(maxsize=4096)(self._find_best_of_range)

    def matches(self, ids: Sequence[int]) -> list[Match]:
        """Give the known contexts at the end of `ids`, longest first; unknown words are no ids."""
        found: list[Match] = []
        for length in range(min(self.order - 1, len(ids)), 0, -1):
            place = self._place(ids[len(ids) - length :])
            if place >= 0:
                first, last = self._first[length - 1][place : place + 2].tolist()
                found.append(
                    Match(
                        self._successors[length - 1][first:last],
                        self._probabilities[length - 1][first:last],
                        float(self._weights[length - 1][place]),
                    )
                )
        return found

    def best(
        self, matches: Sequence[Match], k: int, within: tuple[int, int] | None
    ) -> list[tuple[int, float]]:
        """Rank the best k words; `within` is a half-open range of ids to stay in."""
        values: dict[int, float] = {}
        weight = 1.0
        for match in matches:
            ids, probabilities = _head(match, k, within)
            for id_, probability in zip(ids, probabilities, strict=True):
                values.setdefault(id_, weight * probability)
            weight *= match.weight
        for id_ in self._best_words(k, within):
            values.setdefault(id_, weight * float(self._unigram[id_ - FIRST_WORD]))
        return sorted(values.items(), key=lambda item: (-item[1], item[0]))[:k]

    def probability(self, matches: Sequence[Match], id_: int) -> float:
        """The probability of one word."""
        weight = 1.0
        for match in matches:
            at = np.flatnonzero(match.successors == id_)
            if len(at):
                return weight * float(match.probabilities[at[0]])
            weight *= match.weight
        return weight * float(self._unigram[id_ - FIRST_WORD])

    def _place(self, ids: Sequence[int]) -> int:
        """Walk down the trie of contexts; -1 where it ends early."""
        place = 0
        for contexts, id_ in zip(self._contexts, ids, strict=False):
            key = np.uint64(place << 32 | id_)
            place = int(contexts.searchsorted(key))
            if place == len(contexts) or contexts[place] != key:
                return -1
        return place

    def _best_words(self, k: int, within: tuple[int, int] | None) -> list[int]:
        if within is None:
            first: list[int] = self._by_probability[:k].tolist()
            return first
        return self._best_of_range(k, *within)

    def _find_best_of_range(self, k: int, low: int, high: int) -> list[int]:
        found: list[int] = []
        for ids in (self._by_probability[:_HEAD], self._by_probability):
            found = ids[(ids >= low) & (ids < high)][:k].tolist()
            if len(found) == min(k, high - low):
                break
        return found


def _head(match: Match, k: int, within: tuple[int, int] | None) -> tuple[list[int], list[float]]:
    """The first k successors, or the first k in a range of ids."""
    if within is None:
        return match.successors[:k].tolist(), match.probabilities[:k].tolist()
    low, high = within
    for successors in (match.successors[:_HEAD], match.successors):
        at = np.flatnonzero((successors >= low) & (successors < high))[:k]
        if len(at) == k or len(successors) == len(match.successors):
            break
    return match.successors[at].tolist(), match.probabilities[at].tolist()
