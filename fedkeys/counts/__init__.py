"""N-gram counts as sorted arrays, and the vocabulary that their ids refer to.

In: sequences of word ids. Out: `NgramCounts`, a trie in sorted arrays that adds. Laws: `counts(a) + counts(b)
== counts(a + b)`; a selection is closed, so with an n-gram go its prefix and its suffix.

Ids 0 and 1 are the marks for the start of a message and of a further sentence; words begin at `FIRST_WORD`.
"""

from fedkeys.counts.counting import GAP_ID, count_ngrams
from fedkeys.counts.ngrams import Level, NgramCounts, merge
from fedkeys.counts.vocabulary import (
    FIRST_WORD,
    MESSAGE_START_ID,
    SENTENCE_START_ID,
    GrowingVocabulary,
    Vocabulary,
)

__all__ = [
    "FIRST_WORD",
    "GAP_ID",
    "MESSAGE_START_ID",
    "SENTENCE_START_ID",
    "GrowingVocabulary",
    "Level",
    "NgramCounts",
    "Vocabulary",
    "count_ngrams",
    "merge",
]
