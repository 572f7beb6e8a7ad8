"""The public prior: English as the web writes it, for words that neither the fleet nor the owner has shown.

In: the two word lists that the package symspellpy (MIT) carries. Out: probabilities of words after a word, and
the most probable ones. Law: nothing here was learnt from anyone's messages, so it is the same for everybody; the
probabilities of all its words after any word sum to 1.

The lists do not say so, but their counts are those of Norvig (2009), Natural Language Corpus Data: of Google's
trillion words of web text (Brants and Franz 2006), lower-case words that a spelling dictionary has, and the pairs
of them that occur 100,000 times or more, multiplied by 64. Four things follow:

- Pairs that were written with a capital were left out: of what follows "i" or a name some 5 % is there, of what
  follows "can" 84 %. How much of a row is there says nothing about its worth, which speaks against Katz's and
  against stupid back-off; and no pair is rare, so there is nothing to estimate discounts from. So each row is
  divided by its own sum and mixed with the single words by one constant (Jelinek and Mercer 1980):
  p(w | v) = MIX c(v w) / c(v .) + (1 - MIX) p(w).
- "don't" was cut in two before counting, so contractions have a placeholder for a count. Here they are taken to
  occur as often as they are written in full (`fedkeys.phone.prior_lists.mended`), and what follows "don't" is
  what follows "not".
- What adult sites wrote is taken out (`fedkeys.phone.adult`).
- A sentence has no start: after nothing, or after a word without a row, come the single words.

Its words are those of the lists that are words to `fedkeys.words`; of single letters the lists have "a" and "i".
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.container import read_bytes, write_atomically
from fedkeys.counts import FIRST_WORD, Vocabulary
from fedkeys.errors import FedkeysError
from fedkeys.phone.adult import cleaned
from fedkeys.phone.prior_lists import (
    FORMAT,
    MIX,
    VERSION,
    laid_out,
    mended,
    read_back,
    read_lists,
    stored,
    version_of_lists,
)
from fedkeys.words import CAPITALISED, styled

_HEAD = 1024  # as in the search of a model: of most prefixes the best words are among the most probable
_LIMIT = 1 << 26


class Prior:
    """Probabilities of English words after a word, from public counts.

    Args:
        arrays: as `fedkeys.phone.prior_lists` lays them out.

    Attributes:
        vocabulary: its words, as `fedkeys.words.fold` gives them.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.vocabulary = Vocabulary.from_sorted(arrays["words"].tobytes().decode().split("\n"))
        unigram = arrays["unigram"]
        self._low, self._high = arrays["low"], arrays["high"]
        self._successor, self._probability = arrays["successor"], arrays["probability"]
        self._ranked = arrays["ranked"]
        self._unigram = unigram
        # By id, with one more for words that it does not have: alone, and with what is left of it where a row is.
        self._by_id = np.concatenate([np.zeros(FIRST_WORD), unigram, [unigram.min() / 2]]).astype(np.float32)
        self._less_by_id = ((1 - MIX) * self._by_id).astype(np.float32)
        self._successor_ids = self._successor + np.uint32(FIRST_WORD)
        self._by_probability = arrays["by_probability"]
        self._best_of_range = lru_cache(maxsize=4096)(self._find_best_of_range)

    @classmethod
    def load(cls, cache: Path | None = None) -> "Prior":
        """Read the installed lists, or what was kept of them.

        Args:
            cache: a directory to keep the arrays in, one file for each version of this format and of the lists. A
                file that is damaged or something else is made again; a directory that cannot be written to is
                done without.

        Raises:
            SourceError: symspellpy is not installed, or its lists are not what they were.
        """
        found = None if cache is None else cls.kept(cache)
        if found is not None:
            return found
        arrays = laid_out(mended(cleaned(read_lists())))
        if cache is not None:
            with suppress(FedkeysError):
                write_atomically(_kept_in(cache), stored(arrays, version_of_lists()))
        return cls(arrays)

    @classmethod
    def kept(cls, cache: Path) -> "Prior | None":
        """Give what a directory keeps of the lists, in a twentieth of the time; None if it keeps nothing sound.

        Raises:
            SourceError: symspellpy is not installed.
        """
        path, version = _kept_in(cache), version_of_lists()
        try:
            return cls(read_back(read_bytes(path, _LIMIT), version))
        except FedkeysError:
            return None

    def probabilities(self, previous: str | None, words: Sequence[str]) -> NDArray[np.float32]:
        """Give the probability of each word after the previous one.

        Args:
            previous: a folded word; a mark, an unknown word or None means that nothing is known of it.
            words: folded words, n of them. One that the prior does not have is taken to be half as probable as the
                least probable that it has, in the same place.

        Returns:
            float32[n].
        """
        return self.probabilities_of(previous, self.ids(words))

    def ids(self, words: Sequence[str]) -> NDArray[np.uint32]:
        """Give the ids of words, for `probabilities_of`: finding them takes most of the time.

        Returns:
            uint32[n]; one more than the last one, for a word that the prior does not have.
        """
        unknown = len(self.vocabulary) + FIRST_WORD
        return np.fromiter(map(self.vocabulary.ids.get, words, repeat(unknown)), np.uint32, len(words))

    def probabilities_of(self, previous: str | None, ids: NDArray[np.uint32]) -> NDArray[np.float32]:
        """Do what `probabilities` does for words whose ids are known."""
        low, high = self._row(previous)
        if low == high:
            return self._by_id.take(ids)
        p = self._less_by_id.take(ids)
        successors = self._successor_ids[low:high]
        at = successors.searchsorted(ids)
        found = successors.take(at, mode="clip") == ids
        np.copyto(p, self._probability[low:high].take(at, mode="clip"), where=found)
        return p

    def complete(self, previous: str | None, prefix: str, k: int) -> list[tuple[str, float]]:
        """Give the k most probable words that begin with a prefix, best first, each with its probability.

        The probability is that of the word after the previous one, not divided by that of the prefix. The prefix
        is folded; with "" these are the most probable next words.
        """
        if k < 1:
            return []
        first, last = self._prefix_places(prefix)
        low, high = self._row(previous)
        # A mixture is no less than its parts, so a word that no part has among its first k has k before it.
        values = self._best_of_row(low, high, first, last, k)
        rest = 1 - MIX if low < high else 1.0
        for place, p in self._best_of_range(k, first, last):
            values.setdefault(place, rest * p)
        best = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:k]
        return [(self.vocabulary.words[place], p) for place, p in best]

    def _row(self, previous: str | None) -> tuple[int, int]:
        """Where the pairs of the previous word are; nowhere if it is none, or has none."""
        id_ = self.vocabulary.ids.get(previous) if previous else None
        if id_ is None:
            return 0, 0
        return int(self._low[id_ - FIRST_WORD]), int(self._high[id_ - FIRST_WORD])

    def _prefix_places(self, prefix: str) -> tuple[int, int]:
        if not prefix:
            return 0, len(self.vocabulary)
        first, last = self.vocabulary.prefix_range(prefix)
        return first - FIRST_WORD, last - FIRST_WORD

    def _best_of_row(self, low: int, high: int, first: int, last: int, k: int) -> dict[int, float]:
        """The best k words of a row whose places are in a range, in no order."""
        if last - first == len(self.vocabulary):
            at = self._ranked[low : min(low + k, high)].astype(np.intp) + low
        else:
            start, end = self._successor[low:high].searchsorted(np.array([first, last], np.uint32)).tolist()
            at = _largest(self._probability[low + start : low + end], k) + (low + start)
        return dict(zip(self._successor[at].tolist(), self._probability[at].tolist(), strict=True))

    def _find_best_of_range(self, k: int, first: int, last: int) -> list[tuple[int, float]]:
        """The best k words of a range of places, by themselves, in no order."""
        head = self._by_probability[:_HEAD]
        places = head[(head >= first) & (head < last)][:k]
        if len(places) < min(k, last - first):
            places = _largest(self._unigram[first:last], k) + first
        return list(zip(places.tolist(), self._unigram[places].tolist(), strict=True))


def _kept_in(cache: Path) -> Path:
    return cache / f"{FORMAT}-{VERSION}-{version_of_lists()}"


def written(word: str) -> str:
    """Give the written form of a word: lower case, but for the one word that English always capitalises.

    >>> [written(word) for word in ("i", "i'm", "is")]
    ['I', "I'm", 'is']
    """
    return styled(word, CAPITALISED) if word == "i" or word.startswith("i'") else word


def _largest(values: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Where the k largest values are, in no order."""
    if len(values) <= k:
        return np.arange(len(values))
    return np.argpartition(values, len(values) - k)[len(values) - k :]
