"""Releasing: a selection put together from what ranges and partitions let through.

In: released words, candidates. Out: a `Model`. Law: it is the one that a single machine makes, byte for byte,
since the largest closed selection of the candidates is that of all n-grams: what is released is a candidate, and
so are its prefix and its suffix.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from fedkeys.aggregator.release import laid_out, written_forms
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import Keys, Rows, Sums, pack_keys
from fedkeys.engines.dask.partitions import Candidates
from fedkeys.engines.dask.ranges import Forms, Words, joined
from fedkeys.model import Model
from fedkeys.model.kneser_ney import Chosen, Estimate, Floats, estimate_chosen


def estimated(words: Sequence[Words], found: Sequence[Candidates]) -> Estimate:
    """Estimate the selection; its ids are those of the released words.

    Args:
        words: what is released of order 1, range by range.
        found: candidates of the orders above, partition by partition.
    """
    first = Level.joined([part.level for part in words])
    released, firsts = first.words.astype(np.int64), _firsts(words, found)
    places = np.searchsorted(firsts, released)
    levels = [_first_level(firsts, places, first), *_levels(firsts, found)]
    masks = [np.isin(firsts, released), *(np.ones(len(level), np.bool_) for level in levels[1:])]
    trie = NgramCounts(tuple(levels))
    kept = trie.closed(masks)
    adjusted, totals, times = _columns(words, found)
    chosen = [
        Chosen(_with_ids(level, released), own[mask] if n else own, total[mask] if n else total, count)
        for n, (level, mask, own, total, count) in enumerate(
            zip(trie.select(kept).levels, kept, adjusted, totals, times, strict=True)
        )
    ]
    return estimate_chosen(chosen)


def model_of(
    found: Estimate,
    words: Sequence[Words],
    after_mark: Sequence[Level],
    forms: Sequence[Forms],
    account: Mapping[str, Any],
    min_phones: int,
    blocked: Collection[str],
    prune: int | None,
) -> Model:
    """Lay the model out.

    Args:
        found: the selection.
        words: what is released of order 1, range by range.
        after_mark: the bigrams that begin with a mark and end in released words, of each partition.
        forms: the written forms of released words, of each range.
        account, min_phones, blocked, prune: as in `fedkeys.aggregator.release`.
    """
    vocabulary = Vocabulary.from_sorted(word for part in words for word in part.words)
    written = joined(forms)
    spelt = written_forms(
        vocabulary,
        found.counts.levels[0],
        Level.joined(after_mark),
        written.level,
        written.spelt,
        min_phones,
    )
    return laid_out(found, vocabulary, spelt, account, min_phones, blocked, prune)


def _firsts(words: Sequence[Words], found: Sequence[Candidates]) -> Rows:
    """The ids of all words that are released, or that a candidate begins with."""
    own = [part.level.words.astype(np.int64) for part in words]
    return np.unique(np.concatenate([*own, *(part.part.firsts for part in found)]))


def _first_level(firsts: Rows, places: Rows, first: Level) -> Level:
    """Order 1; a word that is not released, and whose n-grams go with it, has counts of 0."""
    counts, phones = np.zeros((2, len(firsts)), np.int64)
    counts[places], phones[places] = first.counts, first.phones
    return Level(firsts.astype(np.uint64), counts, phones)


def _levels(firsts: Rows, found: Sequence[Candidates]) -> list[Level]:
    """The candidates of all partitions, whose keys ascend, one order after the other."""
    levels: list[Level] = []
    rows = [np.searchsorted(firsts, part.part.firsts) for part in found]
    for n in range(len(found[0].part.counts.levels)):
        own = [part.part.counts.levels[n] for part in found]
        keys: list[Keys] = [
            pack_keys(above[level.parents], level.words) for above, level in zip(rows, own, strict=True)
        ]
        ends = np.cumsum([len(level) for level in own])
        rows = [np.arange(end - len(level), end) for level, end in zip(own, ends.tolist(), strict=True)]
        levels.append(
            Level(
                np.concatenate(keys),
                np.concatenate([level.counts for level in own]),
                np.concatenate([level.phones for level in own]),
            )
        )
    return levels


def _columns(
    words: Sequence[Words], found: Sequence[Candidates]
) -> tuple[list[Sums], list[Floats], list[list[int]]]:
    """Per order, what each is estimated from, what its prefix has of that in all, and the counts of counts."""
    adjusted = [np.concatenate([part.adjusted for part in words])]
    totals = [np.full(len(adjusted[0]), sum(part.total for part in words))]
    times = [np.sum([part.counts_of_counts for part in words], 0).tolist()]
    for n in range(len(found[0].adjusted)):
        adjusted.append(np.concatenate([part.adjusted[n] for part in found]))
        totals.append(np.concatenate(_divided(found) if n == 0 else [part.totals[n] for part in found]))
        times.append(np.sum([part.counts_of_counts[n] for part in found], 0).tolist())
    return adjusted, totals, times


def _divided(found: Sequence[Candidates]) -> list[Floats]:
    """What the first word of each bigram has in all partitions that it is divided over."""
    ids, places = np.unique(np.concatenate([part.edges[0] for part in found]), return_inverse=True)
    sums = np.bincount(places, np.concatenate([part.edges[1] for part in found]), minlength=len(ids))
    columns = []
    for part in found:
        firsts = part.part.firsts[part.part.counts.levels[0].parents]
        at = np.minimum(np.searchsorted(ids, firsts), max(0, len(ids) - 1))
        columns.append(
            np.where(ids[at] == firsts, sums[at], part.totals[0]) if len(firsts) else part.totals[0]
        )
    return columns


def _with_ids(level: Level, released: Rows) -> Level:
    """The rows with the ids of the released words."""
    words = level.words.astype(np.int64)
    marks = int(np.count_nonzero(released < FIRST_WORD))
    own = np.where(words < FIRST_WORD, words, np.searchsorted(released, words) - marks + FIRST_WORD)
    return Level(pack_keys(level.parents, own.astype(np.uint32)), level.counts, level.phones)
