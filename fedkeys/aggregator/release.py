"""The release: from totals to a model, under a rule that the model's header states.

In: totals, the least number of phones, blocked words, a size. Out: a `Model`. Law: no word, n-gram or written
form that fewer phones have sent is in it, by itself or as part of a longer one; and no blocked word. Pruned to a
size, it holds all the words, part of the n-grams, and for each word the same most frequent successor.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import compress
from typing import Any

import numpy as np

from fedkeys.aggregator.private_release import tell
from fedkeys.aggregator.totals import Totals
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import Ids, Mask, StoredLevel, pack_keys
from fedkeys.model import Model
from fedkeys.model.build import build, usual_forms
from fedkeys.model.kneser_ney import Estimate, estimate
from fedkeys.model.noisy import estimate_noisy
from fedkeys.model.prune import pruned
from fedkeys.privacy import Histogram
from fedkeys.words import OTHER, styled

_CHUNK = 1 << 16


def release(
    totals: Totals,
    min_phones: int,
    account: Mapping[str, Any],
    blocked: Collection[str] = (),
    prune: int | None = None,
) -> Model:
    """Make a model of what at least `min_phones` phones have sent.

    Args:
        totals: everything merged.
        min_phones: the least number of distinct phones, 1 or more.
        account: what the header says of how the counts came about.
        blocked: words, folded, that no release may hold; the header says how many were asked for.
        prune: how many n-grams of two words or more to keep of those; None for all.
    """
    blocked_ids = _places(totals.words, blocked)

    def allowed(n: int, rows: Level) -> Mask:
        mask = rows.phones >= min_phones
        return mask if n else (mask | (rows.words < FIRST_WORD)) & ~np.isin(rows.words, blocked_ids)

    found = estimate(totals.levels, allowed)
    kept_ids = found.counts.levels[0].words
    kept_words = kept_ids[kept_ids >= FIRST_WORD]
    new_ids = np.zeros(FIRST_WORD + len(totals.levels[0]), np.uint32)
    new_ids[kept_ids] = kept_ids
    new_ids[kept_words] = np.arange(FIRST_WORD, FIRST_WORD + len(kept_words))
    vocabulary = Vocabulary.from_sorted(compress(totals.words, new_ids[FIRST_WORD:].tolist()))
    found = _renumbered(found, new_ids)
    after_mark, forms = _after_mark(totals, new_ids), _forms(totals, new_ids)
    written = written_forms(vocabulary, found.counts.levels[0], after_mark, forms, totals.spelt, min_phones)
    return laid_out(found, vocabulary, written, account, min_phones, blocked, prune)


def release_privately(
    totals: Totals,
    histogram: Histogram,
    account: Mapping[str, Any],
    min_phones: int,
    blocked: Collection[str] = (),
    prune: int | None = None,
    rng: np.random.Generator | None = None,
) -> Model:
    """Make a model of what noise and a threshold let through.

    Args:
        totals: everything merged.
        histogram: noise and threshold.
        account: what the header says of how the counts came about, and of what was promised.
        min_phones: the least number of distinct phones that the threshold is made for.
        blocked: words, folded, that no release may hold.
        prune: how many n-grams of two words or more to keep; None for all.
        rng: draws noise that can be repeated; None for the operating system's source.
    """
    told = tell(totals, histogram, _places(totals.words, blocked), rng)
    found = estimate_noisy(told.counts, histogram.threshold)
    return laid_out(found, told.vocabulary, told.forms, account, min_phones, blocked, prune)


def laid_out(
    found: Estimate,
    vocabulary: Vocabulary,
    forms: Mapping[int, str],
    account: Mapping[str, Any],
    min_phones: int,
    blocked: Collection[str] = (),
    prune: int | None = None,
) -> Model:
    """Make a model of an estimated selection.

    Args:
        found: the selection; its ids are those of `vocabulary`.
        vocabulary: the released words.
        forms: id -> written form, of those that are usually not written as their identity.
        account, min_phones, blocked, prune: as in `release`.
    """
    kept = found if prune is None else pruned(found, prune)
    arrays = build(kept, vocabulary, forms, found.counts.levels[1])
    header = _header(account, kept, found, vocabulary, min_phones, blocked, prune)
    return Model.from_arrays(header, arrays)


def _header(
    account: Mapping[str, Any],
    kept: Estimate,
    found: Estimate,
    vocabulary: Vocabulary,
    min_phones: int,
    blocked: Collection[str],
    prune: int | None,
) -> dict[str, Any]:
    return {
        "fedkeys": version("fedkeys"),
        "epsilon": None,
        "dp_delta": None,
        **account,
        "order": kept.counts.order,
        "ngrams": _sizes(kept, vocabulary),
        "discounts": [list(discounts) for discounts in kept.discounts],
        "release": {
            "min_phones": min_phones,
            **({"blocked": len(blocked)} if blocked else {}),
            **({} if prune is None else {"pruned_from": _sizes(found, vocabulary)}),
        },
    }


def _sizes(found: Estimate, vocabulary: Vocabulary) -> list[int]:
    """How many n-grams of each order, marks not counted among the words."""
    return [len(vocabulary), *map(len, found.counts.levels[1:])]


def _places(words: Iterable[str], wanted: Collection[str]) -> Ids:
    """The ids of some words."""
    found = [id_ for id_, word in enumerate(words, FIRST_WORD) if word in wanted] if wanted else []
    return np.array(found, np.uint32)


def written_forms(
    vocabulary: Vocabulary,
    unigrams: Level,
    after_mark: Level,
    forms: Level,
    spelt: Sequence[str],
    min_phones: int,
) -> dict[int, str]:
    """Give the usual written forms of the released words, of everything that was merged of these words.

    Args:
        vocabulary: the released words; all ids are its.
        unigrams: order 1.
        after_mark: the bigrams that begin with a mark, released or not; their prefixes do not matter.
        forms: keys id << 32 | style.
        spelt: the forms of styles from `OTHER` up.
        min_phones: on how many phones a form must have been seen.
    """

    def written(id_: int, style: int) -> str:
        return spelt[style - OTHER] if style >= OTHER else styled(vocabulary.word(id_), style)

    return usual_forms(unigrams, after_mark, forms, written, min_phones)


def _after_mark(totals: Totals, new_ids: Ids) -> Level:
    """The bigrams that begin with a mark and end in a released word, by its new id."""
    marks = np.count_nonzero(totals.levels[0][:FIRST_WORD].words < FIRST_WORD)
    rows = _first_rows(totals.levels[1], int(marks))
    return _with_ids(rows.where(new_ids[rows.words] > 0), new_ids)


def _forms(totals: Totals, new_ids: Ids) -> Level:
    """The written forms of the released words, by their new ids."""
    forms = totals.forms.where(new_ids[totals.forms.parents] > 0)
    return Level(pack_keys(new_ids[forms.parents].astype(np.int64), forms.words), forms.counts, forms.phones)


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
    levels = tuple(_with_ids(level, new_ids) for level in found.counts.levels)
    return Estimate(NgramCounts(levels), found.probabilities, found.weights, found.discounts)


def _with_ids(level: Level, new_ids: Ids) -> Level:
    return Level(pack_keys(level.parents, new_ids[level.words]), level.counts, level.phones)
