"""Limits: holding phones to their bounds, whatever they send.

In: batches of new deltas, and the deltas that their phones sent before and show again. Out: which of the new
ones go too far, and why. Laws: over all deltas of a phone that are merged no more than `max_ngrams` distinct
n-grams and written forms are counted, none of them more than `max_count` times, all together no longer than
`max_norm`, and none is marked as new twice, so that one phone counts as one; every n-gram that is named was
counted. Nothing is kept of a phone for it but the digests in the ledger: they prove that what it shows again is
what it sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.sums import Sums, padded
from fedkeys.counts import Level, merge
from fedkeys.counts.ngrams import Ids, Rows, pack_keys
from fedkeys.delta import Batch, Bounds, Head
from fedkeys.errors import RefusedError

_REMEDY = "ask its phone for less, or give the bounds that it keeps"


@dataclass(frozen=True, slots=True)
class Contribution:
    """A new delta, and what its phone has to show beside it.

    Attributes:
        head: of the new delta.
        before: those of the same phone that are merged, as it showed them.
        missing: how many more are merged, but were not shown.
    """

    head: Head
    before: Sequence[Head]
    missing: int


def check_size(head: Head, earlier: int, bounds: Bounds) -> None:
    """Refuse a delta that cannot keep its phone's bounds, before any of it is read.

    Args:
        head: of the delta.
        earlier: how many deltas of its phone are merged.
        bounds: what a phone may contribute.

    Raises:
        RefusedError: it is too long, names too much, or is one too many.
    """
    if head.length > bounds.max_bytes:
        raise RefusedError(f"has {head.length:,} bytes, more than {bounds.max_bytes:,}", remedy=_REMEDY)
    if sum(head.sizes) > bounds.max_ngrams:
        raise RefusedError(
            f"has {sum(head.sizes):,} n-grams and forms, more than {bounds.max_ngrams:,}", remedy=_REMEDY
        )
    if earlier >= bounds.max_deltas:
        raise RefusedError(f"its phone has sent {earlier:,} deltas, which is as many as it may")


def excess(
    contributions: Sequence[Contribution], batch: Batch, sums: Sums, bounds: Bounds | None
) -> dict[int, RefusedError]:
    """Tell which of some new deltas must not be merged.

    Args:
        contributions: the new deltas, each of another phone.
        batch: the same, read.
        sums: what knows the words of all deltas.
        bounds: what a phone may contribute; None for no bounds.
    """
    found: dict[int, RefusedError] = {}
    alone = np.array([not (contribution.before or contribution.missing) for contribution in contributions])
    extent = _Extent.of_any(batch)
    if not extent.is_within(bounds).all():
        extent = _Extent.of_messages(batch)
    for number in np.flatnonzero(~extent.is_within(bounds) & alone).tolist():
        found[number] = extent.refusal(number, bounds)
    relying = np.flatnonzero(~alone & ((extent.least == 0) | (bounds is not None))).tolist()
    complete = [number for number in relying if not contributions[number].missing]
    for number in set(relying) - set(complete):
        found[number] = RefusedError(
            f"comes without {contributions[number].missing} of the deltas that its phone sent before",
            remedy="a bounded phone shows them again beside it: send them along, in one log, and name with --base "
            "the models they were written against",
        )
    if complete:
        together = _Extent.of_phones([contributions[number] for number in complete], sums)
        for at in np.flatnonzero(~together.is_within(bounds)).tolist():
            found[complete[at]] = together.refusal(at, bounds)
    return found


@dataclass(frozen=True, slots=True)
class _Extent:
    """How far each of some phones goes; int64, one number a phone.

    Attributes:
        distinct: how many n-grams and forms it names.
        most, least: the greatest and the smallest of its counts.
        marks: the most marks on one n-gram or form.
        squares: float64, the sum of the squares of all counts.
    """

    distinct: NDArray[np.int64]
    most: NDArray[np.int64]
    least: NDArray[np.int64]
    marks: NDArray[np.int64]
    squares: NDArray[np.float64]

    @classmethod
    def of_any(cls, batch: Batch) -> "_Extent":
        """As far as any message goes, said of each: where that is not too far, it need not be told whose it is."""
        levels = [level for level in (*batch.counts.levels, batch.forms) if len(level)]
        messages = len(batch.heads)
        return cls(
            np.array([sum(head.sizes) for head in batch.heads]),
            np.full(messages, max((level.counts.max() for level in levels), default=0)),
            np.full(messages, min((level.counts.min() for level in levels), default=1)),
            np.full(messages, max((level.phones.max() for level in levels), default=0)),
            np.full(messages, sum(map(_squared, levels))),
        )

    @classmethod
    def of_messages(cls, batch: Batch) -> "_Extent":
        """Each message alone."""
        roots = batch.counts.levels[0].parents[batch.forms.parents]
        return cls._of(len(batch.heads), [*_by_root(batch.counts.levels), (roots, batch.forms)])

    @classmethod
    def of_phones(cls, contributions: Sequence[Contribution], sums: Sums) -> "_Extent":
        """Each phone's messages added up."""
        heads = [head for contribution in contributions for head in (*contribution.before, contribution.head)]
        phones = np.repeat(
            np.arange(len(contributions)), [len(contribution.before) + 1 for contribution in contributions]
        )
        batch = Batch.read(heads)
        ids, styles = sums.ids_and_styles_for_now(batch)
        counts = merge([padded(batch.counts)], [ids], [phones])
        forms = _forms_of_phones(batch, phones, ids, styles)
        return cls._of(len(contributions), [*_by_root(counts.levels), forms])

    @classmethod
    def _of(cls, phones: int, parts: Sequence[tuple[Rows, Level]]) -> "_Extent":
        distinct, most, marks = np.zeros((3, phones), np.int64)
        least = np.ones(phones, np.int64)
        squares = np.zeros(phones)
        for roots, level in parts:
            distinct += np.bincount(roots, minlength=phones)
            squares += np.bincount(roots, level.counts.astype(np.float64) ** 2, minlength=phones)
            starts = np.flatnonzero(np.diff(roots, prepend=-1))  # rows stand in the order of their roots
            if len(starts):
                at = roots[starts]
                most[at] = np.maximum(most[at], np.maximum.reduceat(level.counts, starts))
                least[at] = np.minimum(least[at], np.minimum.reduceat(level.counts, starts))
                marks[at] = np.maximum(marks[at], np.maximum.reduceat(level.phones, starts))
        return cls(distinct, most, least, marks, squares)

    def is_within(self, bounds: Bounds | None) -> NDArray[np.bool_]:
        """Tell which phones keep their bounds."""
        within: NDArray[np.bool_] = self.least > 0
        if bounds is not None:
            within &= (
                (self.distinct <= bounds.max_ngrams) & (self.most <= bounds.max_count) & (self.marks <= 1)
            )
            if bounds.max_norm is not None:
                within &= self.squares <= bounds.max_norm**2
        return within

    def refusal(self, phone: int, bounds: Bounds | None) -> RefusedError:
        """Say how a phone goes too far."""
        if not self.least[phone]:
            return RefusedError("names an n-gram with a count of 0 that no delta of its phone has counted")
        if bounds is None or self.marks[phone] > 1:
            return RefusedError("marks an n-gram as new that its phone has sent before")
        if self.distinct[phone] > bounds.max_ngrams:
            many = f"{self.distinct[phone]:,} different n-grams and forms, more than {bounds.max_ngrams:,}"
            return RefusedError(f"brings its phone to {many}", remedy=_REMEDY)
        if self.most[phone] <= bounds.max_count:
            length = f"{self.squares[phone] ** 0.5:,.1f}, more than {bounds.max_norm:,}"
            return RefusedError(f"brings the counts of its phone to a length of {length}", remedy=_REMEDY)
        many = f"{self.most[phone]:,} times, more than {bounds.max_count:,}"
        return RefusedError(f"brings its phone to counting one n-gram {many}", remedy=_REMEDY)


def _squared(level: Level) -> float:
    """The sum of the squares of all counts, exact as far as any bound on it reaches."""
    return float(np.square(level.counts, dtype=np.float64).sum())


def _by_root(levels: Sequence[Level]) -> list[tuple[Rows, Level]]:
    """The root of each row, and the rows, of each level."""
    found: list[tuple[Rows, Level]] = []
    for level in levels:
        found.append((found[-1][0][level.parents] if found else level.parents, level))
    return found


def _forms_of_phones(batch: Batch, phones: Rows, ids: Ids, styles: Ids) -> tuple[Rows, Level]:
    """The written forms, those of one phone added up, and whose each is."""
    rows = batch.forms.parents
    owners = phones[batch.counts.levels[0].parents[rows]]
    words, of_word = np.unique(pack_keys(owners, ids[rows]), return_inverse=True)
    forms = Level.summed(pack_keys(of_word, styles), batch.forms.counts, batch.forms.phones)
    return (words[forms.parents] >> np.uint64(32)).astype(np.int64), forms
