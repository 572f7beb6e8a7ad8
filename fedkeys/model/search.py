"""The best k words after a context, exactly, without looking at the others.

In: the arrays of a model. Out: ranked (id, probability) pairs. Law: what comes out is what ranking every word
would give (a test does just that).

Where a few entries are enough: after a context, the longest list that has a word gives its value. The words that
were not read from a list are worth no more than the last that was, if this list is the one to give their value. So
the first k of all lists are the answer once the worst of them is worth as much as the last read of each list; else
more is read. Interpolation only adds, so a word is worth the most by its longest list, and only rounding makes
reading more necessary. Among equals the longest list goes first, and each list in its order.
"""

from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD

_DEEPER = 4  # times as much is read of each list where the first words of each do not settle it
_FEW = 12  # are faster to look at one by one
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
        length: how many words it has.
        place: where it is among the n-grams of its length.
        first: where its successors begin among the n-grams of one word more.
    """

    successors: NDArray[np.uint32]
    probabilities: NDArray[np.float32]
    weight: float
    length: int
    place: int
    first: int


class State(NamedTuple):
    """The contexts at the end of what was typed, looked up; it is carried from word to word and key to key.

    Attributes:
        matches: those that the model knows, longest first.
    """

    matches: tuple[Match, ...] = ()


class _End(NamedTuple):
    """Of a list that goes on: the value of the last word that was read, and how many words were known by then."""

    value: float
    known: int


class Search:
    """Looks contexts up and ranks words after them.

    Args:
        arrays: the arrays of a model, as `fedkeys.model.build` lays them out.
        order: N, the model's order.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], order: int) -> None:
        lengths = range(1, order)
        self.order = order
        self._first = [arrays[f"first_{m}"] for m in lengths]
        self._weights = [arrays[f"weight_{m}"] for m in lengths]
        self._successors = [arrays[f"successor_{m}"] for m in lengths]
        self._probabilities = [arrays[f"probability_{m}"] for m in lengths]
        self._unigram = arrays["unigram"]
        self._by_probability = arrays["by_probability"]
        self._unigram_by_id = np.concatenate([np.zeros(FIRST_WORD, np.float32), self._unigram])
        self._best_of_range = lru_cache(maxsize=4096)(self._find_best_of_range)
        self._by_id = lru_cache(maxsize=4096)(self._find_by_id)

    def advance(self, state: State, id_: int) -> State:
        """Give the state after one more word: each context that was known, made longer by it."""
        found = self._match(0, id_)
        longer = [] if found is None else [found]
        for match in reversed(state.matches):
            if match.length < self.order - 1:
                at = _find(match.successors, id_)
                found = None if at < 0 else self._match(match.length, match.first + at)
                if found is not None:
                    longer.append(found)
        longer.reverse()
        return State(tuple(longer))

    def best(self, state: State, k: int, within: tuple[int, int] | None) -> list[tuple[int, float]]:
        """Rank the best k words; `within` is a half-open range of ids to stay in."""
        depth = k
        while True:
            values: dict[int, float] = {}
            ends: list[_End] = []
            weight = 1.0
            for match in state.matches:
                ids, probabilities = _head(match, depth, within)
                for id_, probability in zip(ids, probabilities, strict=True):
                    values.setdefault(id_, weight * probability)
                if len(ids) == depth:
                    ends.append(_End(weight * probabilities[-1], len(values)))
                weight *= match.weight
            words = self._best_words(depth, within)
            for id_ in words:
                values.setdefault(id_, weight * float(self._unigram[id_ - FIRST_WORD]))
            if len(words) == depth:
                ends.append(_End(weight * float(self._unigram[words[-1] - FIRST_WORD]), len(values)))
            ranked = sorted(values.items(), key=itemgetter(1), reverse=True)[:k]
            if all(_settled(end, ranked[-1], values) for end in ends):
                return ranked
            depth *= _DEEPER

    def probability(self, state: State, id_: int) -> float:
        """The probability of one word."""
        weight = 1.0
        for match in state.matches:
            at = _find(match.successors, id_)
            if at >= 0:
                return weight * float(match.probabilities[at])
            weight *= match.weight
        return weight * float(self._unigram[id_ - FIRST_WORD])

    def levels(self, state: State, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probabilities of some words by each order of the model: float64[N, n], order 1 first.

        The ids are distinct. Where a context is unknown, an order gives what the one below it gives. The id 0 is a
        word that the model does not know, and may stand several times; its probability is 0.
        """
        found = np.empty((self.order, len(ids)))
        found[0] = self._unigram_by_id.take(ids)
        columns: dict[int, int] = {}
        n = 1
        for match in reversed(state.matches):
            found[n] = match.weight * found[n - 1]
            if len(match.successors) <= _FEW:
                columns = columns or {id_: column for column, id_ in enumerate(ids.tolist())}
                for id_, probability in zip(
                    match.successors.tolist(), match.probabilities.tolist(), strict=True
                ):
                    if id_ in columns:
                        found[n, columns[id_]] = probability
            else:
                by_id, probabilities = self._by_id(match.length, match.place)
                at = by_id.searchsorted(ids)
                np.copyto(
                    found[n], probabilities.take(at, mode="clip"), where=by_id.take(at, mode="clip") == ids
                )
            n += 1
        found[n:] = found[n - 1]
        return found

    def _match(self, length: int, place: int) -> Match | None:
        """The n-gram of length + 1 words at a place as a context; None where nothing follows it."""
        first, last = self._first[length][place : place + 2].tolist()
        if first == last:
            return None
        return Match(
            self._successors[length][first:last],
            self._probabilities[length][first:last],
            float(self._weights[length][place]),
            length + 1,
            place,
            first,
        )

    def _find_by_id(self, length: int, place: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """The successors of a context by ascending id, and their probabilities."""
        first, last = self._first[length - 1][place : place + 2].tolist()
        successors = self._successors[length - 1][first:last]
        order = successors.argsort()
        return successors[order], self._probabilities[length - 1][first:last][order]

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


def _find(ids: NDArray[np.uint32], id_: int) -> int:
    """The place of an id; -1 if it is not there."""
    at = (ids == id_).nonzero()[0]
    return int(at[0]) if len(at) else -1


def _settled(end: _End, worst: tuple[int, float], values: Mapping[int, float]) -> bool:
    """Whether nothing that was not read of a list goes before the worst of the ranking."""
    if end.value == worst[1]:
        return list(values).index(worst[0]) < end.known
    return end.value < worst[1]


def _head(match: Match, k: int, within: tuple[int, int] | None) -> tuple[list[int], list[float]]:
    """The first k successors, or the first k in a range of ids."""
    if within is None:
        return match.successors[:k].tolist(), match.probabilities[:k].tolist()
    low, high = within
    if len(match.successors) <= _FEW:
        pairs = zip(match.successors.tolist(), match.probabilities.tolist(), strict=True)
        inside = [(id_, probability) for id_, probability in pairs if low <= id_ < high][:k]
        return [id_ for id_, _ in inside], [probability for _, probability in inside]
    for successors in (match.successors[:_HEAD], match.successors):
        # Unsigned, so that what is below the range is far above it.
        at = (successors - np.uint32(low) < high - low).nonzero()[0][:k]
        if len(at) == k or len(successors) == len(match.successors):
            break
    return match.successors.take(at).tolist(), match.probabilities.take(at).tolist()
