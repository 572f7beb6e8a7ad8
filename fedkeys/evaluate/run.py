"""`evaluate`: train on everybody's first messages, replay the last ones.

In: a corpus, and optionally another one or a model, to learn from. Out: a `Report`. Laws: users with fewer than 10
messages only train, and nobody's weights for the mix were trained on what that user is asked; to what is learnt
from another corpus all users are new, whoever is in it. Which users are replayed may be cut down to those who
wrote enough, and to a sample of these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.evaluate.backoff import StupidBackoff
from fedkeys.evaluate.curves import check_fleet, learning_curves
from fedkeys.evaluate.evaluation import Evaluation, OnStep
from fedkeys.evaluate.replay import Score, asked_words, replay
from fedkeys.evaluate.report import Report
from fedkeys.evaluate.scans import KenLMScan, Missing, NltkScan
from fedkeys.evaluate.systems import BaselineSystem, Counting, Ranker, systems_of
from fedkeys.evaluate.training import Group, Trained, federate, halves, train_mixes
from fedkeys.evaluate.users import Chosen, FirstParts, Some, able_users, choose, refuse_nobody
from fedkeys.model import Model
from fedkeys.model.mix import Mix
from fedkeys.phone import Prior
from fedkeys.simulate import Round
from fedkeys.sources import Corpus
from fedkeys.sources.parts import parts


def evaluate(
    corpus: Corpus,
    evaluation: Evaluation,
    rng: np.random.Generator,
    model: Model | None = None,
    prior: Prior | None = None,
    on_step: OnStep = lambda *_: None,
    train_on: Corpus | None = None,
) -> Report:
    """Evaluate the keyboard beside the model alone and baselines.

    Args:
        corpus: users and their messages.
        evaluation: how.
        rng: draws the users to replay, and those who train the mix.
        model: a model made elsewhere, with its mix; when not given one is federated of all first parts.
        prior: public words for the keyboard; None for none.
        on_step: called with the name of a step and the part of it that is done.
        train_on: whose first parts make the model and are counted by the baselines, and whose last parts train
            the mix; `corpus` itself when not given. Whoever in it has the name of a user who is replayed is left
            out of all that.

    Raises:
        UsageError: no user is left to replay; curves of one phone; a model is given, and something asked for that
            takes phones; another corpus, and users kept from the model; all of its users are replayed themselves.
    """
    _check(evaluation, model, train_on)
    names = corpus.names(lambda part: on_step("reading", part))
    if evaluation.curves and train_on is None:
        check_fleet(len(names))
    able = _able(corpus, evaluation, on_step)
    if not able:
        refuse_nobody(corpus, evaluation.split, evaluation.min_words)
    chosen = choose(able, evaluation.users, evaluation.new_users, rng)
    fleet, left_out = corpus, 0
    if train_on is not None:
        fleet, left_out = _others(train_on, chosen, on_step)
    first_parts = FirstParts(Some(fleet, frozenset(chosen.new)), evaluation.split)
    last: Round | None = None
    trained = Trained({}, 0)
    mix_phones = None if model is not None and evaluation.mix else 0
    trainers = able if train_on is None or not evaluation.mix else _able(fleet, evaluation, on_step)
    if model is None:
        model, last = federate(first_parts, evaluation.plan, rng, on_step)
        if evaluation.mix:
            groups = halves(chosen.all, able) if train_on is None else [Group(chosen.all, trainers)]
            trained = train_mixes(fleet, evaluation, model, prior, groups, rng, on_step)
            mix_phones = trained.phones
    counted = _Counted(first_parts, model.order, on_step)
    replaying = _Replaying(corpus, evaluation, chosen, able, rng.spawn(1)[0])
    replaying.run(model, prior, trained.mixes, counted, on_step)
    missing = replaying.ask_slow(model, counted, on_step) if evaluation.baselines else {}
    curves = None
    if evaluation.curves:
        curves = learning_curves(
            corpus, fleet, evaluation, chosen.all, trainers, prior, rng.spawn(1)[0], on_step
        )
    return Report(
        model,
        replaying.scores,
        frozenset(chosen.new),
        last.bytes_up if last else None,
        replaying.sampled,
        missing,
        curves,
        left_out,
        mix_phones,
    )


def _check(evaluation: Evaluation, model: Model | None, train_on: Corpus | None) -> None:
    if model is not None and (train_on is not None or evaluation.curves or evaluation.new_users):
        raise UsageError(
            "a model made elsewhere has no phones to learn from",
            remedy="leave the model out, or what needs them",
        )
    if train_on is not None and evaluation.new_users:
        raise UsageError("to a model of another corpus all users are new", remedy="leave the new users out")


def _others(train_on: Corpus, chosen: Chosen, on_step: OnStep) -> tuple[Corpus, int]:
    """Cut another corpus down to users who are not replayed; say how many were, too.

    Raises:
        UsageError: nobody is left.
    """
    fleet = Some(train_on, frozenset(chosen.all))
    phones = len(train_on.names(lambda part: on_step("reading what trains", part)))
    others = len(fleet.names())
    if phones and not others:
        raise UsageError(
            "all users of the corpus to train on are replayed themselves",
            remedy="replay fewer with --users, or train on a corpus of other people",
        )
    return fleet, phones - others


def _able(corpus: Corpus, evaluation: Evaluation, on_step: OnStep) -> dict[str, int]:
    return able_users(
        corpus,
        evaluation.split,
        evaluation.min_words,
        lambda part: on_step("counting each user's words", part),
    )


class _Counted:
    """What baselines make of the training text, each when it is asked for."""

    def __init__(self, first_parts: FirstParts, order: int, on_step: OnStep) -> None:
        self._first_parts = first_parts
        self._on_step = on_step
        self.order = order

    def texts(self, step: str) -> Iterator[str]:
        """Give all messages that train, and show how many are read."""
        phones = len(self._first_parts.names())
        for number, phone in enumerate(self._first_parts.phones(), 1):
            yield from phone.texts
            self._on_step(step, number / phones)


class _Sampled(NamedTuple):
    """A message that slow baselines are asked."""

    user: str
    text: str


class _Replaying:
    """Replays users, and keeps the scores.

    Attributes:
        scores: system -> user -> score; sampled: the same, of sampled messages alone.
    """

    def __init__(
        self,
        corpus: Corpus,
        evaluation: Evaluation,
        chosen: Chosen,
        able: Mapping[str, int],
        rng: np.random.Generator,
    ) -> None:
        self._corpus = corpus
        self._evaluation = evaluation
        self._able = {name: able[name] for name in chosen.all}
        self._places = _sample(corpus, evaluation, chosen.known, rng) if evaluation.baselines else {}
        self._messages: list[_Sampled] = []
        self.scores: dict[str, dict[str, Score]] = {}
        self.sampled: dict[str, dict[str, Score]] = {}

    def run(
        self, model: Model, prior: Prior | None, mixes: Mapping[str, Mix], counted: _Counted, on_step: OnStep
    ) -> None:
        """Replay the last messages of each user, on every system that answers fast."""
        evaluation = self._evaluation
        counting = Counting(counted.texts("counting words and bigrams"))
        more: dict[str, Ranker] = {}
        if evaluation.baselines:
            more["stupid_backoff"] = StupidBackoff(counted.texts("stupid back-off: counting"), counted.order)
        done = 0
        for phone in self._corpus.phones():
            if phone.name in self._able:
                train, test = parts(phone.texts, evaluation.split)
                keyboard = evaluation.keyboard(model, prior, mixes.get(phone.name))
                for message in train if evaluation.personal else ():
                    keyboard.learn(message)
                systems = systems_of(keyboard, evaluation.personal, counting)
                systems |= {name: BaselineSystem(ranker) for name, ranker in more.items()}
                sampled = self._places.get(phone.name, frozenset())
                self._messages += [_Sampled(phone.name, test[at]) for at in sorted(sampled)]
                for name, system in systems.items():
                    for at, message in enumerate(test):
                        score = Score()
                        replay(message, system, score, evaluation.repeats)
                        _add(self.scores, name, phone.name, score)
                        if at in sampled:
                            _add(self.sampled, name, phone.name, score)
                done += self._able[phone.name]
                on_step("replaying", done / sum(self._able.values()))

    def ask_slow(self, model: Model, counted: _Counted, on_step: OnStep) -> dict[str, str]:
        """Ask slow baselines the sampled messages; give a sentence for each that cannot be asked."""

        def nltk() -> Ranker:
            texts = list(counted.texts("nltk.lm: reading"))
            return NltkScan(texts, counted.order, lambda part: on_step("nltk.lm: counting", part))

        makers: dict[str, Callable[[], Ranker]] = {
            "kenlm": lambda: KenLMScan(model, lambda part: on_step("KenLM: writing the model", part)),
            "nltk_lm": nltk,
        }
        missing: dict[str, str] = {}
        for name, make in makers.items():
            try:
                system = BaselineSystem(make())
            except Missing as sentence:
                missing[name] = str(sentence)
                continue
            for number, message in enumerate(self._messages, 1):
                score = Score()
                replay(message.text, system, score, self._evaluation.repeats)
                _add(self.sampled, name, message.user, score)
                on_step(f"asking {name}", number / len(self._messages))
        return missing


def _sample(
    corpus: Corpus, evaluation: Evaluation, users: Sequence[str], rng: np.random.Generator
) -> dict[str, frozenset[int]]:
    """Draw messages of about as many words as slow baselines are asked; user -> places in the last part."""
    wanted = set(users)
    found = [
        (phone.name, at, words)
        for phone in corpus.phones()
        if phone.name in wanted
        for at, words in enumerate(map(asked_words, parts(phone.texts, evaluation.split)[1]))
        if words
    ]
    drawn: dict[str, set[int]] = {}
    left = evaluation.sample
    for place in rng.permutation(len(found)).tolist():
        name, at, words = found[place]
        drawn.setdefault(name, set()).add(at)
        left -= words
        if left <= 0:
            break
    return {name: frozenset(places) for name, places in drawn.items()}


def _add(scores: dict[str, dict[str, Score]], system: str, user: str, score: Score) -> None:
    scores.setdefault(system, {}).setdefault(user, Score()).add(score)
