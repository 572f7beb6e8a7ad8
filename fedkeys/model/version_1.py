"""The arrays of a model file of version 1, which are read and not written any more.

In: the arrays of such a file. Out: arrays as `fedkeys.model.build` lays them out, of the same numbers. Law: any
arrays fit together, or are refused.

Version 1 had `words`, `form_ids`, `forms`, `unigram`, `by_probability`, `after`, `weight_m`, `successor_m` and
`probability_m` as they are laid out, but it had contexts of m words of their own, those with successors:

    context_m        u64, ascending: place of the context of the first m - 1 words << 32 | id of its last word
    first_m          u32[contexts + 1], where the successors of each context begin
    weight_m         f32[contexts]
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD
from fedkeys.counts.ngrams import Keys, Rows, pack_keys
from fedkeys.model.checks import check_dtypes, require, require_chances, require_ids

Arrays = Mapping[str, NDArray[Any]]

_DTYPES = {
    "words": (np.uint8,),
    "form_ids": (np.uint32,),
    "forms": (np.uint8,),
    "unigram": (np.float32,),
    "by_probability": (np.uint32,),
    "after": (np.uint32,),
}
_DTYPES_OF_CONTEXTS = {
    "context": (np.uint64,),
    "first": (np.uint32,),
    "weight": (np.float32,),
    "successor": (np.uint32,),
    "probability": (np.float32,),
}


class _Entries(NamedTuple):
    """The n-grams of m words, which may be contexts.

    Attributes:
        keys: uint64[n], place of the context of the first m - 1 words << 32 | id of the last word.
        places: int64[n], where each is laid out.
        contexts: how many contexts of m - 1 words there are.
    """

    keys: Keys
    places: Rows
    contexts: int


def laid_out(stored: Arrays, order: int) -> dict[str, NDArray[Any]]:
    """Give the arrays as they are laid out for the arrays of a file.

    Raises:
        FormatError: these are none.
    """
    levels = range(1, order)
    of_contexts = {f"{kind}_{m}": dtypes for m in levels for kind, dtypes in _DTYPES_OF_CONTEXTS.items()}
    check_dtypes(stored, _DTYPES | of_contexts)
    arrays = {name: stored[name] for name in _DTYPES}
    ids = np.arange(len(stored["unigram"]) + FIRST_WORD)
    entries = _Entries(ids.astype(np.uint64), ids, 1)
    for m in levels:
        level = {kind: stored[f"{kind}_{m}"] for kind in _DTYPES_OF_CONTEXTS}
        _check(level, entries.contexts, len(stored["unigram"]))
        at = _places(level["context"], entries, m)
        old = level["first"].astype(np.int64)
        sizes = old[1:] - old[:-1]
        children = np.zeros(len(entries.keys), np.int64)
        children[at] = sizes
        first = np.concatenate([[0], np.cumsum(children)])
        places = np.repeat(first[at] - old[:-1], sizes) + np.arange(len(level["successor"]))
        arrays[f"first_{m}"] = first.astype(np.uint32)
        arrays[f"weight_{m}"] = np.zeros(len(children), np.float32)
        arrays[f"weight_{m}"][at] = level["weight"]
        for kind in ("successor", "probability"):
            arrays[f"{kind}_{m}"] = np.empty_like(level[kind])
            arrays[f"{kind}_{m}"][places] = level[kind]
        contexts = np.repeat(np.arange(len(at)), sizes)
        entries = _Entries(pack_keys(contexts, level["successor"]), places, len(at))
    return arrays


def _places(contexts: Keys, entries: _Entries, m: int) -> Rows:
    """Where the n-grams that are contexts are laid out."""
    order = np.argsort(entries.keys, kind="stable")
    ordered = entries.keys[order]
    at = np.minimum(np.searchsorted(ordered, contexts), max(0, len(ordered) - 1))
    known = not len(contexts) or (len(ordered) > 0 and np.array_equal(ordered[at], contexts))
    require(bool(known), f"a context of length {m} is no n-gram of the model")
    found: Rows = entries.places[order[at]]
    return found


def _check(level: Arrays, below: int, words: int) -> None:
    """Check the contexts of m words; `below` is the number of those of m - 1."""
    contexts, first, successors = level["context"], level["first"], level["successor"]
    require(
        len(first) == len(contexts) + 1 and len(level["weight"]) == len(contexts),
        "a context lacks its successors",
    )
    require(bool(np.all(contexts[1:] > contexts[:-1])), "the contexts are out of order")
    require(not len(contexts) or int(contexts[-1] >> np.uint64(32)) < below, "a context lacks its prefix")
    require(
        int(first[0]) == 0 and int(first[-1]) == len(successors) and bool(np.all(first[1:] >= first[:-1])),
        "the successors of a context lie outside the model",
    )
    require(len(level["probability"]) == len(successors), "there is not one probability for each successor")
    require_ids(successors, words)
    require_chances(level["weight"])
    require_chances(level["probability"])
