"""The running sums: words, n-gram counts and written forms of everything merged.

In: batches of sound deltas. Out: totals over an alphabetical vocabulary. Laws: the totals depend on which deltas
were added, not on their order, nor on how much memory there is. Deltas wait until there are enough to be added
up in one go; what that gives waits until memory is full, and is added up again; what then still fills half of it
becomes a run on disk.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.helpers import Helpers
from fedkeys.aggregator.state import State
from fedkeys.aggregator.totals import Totals
from fedkeys.counts import FIRST_WORD, GrowingVocabulary, Level, NgramCounts, Vocabulary, merge
from fedkeys.counts.ngrams import Ids, pack_keys
from fedkeys.delta import Batch, Head
from fedkeys.delta.checks import MAX_ORDER
from fedkeys.errors import RefusedError
from fedkeys.words import OTHER, is_written_form, style_of, styled

DEFAULT_MEMORY = 1 << 30  # bytes

_LEAST_BATCH = 1 << 18  # rows; smaller batches spend their time in calls, larger ones leave the cache
_ROW_BYTES = 160  # of memory at the most for each row that is added up, measured


class Sums:
    """Adds deltas up. Ids are given to words as they come; `totals` puts them in alphabetical order.

    Args:
        state: where sums go that memory has no room for.
        memory: about how many bytes may be taken before that.

    Attributes:
        helpers: processes that hold sums too, if there are any.
    """

    def __init__(self, state: State, memory: int = DEFAULT_MEMORY) -> None:
        self.helpers: Helpers | None = None
        self._state = state
        self._most_rows = max(_LEAST_BATCH // 64, memory // _ROW_BYTES)
        self._bases: dict[bytes, Base] = {}
        self._forget()
        self.know(Vocabulary([]))

    @property
    def holds_any(self) -> bool:
        """Whether there is anything that is not on disk."""
        return self._holds_some or (self.helpers is not None and self.helpers.holds_any)

    @property
    def _holds_some(self) -> bool:
        return bool(self._added or self._waiting)

    def _forget(self) -> None:
        """Begin anew, with the known vocabularies only."""
        self._vocabulary = GrowingVocabulary()
        self._spelt: dict[str, int] = {}
        self._waiting: list[tuple[NgramCounts, Ids]] = []
        self._waiting_forms: list[Level] = []
        self._waiting_rows = 0
        self._added: list[NgramCounts] = []
        for base in self._bases.values():
            base.number(self._vocabulary)

    def know(self, vocabulary: Vocabulary) -> None:
        """Accept deltas written against a released vocabulary from now on."""
        digest = vocabulary.reference
        if digest not in self._bases:
            self._bases[digest] = base = Base(vocabulary)
            base.number(self._vocabulary)
            if digest:
                self._state.remember(vocabulary)

    def knows(self, digest: bytes) -> bool:
        """Tell whether deltas written against this vocabulary can be read."""
        if digest not in self._bases:
            kept = self._state.vocabulary(digest)
            if kept is not None:
                self.know(kept)
        return digest in self._bases

    def check(self, head: Head) -> None:
        """Refuse a delta whose vocabulary is not known here, or which contradicts it.

        Raises:
            RefusedError: it does.
        """
        if not self.knows(head.base):
            raise RefusedError(
                f"written against the vocabulary {head.base.hex()[:8]}, which is not known here",
                remedy="name the model it was written against with --base",
            )
        base = self._bases[head.base]
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
        known = batch.is_known[rows]
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
        ids = self.ids_of(batch)
        self._waiting.append((padded(batch.counts), ids))
        self._waiting_rows += len(batch.counts) + len(batch.forms)
        if len(batch.forms):
            keys = pack_keys(ids[batch.forms.parents].astype(np.int64), self.styles_of(batch))
            self._waiting_forms.append(Level(keys, batch.forms.counts, batch.forms.phones))
        if self._waiting_rows >= min(_LEAST_BATCH, self._most_rows):
            self._add_up()
            full = self._held_rows() > self._most_rows
            if full and self._gathered() and self._held_rows() > self._most_rows // 2:
                self._spill_own()

    def subtract(self, batch: Batch) -> None:
        """Take back deltas that were added."""
        levels = tuple(_negative(level) for level in batch.counts.levels)
        counts = NgramCounts(levels, batch.counts.roots)
        self.add(Batch(batch.heads, batch.ids, counts, _negative(batch.forms), batch.spelt))

    def totals(self) -> Totals:
        """Give everything added so far, over an alphabetical vocabulary."""
        self.settle()
        return self._state.runs[0].totals() if self._state.runs else self._held()

    def settle(self) -> None:
        """Add up everything, into one run if there is any on disk."""
        withdrawn = self._state.ledger.withdrawn
        if not self._state.runs and not withdrawn and not (self.helpers and self.helpers.holds_any):
            self._gathered()
            return
        if self.holds_any:
            self.spill()
        self._state.merge_runs(self._most_rows)
        if withdrawn and self._state.runs:
            self._state.drop_nothing()

    def _held(self) -> Totals:
        """Give what is held in memory, over an alphabetical vocabulary."""
        counts, forms = self._gathered(), Level.joined(self._waiting_forms or [Level.empty()])
        used = counts.levels[0].words
        words = [self._vocabulary.words[id_ - FIRST_WORD] for id_ in used.tolist() if id_ >= FIRST_WORD]
        vocabulary = Vocabulary(words)
        new_ids = np.zeros(FIRST_WORD + len(self._vocabulary), np.uint32)
        new_ids[:FIRST_WORD] = np.arange(FIRST_WORD)
        new_ids[used[used >= FIRST_WORD]] = [vocabulary.ids[word] for word in words]
        order = max(2, sum(1 for level in counts.levels if len(level)))
        styles = set(forms.words.tolist())
        spelt = sorted(form for form, style in self._spelt.items() if style in styles)
        new_styles = np.arange(OTHER + len(self._spelt), dtype=np.uint32)
        new_styles[[self._spelt[form] for form in spelt]] = np.arange(OTHER, OTHER + len(spelt))
        keys = pack_keys(new_ids[forms.parents].astype(np.int64), new_styles[forms.words])
        merged = merge([NgramCounts(counts.levels[:order])], [new_ids])
        return Totals(vocabulary.words, merged.levels, Level.summed(keys, forms.counts, forms.phones), spelt)

    def spill(self) -> None:
        """Put what is held in memory on disk, here and by helpers."""
        if self._holds_some:
            self._spill_own()
        if self.helpers and self.helpers.holds_any:
            for run in self.helpers.hand_over():
                self._state.take_run(run)

    def _spill_own(self) -> None:
        self._state.add_run(self._held())
        self._forget()

    def styles_of(self, batch: Batch) -> Ids:
        """For each written form of a batch the style here; a spelt-out form that has none gets one."""
        return _styles(batch, lambda form: self._spelt.setdefault(form, OTHER + len(self._spelt)))

    def ids_of(self, batch: Batch) -> Ids:
        """For each row of order 1 of a batch the id here; a word that has none gets one."""
        return self._ids(batch, self._vocabulary.ids)

    def ids_and_styles_for_now(self, batch: Batch) -> tuple[Ids, Ids]:
        """As `ids_of` and `styles_of`, but what has none here gets none that lasts: nothing is kept."""
        words: dict[str, int] = {}
        forms: dict[str, int] = {}

        def id_of(word: str) -> int:
            known = self._vocabulary.find(word)
            if known is not None:
                return known
            return words.setdefault(word, FIRST_WORD + len(self._vocabulary) + len(words))

        return self._ids(batch, lambda new: [id_of(word) for word in new]), _styles(
            batch, lambda form: forms.setdefault(form, OTHER + len(forms))
        )

    def _ids(self, batch: Batch, number: Callable[[Iterable[str]], list[int]]) -> Ids:
        roots = batch.counts.levels[0].parents
        is_known = batch.is_known
        ids = np.empty(len(roots), np.uint32)
        for digest, chosen in _by_base(batch.heads, roots):
            at = np.flatnonzero(is_known & chosen)
            ids[at] = self._bases[digest].ids[batch.ids[at]]
        # Each new word is used, and its row stands where the word does in its message's list.
        ids[~is_known] = number(word for head in batch.heads for word in head.words)
        return ids

    def _add_up(self) -> None:
        if self._waiting:
            parts, ids = zip(*self._waiting, strict=True)
            self._added.append(merge(parts, ids))
            self._waiting, self._waiting_rows = [], 0

    def _held_rows(self) -> int:
        return sum(map(len, self._added)) + sum(map(len, self._waiting_forms))

    def _gathered(self) -> NgramCounts:
        """Add up all that is held in memory."""
        self._add_up()
        if len(self._added) != 1:
            self._added = [merge(self._added) if self._added else NgramCounts.empty(MAX_ORDER)]
        if self._waiting_forms:
            self._waiting_forms = [Level.joined(self._waiting_forms)]
        return self._added[0]


class Base:
    """A vocabulary that deltas may be written against.

    Attributes:
        vocabulary: its words.
        ids: for each of its ids, marks included, the id here.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.ids = np.zeros(0, np.uint32)
        self._written = np.full((FIRST_WORD + len(vocabulary), OTHER), _UNASKED, np.int8)

    def number(self, words: GrowingVocabulary) -> None:
        """Give the words ids among others."""
        self.ids = np.array([*range(FIRST_WORD), *map(words.id, self.vocabulary.words)], np.uint32)

    def are_written(self, ids: Ids, styles: Ids, spelt: Sequence[str]) -> NDArray[np.bool_]:
        """Tell whether words are ever written in styles; each answer is remembered."""
        plain = styles < OTHER
        at = (ids[plain], styles[plain])
        asked = self._written[at] == _UNASKED
        for id_, style in set(zip(at[0][asked].tolist(), at[1][asked].tolist(), strict=True)):
            word = self.vocabulary.word(id_)
            form = styled(word, style)
            self._written[id_, style] = is_written_form(form, word) and style_of(form, word) == style
        answers = np.empty(len(ids), np.bool_)
        answers[plain] = self._written[at]
        answers[~plain] = [
            is_written_form(spelt[style - OTHER], self.vocabulary.word(id_))
            for id_, style in zip(ids[~plain].tolist(), styles[~plain].tolist(), strict=True)
        ]
        return answers


_UNASKED = -1


def _styles(batch: Batch, style_of: Callable[[str], int]) -> Ids:
    styles = batch.forms.words.copy()
    styles[styles >= OTHER] = [style_of(form) for form in batch.spelt]
    return styles


def _negative(level: Level) -> Level:
    return Level(level.keys, -level.counts, -level.phones)


def _by_base(heads: Sequence[Head], roots: NDArray[np.int64]) -> Iterable[tuple[bytes, NDArray[np.bool_]]]:
    """Give each vocabulary that deltas are written against, and which rows belong to such deltas."""
    numbers: dict[bytes, int] = {}
    of_head = np.array([numbers.setdefault(head.base, len(numbers)) for head in heads])
    for digest, number in numbers.items():
        yield digest, (of_head == number)[roots]


def padded(counts: NgramCounts) -> NgramCounts:
    """Fill up with empty levels, so that deltas of different order add."""
    missing = MAX_ORDER - counts.order
    if not missing:
        return counts
    return NgramCounts(counts.levels + NgramCounts.empty(missing).levels, counts.roots)
