"""The running sums: words, n-gram counts and written forms of everything merged.

In: sound deltas. Out: totals over an alphabetical vocabulary. Law: the totals depend on which deltas were
added, not on their order. Deltas wait until they are as large together as half the sums, so that adding n rows
one by one costs O(n log n) in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedkeys.counts import FIRST_WORD, GrowingVocabulary, Level, NgramCounts, Vocabulary, merge
from fedkeys.counts.ngrams import Ids, pack_keys
from fedkeys.delta import Delta
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
        self._bases: dict[bytes, tuple[Vocabulary, Ids]] = {}
        self._counts = NgramCounts.empty(MAX_ORDER)
        self._forms = NgramCounts.empty(1).levels[0]
        self._waiting: list[tuple[NgramCounts, Ids]] = []
        self._waiting_forms: list[Level] = []
        self._waiting_rows = 0

    def know(self, vocabulary: Vocabulary) -> None:
        """Accept deltas written against a released vocabulary from now on."""
        if vocabulary.digest not in self._bases:
            ids = np.array([self._vocabulary.id(word) for word in vocabulary.words], np.uint32)
            self._bases[vocabulary.digest] = vocabulary, ids

    def add(self, delta: Delta) -> None:
        """Add a delta.

        Raises:
            RefusedError: it is written against a vocabulary that is not known here, or contradicts it.
                Nothing was added.
        """
        base, base_ids = self._base_of(delta)
        spelt = self._spelt_of(delta, base)
        ids = self._ids_of(delta, base_ids)
        self._waiting.append((_padded(delta.counts), ids))
        self._waiting_rows += len(delta.counts)
        if len(delta.forms):
            styles = delta.forms.words.astype(np.int64)
            styles[styles >= OTHER] = [self._style(form) for form in spelt]
            keys = pack_keys(ids[delta.forms.parents].astype(np.int64), styles.astype(np.uint32))
            self._waiting_forms.append(Level(keys, delta.forms.counts, delta.forms.phones))
        if self._waiting_rows > max(_LEAST_BATCH, len(self._counts) // 2):
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

    def _base_of(self, delta: Delta) -> tuple[Vocabulary | None, Ids]:
        if not delta.known:
            return None, np.zeros(0, np.uint32)
        known = self._bases.get(delta.base)
        if known is None:
            raise RefusedError(
                f"written against the vocabulary {delta.base.hex()[:8]}, which is not known here",
                remedy="name the model it was written against with --base",
            )
        vocabulary, ids = known
        if len(vocabulary) != delta.known:
            raise RefusedError(
                f"says that vocabulary {delta.base.hex()[:8]} has {delta.known} words, it has {len(vocabulary)}"
            )
        repeated = next((word for word in delta.words if word in vocabulary.ids), None)
        if repeated is not None:
            raise RefusedError(f"sends {repeated!r} as a new word, but the vocabulary has it")
        return vocabulary, ids

    def _ids_of(self, delta: Delta, base_ids: Ids) -> Ids:
        """For each local id of a delta the id here."""
        marks = delta.ids[delta.ids < FIRST_WORD]
        known = delta.ids[len(marks) : len(delta.ids) - len(delta.words)]
        new = np.array([self._vocabulary.id(word) for word in delta.words], np.uint32)
        return np.concatenate([marks, base_ids[known - np.uint32(FIRST_WORD)], new])

    def _spelt_of(self, delta: Delta, base: Vocabulary | None) -> Sequence[str]:
        """Check that the forms of known words are forms of those words; of new ones decoding did."""
        if base is not None:
            ids = delta.ids[delta.forms.parents].tolist()
            for id_, style in zip(ids, delta.forms.words.tolist(), strict=True):
                if id_ < FIRST_WORD + len(base):
                    word = base.word(id_)
                    form = delta.other_forms[style - OTHER] if style >= OTHER else styled(word, style)
                    if not is_written_form(form, word):
                        raise RefusedError(f"says that {word!r} is written {form!r}")
        return delta.other_forms

    def _flush(self) -> None:
        if self._waiting:
            own_ids = np.arange(FIRST_WORD + len(self._vocabulary), dtype=np.uint32)
            parts, ids = zip(*self._waiting, strict=True)
            self._counts = merge([self._counts, *parts], [own_ids, *ids])
            self._waiting, self._waiting_rows = [], 0
        if self._waiting_forms:
            rows = [self._forms, *self._waiting_forms]
            self._forms = Level.summed(
                np.concatenate([level.keys for level in rows]),
                np.concatenate([level.counts for level in rows]),
                np.concatenate([level.phones for level in rows]),
            )
            self._waiting_forms = []


def _padded(counts: NgramCounts) -> NgramCounts:
    """Fill up with empty levels, so that deltas of different order add."""
    missing = MAX_ORDER - counts.order
    return NgramCounts(counts.levels + NgramCounts.empty(missing).levels) if missing else counts
