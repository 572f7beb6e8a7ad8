"""The rules of the figures, on examples worked by hand, and the baselines beside them."""

import json
from collections.abc import Collection

import numpy as np
import pytest

from fedkeys import Keyboard, Phone, aggregate
from fedkeys.errors import UsageError
from fedkeys.evaluate import Evaluation, Report, Score, evaluate, replay
from fedkeys.evaluate.systems import BaselineSystem, Bigrams, Counting, FrequentWords, KeyboardSystem
from fedkeys.simulate import Plan
from tests.test_simulate import Memory


class Script:
    """Offers the same words whatever is typed, and keeps what it was asked."""

    def __init__(self, *offered: str) -> None:
        self.offered = list(offered)
        self.asked: list[str] = []
        self.learnt: list[str] = []

    def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
        del passed_over
        self.asked.append(text)
        return self.offered[:k]

    def learn(self, message: str) -> None:
        self.learnt.append(message)


def test_recall_and_savings_by_hand() -> None:
    """ "See" is offered second: 1 key of 4. "you" is offered first: 1 key of 4. "ok" never: 3 keys of 3."""
    system, score = Script("you", "see", "the"), Score()
    replay("See you, ok 👍 7", system, score)
    assert system.asked == ["", "See ", "See you, ", "See you, o"]
    assert system.learnt == ["See you, ok 👍 7"]
    assert (score.words, score.top1, score.top3) == (3, 1, 2)
    assert (score.keys, score.characters) == (1 + 1 + 3, 4 + 4 + 3)
    assert score.summary() == {"top1": 1 / 3, "top3": 2 / 3, "keystroke_savings": 1 - 5 / 11}


class Completes(Script):
    """Offers a word only once two of its letters are typed."""

    def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
        del passed_over
        self.asked.append(text)
        return ["hello"][:k] if text.endswith("he") else []


def test_a_completion_costs_the_letters_typed_and_one_key() -> None:
    system, score = Completes(), Score()
    replay("hello", system, score)
    assert system.asked == ["", "h", "he"]
    assert (score.keys, score.characters, score.top3) == (3, 6, 0)
    assert len(score.next_ns) == 1
    assert len(score.completion_ns) == 2


def test_what_is_no_word_is_not_asked() -> None:
    system, score = Script(), Score()
    replay("naïve b52 gr8 7 👍 'ok' café's", system, score)
    assert score.words == 1
    assert system.asked[-1].endswith("'o")


def test_the_strip_is_not_read_after_the_last_letter() -> None:
    system = Script()
    replay("at it’s", system, Score())
    assert system.asked == ["", "a", "at ", "at i", "at it", "at it'"]


def test_baselines_rank_by_count() -> None:
    counting = Counting(["see you soon", "see you later", "see you soon", "soon", "The soon"])
    bigram, words = BaselineSystem(Bigrams(counting)), BaselineSystem(FrequentWords(counting))
    assert words.words("", 3) == ["soon", "see", "you"]
    assert bigram.words("see you ", 3) == ["soon", "later", "see"]
    assert bigram.words("see you l", 3) == ["later"]
    assert bigram.words("", 1) == ["see"]
    assert words.words("see s", 3) == ["soon", "see"]
    assert words.words("me@x", 3) == []


def test_the_model_alone_does_not_learn() -> None:
    model = aggregate([Phone(["see you soon"]).delta()], 1)
    alone, keyboard = (KeyboardSystem(Keyboard(model), learns=learns) for learns in (False, True))
    for system in (alone, keyboard):
        for _ in range(30):
            system.learn("see pancakes")
    assert alone.words("see ", 1) == ["you"]
    assert keyboard.words("see ", 1) == ["pancakes"]


FLEET = {name: [f"see you tomorrow {name}", "on my way home"] * 6 for name in ("ann", "bob", "cat")}
FLEET["few"] = ["only trains"] * 9


def test_an_evaluation_of_a_fleet() -> None:
    steps: list[tuple[str, float]] = []
    report = evaluate(
        Memory(FLEET), Evaluation(), np.random.default_rng(0), on_step=lambda *step: steps.append(step)
    )
    figures = report.as_dict(np.random.default_rng(0))
    assert set(figures) == {
        *("users", "words", "top1", "top3", "keystroke_savings", "latency_us", "baselines"),
        *("confidence_95", "by_user"),
    }
    assert set(figures["baselines"]) == {"model", "bigram", "frequent_words"}
    assert figures["users"] == 3
    assert figures["words"] == 3 * (4 + 4 + 4)  # 12 messages split at 9.6: the last three
    assert figures["top1"] > figures["baselines"]["frequent_words"]["top1"]
    assert set(figures["latency_us"]) == {"next", "completion"}
    assert {name for name, _ in steps} == {
        *("federating", "phones prepare to train the mix", "training the mix"),
        *("counting words and bigrams", "replaying"),
    }
    assert steps[-1] == ("replaying", 1.0)
    json.dumps(figures)


def test_what_is_replayed_was_not_trained_on() -> None:
    fleet = {name: ["see you"] * 8 + ["zebra crossing"] * 2 for name in ("ann", "bob")}
    report = evaluate(Memory(fleet), Evaluation(), np.random.default_rng(0))
    assert report.model.id("you") is not None
    assert report.model.id("zebra") is None
    assert report.total("bigram").top1 == 0
    assert report.total("keyboard").words == 8


def test_a_sample_of_users_is_drawn_by_the_seed() -> None:
    def words(seed: int) -> int:
        evaluation = Evaluation(users=1, min_words=30, plan=Plan(min_phones=1))
        fleet = {f"{n}": ["one two three"] * (10 + 2 * n) for n in range(8)}
        report = evaluate(Memory(fleet), evaluation, np.random.default_rng(seed))
        assert len(report.known) == 1
        return report.total("keyboard").words

    assert words(1) == words(1)
    assert len({words(seed) for seed in range(6)}) > 1


@pytest.mark.parametrize("changes", [{"split": 0.0}, {"split": 1.0}, {"users": 0}])
def test_an_evaluation_that_cannot_be_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Evaluation(**changes)


def test_too_high_a_demand_on_users_is_an_error() -> None:
    with pytest.raises(UsageError, match="lower --min-words"):
        evaluate(Memory(FLEET), Evaluation(min_words=10_000), np.random.default_rng(0))


def test_new_users_are_kept_from_the_model_and_reported_apart() -> None:
    report = evaluate(Memory(FLEET), Evaluation(new_users=1), np.random.default_rng(0))
    (new,) = report.new
    assert report.model.id(new) is None
    assert len(report.known) == 2
    figures = report.as_dict(np.random.default_rng(0))
    assert figures["new_users"]["words"] == 12
    assert figures["users"] == 2


def test_intervals_and_percentiles_are_of_users() -> None:
    """One user is always right, the other never: a drawn sample is all right, half or all wrong."""
    scores = {"a": Score(10, 10, 10, 50, 10), "b": Score(10, 0, 0, 50, 50)}
    model = aggregate([Phone(["see you"]).delta()], min_phones=1)
    report = Report(model, {"keyboard": scores}, frozenset(), 0.0)
    low, high = report.interval("keyboard", np.random.default_rng(0))["top1"]
    assert (low, high) == (0.0, 1.0)
    assert report.spread("keyboard")["top1"]["p50"] == 0.5
    assert report.total("keyboard").summary()["keystroke_savings"] == pytest.approx(0.4)


def test_what_was_passed_over_is_told_unless_words_repeat() -> None:
    class Notes(Script):
        def words(self, text: str, k: int, passed_over: Collection[str] = ()) -> list[str]:
            told.append(set(passed_over))
            return super().words(text, k)

    told: list[set[str]] = []
    replay("abc", Notes("x", "y"), Score())
    assert told == [set(), {"x", "y"}, {"x", "y"}]
    told.clear()
    replay("abc", Notes("x", "y"), Score(), repeats=True)
    assert told == [set(), set(), set()]
