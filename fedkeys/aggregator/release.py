"""The release: from totals to a model, under a rule that the model's header states.

In: totals, the least number of phones, blocked words. Out: a `Model`. Law: no word, n-gram or written form that
fewer phones have sent is in it, by itself or as part of a longer one; and no blocked word.
"""

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from fedkeys.aggregator.totals import Totals
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import Ids, Mask, pack_keys
from fedkeys.model import Model
from fedkeys.model.build import build, usual_forms
from fedkeys.model.kneser_ney import Estimate, estimate


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
    blocked_ids = [id_ for word in blocked if (id_ := totals.vocabulary.find(word)) is not None]
    masks = selected(totals.counts, min_phones, blocked_ids)
    found = estimate(totals.counts, masks)
    kept_ids = totals.counts.levels[0].words[masks[0]]
    kept_words = kept_ids[kept_ids >= FIRST_WORD]
    vocabulary = Vocabulary.from_sorted(totals.vocabulary.word(id_) for id_ in kept_words.tolist())
    new_ids = np.zeros(FIRST_WORD + len(totals.vocabulary), np.uint32)
    new_ids[kept_ids] = kept_ids
    new_ids[kept_words] = np.arange(FIRST_WORD, FIRST_WORD + len(kept_words))
    forms = _forms(totals, min_phones)
    released_forms = {int(new_ids[id_]): forms[id_] for id_ in kept_words.tolist() if id_ in forms}
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


def selected(counts: NgramCounts, min_phones: int, blocked: Sequence[int] = ()) -> tuple[Mask, ...]:
    """Per order, which n-grams at least `min_phones` phones have sent; closed, and with the marks.

    Without a blocked word, and so, being closed, without any n-gram that it is in.
    """
    masks = [level.phones >= min_phones for level in counts.levels]
    masks[0] |= counts.levels[0].words < FIRST_WORD
    masks[0] &= ~np.isin(counts.levels[0].words, np.array(blocked, np.uint32))
    return counts.closed(masks)


def _forms(totals: Totals, min_phones: int) -> dict[int, str]:
    """The usual written forms of all words, by their id in the totals."""
    columns = (totals.forms.parents.tolist(), totals.forms.words.tolist())
    styles = {(id_, style): totals.form(id_, style) for id_, style in zip(*columns, strict=True)}
    return usual_forms(totals.counts, totals.forms, styles, min_phones)


def _renumbered(found: Estimate, new_ids: Ids) -> Estimate:
    """Put the ids of the released vocabulary in; their order stays, and so do the rows."""
    levels = tuple(
        Level(pack_keys(level.parents, new_ids[level.words]), level.counts, level.phones)
        for level in found.counts.levels
    )
    return Estimate(NgramCounts(levels), found.probabilities, found.weights, found.discounts)
