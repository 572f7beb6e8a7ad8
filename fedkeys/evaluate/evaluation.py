"""`evaluate`: train on everybody's first messages, replay the last ones.

In: a corpus. Out: a `Report`. Users with fewer than 10 messages only train. Which users are replayed may be
cut down to those who wrote enough, and to a sample of these.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError
from fedkeys.evaluate.replay import Score, Suggests, asked_words, replay
from fedkeys.evaluate.systems import BaselineSystem, Counting, KeyboardSystem
from fedkeys.model import Model
from fedkeys.simulate import Federation, Plan, Round
from fedkeys.sources import Corpus, PhoneTexts
from fedkeys.sources.corpus import OnProgress

LEAST_MESSAGES = 10

OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate.

    Attributes:
        split: the part of each user's messages that trains.
        users: how many users to replay; None for all.
        min_words: replay only users with this many words or more.
        plan: how the model is made, where none is given.
    """

    split: float = 0.8
    users: int | None = None
    min_words: int = 0
    plan: Plan = field(default_factory=Plan)

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise UsageError(f"split is {self.split}", remedy="choose a part between 0 and 1, such as 0.8")
        if self.users is not None and self.users < 1:
            raise UsageError(f"users is {self.users}", remedy="choose 1 or more")


@dataclass(frozen=True, slots=True)
class Report:
    """What came out.

    Attributes:
        users: how many were replayed.
        model: the model that was used.
        scores: system -> score; "keyboard" is the one that a user has.
        seconds: how long replaying took, all systems together.
        bytes_up: bytes of each upload of the last round, where a model was federated.
    """

    users: int
    model: Model
    scores: dict[str, Score]
    seconds: float
    bytes_up: NDArray[np.int64] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the report for `--json`: figures as parts of 1, latency in microseconds of CPU time."""
        keyboard = self.scores["keyboard"]
        return {
            "users": self.users,
            "words": keyboard.words,
            **keyboard.summary(),
            "latency_us": {
                "next": _percentiles(keyboard.next_ns),
                "completion": _percentiles(keyboard.completion_ns),
            },
            "baselines": {name: score.summary() for name, score in self.scores.items() if name != "keyboard"},
        }


class _FirstParts:
    """A corpus cut down to the messages that train."""

    def __init__(self, corpus: Corpus, split: float) -> None:
        self._corpus = corpus
        self._split = split

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        return self._corpus.names(on_progress)

    def phones(self) -> Iterator[PhoneTexts]:
        for phone in self._corpus.phones():
            yield PhoneTexts(phone.name, parts(phone.texts, self._split)[0])


def parts(texts: Sequence[str], split: float) -> tuple[Sequence[str], Sequence[str]]:
    """Cut one user's messages into those that train and those that are replayed, maybe none."""
    at = int(len(texts) * split) if len(texts) >= LEAST_MESSAGES else len(texts)
    return texts[:at], texts[at:]


def evaluate(
    corpus: Corpus,
    evaluation: Evaluation,
    rng: np.random.Generator,
    model: Model | None = None,
    on_step: OnStep = lambda *_: None,
) -> Report:
    """Evaluate the keyboard beside the model alone and two baselines.

    Args:
        corpus: users and their messages.
        evaluation: how.
        rng: draws the users to replay.
        model: a model made elsewhere; when not given one is federated of all first parts.
        on_step: called with the name of a step and the part of it that is done.

    Raises:
        UsageError: no user is left to replay.
    """
    corpus.names(lambda part: on_step("reading", part))
    chosen = _choose(corpus, evaluation, rng)
    first_parts = _FirstParts(corpus, evaluation.split)
    bytes_up = None
    if model is None:
        last = _federate(first_parts, evaluation.plan, rng, on_step)
        model, bytes_up = last.model, last.bytes_up
        if model is None:
            raise UsageError("no round had enough phones", remedy="lower min_available")
    counting = Counting(text for phone in first_parts.phones() for text in phone.texts)
    scores = {name: Score() for name in ("keyboard", "model", "bigram", "frequent_words")}
    began = time.perf_counter()
    done = 0
    for phone in corpus.phones():
        if phone.name in chosen:
            train, test = parts(phone.texts, evaluation.split)
            for name, system in _systems(model, counting, train).items():
                for message in test:
                    replay(message, system, scores[name])
            done += chosen[phone.name]
            on_step("replaying", done / sum(chosen.values()))
    return Report(len(chosen), model, scores, time.perf_counter() - began, bytes_up)


def _choose(corpus: Corpus, evaluation: Evaluation, rng: np.random.Generator) -> dict[str, int]:
    """Choose the users to replay; give the number of words asked of each."""
    able: dict[str, int] = {}
    for phone in corpus.phones():
        asked = sum(map(asked_words, parts(phone.texts, evaluation.split)[1]))
        if asked and sum(map(asked_words, phone.texts)) >= evaluation.min_words:
            able[phone.name] = asked
    if not able:
        raise UsageError(
            f"no user has {LEAST_MESSAGES} messages and {evaluation.min_words} words",
            remedy="lower --min-words, or bring a larger corpus",
        )
    names = sorted(able)
    if evaluation.users is not None and evaluation.users < len(names):
        names = [names[at] for at in rng.choice(len(names), evaluation.users, replace=False).tolist()]
    return {name: able[name] for name in names}


def _federate(corpus: Corpus, plan: Plan, rng: np.random.Generator, on_step: OnStep) -> Round:
    federation = Federation(corpus, plan, rng)

    def count(number: int, part: float) -> None:
        on_step("federating", (number - 1 + part) / plan.rounds)

    *_, last = federation.run(count)
    return last


def _systems(model: Model, counting: Counting, train: Sequence[str]) -> dict[str, Suggests]:
    keyboard = KeyboardSystem(model, learns=True)
    for message in train:
        keyboard.learn(message)
    return {
        "keyboard": keyboard,
        "model": KeyboardSystem(model, learns=False),
        "bigram": BaselineSystem(counting, bigrams=True),
        "frequent_words": BaselineSystem(counting, bigrams=False),
    }


def _percentiles(nanoseconds: Sequence[int]) -> dict[str, float]:
    if not nanoseconds:
        return {}
    found = np.percentile(np.array(nanoseconds), [50, 90, 99]) / 1000
    return dict(zip(("p50", "p90", "p99"), found.round(1).tolist(), strict=True))
