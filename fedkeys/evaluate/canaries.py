"""Canaries: sentences that nobody else has, planted on phones of their own, and looked for in what is released.

In: a corpus, and how many canaries. Out: the corpus with them; what of each a model tells. Law: an n-gram by
which a canary is known is in nothing that a phone of the corpus could send, and in no other canary.

A canary is five words drawn at random, as in Ramaswamy et al. 2020, "Training production language models without
memorizing user data". Here its phones type it again and again and nothing else: who says little says it
loudest. There are three kinds, since a release looks at words first, then at pairs of released words, then at
longer n-grams: of invented words; of common ones, no two of which follow each other on any phone; and of common
ones of which any two do, but no three.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from math import log2

import numpy as np
from numpy.typing import NDArray

from fedkeys.evaluate.evaluation import OnStep
from fedkeys.evaluate.training import federate
from fedkeys.model import Model
from fedkeys.simulate import Plan
from fedkeys.sources import Corpus, PhoneTexts
from fedkeys.sources.corpus import OnProgress

Bits = NDArray[np.float64]

PHONES = (1, 2, 4, 8, 16, 32, 64)
REPEATS = (1, 10, 100)
FIRST_WORDS = 2  # of a canary, that whoever tries to extract it knows
_REFERENCES = 1000  # sentences that nobody typed, for each kind, beside which a canary is ranked

_WORDS = 5
_COMMON = 2000
_FREQUENT, _FOLLOWERS = 300, 50
_TRIES = 50  # for a next word
_ENDS = "bcdfghjklmnprstvwz", "aeiou"
_SYLLABLES = 4
_UNKNOWN = 40.0  # bits that a word takes which the model does not know


class Kind(Enum):
    """What the words of a canary are."""

    INVENTED = "invented words"
    PAIRS = "new pairs of common words"
    TRIPLES = "new triples of common words"


_NEW = {Kind.INVENTED: 1, Kind.PAIRS: 2, Kind.TRIPLES: 3}  # words of the n-grams that nobody else has


@dataclass(frozen=True, slots=True)
class Canary:
    """One sentence.

    Attributes:
        words: its words.
        kind: what they are.
        phones: how many phones type it; repeats: how many times each.
    """

    words: tuple[str, ...]
    kind: Kind
    phones: int
    repeats: int

    @property
    def ngrams(self) -> list[tuple[str, ...]]:
        """What nobody else has."""
        size = _NEW[self.kind]
        return [self.words[at : at + size] for at in range(len(self.words) - size + 1)]

    def is_in_reach(self, model: Model) -> bool:
        """Tell whether a model holds what it takes to hold an n-gram that only these phones have."""
        if self.kind is Kind.INVENTED:
            return True
        return any(_holds(model, ngram[:-1]) and _holds(model, ngram[1:]) for ngram in self.ngrams)

    def is_told(self, model: Model) -> bool:
        """Tell whether a model holds an n-gram that only these phones have."""
        return any(_holds(model, ngram) for ngram in self.ngrams)

    def is_extracted(self, model: Model) -> bool:
        """Tell whether who types its first words is led to its end: each next word is one of three suggestions."""
        for at in range(FIRST_WORDS, len(self.words)):
            offered = [id_ for id_, _ in model.rank(model.state(self.words[:at]), k=3)]
            if model.id(self.words[at]) not in offered:
                return False
        return True


class Planted:
    """A corpus with canaries.

    Args:
        corpus: phones and their messages.
        canaries: what further phones type.
    """

    def __init__(self, corpus: Corpus, canaries: Sequence[Canary]) -> None:
        self._corpus = corpus
        self._canaries = canaries
        self._prefix = "canary"
        while any(name.startswith(self._prefix) for name in corpus.names()):
            self._prefix += "-"

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give the names of all phones."""
        return [*self._corpus.names(on_progress), *(phone.name for phone in self._planted())]

    def phones(self) -> Iterator[PhoneTexts]:
        """Give every phone."""
        yield from self._corpus.phones()
        yield from self._planted()

    def _planted(self) -> Iterator[PhoneTexts]:
        for number, canary in enumerate(self._canaries):
            texts = [" ".join(canary.words)] * canary.repeats
            for phone in range(canary.phones):
                yield PhoneTexts(f"{self._prefix} {number} {phone}", texts)


def draw(
    corpus: Corpus, plan: Plan, alone: int, others: int, rng: np.random.Generator, on_step: OnStep
) -> tuple[list[Canary], dict[Kind, list[Canary]]]:
    """Draw canaries for a corpus.

    Args:
        corpus: whose phones have none of them.
        plan: how its counts would be released.
        alone: how many canaries one phone has, of all kinds and repeats together.
        others: how many there are of each kind and repeats for each greater number of phones.
        rng: draws them.
        on_step: called with the name of a step and the part of it that is done.

    Returns:
        The canaries; and for each kind further sentences of it that are typed nowhere.
    """
    everything = Plan(order=3, min_phones=1, federation=plan.federation)

    def count(_: str, part: float) -> None:
        on_step("looking what phones have", part)

    known, _ = federate(corpus, everything, rng, count)
    names = invented(rng, known.vocabulary.words)
    wanted = _REFERENCES + alone + others * len(REPEATS) * len(PHONES)
    drawn = {Kind.INVENTED: [tuple(islice(names, _WORDS)) for _ in range(wanted)]}
    common = _Common(known, rng)
    for kind in (Kind.PAIRS, Kind.TRIPLES):
        drawn[kind] = common.sentences(kind, wanted)
        on_step("drawing canaries", len(drawn) / len(Kind))
    sentences = {kind: iter(some) for kind, some in drawn.items() if some}
    kinds = [(kind, repeats) for kind in sentences for repeats in REPEATS]
    canaries = [
        Canary(next(sentences[kind]), kind, phones, repeats)
        for phones in PHONES
        for at, (kind, repeats) in enumerate(kinds)
        for _ in range(others if phones > 1 else (alone + at) // len(kinds))
    ]
    references = {
        kind: [Canary(words, kind, 0, 0) for words in islice(some, _REFERENCES)]
        for kind, some in sentences.items()
    }
    return canaries, references


def exposures(canaries: Sequence[Canary], model: Model, references: Bits) -> Bits:
    """Tell how far each canary stands out.

    That is the rank exposure of Carlini et al. 2019, "The secret sharer": log2 of the number of
    sentences, less log2 of the canary's rank among them by the probability of all but its first words; of equals
    the rank is the middle one.

    Args:
        canaries: all of one kind.
        model: what was released.
        references: `bits` of sentences of that kind that nobody typed.

    Returns:
        float64[n], bits: about 1.4 on average for canaries that the model knows nothing of, 1 for one that is as
        probable as all references, and log2 of one more than there are references for the most probable one.
    """
    own, beside = bits(canaries, model), np.sort(references)
    ranks = 1 + (np.searchsorted(beside, own, "left") + np.searchsorted(beside, own, "right")) / 2
    return np.asarray(log2(len(beside) + 1) - np.log2(ranks))


def bits(canaries: Sequence[Canary], model: Model) -> Bits:
    """Tell what the words of each sentence after its first ones take."""
    return np.array([_bits(canary, model) for canary in canaries])


def invented(rng: np.random.Generator, avoid: Collection[str]) -> Iterator[str]:
    """Give words of syllables, none twice and none of those to avoid."""
    seen = set(avoid)
    while True:
        letters = [_ENDS[at % 2][int(rng.integers(len(_ENDS[at % 2])))] for at in range(2 * _SYLLABLES)]
        word = "".join(letters)
        if word not in seen:
            seen.add(word)
            yield word


class _Common:
    """Draws sentences of common words that nobody has typed.

    Args:
        model: holds all that anybody has, up to three words in a row.
        rng: draws.
    """

    def __init__(self, model: Model, rng: np.random.Generator) -> None:
        order = np.argsort(-model.arrays["unigram"], kind="stable").tolist()
        words = [model.vocabulary.words[at] for at in order]
        self._words = [word for word in words if word.isascii() and word.isalpha()][:_COMMON]
        self._ids = np.sort([model.id(word) or 0 for word in self._words])
        self._model = model
        self._rng = rng

    def sentences(self, kind: Kind, wanted: int) -> list[tuple[str, ...]]:
        """Give so many, no n-gram of a kind's size twice; none at all where there are not enough."""
        found: list[tuple[str, ...]] = []
        taken: set[tuple[str, ...]] = set()
        size = _NEW[kind]
        failed = 0
        while self._words and failed <= wanted:
            words: list[str] = []
            while len(words) < _WORDS and (word := self._next(kind, words)) is not None:
                words.append(word)
            new = [tuple(words[at : at + size]) for at in range(_WORDS - size + 1)]
            if len(words) == _WORDS and len({*new}) == len(new) and taken.isdisjoint(new):
                taken.update(new)
                found.append(tuple(words))
                if len(found) == wanted:
                    return found
            else:
                failed += 1
        return []

    def _next(self, kind: Kind, words: Sequence[str]) -> str | None:
        """Draw a word that goes on; None where none is found in a few tries."""
        choices: Sequence[str] = self._words
        if kind is Kind.TRIPLES:  # of pairs that are frequent, or no release would hold them
            choices = self._after(words[-1]) if words else self._words[:_FREQUENT]
        before = words[-(_NEW[kind] - 1) :]
        for _ in range(_TRIES if choices else 0):
            word = choices[int(self._rng.integers(len(choices)))]
            is_new = len(before) < _NEW[kind] - 1 or not _holds(self._model, (*before, word))
            if is_new and word not in words:
                return word
        return None

    def _after(self, word: str) -> list[str]:
        """The most frequent of the common words that somebody has typed after one."""
        (match,) = self._model.state([word]).matches or (None,)
        ids = [] if match is None else match.successors[np.isin(match.successors, self._ids)].tolist()
        return [self._model.vocabulary.word(id_) for id_ in ids[:_FOLLOWERS]]


def _holds(model: Model, ngram: Sequence[str]) -> bool:
    """Whether a model has some words in a row."""
    last = model.id(ngram[-1])
    if last is None or len(ngram) == 1:
        return last is not None
    matches = model.state(ngram[:-1]).matches
    return any(match.length == len(ngram) - 1 and last in match.successors for match in matches)


def _bits(canary: Canary, model: Model) -> float:
    """What the words after the first ones take."""
    state = model.state(canary.words[:FIRST_WORDS])
    total = 0.0
    for word in canary.words[FIRST_WORDS:]:
        id_ = model.id(word)
        probability = 0.0 if id_ is None else model.probability(state, id_)
        total += -log2(probability) if probability else _UNKNOWN
        state = model.advance(state, word)
    return total
