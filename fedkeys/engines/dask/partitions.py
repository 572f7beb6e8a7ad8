"""Partitions: n-grams by their first two words, added up, and what of them may be released.

In: slices of the sums of each bucket, over one numbering of all words. Out: of each partition what the rule lets
through, and the numbers that probabilities are estimated from. Laws: the extensions of one bigram are in one
partition; what a partition cannot know, which words come before its n-grams, the others tell it.

What stands before an n-gram is what has it as its suffix. Dropped the first words of its own n-grams, a partition
holds their suffixes as a trie again, with how often each was explained as counts, and by how many as phones. So
they are added up, cut and sent to the partitions that they lie in by the code that adds up and cuts counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.slices import Held, Samples, Source, moved
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, merge
from fedkeys.counts.ngrams import Ids, Mask, Rows, Sums, pack_keys
from fedkeys.engines.dask.engine import bytes_in
from fedkeys.engines.dask.taking import PartSums
from fedkeys.model.kneser_ney import Floats, adjusted_counts, counts_of_counts, predicted

Range = tuple[int, int | None]  # of keys: from one bigram's to below another's


@dataclass(frozen=True, slots=True)
class Part:
    """N-grams of two words or more.

    Attributes:
        firsts: int64, the ids of their first words, ascending; each is a root of `counts`.
        counts: what follows these words; order 2 is its first level.
    """

    firsts: Rows
    counts: NgramCounts

    def __sizeof__(self) -> int:
        return bytes_in(self.firsts, self.counts.levels)


def bigram_samples(sums: PartSums, ids: Ids) -> Samples:
    """Look at some bigrams of a bucket, as `Source.samples`."""
    return _source(sums, ids).samples()


def part_between(sums: PartSums, ids: Ids, of: Range, order: int) -> Part:
    """Give what a bucket has in a range.

    Args:
        sums: of the bucket.
        ids: for each of its ids the one among all.
        of: the range.
        order: the highest order of all.
    """
    found = _compact(_source(sums, ids), of, order)
    levels = [
        Level(pack_keys(level.parents, ids[level.words]), level.counts, level.phones)
        for level in found.counts.levels
    ]
    return Part(found.firsts, NgramCounts(tuple(levels), found.counts.roots))


def joined(parts: Sequence[Part]) -> Part:
    """Add parts up; gives those of the first words that have any bigram."""
    counts = merge([part.counts for part in parts], None, [part.firsts for part in parts])
    first = counts.levels[0]
    firsts, roots = np.unique(first.parents, return_inverse=True)
    level = Level(pack_keys(roots.astype(np.int64), first.words), first.counts, first.phones)
    return Part(firsts, NgramCounts((level, *counts.levels[1:]), len(firsts)))


def suffixes(part: Part) -> NgramCounts:
    """Give the suffixes of all its n-grams: as counts how often, and as phones in how many n-grams."""
    ones = [Level(level.keys, level.counts, np.ones(len(level), np.int64)) for level in part.counts.levels]
    roots = np.zeros(len(part.firsts), np.int64)
    return merge([NgramCounts(tuple(ones), len(part.firsts))], None, [roots])


def suffixes_between(found: NgramCounts, of: Range) -> Part:
    """Give the suffixes in a range."""
    source = Source(Held(found.levels), found.levels[0].words.astype(np.int64))
    return _compact(source, of, found.order)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What of a partition may be released, as far as it knows: what the rule lets through with all its prefixes.

    Attributes:
        part: the n-grams.
        adjusted: per order, what each is estimated from.
        totals: per order, float64, all that its prefix has of that; of bigrams, what it has in this partition.
        edges: the ids of the first words that other partitions may have too, and what each has here.
        counts_of_counts: per order, of all n-grams of the partition.
    """

    part: Part
    adjusted: tuple[Sums, ...]
    totals: tuple[Floats, ...]
    edges: tuple[Rows, Floats]
    counts_of_counts: tuple[Sums, ...]


def candidates(part: Part, told: Sequence[Part], min_phones: int) -> Candidates:
    """Choose the candidates of a partition.

    Args:
        part: all its n-grams.
        told: suffixes in it, from each partition.
        min_phones: how many phones an n-gram wants.
    """
    levels = part.counts.levels
    before = _before(part, told)
    masks: list[Mask] = []
    columns: list[Sums] = []
    totals: list[Floats] = []
    times: list[Sums] = []
    from_mark, kept = part.firsts < FIRST_WORD, np.ones(len(part.firsts), np.bool_)
    for n, level in enumerate(levels):
        parents, contexts = level.parents, len(kept)
        from_mark = from_mark[parents]
        is_highest = n + 1 == len(levels)
        counts = level.counts if is_highest else adjusted_counts(level, from_mark, *before[n])
        columns.append(predicted(level.words, counts))
        totals.append(np.bincount(parents, columns[n], minlength=contexts).astype(np.float64))
        times.append(counts_of_counts(columns[n]))
        kept = (level.phones >= min_phones) & kept[parents]
        masks.append(kept)
    of_rows = [total[level.parents[mask]] for total, level, mask in zip(totals, levels, masks, strict=True)]
    adjusted = [column[mask] for column, mask in zip(columns, masks, strict=True)]
    chosen = part.counts.select(masks)
    first = chosen.levels[0]
    used, roots = np.unique(first.parents, return_inverse=True)
    level = Level(pack_keys(roots.astype(np.int64), first.words), first.counts, first.phones)
    edges = np.unique([0, len(part.firsts) - 1]) if len(part.firsts) else np.zeros(0, np.int64)
    return Candidates(
        Part(part.firsts[used], NgramCounts((level, *chosen.levels[1:]), len(used))),
        tuple(adjusted),
        tuple(of_rows),
        (part.firsts[edges], totals[0][edges]),
        tuple(times),
    )


def after_marks(part: Part, released: Rows) -> Level:
    """Give the bigrams that begin with a mark and end in a released word, which keys tell by its released id.

    Args:
        part: n-grams.
        released: the ids of the released words, ascending.
    """
    level = part.counts.levels[0]
    ends = np.isin(level.words, released)
    found = level.where((part.firsts < FIRST_WORD)[level.parents] & ends)
    places = np.searchsorted(released, found.words.astype(np.int64)) + FIRST_WORD
    return Level(places.astype(np.uint64), found.counts, found.phones)


def _source(sums: PartSums, ids: Ids) -> Source:
    return Source(Held(sums.levels), ids[sums.levels[0].words].astype(np.int64), ids)


def _compact(source: Source, of: Range, order: int) -> Part:
    """Cut a slice, with no more roots than it needs."""
    counts = source.slice(*of, order)
    parents = counts.levels[0].parents
    if not len(parents):
        return Part(np.zeros(0, np.int64), NgramCounts(counts.levels, 0))
    first, last = int(parents[0]), int(parents[-1])
    levels = (moved(counts.levels[0], -first), *counts.levels[1:])
    return Part(source.rows[first : last + 1], NgramCounts(levels, last + 1 - first))


def _before(part: Part, told: Sequence[Part]) -> list[tuple[Sums, Sums]]:
    """Per order below the highest, how many words were seen before each n-gram, and how often."""
    found: list[tuple[Sums, Sums]] = []
    if not told:
        return found
    seen = joined(told)
    roots = _rows_in(part.firsts, seen.firsts)
    rows = part.counts.find(seen.counts, roots)
    for level, own, at in zip(part.counts.levels, seen.counts.levels, rows, strict=False):
        kinds, explained = np.zeros((2, len(level)), np.int64)
        has = at >= 0
        kinds[at[has]], explained[at[has]] = own.phones[has], own.counts[has]
        found.append((kinds, explained))
    return found


def _rows_in(ids: Rows, wanted: Rows) -> NDArray[np.int64]:
    """The place of each id among others, or -1."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, -1)
