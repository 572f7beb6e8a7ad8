"""Everything that was merged, in the order of an alphabetical vocabulary.

In: sums. Out: what a release is made of. Law: the same deltas give the same totals, in whatever order and grouping
they came.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedkeys.counts import Level
from fedkeys.counts.ngrams import StoredLevel


@dataclass(frozen=True, slots=True)
class Totals:
    """All that was merged.

    Attributes:
        words: every word that came, released or not, in alphabetical order; may be gone through again and
            again, and lie on disk. The id of a word is its place plus `FIRST_WORD`.
        levels: n-grams over these ids, up to the highest order that came; in memory or on disk.
        forms: written forms, keys id << 32 | style.
        spelt: the written forms of styles from `OTHER` up, in order.
    """

    words: Iterable[str]
    levels: Sequence[StoredLevel]
    forms: Level
    spelt: Sequence[str]
