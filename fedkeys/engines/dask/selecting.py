"""Selecting: the steps from the sums of all buckets to what is released of them.

In: the sums of each bucket, and a rule. Out: a selection, in the hands of who asks. Law: sums stay with whoever
runs the tasks; what comes to who asks are numbers, samples, and what may be released.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkeys.aggregator.slices import cuts
from fedkeys.counts import FIRST_WORD
from fedkeys.engines.dask import partitions, ranges, words
from fedkeys.engines.dask.engine import Engine, Future
from fedkeys.engines.dask.releasing import estimated, model_of
from fedkeys.engines.dask.taking import PartSums
from fedkeys.model import Model

_ROW_BYTES = 160  # of memory for each row that is added up, as in `Sums`
_LEAST_ROWS = 1 << 18  # of a partition; smaller ones spend their time in calls
_RANGE_WORDS = 1 << 18


@dataclass(frozen=True, slots=True)
class Scale:
    """Into how many pieces a merge is cut; None for as many as fit.

    Attributes:
        read_bytes: about how much one task reads.
        buckets: of phones.
        ranges: of words.
        partitions: of n-grams.
    """

    read_bytes: int | None = None
    buckets: int | None = None
    ranges: int | None = None
    partitions: int | None = None


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What was merged of some phones, and the number of each of its words among all."""

    sums: Future
    ids: Future


@dataclass(frozen=True, slots=True)
class _Range:
    """Words that come one after the other.

    Attributes:
        words: all of them.
        ids: from which id among all words to below which; those of the first begin with the marks.
    """

    words: Future
    ids: ranges.Range


@dataclass(frozen=True, slots=True)
class _Partition:
    """N-grams between two bigrams.

    Attributes:
        keys: of these bigrams.
        part: the n-grams.
        suffixes: of these n-grams; they lie anywhere.
    """

    keys: partitions.Range
    part: Future
    suffixes: Future


@dataclass(frozen=True, slots=True)
class Selection:
    """What may be released, and who knows the rest.

    Attributes:
        engine: runs the tasks.
        words: of each range.
        candidates: of each partition.
        forms: all written forms, of each range.
        parts: n-grams, of each partition that has any that begin with a mark.
    """

    engine: Engine
    words: list[ranges.Words]
    candidates: list[partitions.Candidates]
    forms: list[Future]
    parts: list[Future]

    def model(
        self, account: Mapping[str, Any], min_phones: int, blocked: Collection[str], prune: int | None
    ) -> Model:
        """Make the model; the arguments are those of `fedkeys.aggregator.release`."""
        submit = self.engine.submit
        ids = [part.level.words.astype(np.int64) for part in self.words]
        ids = [own[own >= FIRST_WORD] for own in ids]
        firsts = FIRST_WORD + np.cumsum([0, *map(len, ids)])
        forms = [
            submit(ranges.released_forms, found, own, first)
            for found, own, first in zip(self.forms, ids, firsts.tolist(), strict=False)
        ]
        begins = [submit(partitions.after_marks, part, np.concatenate(ids)) for part in self.parts]
        found = self.engine.gather("writing", [*forms, *begins])
        return model_of(
            estimated(self.words, self.candidates),
            self.words,
            found[len(forms) :],
            found[: len(forms)],
            account,
            min_phones,
            blocked,
            prune,
        )


def select(
    engine: Engine,
    sums: Sequence[Future],
    scale: Scale,
    memory: int,
    min_phones: int,
    blocked: Collection[str],
) -> Selection:
    """Choose what may be released.

    Args:
        engine: runs the tasks.
        sums: of each bucket.
        scale: into how many pieces they are cut.
        memory: about how much one task may take to add up.
        min_phones: how many phones a word or an n-gram wants.
        blocked: words, folded, that no release may hold.
    """
    submit = engine.submit
    of_words, buckets = _numbered(engine, sums, scale)
    parts, told = _partitioned(engine, buckets, scale, memory)
    words_ = [
        submit(
            ranges.released_words,
            some.words,
            some.ids,
            [submit(ranges.unigrams_between, bucket.sums, bucket.ids, some.ids) for bucket in buckets],
            [submit(ranges.explained_between, part.suffixes, some.ids) for part in parts],
            min_phones,
            blocked,
        )
        for some in of_words
    ]
    forms = [
        submit(
            ranges.joined,
            [submit(ranges.forms_between, bucket.sums, bucket.ids, some.ids) for bucket in buckets],
        )
        for some in of_words
    ]
    chosen = [
        submit(partitions.candidates, part.part, own, min_phones)
        for part, own in zip(parts, told, strict=True)
    ]
    found = engine.gather("choosing", [*words_, *chosen])
    begin = [part.part for part in parts if part.keys[0] >> 32 < FIRST_WORD]
    return Selection(engine, found[: len(words_)], found[len(words_) :], forms, begin)


def _numbered(engine: Engine, sums: Sequence[Future], scale: Scale) -> tuple[list[_Range], list[_Bucket]]:
    """Give each word of each bucket its number among all."""
    submit = engine.submit
    samples = engine.gather("sorting words", [submit(words.word_samples, own) for own in sums])
    wanted = scale.ranges or max(1, sum(count for count, _ in samples) // _RANGE_WORDS)
    spans = words.word_ranges(samples, wanted)
    distinct = [
        submit(words.distinct_words, [submit(words.words_between, own, span) for own in sums])
        for span in spans
    ]
    sizes = engine.gather("sorting words", [submit(_size, found) for found in distinct])
    ends = np.cumsum(sizes)
    buckets = [
        _Bucket(
            own, submit(words.ids_of, [submit(_place, found, number) for found in distinct], ends - sizes)
        )
        for number, own in enumerate(sums)
    ]
    first = [0, *(FIRST_WORD + ends[:-1]).tolist()]
    ids = zip(first, (FIRST_WORD + ends).tolist(), strict=True)
    return [_Range(submit(_words, found), own) for found, own in zip(distinct, ids, strict=True)], buckets


def _partitioned(
    engine: Engine, buckets: Sequence[_Bucket], scale: Scale, memory: int
) -> tuple[list[_Partition], list[list[Future]]]:
    """Add n-grams up by their first two words; gives for each partition also what all say of its n-grams."""
    submit = engine.submit
    sizes = engine.gather("adding up", [submit(_sizes, bucket.sums) for bucket in buckets])
    order, rows = max(map(len, sizes)), sum(map(sum, sizes))
    most = max(1, memory // _ROW_BYTES)
    wanted = scale.partitions or max(-(-rows // most), min(engine.workers, -(-rows // _LEAST_ROWS)))
    samples = engine.gather(
        "adding up", [submit(partitions.bigram_samples, bucket.sums, bucket.ids) for bucket in buckets]
    )
    at = cuts(samples, wanted)
    parts = []
    for keys in zip([0, *at], [*at, None], strict=True):
        slices = [submit(partitions.part_between, bucket.sums, bucket.ids, keys, order) for bucket in buckets]
        part = submit(partitions.joined, slices)
        parts.append(_Partition(keys, part, submit(partitions.suffixes, part)))
    if order == 2:
        return parts, [[] for _ in parts]
    told = [
        [submit(partitions.suffixes_between, other.suffixes, part.keys) for other in parts] for part in parts
    ]
    return parts, told


def _sizes(sums: PartSums) -> list[int]:
    """How many n-grams of each order."""
    return [len(level) for level in sums.levels]


def _size(found: tuple[list[str], list[Any]]) -> int:
    return len(found[0])


def _words(found: tuple[list[str], list[Any]]) -> list[str]:
    return found[0]


def _place(found: tuple[list[str], list[Any]], bucket: int) -> Any:
    return found[1][bucket]
