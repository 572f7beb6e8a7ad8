"""From merged counts to the arrays of a model.

In: counts whose ids are a vocabulary's, the release selection, written forms. Out: the named arrays of the
model, in the layout that `fedkeys.model.search` reads; `fedkeys.model.stored` makes a file of them. Law: a pure
function of its arguments, so equal counts give equal bytes.

The arrays, for words 0 ... V - 1 in alphabetical order (id = place + 2). N-grams of m words are laid out one after
the other: those of one word by id, marks among them; those of more in the order of their prefixes, and after one
prefix by probability, equal ones in alphabetical order. The arrays of m = 1 ... N - 1:

    words            UTF-8 bytes of the words, joined by newlines
    form_ids         u32, ascending: ids of the words that are usually written otherwise ("I", "London")
    forms            UTF-8 bytes of those written forms, joined by newlines
    unigram          f32[V], probability of each word
    by_probability   u32[V], ids in order of probability
    after            u32[V + 2], for each id the word that most often came next by raw count, 0 for none
    first_m          u32[n-grams of m words + 1], where those of m + 1 words begin that have each as prefix
    weight_m         f32[n-grams of m words], what each leaves to the shorter context, 0 where none follows
    successor_m      u32[n-grams of m + 1 words], ids of their last words
    probability_m    f32[n-grams of m + 1 words], the probabilities of these
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, Level, Vocabulary
from fedkeys.model.kneser_ney import Estimate
from fedkeys.model.stored import ranked

Arrays = dict[str, NDArray[Any]]


def build(estimate: Estimate, vocabulary: Vocabulary, forms: Mapping[int, str], bigrams: Level) -> Arrays:
    """Lay out a released selection for search.

    Args:
        estimate: probabilities of the selection; its ids are those of `vocabulary`, all of it used.
        vocabulary: the released words.
        forms: id -> written form, of the words that are usually not written as their identity.
        bigrams: those that tell which word most often came next, be they in the selection or pruned from it.
    """
    counts = estimate.counts
    unigram = estimate.probabilities[0][counts.levels[0].words >= FIRST_WORD]
    arrays: Arrays = {
        "words": _text(vocabulary.words),
        "form_ids": np.array(sorted(forms), np.uint32),
        "forms": _text(forms[id_] for id_ in sorted(forms)),
        "unigram": unigram.astype(np.float32),
        "by_probability": ranked(unigram.astype(np.float32)),
        "after": _most_frequent_successors(bigrams, counts.levels[0], len(vocabulary)),
    }
    places, count = counts.levels[0].words.astype(np.int64), len(vocabulary) + FIRST_WORD
    for m in range(1, counts.order):
        contexts, above = places, counts.levels[m]
        of_rows = contexts[above.parents]
        stored = estimate.probabilities[m].astype(np.float32)
        order = np.lexsort((above.words, -stored, of_rows))
        children = np.bincount(of_rows, minlength=count)
        weights = np.zeros(count, np.float32)
        weights[contexts] = estimate.weights[m - 1]
        arrays[f"first_{m}"] = np.append(0, np.cumsum(children)).astype(np.uint32)
        arrays[f"weight_{m}"] = np.where(children > 0, weights, np.float32(0))
        arrays[f"successor_{m}"] = above.words[order]
        arrays[f"probability_{m}"] = stored[order]
        places, count = np.empty(len(above), np.int64), len(above)
        places[order] = np.arange(count)
    return arrays


def usual_forms(
    unigrams: Level, after_mark: Level, forms: Level, written: Callable[[int, int], str], min_phones: int
) -> dict[int, str]:
    """Give the words whose usual written form is not their identity.

    A word's use at the start of a sentence says nothing about how it is written, so a form must be more
    frequent than the identity is elsewhere: count of the word less its bigrams after a mark, less its forms.

    Args:
        unigrams: everything merged, not only what is released: what is withheld tells no form.
        after_mark: of the bigrams those that begin with a mark.
        forms: keys id << 32 | style.
        written: gives the written form of an id in a style.
        min_phones: on how many phones a form must have been seen.
    """
    size = int(unigrams.words.max(initial=0)) + 1
    plain = np.bincount(unigrams.words, unigrams.counts, minlength=size)
    plain -= np.bincount(after_mark.words, after_mark.counts, minlength=size)
    plain -= np.bincount(forms.parents, forms.counts, minlength=size)[:size]
    best: dict[int, tuple[int, str]] = {}
    usual = np.flatnonzero((forms.phones >= min_phones) & (forms.counts > plain[forms.parents]))
    columns = (forms.parents[usual], forms.words[usual], forms.counts[usual])
    for id_, style, count in zip(*(column.tolist() for column in columns), strict=True):
        form = written(id_, style)
        if (-count, form) < best.get(id_, (1, "")):
            best[id_] = (-count, form)
    return {id_: form for id_, (_, form) in best.items()}


def _most_frequent_successors(bigrams: Level, unigrams: Level, words: int) -> NDArray[np.uint32]:
    """For each id the last word of its most frequent bigram; ties go to the alphabetical first."""
    first_words = unigrams.words[bigrams.parents]
    order = np.lexsort((bigrams.words, -bigrams.counts, first_words))
    best, at = np.unique(first_words[order], return_index=True)
    after = np.zeros(words + FIRST_WORD, np.uint32)
    after[best] = bigrams.words[order][at]
    return after


def _text(words: Any) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(words).encode(), np.uint8)
