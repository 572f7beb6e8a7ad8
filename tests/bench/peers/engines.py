"""Engines in this process: fedkeys, and the baselines of its evaluation.

In: what all learn. Out: for each question at most three words, and the nanoseconds of CPU time they took.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from fedkeys import Aggregator, Keyboard, Model, Phone
from fedkeys.evaluate.replay import SLOTS
from fedkeys.evaluate.systems import Ranker
from tests.bench.peers.text import Message, Question, User, questions, written


class Answer(NamedTuple):
    """What an engine offered, best first, and how long it took."""

    words: Sequence[str]
    ns: int


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


class RankerEngine(_Here):
    """A baseline of `fedkeys.evaluate`: the KenLM scan, or stupid back-off."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    def words(self, question: Question) -> Sequence[str]:
        return self._ranker.best((question.start, *question.words), question.prefix, SLOTS)
