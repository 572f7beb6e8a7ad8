"""The running sums: words, n-gram counts and written forms of everything merged.

In: batches of sound deltas. Out: totals over an alphabetical vocabulary. Law: the totals depend on which deltas
were added, not on their order. Deltas wait until there are enough to be added up in one go, and what that gives
until it is as large as half the sums, so that adding n rows costs O(n log n) in all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, GrowingVocabulary, Level, NgramCounts, Vocabulary, merge
from fedkeys.counts.ngrams import Ids, pack_keys
from fedkeys.delta import Batch, Head
from fedkeys.delta.checks import MAX_ORDER
from fedkeys.errors import RefusedError
from fedkeys.words import OTHER, is_written_form, styled

_LEAST_BATCH = 1 << 18  # rows; smaller batches spend their time in calls, larger ones hold more memory


@dataclass(frozen=True, slots=True)
class Totals:
    """All that was merged.

    Attributes:
        vocabulary: every word that came, released or not.
        counts: n-grams over its ids, up to the highest order that came.
        forms: written forms, keys id << 32 | style.
        spelt: the written forms of styles from `OTHER` up, in order.
    """

    vocabulary: Vocabulary
    counts: NgramCounts
    forms: Level
    spelt: Sequence[str]

    def form(self, id_: int, style: int) -> str:
        """Give the written form of a word in a style."""
        return self.spelt[style - OTHER] if style >= OTHER else styled(self.vocabulary.word(id_), style)


class Sums:
    """Adds deltas up. Ids are given to words as they come; `totals` puts them in alphabetical order."""

    def __init__(self) -> None:
        self._vocabulary = GrowingVocabulary()
        self._spelt: dict[str, int] = {}
        self._bases: dict[bytes, Base] = {b"": Base(Vocabulary([]), np.arange(FIRST_WORD, dtype=np.uint32))}
        self._counts = NgramCounts.empty(MAX_ORDER)
        self._forms = NgramCounts.empty(1).levels[0]
        self._waiting: list[tuple[NgramCounts, Ids]] = []
        self._waiting_forms: list[Level] = []
        self._waiting_rows = 0
        self._added: list[NgramCounts] = []

    def know(self, vocabulary: Vocabulary) -> None:
        """Accept deltas written against a released vocabulary from now on."""
        if vocabulary.digest not in self._bases:
            ids = [*range(FIRST_WORD), *map(self._vocabulary.id, vocabulary.words)]
            self._bases[vocabulary.digest] = Base(vocabulary, np.array(ids, np.uint32))

    def check(self, head: Head) -> None:
        """Refuse a delta whose vocabulary is not known here, or which contradicts it.

        Raises:
            RefusedError: it does.
        """
        base = self._bases.get(head.base)
        if base is None:
            raise RefusedError(
                f"written against the vocabulary {head.base.hex()[:8]}, which is not known here",
                remedy="name the model it was written against with --base",
            )
        known = len(base.vocabulary)
        if known != head.known:
            raise RefusedError(
                f"says that vocabulary {head.base.hex()[:8]} has {head.known} words, it has {known}"
            )
        if known and not base.vocabulary.ids.keys().isdisjoint(head.words):
            repeated = next(word for word in head.words if word in base.vocabulary.ids)
            raise RefusedError(f"sends {repeated!r} as a new word, but the vocabulary has it")

    def contradictions(self, batch: Batch) -> dict[int, RefusedError]:
        """Tell which deltas have forms of known words that are none; of new words decoding told."""
        rows = batch.forms.parents
        roots = batch.counts.levels[0].parents[rows]
        ids = batch.ids[rows]
        known = ids < np.array([FIRST_WORD + head.known for head in batch.heads])[roots]
        found: dict[int, RefusedError] = {}
        for digest, chosen in _by_base(batch.heads, roots):
            base = self._bases[digest]
            at = np.flatnonzero(known & chosen)
            for place in at[~base.are_written(ids[at], batch.forms.words[at], batch.spelt)].tolist():
                word, style = base.vocabulary.word(int(ids[place])), int(batch.forms.words[place])
                form = batch.spelt[style - OTHER] if style >= OTHER else styled(word, style)
                found[int(roots[place])] = RefusedError(f"says that {word!r} is written {form!r}")
        return found

    def add(self, batch: Batch) -> None:
        """Add deltas that `check` and `contradictions` found nothing against."""
        ids = self._ids_of(batch)
        self._waiting.append((_padded(batch.counts), ids))
        self._waiting_rows += len(batch.counts)
        if len(batch.forms):
            styles = batch.forms.words.astype(np.int64)
            styles[styles >= OTHER] = [self._style(form) for form in batch.spelt]
            keys = pack_keys(ids[batch.forms.parents].astype(np.int64), styles.astype(np.uint32))
            self._waiting_forms.append(Level(keys, batch.forms.counts, batch.forms.phones))
        if self._waiting_rows >= _LEAST_BATCH:
            self._add_up()
            if sum(map(len, self._added)) > len(self._counts) // 2:
                self._flush()

    def totals(self) -> Totals:
        """Give everything added so far, over an alphabetical vocabulary."""
        self._flush()
        used = self._counts.levels[0].words
        words = [self._vocabulary.words[id_ - FIRST_WORD] for id_ in used.tolist() if id_ >= FIRST_WORD]
        vocabulary = Vocabulary(words)
        new_ids = np.zeros(FIRST_WORD + len(self._vocabulary), np.uint32)
        new_ids[:FIRST_WORD] = np.arange(FIRST_WORD)
        new_ids[used[used >= FIRST_WORD]] = [vocabulary.ids[word] for word in words]
        order = max(2, sum(1 for level in self._counts.levels if len(level)))
        counts = merge([NgramCounts(self._counts.levels[:order])], [new_ids])
        spelt = sorted(self._spelt)
        new_styles = np.arange(OTHER + len(spelt), dtype=np.uint32)
        new_styles[[self._spelt[form] for form in spelt]] = np.arange(OTHER, OTHER + len(spelt))
        forms = Level.summed(
            pack_keys(new_ids[self._forms.parents].astype(np.int64), new_styles[self._forms.words]),
            self._forms.counts,
            self._forms.phones,
        )
        return Totals(vocabulary, counts, forms, spelt)

    def _style(self, form: str) -> int:
        """Give the style of a spelt-out form, a new one if it has none."""
        return self._spelt.setdefault(form, OTHER + len(self._spelt))

    def _ids_of(self, batch: Batch) -> Ids:
        """For each row of order 1 of a batch the id here."""
        roots = batch.counts.levels[0].parents
        is_known = batch.ids < np.array([FIRST_WORD + head.known for head in batch.heads])[roots]
        ids = np.empty(len(roots), np.uint32)
        for digest, chosen in _by_base(batch.heads, roots):
            at = np.flatnonzero(is_known & chosen)
            ids[at] = self._bases[digest].ids[batch.ids[at]]
        # Each new word is used, and its row stands where the word does in its message's list.
        ids[~is_known] = [self._vocabulary.id(word) for head in batch.heads for word in head.words]
        return ids

    def _add_up(self) -> None:
        if self._waiting:
            parts, ids = zip(*self._waiting, strict=True)
            self._added.append(merge(parts, ids))
            self._waiting, self._waiting_rows = [], 0

    def _flush(self) -> None:
        self._add_up()
        if self._added:
            self._counts = merge([self._counts, *self._added])
            self._added = []
        if self._waiting_forms:
            rows = [self._forms, *self._waiting_forms]
            self._forms = Level.summed(
                np.concatenate([level.keys for level in rows]),
                np.concatenate([level.counts for level in rows]),
                np.concatenate([level.phones for level in rows]),
            )
            self._waiting_forms = []


class Base:
    """A vocabulary that deltas may be written against.

    Args:
        vocabulary: its words.
        ids: for each of its ids, marks included, the id here.
    """

    def __init__(self, vocabulary: Vocabulary, ids: Ids) -> None:
        self.vocabulary = vocabulary
        self.ids = ids
        self._written = np.full((FIRST_WORD + len(vocabulary), OTHER), _UNASKED, np.int8)

    def are_written(self, ids: Ids, styles: Ids, spelt: Sequence[str]) -> NDArray[np.bool_]:
        """Tell whether words are ever written in styles; each answer is remembered."""
        plain = styles < OTHER
        at = (ids[plain], styles[plain])
        asked = self._written[at] == _UNASKED
        for id_, style in set(zip(at[0][asked].tolist(), at[1][asked].tolist(), strict=True)):
            word = self.vocabulary.word(id_)
            self._written[id_, style] = is_written_form(styled(word, style), word)
        answers = np.empty(len(ids), np.bool_)
        answers[plain] = self._written[at]
        answers[~plain] = [
            is_written_form(spelt[style - OTHER], self.vocabulary.word(id_))
            for id_, style in zip(ids[~plain].tolist(), styles[~plain].tolist(), strict=True)
        ]
        return answers


_UNASKED = -1


def _by_base(heads: Sequence[Head], roots: NDArray[np.int64]) -> Iterable[tuple[bytes, NDArray[np.bool_]]]:
    """Give each vocabulary that deltas are written against, and which rows belong to such deltas."""
    numbers: dict[bytes, int] = {}
    of_head = np.array([numbers.setdefault(head.base, len(numbers)) for head in heads])
    for digest, number in numbers.items():
        yield digest, (of_head == number)[roots]


def _padded(counts: NgramCounts) -> NgramCounts:
    """Fill up with empty levels, so that deltas of different order add."""
    missing = MAX_ORDER - counts.order
    if not missing:
        return counts
    return NgramCounts(counts.levels + NgramCounts.empty(missing).levels, counts.roots)
