"""Everything that was merged, in the order of an alphabetical vocabulary.

In: sums. Out: what a release is made of. Law: the same deltas give the same totals, in whatever order and grouping
they came.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fedkeys.counts import Level
from fedkeys.counts.ngrams import StoredLevel, pack_keys
from fedkeys.words import OTHER


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


def joined_forms(parts: Sequence[tuple[Level, Sequence[str]]]) -> tuple[Level, list[str]]:
    """Add up written forms; gives them, and the forms of styles from `OTHER` up.

    Args:
        parts: the same of each part; the ids agree, and each part has styles of its own.
    """
    spelt = sorted({form for _, own in parts for form in own})
    styles = {form: style for style, form in enumerate(spelt, OTHER)}
    found = []
    for forms, own in parts:
        new = np.array([*range(OTHER), *(styles[form] for form in own)], np.uint32)
        found.append(Level(pack_keys(forms.parents, new[forms.words]), forms.counts, forms.phones))
    return Level.joined(found), spelt
