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
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, MESSAGE_START_ID, SENTENCE_START_ID
from fedkeys.counts.ngrams import Ids, Mask
from fedkeys.model.model import Model

MESSAGE_WORD, SENTENCE_WORD = "<s>", "<sentence>"

_MARKS = {MESSAGE_START_ID: MESSAGE_WORD, SENTENCE_START_ID: SENTENCE_WORD}
_NEVER = ("</s>", "<unk>")
_LOG_OF_NOTHING = -99.0
_ROWS = 1 << 14  # n-grams that are put into words together

Logs = NDArray[np.float64]


class _Level(NamedTuple):
    """The n-grams of one order.

    Attributes:
        words: uint32[n, m], the ids of each.
        logs: float64[n], log10 of their probabilities.
        weights: float64[n], log10 of what each leaves to the shorter context.
        is_context: bool[n], whether anything follows it.
    """

    words: Ids
    logs: Logs
    weights: Logs
    is_context: Mask


def write_arpa(model: Model, file: BinaryIO, on_part: Callable[[float], None] = lambda _: None) -> None:
    """Write a model as an ARPA file.

    Args:
        model: the model.
        file: takes UTF-8, a few thousand n-grams at a time.
        on_part: told what part of the n-grams is written.

    ARPA can hold it: no word of a model has white space in it or is one that ARPA reserves.
    """
    texts = _texts(model)
    file.write(_head(model).encode())
    total, done = max(1, sum(model.ngrams)), 0
    level = None
    for n in range(1, model.order + 1):
        level = _unigrams(model) if level is None else _longer(model, level)
        file.write(f"\n\\{n}-grams:\n".encode())
        if n == 1:
            file.write("".join(f"{_LOG_OF_NOTHING:g}\t{text}\n" for text in _NEVER).encode())
        for start in range(0, len(level.words), _ROWS):
            lines = _lines(level, slice(start, start + _ROWS), texts)
            file.write("".join(lines).encode())
            done += len(lines)
            on_part(min(1.0, done / total))
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
    return [*(_MARKS[id_] for id_ in range(FIRST_WORD)), *model.vocabulary.words]


def _unigrams(model: Model) -> _Level:
    """The marks, which are only contexts, and the words."""
    logs = np.concatenate([np.full(FIRST_WORD, _LOG_OF_NOTHING), _logs(model.arrays["unigram"])])
    return _Level(np.arange(len(logs), dtype=np.uint32)[:, None], logs, *_as_contexts(model, 1, len(logs)))


def _longer(model: Model, shorter: _Level) -> _Level:
    """Give the n-grams of one word more."""
    m = shorter.words.shape[1]
    first = model.arrays[f"first_{m}"].astype(np.int64)
    prefixes = np.repeat(shorter.words, first[1:] - first[:-1], axis=0)
    words = np.hstack([prefixes, model.arrays[f"successor_{m}"][:, None]])
    return _Level(words, _logs(model.arrays[f"probability_{m}"]), *_as_contexts(model, m + 1, len(words)))


def _as_contexts(model: Model, m: int, count: int) -> tuple[Logs, Mask]:
    """What the n-grams of m words leave to shorter contexts, and which are contexts."""
    if m == model.order:
        return np.zeros(count), np.zeros(count, np.bool_)
    first = model.arrays[f"first_{m}"]
    return _logs(model.arrays[f"weight_{m}"]), first[1:] > first[:-1]


def _lines(level: _Level, own: slice, texts: list[str]) -> list[str]:
    """Put some n-grams into lines, with a back-off weight where they are contexts."""
    written = [" ".join([texts[id_] for id_ in row]) for row in level.words[own].tolist()]
    weights = [
        f"\t{weight:.7g}" if is_context else ""
        for weight, is_context in zip(
            level.weights[own].tolist(), level.is_context[own].tolist(), strict=True
        )
    ]
    return [
        f"{log:.7g}\t{text}{weight}\n"
        for log, text, weight in zip(level.logs[own].tolist(), written, weights, strict=True)
    ]


def _logs(chances: NDArray[np.float32]) -> Logs:
    """log10 of probabilities and weights, none above 0, for rounding may leave a hair over 1."""
    some = np.clip(chances.astype(np.float64), 10.0**_LOG_OF_NOTHING, 1.0)
    return np.log10(some)
