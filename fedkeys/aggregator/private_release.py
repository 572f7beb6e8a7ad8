"""The private release: what is told of totals under user-level differential privacy.

In: totals of phones that were held to bounds, noise and a threshold. Out: a `Model`. Laws: of totals nothing but
noisy sums that came past the threshold has any influence on it, and which words and n-grams came at all has none;
a released n-gram has its prefix, its suffix and its words; no blocked word is in it.

Words first, then n-grams of released words, order by order (Kim et al. 2021, "Differentially private n-gram
extraction", whose sums are of phones too): what cannot be released costs no noise and no time. What is done after
the noise, and with public words, is nobody's secret. Marks are public, as every message begins.
"""

from typing import NamedTuple

import numpy as np

from fedkeys.aggregator.totals import Totals
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import Ids, Rows, StoredLevel, Sums, pack_keys, pieces, rows_of
from fedkeys.privacy import Histogram
from fedkeys.words import OTHER, styled

_LEAST_ORDER = 2


class Told(NamedTuple):
    """What is told of totals.

    Attributes:
        counts: n-grams with noisy counts, over the ids of the vocabulary.
        vocabulary: the released words.
        forms: id -> written form, of the words that are mostly written otherwise than as their identity.
    """

    counts: NgramCounts
    vocabulary: Vocabulary
    forms: dict[int, str]


def tell(totals: Totals, histogram: Histogram, blocked: Ids, rng: np.random.Generator | None = None) -> Told:
    """Tell what may be told.

    Args:
        totals: everything merged.
        histogram: noise and threshold.
        blocked: uint32[b], ids of words that are never released.
        rng: draws noise that can be repeated, and so protects nobody; None for the operating system's source.
    """
    told: list[Level] = []
    new_rows, suffixes = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for level in totals.levels:
        found = _candidates(level, told, new_rows, suffixes)
        if not told:
            found = found.some(~np.isin(found.words, blocked))
        rows, noisy = histogram.tell(found.sums, rng)
        if not told:
            rows, noisy = _with_marks(found.words, rows, noisy)
        kept = found.some(rows)
        new_rows = np.full(len(level), -1, np.int64)
        new_rows[kept.places] = np.arange(len(rows))
        suffixes = kept.suffixes
        told.append(Level(pack_keys(kept.parents, kept.words), noisy, np.zeros(len(rows), np.int64)))
    # How far anybody has counted is nobody's business: the last order is the last of which something is told.
    while len(told) > _LEAST_ORDER and not len(told[-1]):
        del told[-1]
    return _renumbered(totals, told, histogram, rng)


class _Candidates(NamedTuple):
    """N-grams of one order whose parts are told; one row each.

    Attributes:
        places: in the level of the totals.
        parents, suffixes: the rows of prefix and suffix among what is told of the order below.
        words, sums: the last word, and what is to be told with noise.
    """

    places: Rows
    parents: Rows
    suffixes: Rows
    words: Ids
    sums: Sums

    def some(self, rows: np.ndarray) -> "_Candidates":
        return _Candidates(*(column[rows] for column in self))


def _candidates(level: StoredLevel, told: list[Level], new_rows: Rows, suffixes: Rows) -> _Candidates:
    """Find the n-grams of a level whose prefix and suffix are told.

    Args:
        level: of the totals.
        told: the levels below, as they are told.
        new_rows: for each row of the level below in the totals, its row among what is told, or -1.
        suffixes: for each row told of the level below, the row of its suffix in the one below that.
    """
    found: list[_Candidates] = []
    for start, rows in pieces(level):
        parents = new_rows[rows.parents]
        places = np.flatnonzero((parents >= 0) & ((rows.counts > 0) | (rows.words < FIRST_WORD)))
        parents, words = parents[places], rows.words[places]
        ends = rows_of(told[-1].keys, suffixes[parents], words) if told else parents
        some = _Candidates(start + places, parents, ends, words, rows.counts[places])
        found.append(some.some(ends >= 0))
    if not found:
        none = np.zeros(0, np.int64)
        return _Candidates(none, none, none, none.astype(np.uint32), none)
    return _Candidates(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def _with_marks(words: Ids, rows: Rows, noisy: Sums) -> tuple[Rows, Sums]:
    """Add the marks that are not told, with a count of 0."""
    counts = np.zeros(len(words), np.int64)
    counts[rows] = noisy
    shown = words < FIRST_WORD
    shown[rows] = True
    kept = np.flatnonzero(shown)
    return kept, counts[kept]


def _renumbered(
    totals: Totals, told: list[Level], histogram: Histogram, rng: np.random.Generator | None
) -> Told:
    """Put the ids of the released vocabulary in; their order stays, and so do the rows."""
    ids = told[0].words
    of_words = ids[ids >= FIRST_WORD]
    size = 1 + max(int(ids.max(initial=0)), int(totals.forms.parents.max(initial=0)))
    new_ids = np.zeros(size, np.uint32)
    new_ids[ids[ids < FIRST_WORD]] = ids[ids < FIRST_WORD]
    new_ids[of_words] = np.arange(FIRST_WORD, FIRST_WORD + len(of_words))
    is_told = np.zeros(size, np.bool_)
    is_told[of_words] = True
    vocabulary = Vocabulary.from_sorted(
        word for id_, word in enumerate(totals.words, FIRST_WORD) if id_ < size and is_told[id_]
    )
    levels = tuple(
        Level(pack_keys(level.parents, new_ids[level.words]), level.counts, level.phones) for level in told
    )
    votes = np.zeros(size, np.int64)
    votes[ids] = told[0].counts
    forms = _forms(totals, votes, is_told, histogram, rng)
    return Told(NgramCounts(levels), vocabulary, {int(new_ids[id_]): form for id_, form in forms.items()})


def _forms(
    totals: Totals, votes: Sums, is_told: np.ndarray, histogram: Histogram, rng: np.random.Generator | None
) -> dict[int, str]:
    """The written forms that more than half of a word's votes are for, by the words' ids in the totals."""
    forms = totals.forms
    places = np.flatnonzero(is_told[forms.parents] & (forms.counts > 0))
    rows, noisy = histogram.tell(forms.counts[places], rng)
    parents, styles = forms.parents[places[rows]], forms.words[places[rows]]
    usual = np.flatnonzero(2 * noisy > votes[parents])
    names = dict.fromkeys(parents[usual].tolist(), "")
    for id_, word in enumerate(totals.words, FIRST_WORD):
        if id_ in names:
            names[id_] = word
    best: dict[int, tuple[int, str]] = {}
    for id_, style, count in zip(
        parents[usual].tolist(), styles[usual].tolist(), noisy[usual].tolist(), strict=True
    ):
        form = totals.spelt[style - OTHER] if style >= OTHER else styled(names[id_], style)
        best[id_] = min(best.get(id_, (1, "")), (-count, form))
    return {id_: form for id_, (_, form) in best.items()}
