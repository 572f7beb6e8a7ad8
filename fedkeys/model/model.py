"""`Model`: the released model in memory and as a file.

In: a file, or the arrays of a release. Out: suggestions. Law: a model says the same before it is written and after
it is read, for it is made of its bytes. Format: a container (`fedkeys.container.arrays`)
with format "fedkeys.model", version 2, the arrays of `fedkeys.model.stored`, and a header with

    fedkeys      version of the software that made it
    federation   name
    order        N
    ngrams       how many n-grams of each order, marks not counted among the words
    discounts    the three Kneser-Ney discounts of each order; none after noise
    release      the rule: {"min_phones": K}; "blocked": how many words a blocklist had; "pruned_from": of a pruned
                 model, how many n-grams of each order it would have had
    epsilon, dp_delta  of differential privacy; null for none
    privacy      with an epsilon: unit, neighbouring relation, mechanism, bounds, threshold, budget, events
    bounds       the bounds that all phones were held to, null where they differed or some were held to none
    rounds, phones, deltas  how many took part
    mix          of a model that brings weights for `fedkeys.model.mix`: the version and number of their features,
                 how many phones trained them in how many rounds

A file of version 1 (`fedkeys.model.version_1`) is read, and stays one.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.container import pack_arrays, read_bytes, unpack_arrays, write_atomically
from fedkeys.counts import FIRST_WORD, MESSAGE_START_ID, SENTENCE_START_ID, Vocabulary
from fedkeys.errors import FormatError
from fedkeys.model import stored, version_1
from fedkeys.model.checks import check, check_header, check_mix
from fedkeys.model.mix import Mix
from fedkeys.model.search import Search, State, Suggestion
from fedkeys.words import MESSAGE_START, SENTENCE_START, fold

MODEL_FORMAT = "fedkeys.model"
MODEL_VERSION = 2
MAX_MODEL_BYTES = 4 << 30

_LAY_OUT = {1: version_1.laid_out, 2: stored.laid_out}
_MARK_IDS = {MESSAGE_START: MESSAGE_START_ID, SENTENCE_START: SENTENCE_START_ID}


class Model:
    """An immutable next-word model.

    Args:
        data: the bytes of a model file.

    Attributes:
        mix: how the model's makers weigh what is known of a candidate; None if they do not say.

    Raises:
        FormatError: they are none.
    """

    def __init__(self, data: bytes) -> None:
        container = unpack_arrays(data, MODEL_FORMAT, MODEL_VERSION)
        self._data = data
        self.header: Mapping[str, Any] = container.header
        self.payload_digest = container.payload
        self.order = check_header(container.header)
        self._arrays = _LAY_OUT[container.version](container.arrays, self.order)
        self.vocabulary = Vocabulary.from_sorted(_lines(self._arrays["words"]))
        check(self._arrays, self.vocabulary.words)
        self._search = Search(self._arrays, self.order)
        self.mix = check_mix(container.header, container.arrays)

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "Model":
        """Make a model of a release: of its arrays as `fedkeys.model.build` lays them out."""
        return cls(_packed(MODEL_VERSION, header, stored.store(arrays, check_header(header))))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Model":
        """Read a model.

        Raises:
            FormatError: the bytes are not one (DamagedError: cut or changed; VersionError: newer).
        """
        return cls(data)

    def to_bytes(self) -> bytes:
        """Give the model as bytes: those that it was read from."""
        return self._data

    @classmethod
    def load(cls, path: str | Path) -> "Model":
        """Read a model from a file.

        Raises:
            FormatError: the file is not a sound model.
            FedkeysError: it cannot be read.
        """
        try:
            return cls.from_bytes(read_bytes(Path(path), MAX_MODEL_BYTES))
        except FormatError as error:
            raise error.at(path) from None

    def save(self, path: str | Path) -> None:
        """Write the model to a file, whole or not at all."""
        write_atomically(Path(path), self.to_bytes())

    def suggest(self, words: Sequence[str], prefix: str = "", k: int = 3) -> list[Suggestion]:
        """Give the k most probable words after `words` that begin with `prefix`, best first.

        Args:
            words: the words before the cursor in its sentence, in any written form. `MESSAGE_START` or
                `SENTENCE_START` of `fedkeys.words` may stand first; without one, nothing is known of what
                came before. Words that the model does not know, and all before them, are no context.
            prefix: letters typed of the word asked for.
            k: how many.

        Words that are equally probable after one context go in the order they had before their probabilities were
        rounded for the file, or in alphabetical order. Fewer than k come only if fewer words fit.
        """
        return [
            Suggestion(self.written_form(id_), probability)
            for id_, probability in self.rank(self.state(words), prefix, k)
        ]

    def with_mix(self, mix: Mix, account: Mapping[str, Any]) -> "Model":
        """Give the same model with a mix.

        Args:
            mix: its weights.
            account: `version`, of the features that it weighs, and what the header is to say of its making.
        """
        whole = unpack_arrays(self._data, MODEL_FORMAT, MODEL_VERSION)
        header = {**self.header, "mix": {**account, "features": mix.features}}
        arrays = {**whole.arrays, "mix": mix.weights.astype(np.float32)}
        return Model(_packed(whole.version, header, arrays))

    def state(self, words: Sequence[str]) -> State:
        """Look the contexts at the end of `words` up."""
        state = State()
        for word in words[-(self.order - 1) :]:
            state = self.advance(state, word)
        return state

    def advance(self, state: State, word: str) -> State:
        """Give the state after one more word or mark: one look-up a known context, however long it is."""
        id_ = self.id(word)
        return State() if id_ is None else self._search.advance(state, id_)

    def rank(self, state: State, prefix: str = "", k: int = 3) -> list[tuple[int, float]]:
        """As `suggest`, for contexts already looked up: ids and probabilities."""
        within = self.vocabulary.prefix_range(fold(prefix)) if prefix else None
        return self._search.best(state, k, within) if k > 0 else []

    def probability(self, state: State, id_: int) -> float:
        """The probability of one word after contexts already looked up."""
        return self._search.probability(state, id_)

    def levels(self, state: State, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probabilities of some words by each order: float64[N, n], order 1 first.

        The ids are distinct. Where a context is unknown, an order gives what the one below it gives. The id 0 is a
        word that the model does not know, and may stand several times; its probability is 0.
        """
        return self._search.levels(state, ids)

    def knows(self, ngram: Sequence[str]) -> bool:
        """Tell whether an n-gram is in the model: words, as they are counted, of which the first may be a mark."""
        *context, last = ngram
        id_ = self.id(last)
        if id_ is None or not context:
            return id_ is not None
        matches = self.state(context).matches
        return any(match.length == len(context) and id_ in match.successors for match in matches)

    def id(self, word: str) -> int | None:
        """Give the id of a word in any written form, or of a mark; None if the model does not know it."""
        return _MARK_IDS[word] if word in _MARK_IDS else self.vocabulary.find(fold(word))

    def most_frequent_after(self, word: str) -> str | None:
        """Give the word that came most often after `word`, by raw count, or None."""
        id_ = self.id(word)
        after = 0 if id_ is None else int(self._arrays["after"][id_])
        return self.written_form(after) if after else None

    def written_form(self, id_: int) -> str:
        """Give the usual written form of a word."""
        return self._written[id_ - FIRST_WORD]

    @cached_property
    def _written(self) -> Sequence[str]:
        """The usual written form of each word of the vocabulary, in its order."""
        written = list(self.vocabulary.words)
        for id_, form in zip(self._arrays["form_ids"].tolist(), _lines(self._arrays["forms"]), strict=True):
            written[id_ - FIRST_WORD] = form
        return written

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What the model knows, as `fedkeys.model.build` lays it out."""
        return self._arrays

    @property
    def ngrams(self) -> list[int]:
        """How many n-grams of each order, marks not counted among the words."""
        above = (self._arrays[f"successor_{m}"] for m in range(1, self.order))
        return [len(self.vocabulary), *map(len, above)]


def _packed(version: int, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    deflated = [name for name in arrays if version > 1 and stored.is_deflated(name)]
    return pack_arrays(MODEL_FORMAT, version, header, arrays, deflated)


def _lines(text: NDArray[np.uint8]) -> list[str]:
    try:
        return text.tobytes().decode().split("\n") if len(text) else []
    except UnicodeDecodeError:
        raise FormatError("the words are not UTF-8") from None
