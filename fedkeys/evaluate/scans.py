"""Other libraries, which score every word of the vocabulary: KenLM and nltk.lm.

In: a model, or the training text. Out: the best words after a context. Law: what a library says is what is ranked;
equal scores lie in alphabetical order.

Neither can look for the best words, so each is asked for every word that begins with the prefix: milliseconds with
KenLM, tenths of a second with nltk.lm. An evaluation asks them a sample.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fedkeys.counts.vocabulary import prefix_places
from fedkeys.evaluate.backoff import FACTOR
from fedkeys.model import Model
from fedkeys.model.arpa import SENTENCE_WORD, write_arpa
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, one_mark, tokens

OnPart = Callable[[float], None]

_MARKS = (MESSAGE_START, SENTENCE_START)


class Missing(Exception):
    """A library that is not here, or cannot do it; the message is a sentence that says what to do."""


class KenLMScan:
    """KenLM over a model as `fedkeys export --format arpa` writes it.

    Args:
        model: the model.
        on_part: told what part of it is written.

    Raises:
        Missing: KenLM is not installed.
    """

    def __init__(self, model: Model, on_part: OnPart = lambda _: None) -> None:
        try:
            import kenlm
        except ImportError:
            raise Missing("kenlm is not installed: pip install 'fedkeys[baselines]'") from None
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE  # that a binary file would load faster
        with TemporaryDirectory(prefix="fedkeys-") as directory:
            path = Path(directory) / "model.arpa"
            with path.open("wb") as file:
                write_arpa(model, file, on_part)
            self._model = kenlm.Model(str(path), config)
        self._state: Callable[[], Any] = kenlm.State
        self._words = model.vocabulary.words
        self._reach = model.order - 1

    def best(self, context: Sequence[str], prefix: str, k: int) -> list[str]:
        """Give the k words with the highest probabilities."""
        state, into = self._state(), self._state()
        self._model.NullContextWrite(state)
        for item in context[-self._reach :]:
            if item == MESSAGE_START:
                self._model.BeginSentenceWrite(into)
            else:
                self._model.BaseScore(state, SENTENCE_WORD if item == SENTENCE_START else item, into)
            state, into = into, state
        first, last = prefix_places(self._words, prefix)
        score, ignored = self._model.BaseScore, self._state()
        return nsmallest(k, self._words[first:last], key=lambda word: -score(state, word, ignored))


class NltkScan:
    """nltk.lm's `StupidBackoff`, of its models that fall back on shorter contexts the fastest to score.

    Its smoothed ones, such as `WittenBellInterpolated` and `KneserNeyInterpolated`, go through a context's counts
    for every word that is scored. The score is that of `fedkeys.evaluate.backoff`, found independently.

    Args:
        texts: the training text; read twice.
        order: the longest n-grams that are counted.
        on_part: told what part of the text is counted.

    Raises:
        Missing: nltk is not installed, or holds no more n-grams.
    """

    def __init__(self, texts: Sequence[str], order: int, on_part: OnPart = lambda _: None) -> None:
        try:
            from nltk.lm import StupidBackoff
        except ImportError:
            raise Missing("nltk is not installed: pip install nltk") from None

        def items(begin: float) -> Iterator[list[str]]:
            for number, text in enumerate(texts, 1):
                yield from runs(text)
                if not number % 1000 or number == len(texts):
                    on_part(begin + number / len(texts) / 2)

        self._lm = StupidBackoff(FACTOR, order)
        try:
            self._lm.fit(
                (_ngrams(run, order) for run in items(0.5)), chain(_MARKS, chain.from_iterable(items(0.0)))
            )
        except ValueError as error:
            raise Missing(f"nltk.lm does not count so many n-grams ({error}): lower --order") from None
        self._words = sorted(set(self._lm.counts.unigrams))
        self._reach = order - 1

    def best(self, context: Sequence[str], prefix: str, k: int) -> list[str]:
        """Give the k words with the highest scores."""
        first, last = prefix_places(self._words, prefix)
        seen = self._lm.vocab.lookup(context[-self._reach :])
        score = self._lm.unmasked_score
        return nsmallest(k, self._words[first:last], key=lambda word: -score(word, seen))


def runs(text: str) -> list[list[str]]:
    """Give the runs of items of a message that n-grams do not reach beyond, the mark before each if there is one.

    >>> runs("See you. Code 4471 is it") == [[MESSAGE_START, "see", "you"], [SENTENCE_START, "code"], ["is", "it"]]
    True
    """
    found: list[list[str]] = [[]]
    for item in map(fold, one_mark(tokens(text))):
        if item == GAP or item in _MARKS:
            found.append([])
        if item != GAP:
            found[-1].append(item)
    return [run for run in found if run not in ([], *([mark] for mark in _MARKS))]


def _ngrams(run: Sequence[str], order: int) -> Iterator[tuple[str, ...]]:
    """Give all n-grams of a run that end in a word."""
    for end in range(1, len(run) + 1):
        if run[end - 1] not in _MARKS:
            for start in range(max(0, end - order), end):
                yield tuple(run[start:end])
