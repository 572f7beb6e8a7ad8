"""Everything that was merged, in the order of an alphabetical vocabulary.

In: sums. Out: what a release is made of. Law: the same deltas give the same totals, in whatever order and grouping
they came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fedkeys.counts import Level, NgramCounts, Vocabulary
from fedkeys.words import OTHER, styled


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
