"""Engines in this process: fedkeys, the KenLM scan, stupid back-off in dictionaries.

In: what all learn. Out: for each question at most three words, and the nanoseconds of CPU time they took.
"""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fedkeys import Aggregator, Keyboard, Model, Phone
from fedkeys.counts.vocabulary import prefix_places
from fedkeys.evaluate.replay import SLOTS
from fedkeys.model.arpa import MESSAGE_WORD, SENTENCE_WORD, write_arpa
from fedkeys.words import MESSAGE_START, SENTENCE_START
from tests.bench.peers.text import Message, Question, User, questions, written


class Answer(NamedTuple):
    """What an engine offered, best first, and how long it took."""

    words: Sequence[str]
    ns: int


class Missing(Exception):
    """An engine that is not here; the message says how to install it."""


class Engine(Protocol):
    """Anything that can be asked."""

    def ask(self, user: User) -> list[Answer]:
        """Answer every key of a user's last messages, in order."""

    def close(self) -> None:
        """Give back what it holds."""


def train(messages: Iterable[Message], order: int) -> Model:
    """Release everything, of one phone that typed it all; it is what many phones would have given."""
    aggregator = Aggregator()
    aggregator.add(Phone(map(written, messages), order=order).delta())
    return aggregator.release(1)


def timed(ask: Callable[[Question], Sequence[str]], question: Question) -> Answer:
    """Ask one question by the CPU clock of the thread."""
    began = time.thread_time_ns()
    words = ask(question)
    return Answer(words, time.thread_time_ns() - began)


class _Here(ABC):
    """An engine that answers by a function, and remembers nothing of its users."""

    def ask(self, user: User) -> list[Answer]:
        return [timed(self.words, question) for message in user.asked for question in questions(message)]

    @abstractmethod
    def words(self, question: Question) -> Sequence[str]:
        """Answer one question."""

    def close(self) -> None:  # noqa: B027, nothing is held
        """Nothing is held."""


class ModelEngine(_Here):
    """`Model.suggest`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        model.suggest([])  # written forms are read once

    def words(self, question: Question) -> Sequence[str]:
        found = self._model.suggest([question.start, *question.words], question.prefix, SLOTS)
        return [suggestion.word for suggestion in found]


class KeyboardEngine:
    """`Keyboard.suggest`, with a personal model of each user that learns on."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def ask(self, user: User) -> list[Answer]:
        keyboard = Keyboard(self._model)
        for message in user.learnt:
            keyboard.learn(written(message))

        def words(question: Question) -> Sequence[str]:
            return [suggestion.word for suggestion in keyboard.suggest(question.text, SLOTS)]

        answers: list[Answer] = []
        for message in user.asked:
            answers += [timed(words, question) for question in questions(message)]
            keyboard.learn(written(message))
        return answers

    def close(self) -> None:
        """Nothing is held."""


class KenLMEngine(_Here):
    """KenLM, asked for every word of the vocabulary that begins with the prefix."""

    def __init__(self, model: Model, scratch: Path) -> None:
        try:
            import kenlm
        except ImportError:
            raise Missing("pip install kenlm") from None
        path = scratch / "model.arpa"
        with path.open("wb") as file:
            write_arpa(model, file)
        config = kenlm.Config()
        config.show_progress = False
        self._state: Callable[[], Any] = kenlm.State
        self._kenlm = kenlm.Model(str(path), config)
        self._words = model.vocabulary.words
        self._reach = model.order - 1

    def words(self, question: Question) -> Sequence[str]:
        mark = MESSAGE_WORD if question.start == MESSAGE_START else SENTENCE_WORD
        state, into = self._state(), self._state()
        self._kenlm.NullContextWrite(state)
        for word in (mark, *question.words)[-self._reach :]:
            if word == MESSAGE_WORD:
                self._kenlm.BeginSentenceWrite(into)
            else:
                self._kenlm.BaseScore(state, word, into)
            state, into = into, state
        first, last = prefix_places(self._words, question.prefix)
        score, ignored = self._kenlm.BaseScore, self._state()
        return nlargest(SLOTS, self._words[first:last], key=lambda word: score(state, word, ignored))


class StupidBackoff(_Here):
    """Relative frequencies in dictionaries, times 0.4 for each word less of context.

    T. Brants et al., Large Language Models in Machine Translation, EMNLP 2007, section 4.
    """

    _FACTOR = 0.4

    def __init__(self, messages: Iterable[Message], order: int) -> None:
        self._after: dict[tuple[str, ...], Counter[str]] = {(): Counter()}
        self._reach = order - 1
        for message in messages:
            for number, sentence in enumerate(message):
                items = (SENTENCE_START if number else MESSAGE_START, *sentence)
                for at, word in enumerate(sentence, 1):
                    self._after[()][word] += 1
                    for begin in range(max(0, at - self._reach), at):
                        self._after.setdefault(items[begin:at], Counter())[word] += 1
        self._totals = {context: counts.total() for context, counts in self._after.items()}
        self._ranked = [word for word, _ in self._after[()].most_common()]
        self._alphabetical = sorted(self._ranked)

    def words(self, question: Question) -> Sequence[str]:
        context = (question.start, *question.words)[-self._reach :]
        scores: dict[str, float] = {}
        factor = 1.0
        while context:
            counts: Mapping[str, int] = self._after.get(context, {})
            for word, count in counts.items():
                if word.startswith(question.prefix) and word not in scores:
                    scores[word] = factor * count / self._totals[context]
            context = context[1:]
            factor *= self._FACTOR
        everywhere, total = self._after[()], self._totals[()]
        for word in self._most_frequent(question.prefix):
            scores.setdefault(word, factor * everywhere[word] / total)
        return nlargest(SLOTS, scores, key=scores.__getitem__)

    def _most_frequent(self, prefix: str) -> Sequence[str]:
        if not prefix:
            return self._ranked[:SLOTS]
        first, last = prefix_places(self._alphabetical, prefix)
        return nlargest(SLOTS, self._alphabetical[first:last], key=self._after[()].__getitem__)
