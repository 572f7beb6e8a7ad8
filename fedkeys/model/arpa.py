"""A model as an ARPA file, which SRILM, KenLM and many others read.

In: a `Model`. Out: its n-grams with log10 probabilities and back-off weights, in text, written as it is made.
Law: a reader that backs off by the book (Katz 1987) finds for every word after every context what
`Model.probability` says. No n-gram goes without its prefix and its suffix, as in the model.

An interpolated model is a back-off model: the probability of an n-gram has the shorter contexts in it already,
and what a context leaves to the shorter one is its back-off weight (Chen and Goodman 1998, section 2.8). What
ARPA has no words for:

    <s>         the start of a message, MESSAGE_START
    <sentence>  the start of a further sentence inside a message, SENTENCE_START: a context, as <s> is
    </s>        the end of a sentence, which KenLM insists on: the model never predicts it, so it has 10^-99
    <unk>       any other word: the model gives all it has to its own words, so it has 10^-99

10^-99 is how ARPA files write 0; the two starts, which are only contexts, have it too, and so has whatever is
0 in the model. Words are written folded, as the model looks them up, whatever their usual written form.
"""

import json
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, MESSAGE_START_ID, SENTENCE_START_ID
from fedkeys.counts.ngrams import Ids, Keys, Rows, pack_keys
from fedkeys.errors import FormatError
from fedkeys.model.model import Model

MESSAGE_WORD, SENTENCE_WORD = "<s>", "<sentence>"

_MARKS = {MESSAGE_START_ID: MESSAGE_WORD, SENTENCE_START_ID: SENTENCE_WORD}
_NEVER = ("</s>", "<unk>")
_RESERVED = frozenset([*_MARKS.values(), *_NEVER, "<UNK>"])
_LOG_OF_NOTHING = -99.0
_ROWS = 1 << 14  # n-grams that are put into words together

Logs = NDArray[np.float64]


class _Contexts(NamedTuple):
    """The contexts of m words.

    Attributes:
        keys: uint64[n], ascending: place of the first m - 1 words among their like << 32 | id of the last.
        words: uint32[n, m], the ids of each.
        weights: float64[n], log10 of what each leaves to the shorter one.
    """

    keys: Keys
    words: Ids
    weights: Logs


def write_arpa(model: Model, file: BinaryIO, on_part: Callable[[float], None] = lambda _: None) -> None:
    """Write a model as an ARPA file.

    Args:
        model: the model.
        file: takes UTF-8, a few thousand n-grams at a time.
        on_part: told what part of the n-grams is written.

    Raises:
        FormatError: ARPA cannot hold it: a word has white space in it or is one that ARPA reserves, or a
            context is no n-gram. No release of fedkeys is so.
    """
    texts = _texts(model)
    file.write(_head(model).encode())
    total, done = max(1, sum(model.ngrams)), 0
    contexts = _Contexts(np.zeros(1, np.uint64), np.zeros((1, 0), np.uint32), np.zeros(1))
    for n in range(1, model.order + 1):
        file.write(f"\n\\{n}-grams:\n".encode())
        longer = _longer(model, contexts, n) if n < model.order else None
        for lines in _unigrams(model, texts, longer) if n == 1 else _ngrams(model, texts, contexts, longer):
            file.write("".join(lines).encode())
            done += len(lines)
            on_part(min(1.0, done / total))
        contexts = longer or contexts
    file.write(b"\n\\end\\\n")


def _head(model: Model) -> str:
    words, *above = model.ngrams
    counts = [words + len(_MARKS) + len(_NEVER), *above]
    return (
        f"# A model released by fedkeys: {json.dumps(model.header, default=repr)}\n"
        "# <s> is the start of a message, <sentence> that of a further sentence in it; the model predicts\n"
        "# neither </s> nor <unk>\n"
        "\n\\data\\\n" + "".join(f"ngram {n}={count}\n" for n, count in enumerate(counts, 1))
    )


def _texts(model: Model) -> list[str]:
    """What is written for each id."""
    for word in model.vocabulary.words:
        if word.split() != [word] or word in _RESERVED:
            raise FormatError(
                f"the word {word!r} cannot stand in an ARPA file",
                remedy="put it on the blocklist of a release",
            )
    return [*(_MARKS[id_] for id_ in range(FIRST_WORD)), *model.vocabulary.words]


def _longer(model: Model, shorter: _Contexts, m: int) -> _Contexts:
    """Give the contexts of m words from those of m - 1."""
    keys = model.arrays[f"context_{m}"]
    parents, last = (keys >> np.uint64(32)).astype(np.int64), keys.astype(np.uint32)
    if m == 1:
        known = last < FIRST_WORD + len(model.vocabulary)
    else:
        known = np.isin(keys, pack_keys(_contexts_of_rows(model, m - 1), model.arrays[f"successor_{m - 1}"]))
    if not known.all():
        raise FormatError(f"a context of length {m} is no n-gram of the model", remedy="get the model again")
    return _Contexts(
        keys, np.hstack([shorter.words[parents], last[:, None]]), _logs(model.arrays[f"weight_{m}"])
    )


def _contexts_of_rows(model: Model, m: int) -> Rows:
    """The place of the context of each n-gram of m + 1 words."""
    first = model.arrays[f"first_{m}"].astype(np.int64)
    return np.repeat(np.arange(len(first) - 1), first[1:] - first[:-1])


def _unigrams(model: Model, texts: list[str], as_contexts: _Contexts | None) -> Iterator[list[str]]:
    """Put the unigrams into lines: those that ARPA wants, the marks, the words."""
    yield [f"{_LOG_OF_NOTHING:g}\t{text}\n" for text in _NEVER]
    logs = np.concatenate([np.full(FIRST_WORD, _LOG_OF_NOTHING), _logs(model.arrays["unigram"])])
    for start in range(0, len(texts), _ROWS):
        own = slice(start, start + _ROWS)
        ids = np.arange(start, start + len(texts[own]))
        yield _lines(
            logs[own], texts[own], pack_keys(np.zeros(len(ids), np.int64), ids.astype(np.uint32)), as_contexts
        )


def _ngrams(
    model: Model, texts: list[str], contexts: _Contexts, as_contexts: _Contexts | None
) -> Iterator[list[str]]:
    """Put the n-grams of one order above the first into lines."""
    m = contexts.words.shape[1]
    of_rows = _contexts_of_rows(model, m)
    successors, probabilities = model.arrays[f"successor_{m}"], model.arrays[f"probability_{m}"]
    for start in range(0, len(of_rows), _ROWS):
        own = slice(start, start + _ROWS)
        ids = np.hstack([contexts.words[of_rows[own]], successors[own, None]])
        written = [" ".join([texts[id_] for id_ in row]) for row in ids.tolist()]
        keys = pack_keys(of_rows[own], successors[own])
        yield _lines(_logs(probabilities[own]), written, keys, as_contexts)


def _lines(logs: Logs, written: list[str], keys: Keys, as_contexts: _Contexts | None) -> list[str]:
    """Put some n-grams into lines, with a back-off weight where they are contexts themselves."""
    weights = [""] * len(keys)
    if as_contexts is not None and len(as_contexts.keys):
        at = np.minimum(np.searchsorted(as_contexts.keys, keys), len(as_contexts.keys) - 1)
        for row in np.flatnonzero(as_contexts.keys[at] == keys).tolist():
            weights[row] = f"\t{as_contexts.weights[at[row]]:.7g}"
    return [
        f"{log:.7g}\t{text}{weight}\n"
        for log, text, weight in zip(logs.tolist(), written, weights, strict=True)
    ]


def _logs(chances: NDArray[np.float32]) -> Logs:
    """log10 of probabilities and weights, none above 0, for rounding may leave a hair over 1."""
    some = np.clip(chances.astype(np.float64), 10.0**_LOG_OF_NOTHING, 1.0)
    return np.log10(some)
