"""Canaries: sentences that nobody else has, planted on phones of their own, and looked for in what is released.

In: a corpus, and how many canaries. Out: the corpus with them; what of each a model tells. Law: an n-gram by
which a canary is known is in nothing that a phone of the corpus could send, and in no other canary.

A canary is five words drawn at random, as in Ramaswamy et al. 2020, "Training production language models without
memorizing user data" (section 4), typed again and again by each of its phones, which type nothing else: who says
little says it loudest. There are two kinds, since a release looks at words first: of words that nobody uses,
and of common ones in an order in which no two of them stand together on any phone.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from math import isqrt, log2

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
REFERENCES = 1000  # sentences that nobody typed, for each kind, beside which a canary is ranked

_WORDS = 5
_FREE = 8  # times as many pairs of common words as canaries have
_ENDS = "bcdfghjklmnprstvwz", "aeiou"
_SYLLABLES = 4
_UNKNOWN = 40.0  # bits that a word takes which the model does not know


class Kind(Enum):
    """What the words of a canary are."""

    INVENTED = "invented"
    COMMON = "common"


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

    def is_in_reach(self, model: Model) -> bool:
        """Tell whether a model holds two words that stand in a row in it, so that it might hold both in a row."""
        return any(None not in (model.id(first), model.id(second)) for first, second in pairwise(self.words))

    def is_told(self, model: Model) -> bool:
        """Tell whether a model holds a word, or two words in a row, that only these phones have."""
        if self.kind is Kind.INVENTED and any(model.id(word) is not None for word in self.words):
            return True
        return any(_holds(model, first, second) for first, second in pairwise(self.words))

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
    everything = Plan(order=2, min_phones=1, federation=plan.federation)

    def count(_: str, part: float) -> None:
        on_step("looking what phones have", part)

    known, _ = federate(corpus, everything, rng, count)
    draws = {Kind.INVENTED: invented(rng, known.vocabulary.words)}
    pairs = _FREE * _WORDS * (alone + others * len(REPEATS) * len(PHONES) + REFERENCES)
    common = _common_words(known)[: isqrt(pairs) + 1]
    if len(common) ** 2 > pairs:
        draws[Kind.COMMON] = _free_orders(rng, common, known)
    kinds = [(kind, repeats) for kind in draws for repeats in REPEATS]
    wanted = [
        (kind, phones, repeats)
        for phones in PHONES
        for at, (kind, repeats) in enumerate(kinds)
        for _ in range(others if phones > 1 else (alone + at) // len(kinds))
    ]
    sentences = {kind: _sentences(words) for kind, words in draws.items()}
    canaries = [Canary(next(sentences[kind]), kind, phones, repeats) for kind, phones, repeats in wanted]
    references = {
        kind: [Canary(next(sentences[kind]), kind, 0, 0) for _ in range(REFERENCES)] for kind in draws
    }
    return canaries, references


def exposures(canaries: Sequence[Canary], model: Model, references: Bits) -> list[float]:
    """Tell how far each canary stands out.

    That is the rank exposure of Carlini et al. 2019, "The secret sharer" (section 4.4): log2 of the number of
    sentences, less log2 of the canary's rank among them by the probability of all but its first words; of equals
    the rank is the middle one.

    Args:
        canaries: all of one kind.
        model: what was released.
        references: `bits` of sentences of that kind that nobody typed.

    Returns:
        Bits: about 1.4 on average for a canary that the model knows nothing of, and log2 of one more than there
        are references for the most probable one.
    """
    own = bits(canaries, model)
    ranks = 1 + (np.searchsorted(references, own, "left") + np.searchsorted(references, own, "right")) / 2
    found: list[float] = (log2(len(references) + 1) - np.log2(ranks)).tolist()
    return found


def bits(canaries: Sequence[Canary], model: Model) -> Bits:
    """Tell what the words of each sentence after its first ones take, in ascending order."""
    return np.sort([_bits(canary, model) for canary in canaries])


def invented(rng: np.random.Generator, avoid: Collection[str]) -> Iterator[str]:
    """Give words of syllables, none twice and none of those to avoid."""
    seen = set(avoid)
    while True:
        letters = [_ENDS[at % 2][int(rng.integers(len(_ENDS[at % 2])))] for at in range(2 * _SYLLABLES)]
        word = "".join(letters)
        if word not in seen:
            seen.add(word)
            yield word


def _common_words(model: Model) -> list[str]:
    """Words of the letters a to z, the most frequent first."""
    order = np.argsort(-model.arrays["unigram"], kind="stable").tolist()
    words = [model.vocabulary.words[at] for at in order]
    return [word for word in words if word.isascii() and word.isalpha()]


def _free_orders(rng: np.random.Generator, words: Sequence[str], model: Model) -> Iterator[str]:
    """Give words of which no two that follow each other do so in a model, or did before."""
    used: set[tuple[str, str]] = set()
    last = words[0]
    while True:
        word = words[int(rng.integers(len(words)))]
        if word != last and (last, word) not in used and not _holds(model, last, word):
            used.add((last, word))
            last = word
            yield word


def _sentences(words: Iterator[str]) -> Iterator[tuple[str, ...]]:
    while True:
        yield tuple(next(words) for _ in range(_WORDS))


def _holds(model: Model, first: str, second: str) -> bool:
    """Whether a model has two words in a row."""
    after = model.id(second)
    return after is not None and any(after in match.successors for match in model.state([first]).matches)


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
