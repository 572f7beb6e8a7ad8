"""The release: from totals to a model, under a rule that the model's header states.

In: totals, the least number of phones, blocked words. Out: a `Model`. Law: no word, n-gram or written form that
fewer phones have sent is in it, by itself or as part of a longer one; and no blocked word.
"""

from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from itertools import compress
from typing import Any

import numpy as np

from fedkeys.aggregator.totals import Totals
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import Ids, Mask, StoredLevel, pack_keys
from fedkeys.model import Model
from fedkeys.model.build import build, usual_forms
from fedkeys.model.kneser_ney import Estimate, estimate
from fedkeys.words import OTHER, styled

_CHUNK = 1 << 16


def release(
    totals: Totals, min_phones: int, account: Mapping[str, Any], blocked: Collection[str] = ()
) -> Model:
    """Make a model of what at least `min_phones` phones have sent.

    Args:
        totals: everything merged.
        min_phones: the least number of distinct phones, 1 or more.
        account: what the header says of how the counts came about.
        blocked: words, folded, that no release may hold; the header says how many were asked for.
    """
    blocked_ids = _places(totals.words, blocked)

    def allowed(n: int, rows: Level) -> Mask:
        mask = rows.phones >= min_phones
        return mask if n else (mask | (rows.words < FIRST_WORD)) & ~np.isin(rows.words, blocked_ids)

    found = estimate(totals.levels, allowed)
    kept_ids = found.counts.levels[0].words
    kept_words = kept_ids[kept_ids >= FIRST_WORD]
    unigrams = totals.levels[0][:]
    new_ids = np.zeros(FIRST_WORD + len(unigrams), np.uint32)
    new_ids[kept_ids] = kept_ids
    new_ids[kept_words] = np.arange(FIRST_WORD, FIRST_WORD + len(kept_words))
    vocabulary = Vocabulary.from_sorted(compress(totals.words, new_ids[FIRST_WORD:].tolist()))
    released_forms = _forms(totals, unigrams, new_ids, vocabulary, min_phones)
    arrays = build(_renumbered(found, new_ids), vocabulary, released_forms)
    header = {
        "fedkeys": version("fedkeys"),
        **account,
        "order": found.counts.order,
        "ngrams": [len(vocabulary), *map(len, found.counts.levels[1:])],
        "discounts": [list(discounts) for discounts in found.discounts],
        "release": {"min_phones": min_phones, **({"blocked": len(blocked)} if blocked else {})},
        "epsilon": None,
        "dp_delta": None,
    }
    return Model.from_arrays(header, arrays)


def _places(words: Iterable[str], wanted: Collection[str]) -> Ids:
    """The ids of some words."""
    found = [id_ for id_, word in enumerate(words, FIRST_WORD) if word in wanted] if wanted else []
    return np.array(found, np.uint32)


def _forms(
    totals: Totals, unigrams: Level, new_ids: Ids, vocabulary: Vocabulary, min_phones: int
) -> dict[int, str]:
    """The usual written forms of the released words, by their new ids."""
    marks = np.count_nonzero(unigrams.words < FIRST_WORD)
    after_mark = _first_rows(totals.levels[1], int(marks))
    forms = totals.forms
    released = new_ids[forms.parents] > 0
    forms = Level(forms.keys[released], forms.counts[released], forms.phones[released])

    def written(id_: int, style: int) -> str:
        return (
            totals.spelt[style - OTHER]
            if style >= OTHER
            else styled(vocabulary.word(int(new_ids[id_])), style)
        )

    found = usual_forms(unigrams, after_mark, forms, written, min_phones)
    return {int(new_ids[id_]): form for id_, form in found.items()}


def _first_rows(bigrams: StoredLevel, parents: int) -> Level:
    """The bigrams of the first few prefixes, which stand before all others."""
    end = 0
    while end < len(bigrams):
        rows = bigrams[end : end + _CHUNK].parents
        within = int(np.searchsorted(rows, parents))
        end += within
        if within < len(rows):
            break
    return bigrams[:end]


def _renumbered(found: Estimate, new_ids: Ids) -> Estimate:
    """Put the ids of the released vocabulary in; their order stays, and so do the rows."""
    levels = tuple(
        Level(pack_keys(level.parents, new_ids[level.words]), level.counts, level.phones)
        for level in found.counts.levels
    )
    return Estimate(NgramCounts(levels), found.probabilities, found.weights, found.discounts)
