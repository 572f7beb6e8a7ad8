"""A phone's own numbering of words, which lasts while released vocabularies come and go.

In: messages. Out: one sequence of the phone's word ids, and what was written how often in which form.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import GAP_ID, MESSAGE_START_ID, SENTENCE_START_ID, GrowingVocabulary
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, tokens

_MARKS = (MESSAGE_START, SENTENCE_START, GAP)
_MARK_IDS = (MESSAGE_START_ID, SENTENCE_START_ID, GAP_ID)
_LAST_START = _MARKS.index(SENTENCE_START)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a phone read in its messages.

    Attributes:
        sequence: uint32[n], the phone's word ids, marks and gaps, for `count_ngrams`.
        forms: written form -> how often it stood elsewhere than at the start of a sentence; only forms that
            differ from their word.
    """

    sequence: NDArray[np.uint32]
    forms: dict[str, int]


class Lexicon(GrowingVocabulary):
    """Words in the order in which this phone first met them."""

    def read(self, texts: Iterable[str]) -> Reading:
        """Read messages, oldest first."""
        items: list[str] = []
        for text in texts:
            items += tokens(text)
        table = _Numbering(zip(_MARKS, range(len(_MARKS)), strict=True))
        numbers = np.fromiter(map(table.__getitem__, items), np.int64, len(items))
        written = list(table)[len(_MARKS) :]
        identities = [fold(form) for form in written]
        ids = np.array([*_MARK_IDS, *map(self.id, identities)], np.uint32)
        inside = numbers[1:][numbers[:-1] > _LAST_START]
        elsewhere = np.bincount(inside, minlength=len(table))[len(_MARKS) :].tolist()
        forms = {
            form: count
            for form, word, count in zip(written, identities, elsewhere, strict=True)
            if count and form != word
        }
        return Reading(ids[numbers], forms)


class _Numbering(dict[str, int]):
    """Numbers whatever it is asked for, in the order of asking."""

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        return number
