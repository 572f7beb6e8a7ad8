"""Generated fleets: as many phones as are asked for, whose words are as frequent as real ones.

In: how many phones, how many n-grams each, a seed. Out: their deltas, as bytes, written against a known
vocabulary. Law: the same seed gives the same deltas, whatever part of the fleet is asked for.

Nothing here is text; it is only distributed like it. How often a word comes follows a power law with two
exponents, 1 for the common words and a steeper one for the rest (Ferrer i Cancho and Solé 2001, J. of
Quantitative Linguistics 8(3)); which words follow a word, or two, is a hash of them and of a rank that follows
a power law too, so that phones share phrases as they share words. The constants are fitted to the phones of
ubuntu_irc that have 200 to 450 n-grams; `python -m tests.bench.fleet_beside_chat` shows both.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary, count_ngrams
from fedkeys.counts.ngrams import Ids, pack_keys
from fedkeys.delta import DEFAULT_BOUNDS, Batch, Bounds, Head
from fedkeys.delta.checks import PHONE_SIZE
from fedkeys.errors import UsageError
from fedkeys.words import CAPITALISED

PHONES_PER_BATCH = 2048

_KNOWN = 20_000  # words of the released vocabulary
_BEND = 700.0  # the rank from which on words are rarer than 1 / rank
_STEEP = 1.6  # the exponent there
_LAST = 2.0**27  # the last rank: 26^6 words have names
_FOLLOWING = 50.0  # how many words follow a word or a pair by habit
_BY_WORD, _BY_PAIR = 0.45, 0.45  # how often the word before, or the pair before, chooses the next
_SENTENCE_ENDS, _MESSAGE_ENDS = 0.04, 0.10  # after a word
_TOKENS_PER_NGRAM = 0.4  # measured
_MOST_BYTES_PER_NGRAM = 5  # above 2 are only vocabularies of new words, of at most 7 bytes each
_CAPITALISED = 29  # one word in so many is a name
_LETTERS = 6

Draws = NDArray[np.float64]


@dataclass(frozen=True)
class Fleet:
    """Phones that do not exist.

    Attributes:
        phones: how many.
        ngrams: how many n-grams of the orders 1 to 3 one has, on average.
        seed: what everything follows from.
        federation: its name.
    """

    phones: int
    ngrams: int = 300
    seed: int = 0
    federation: str = "fedkeys"

    def __post_init__(self) -> None:
        for name, value in (("phones", self.phones), ("ngrams", self.ngrams)):
            if value < 1:
                raise UsageError(f"{name} is {value}", remedy="choose 1 or more")

    @cached_property
    def base(self) -> Vocabulary:
        """The released vocabulary that all deltas are written against."""
        return Vocabulary.from_sorted(_names(np.arange(_KNOWN)))

    @property
    def bounds(self) -> Bounds:
        """What each phone keeps: the default bounds, or wider ones if so many n-grams do not fit them."""
        most = 4 * _typed_length(self._tokens)  # of three orders, and written forms
        return Bounds(
            max(DEFAULT_BOUNDS.max_ngrams, most),
            DEFAULT_BOUNDS.max_count,
            max(DEFAULT_BOUNDS.max_bytes, _MOST_BYTES_PER_NGRAM * most),
        )

    @property
    def _tokens(self) -> int:
        """How many words one phone types."""
        return max(2, round(self.ngrams * _TOKENS_PER_NGRAM))

    @property
    def batches(self) -> int:
        """In how many batches the deltas come."""
        return -(-self.phones // PHONES_PER_BATCH)

    def write(self, path: Path, on_phones: Callable[[int], None] = lambda _: None) -> int:
        """Write all deltas into a log, on all cores; gives how many n-grams they have together.

        Args:
            path: of the log.
            on_phones: told how many phones are done, from time to time.
        """
        rows = 0
        context = get_context("spawn")
        with path.open("wb") as log, ProcessPoolExecutor(None, context, signal, (SIGINT, SIG_IGN)) as pool:
            try:
                batches = pool.map(self._counted, range(self.batches))
                for number, (deltas, ngrams) in enumerate(batches, 1):
                    log.write(deltas)
                    rows += ngrams
                    on_phones(min(self.phones, number * PHONES_PER_BATCH))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return rows

    def deltas(self) -> Iterator[list[bytes]]:
        """Give all deltas, batch by batch."""
        return map(self.batch, range(self.batches))

    def batch(self, number: int) -> list[bytes]:
        """Give the deltas of one batch, from 0."""
        return self._drawn(number).to_messages()

    def _counted(self, number: int) -> tuple[bytes, int]:
        batch = self._drawn(number)
        return b"".join(batch.to_messages()), len(batch.counts)

    def _drawn(self, number: int) -> Batch:
        phones = min(PHONES_PER_BATCH, self.phones - number * PHONES_PER_BATCH)
        random = np.random.default_rng([self.seed, number])
        typed = _typed(random, phones, self._tokens)
        counts = count_ngrams(typed.ravel(), 3, np.repeat(np.arange(phones), typed.shape[1]))
        counts = _bounded(counts, self.bounds)
        words = counts.levels[0].words
        return self._written(counts, words, random.bytes(PHONE_SIZE * phones))

    def _written(self, counts: NgramCounts, words: Ids, pseudonyms: bytes) -> Batch:
        first_new = FIRST_WORD + _KNOWN
        roots = counts.levels[0].parents
        is_new = words >= first_new
        new_words = np.bincount(roots[is_new], minlength=counts.roots)
        # Names ascend as ids do, so the new words of a phone stand in their order already.
        new_ends = np.cumsum(new_words)
        ids = words.copy()
        ids[is_new] = first_new + np.arange(len(ids[is_new])) - (new_ends - new_words)[roots[is_new]]
        names = _names(words[is_new] - FIRST_WORD)
        named = np.flatnonzero((words >= FIRST_WORD) & (_mixed(words.astype(np.uint64)) % _CAPITALISED == 0))
        level = counts.levels[0]
        bounds = self.bounds.as_map()
        forms = Level(
            pack_keys(named, np.full(len(named), CAPITALISED, np.uint32)),
            level.counts[named],
            level.phones[named],
        )
        sizes = [np.bincount(roots, minlength=counts.roots)]
        for above in counts.levels[1:]:
            roots = roots[above.parents]
            sizes.append(np.bincount(roots, minlength=counts.roots))
        sizes.append(np.bincount(level.parents[named], minlength=counts.roots))
        heads = [
            Head(
                b"",
                self.federation,
                pseudonyms[PHONE_SIZE * phone : PHONE_SIZE * (phone + 1)],
                0,
                1,
                self.base.digest,
                _KNOWN,
                bounds,
                tuple(names[end - new : end]),
                (),
                tuple(size),
                b"",
            )
            for phone, (new, end, size) in enumerate(
                zip(new_words.tolist(), new_ends.tolist(), np.stack(sizes, 1).tolist(), strict=True)
            )
        ]
        return Batch(heads, ids, counts, forms, ())


def _typed(random: np.random.Generator, phones: int, tokens: int) -> Ids:
    """uint32[phones, n]: what each phone typed: marks and words, ids following the names' order."""
    typed = np.zeros((phones, _typed_length(tokens)), np.uint32)
    before = np.zeros(phones, np.uint64)
    pair = np.zeros(phones, np.uint64)
    at = np.ones(phones, np.int64)
    every = np.arange(phones)
    for _ in range(tokens):
        choice, rank, free, end = random.random((4, phones))
        habit = _rank(rank, _FOLLOWING).astype(np.uint64)
        context = np.where(choice < _BY_PAIR, pair, before)
        chosen = _mixed(context + (habit << np.uint64(40))) / 2.0**64
        words = _words(np.where(choice < _BY_PAIR + _BY_WORD, chosen, free))
        typed[every, at] = words
        at += 1
        ends = end < _SENTENCE_ENDS + _MESSAGE_ENDS
        mark = (end < _SENTENCE_ENDS).astype(np.uint64)
        typed[every[ends], at[ends]] = mark[ends]
        at += ends
        pair = np.where(ends, mark, _mixed(before + np.uint64(1) << np.uint64(32) | words))
        before = np.where(ends, mark, words)
    return typed


def _typed_length(tokens: int) -> int:
    """The most words and marks that a phone of so many words types."""
    return 1 + 2 * tokens


def _bounded(counts: NgramCounts, bounds: Bounds) -> NgramCounts:
    """No n-gram more often than a phone may count it."""
    levels = (
        Level(level.keys, np.minimum(level.counts, bounds.max_count), level.phones) for level in counts.levels
    )
    return NgramCounts(tuple(levels), counts.roots)


def _words(share: Draws) -> Ids:
    """The word at a place, from 0 to 1, of all that is typed; the commonest words first."""
    first = np.log(_BEND)
    power = 1 - _STEEP
    least = (_LAST / _BEND) ** power
    place = share * (first + (1 - least) / -power)
    common = np.exp(np.minimum(place, first))
    rare = _BEND * np.maximum(1 + power * (place - first), least) ** (1 / power)
    ranks = np.where(place < first, common, rare).astype(np.uint64) - np.uint64(1)
    # Known words stand in the vocabulary in an order that has nothing to do with how common they are.
    known = (ranks * np.uint64(26_861)) % np.uint64(_KNOWN)
    ids: Ids = (np.where(ranks < _KNOWN, known, ranks) + np.uint64(FIRST_WORD)).astype(np.uint32)
    return ids


def _rank(share: Draws, last: float) -> Draws:
    """A rank from 1 to `last` that comes as often as 1 / rank."""
    return np.floor(last**share)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA), a bijection without a pattern."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _names(ids: NDArray[np.integer]) -> list[str]:
    """The names of words: their numbers in base 26, so that they ascend alike."""
    digits = ids.astype(np.int64)[:, None] // 26 ** np.arange(_LETTERS - 1, -1, -1) % 26
    return (digits + ord("a")).astype(np.uint32).view(f"U{_LETTERS}").ravel().tolist()
