"""Ranges of words: order 1 and the written forms, added up, and which words are released.

In: what each bucket has of the words of a range, and what each partition says comes before them. Out: the released
words of the range, with what they are estimated from, and their written forms. Law: of a word that is not released
nothing leaves its range but what sums and counts of counts say.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fedkeys.aggregator.totals import joined_forms
from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import Ids, Rows, Sums, pack_keys
from fedkeys.engines.dask.engine import bytes_in
from fedkeys.engines.dask.taking import PartSums
from fedkeys.model.kneser_ney import adjusted_counts, counts_of_counts, predicted
from fedkeys.words import OTHER

Range = tuple[int, int]  # of ids


@dataclass(frozen=True, slots=True)
class Words:
    """The released words of a range, marks among them.

    Attributes:
        words: without the marks.
        level: of these and the marks; keys are ids among all words.
        adjusted: what each is estimated from.
        total: all that the range has of that, released or not.
        counts_of_counts: likewise.
    """

    words: list[str]
    level: Level
    adjusted: Sums
    total: float
    counts_of_counts: Sums


def unigrams_between(sums: PartSums, ids: Ids, of: Range) -> Level:
    """Give order 1 of a bucket in a range of ids among all words, which are its keys."""
    level = sums.levels[0]
    own = slice(*np.searchsorted(ids[level.words], np.array(of, np.uint32)).tolist())
    rows = level[own]
    return Level(ids[rows.words].astype(np.uint64), rows.counts, rows.phones)


def explained_between(suffixes: NgramCounts, of: Range) -> Level:
    """Give what a partition says comes before the words of a range, as its suffixes of one word."""
    level = suffixes.levels[0]
    return level[slice(*np.searchsorted(level.keys, np.array(of, np.uint64)).tolist())]


def released_words(
    words: Sequence[str],
    of: Range,
    sums: Sequence[Level],
    before: Sequence[Level],
    min_phones: int,
    blocked: Collection[str],
) -> Words:
    """Choose the words of a range.

    Args:
        words: all of the range, in order.
        of: the range, in ids; the first one also has the marks.
        sums: order 1, of each bucket.
        before: what comes before these words, of each partition.
        min_phones, blocked: the rule.
    """
    level, seen = Level.joined(sums), Level.joined(before)
    kinds, explained = np.zeros((2, len(level)), np.int64)
    at = np.searchsorted(level.keys, seen.keys)  # each suffix was counted
    kinds[at], explained[at] = seen.phones, seen.counts
    ids = level.words
    adjusted = predicted(ids, adjusted_counts(level, ids < FIRST_WORD, kinds, explained))
    places = ids.astype(np.int64) - max(of[0], FIRST_WORD)
    is_blocked = np.array([place >= 0 and words[place] in blocked for place in places.tolist()], np.bool_)
    kept = ((level.phones >= min_phones) | (ids < FIRST_WORD)) & ~is_blocked
    return Words(
        [words[place] for place in places[kept].tolist() if place >= 0],
        level.where(kept),
        adjusted[kept],
        float(adjusted.sum()),
        counts_of_counts(adjusted),
    )


@dataclass(frozen=True, slots=True)
class Forms:
    """Written forms.

    Attributes:
        level: keys id << 32 | style.
        spelt: the forms of styles from `OTHER` up; no others.
    """

    level: Level
    spelt: list[str]

    def __sizeof__(self) -> int:
        return bytes_in(self.level, self.spelt)


def forms_between(sums: PartSums, ids: Ids, of: Range) -> Forms:
    """Give the written forms of a bucket in a range of ids among all words."""
    keys = pack_keys(ids[sums.forms.parents].astype(np.int64), sums.forms.words)
    own = slice(*np.searchsorted(keys, np.array(of, np.uint64) << np.uint64(32)).tolist())
    rows = sums.forms[own]
    return _with_own_spelt(Level(keys[own], rows.counts, rows.phones), sums.spelt)


def joined(parts: Sequence[Forms]) -> Forms:
    """Add written forms up."""
    return Forms(*joined_forms([(part.level, part.spelt) for part in parts]))


def released_forms(forms: Forms, released: Rows, first: int) -> Forms:
    """Give the written forms of released words, by released ids.

    Args:
        forms: of a range.
        released: the ids of its released words, ascending.
        first: the released id of the first of them.
    """
    level = forms.level.where(np.isin(forms.level.parents, released))
    places = np.searchsorted(released, level.parents) + first
    return _with_own_spelt(Level(pack_keys(places, level.words), level.counts, level.phones), forms.spelt)


def _with_own_spelt(level: Level, spelt: Sequence[str]) -> Forms:
    """Leave out the forms that no row has."""
    styles = level.words
    used = np.unique(styles[styles >= OTHER])
    own = np.where(styles >= OTHER, OTHER + np.searchsorted(used, styles), styles)
    keys = pack_keys(level.parents, own.astype(np.uint32))
    return Forms(Level(keys, level.counts, level.phones), [spelt[style - OTHER] for style in used.tolist()])
