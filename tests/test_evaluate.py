"""The rules of the figures, on examples worked by hand, and the baselines beside them."""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Keyboard, Phone, aggregate
from fedkeys.aggregator import Budget
from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.evaluate import Evaluation, Report, Score, evaluate, replay
from fedkeys.evaluate.backoff import StupidBackoff
from fedkeys.evaluate.figures import total
from fedkeys.evaluate.scans import KenLMScan, NltkScan, runs
from fedkeys.evaluate.systems import BaselineSystem, Bigrams, Counting, FrequentWords, KeyboardSystem
from fedkeys.evaluate.training import Trained, train_mixes
from fedkeys.evaluate.users import choose
from fedkeys.model.mix import Mix
from fedkeys.phone import MixTrainer, PersonalModel, default_mix, hand_mixed
from fedkeys.simulate import MixPlan, Plan, train_mix
from fedkeys.simulate.lesson import trainer_of
from fedkeys.sources import PhoneTexts
from fedkeys.words import MESSAGE_START, at_cursor
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


def test_a_message_is_learnt_after_it_was_asked() -> None:
    class Notes(Script):
        def learn(self, message: str) -> None:
            known_at.append((len(self.asked), message))

    known_at: list[tuple[int, str]] = []
    system = Notes()
    for message in ("see me", "on"):
        replay(message, system, Score())
    assert known_at == [(3 + 2, "see me"), (3 + 2 + 2, "on")]


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
        *("confidence_95", "by_user", "mix_phones"),
    }
    assert set(figures["baselines"]) == {"model", "bigram", "frequent_words"}
    assert figures["users"] == 3
    assert figures["words"] == 3 * (4 + 4 + 4)  # 12 messages split at 9.6: the last three
    assert figures["top1"] > figures["baselines"]["frequent_words"]["top1"]
    assert set(figures["latency_us"]) == {"next", "completion"}
    assert {name for name, _ in steps} == {
        *("federating", "counting each user's words", "counting words and bigrams", "replaying"),
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


@pytest.mark.parametrize(
    "changes", [{"split": 0.0}, {"split": 1.0}, {"users": 0}, {"adapts": True, "personal": False}]
)
def test_an_evaluation_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Evaluation(**changes)


def test_too_high_a_demand_on_users_is_an_error() -> None:
    with pytest.raises(UsageError, match="lower --min-words: the most that a user has are 48"):
        evaluate(Memory(FLEET), Evaluation(min_words=10_000), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("texts", "said"), [(["see you"] * 9, "no user has 10 messages;"), (["до завтра"] * 20, "letters a to z")]
)
def test_a_corpus_of_which_nobody_can_be_replayed_is_an_error(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate(Memory({"ann": texts}), Evaluation(), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("phones", "trainers"), [(1, 0), (2, 0), (3, 0), (18, 0), (19, 0), (20, 10), (23, 11)]
)
def test_fewer_than_ten_phones_train_no_mix(phones: int, trainers: int) -> None:
    fleet = {f"{at}": ["see you soon", "on my way"] * 5 for at in range(phones)}
    steps: set[str] = set()
    report = evaluate(
        Memory(fleet),
        Evaluation(mixing=MixPlan(rounds=1)),
        np.random.default_rng(0),
        on_step=lambda name, _: steps.add(name),
    )
    assert report.as_dict(np.random.default_rng(0))["mix_phones"] == report.mix_phones == trainers
    assert ("training the mix" in steps) == bool(trainers)
    if not trainers:
        by_hand = evaluate(Memory(fleet), Evaluation(mix=False), np.random.default_rng(0))
        assert report.total("keyboard").counts == by_hand.total("keyboard").counts


def test_new_users_are_kept_from_the_model_and_reported_apart() -> None:
    evaluation = Evaluation(new_users=1, plan=Plan(min_phones=1))
    report = evaluate(Memory(FLEET), evaluation, np.random.default_rng(0))
    (new,) = report.new
    assert report.model.id(new) is None
    assert all(report.model.id(name) is not None for name in report.known)
    assert len(report.known) == 2
    figures = report.as_dict(np.random.default_rng(0))
    assert figures["new_users"]["words"] == 12
    for name in report.scores:
        found = figures["new_users"][name]
        assert found["confidence_95"]["top1"] == (found["top1"], found["top1"])  # of one user
        assert found["top1"] == report.total(name, report.new).summary()["top1"]
    assert figures["users"] == 2


@pytest.mark.parametrize(
    ("users", "new", "said"),
    [(2, 2, "with 2 new ones choose at most 1 others"), (9, 1, "at most 2"), (None, 3, "choose fewer")],
)
def test_more_new_users_than_there_are_is_an_error(users: int | None, new: int, said: str) -> None:
    able = dict.fromkeys(("ann", "bob", "cat"), 12)
    with pytest.raises(UsageError, match=said):
        choose(able, users, new, np.random.default_rng(0))
    fits = choose(able, 2, 1, np.random.default_rng(0))
    assert (len(fits.known), len(fits.new), set(fits.all)) == (2, 1, set(able))


def test_intervals_and_percentiles_are_of_users() -> None:
    """One user is always right, the other never: a drawn sample is all right, half or all wrong."""
    scores = {"a": Score(10, 10, 10, 50, 10), "b": Score(10, 0, 0, 50, 50)}
    model = aggregate([Phone(["see you"]).delta()], min_phones=1)
    report = Report(model, {"keyboard": scores}, frozenset())
    figures = report.as_dict(np.random.default_rng(0))
    assert figures["confidence_95"]["top1"] == (0.0, 1.0)
    assert figures["by_user"]["top1"]["p50"] == 0.5
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


def test_stupid_backoff_is_exact_and_worked_by_hand() -> None:
    """After "see you": soon 2 of 3, later 1 of 3; then 0.4 of what follows "you", and 0.16 of words at all."""
    texts = ["see you soon", "see you later", "see you soon", "did you sing", "sing sing sing"]
    ranker = StupidBackoff(texts, 3)
    assert ranker.best((MESSAGE_START, "see", "you"), "", 4) == ["soon", "later", "sing", "you"]
    assert ranker.best(("see", "you"), "s", 2) == ["soon", "sing"]
    assert ranker.best(("who", "knows"), "", 2) == ["sing", "you"]
    assert ranker.best((), "x", 3) == []


@given(
    messages=st.lists(
        st.lists(st.sampled_from(["a", "ab", "b", "ba", "c.", "x@y.z"]), max_size=6), min_size=1
    )
)
def test_stupid_backoff_ranks_as_nltk_does_whatever_is_typed(messages: list[list[str]]) -> None:
    """Two ways to the same scores: sorted counts here, every word scored by nltk.lm there."""
    texts = [" ".join(words) for words in messages]
    if not any(map(runs, texts)):
        return
    ours, theirs = StupidBackoff(texts, 3), NltkScan(texts, 3)
    for text in texts:
        for typed in range(len(text) + 1):
            cursor = at_cursor(text[:typed])
            if cursor.prefix is not None:
                for prefix in (cursor.prefix, ""):
                    assert ours.best(cursor.items, prefix, 4) == theirs.best(cursor.items, prefix, 4)


def test_the_kenlm_scan_ranks_as_the_model_does() -> None:
    pytest.importorskip("kenlm", reason="kenlm is not installed: pip install '.[baselines]'")
    model = aggregate([Phone(texts).delta() for texts in FLEET.values()], min_phones=1)
    scan = BaselineSystem(KenLMScan(model))
    alone = KeyboardSystem(Keyboard(model, mix=hand_mixed()), learns=False)
    for text in ("", "see ", "see you ", "see you t", "on my way. ", "Done! on m", "nobody said "):
        best = alone.words(text, 1)
        assert best
        assert scan.words(text, 1) == best


def test_baselines_are_asked_a_sample_beside_the_keyboard() -> None:
    evaluation = Evaluation(baselines=True, sample=9)
    report = evaluate(Memory(FLEET), evaluation, np.random.default_rng(0))
    figures = report.as_dict(np.random.default_rng(0))
    assert set(figures["baselines"]) == {"model", "bigram", "frequent_words", "stupid_backoff"}
    systems = figures["sampled"]["systems"]
    assert set(systems) >= {"keyboard", "model", "stupid_backoff", "nltk_lm"}
    assert 9 <= figures["sampled"]["words"] < 9 + 4
    assert len({sum(score.words for score in report.sampled[name].values()) for name in systems}) == 1
    assert systems["nltk_lm"]["top3"] == systems["stupid_backoff"]["top3"]
    assert systems["nltk_lm"]["latency_us"]["next"]["p50"] > 0
    assert report.total("stupid_backoff").words == report.total("keyboard").words


def test_a_baseline_that_is_not_installed_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kenlm", "nltk.lm"):
        monkeypatch.setitem(sys.modules, name, None)
    report = evaluate(Memory(FLEET), Evaluation(baselines=True), np.random.default_rng(0))
    said = report.as_dict(np.random.default_rng(0))["missing"]
    assert {name: sentence.split(":")[0] for name, sentence in said.items()} == {
        "kenlm": "kenlm is not installed",
        "nltk_lm": "nltk is not installed",
    }
    assert set(report.sampled) == set(report.scores)


def test_curves_know_nothing_of_those_who_are_asked() -> None:
    """Of 12 phones 4 are asked; a word that only they type is never learnt by a fleet, and is by its owner."""
    fleet = {f"{n}": ["see you soon", "on my way", "hello there"] * 5 for n in range(12)}
    asked = Evaluation(users=4, curves=True, plan=Plan(min_phones=1), mixing=MixPlan(rounds=3))
    alone = evaluate(Memory(fleet), replace(asked, curves=False), np.random.default_rng(0))
    for name in alone.known:
        fleet[name] = ["pancakes pancakes pancakes"] * 15
    report = evaluate(Memory(fleet), asked, np.random.default_rng(0))
    assert report.known == alone.known
    assert report.curves is not None
    assert [point.at for point in report.curves.phones] == [1, 2, 8]
    for point in report.curves.phones:
        assert point.mix_phones == 0
        assert sum(score.top3 for score in point.scores["model"].values()) == 0
        assert sum(score.top1 for score in point.scores["keyboard"].values()) > 0
    first, second = report.curves.messages
    assert (first.at, second.at) == (0, 10)
    assert [sum(s.words for s in point.scores["keyboard"].values()) for point in (first, second)] == [120, 60]
    recall = [total(point.scores["keyboard"].values()).summary()["top1"] for point in (first, second)]
    assert recall[0] < recall[1]
    json.dumps(report.as_dict(np.random.default_rng(0)))


def test_a_point_of_a_curve_asks_about_so_many_words_of_a_user() -> None:
    fleet = {f"{n}": ["see you tomorrow at home"] * 120 for n in range(6)}
    evaluation = Evaluation(users=3, curves=True, mix=False, plan=Plan(min_phones=1))
    report = evaluate(Memory(fleet), evaluation, np.random.default_rng(0))
    assert report.curves is not None
    words = {point.at: point.as_dict(np.random.default_rng(0))["words"] for point in report.curves.messages}
    assert words == {0: 3 * 50, 10: 3 * 100, 30: 3 * 200, 100: 3 * 100}


@pytest.mark.parametrize("mix", [False, True])
def test_another_corpus_trains_and_is_not_asked(mix: bool) -> None:
    others = {name: ["zebra crossing ahead"] * 12 for name in ("uma", "vic", "wes", *"abcdefg")}
    steps: set[str] = set()
    evaluation = Evaluation(curves=True, mix=mix)
    report = evaluate(
        Memory(FLEET),
        evaluation,
        np.random.default_rng(0),
        on_step=lambda name, _: steps.add(name),
        train_on=Memory(others),
    )
    assert ("training the mix" in steps) == mix
    assert set(report.known) == {"ann", "bob", "cat"}
    assert report.model.id("zebra") is not None
    assert report.model.id("tomorrow") is None
    assert report.total("bigram").top3 == 0
    assert mix or report.total("keyboard").top1 > 0
    assert report.curves is not None
    assert [point.at for point in report.curves.phones] == [2, 10]


@pytest.mark.parametrize("mix", [False, True])
def test_of_a_corpus_to_train_on_those_who_are_replayed_are_left_out(
    mix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corpus itself to train on: no model, count or mix comes from the one user who is asked."""
    fleet = {
        name: [f"pancakes {name}"] * 20
        for name in ("ann", "bob", *(f"x{letter}" for letter in "abcdefghijkl"))
    }
    trained: set[str] = set()

    def spy(phone: PhoneTexts, *rest: Any, **more: Any) -> MixTrainer:
        trained.add(phone.name)
        return trainer_of(phone, *rest, **more)

    monkeypatch.setattr("fedkeys.evaluate.training.trainer_of", spy)
    evaluation = Evaluation(users=1, curves=True, mix=mix, plan=Plan(min_phones=1), mixing=MixPlan(rounds=2))
    report = evaluate(Memory(fleet), evaluation, np.random.default_rng(0), train_on=Memory(fleet))
    (asked,) = report.known
    assert trained == ({*fleet} - {asked} if mix else set())
    assert report.model.header["phones"] == 13
    assert report.model.id(asked) is None
    assert report.as_dict(np.random.default_rng(0))["left_out"] == report.left_out == 1
    assert report.curves is not None
    assert report.curves.phones[-1].at == 13
    with pytest.raises(UsageError, match="are replayed themselves"):
        evaluate(Memory(fleet), Evaluation(), np.random.default_rng(0), train_on=Memory(fleet))


def test_nobody_trains_the_mix_that_is_asked_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    trained_by: dict[int, set[str]] = {}
    given: list[Trained] = []

    def spy(trainers: Sequence[MixTrainer], *rest: Any) -> Mix:
        mix = train_mix(trainers, *rest)
        trained_by[id(mix)] = {trainer.name for trainer in trainers}
        return mix

    def keep(*arguments: Any) -> Trained:
        given.append(train_mixes(*arguments))
        return given[-1]

    monkeypatch.setattr("fedkeys.evaluate.training.train_mix", spy)
    monkeypatch.setattr("fedkeys.evaluate.run.train_mixes", keep)
    fleet = {f"{at}": ["see you soon", "on my way"] * 5 for at in range(24)}
    evaluation = Evaluation(users=20, new_users=2, mixing=MixPlan(rounds=1))
    report = evaluate(Memory(fleet), evaluation, np.random.default_rng(0))
    (trained,) = given
    assert set(trained.mixes) == {*report.known, *report.new}
    for user, mix in trained.mixes.items():
        others = trained_by[id(mix)]
        assert user not in others
        assert len(others) == report.mix_phones == 24 - 22 // 2


def test_under_a_budget_nobody_trains_a_mix() -> None:
    pytest.importorskip("opendp", reason="needs fedkeys[privacy]")
    fleet = {f"{at}": ["see you soon", "on my way"] * 5 for at in range(24)}
    plan = Plan(min_phones=1, bounds=Bounds(2000, 512, max_norm=4096), budget=Budget(100.0))
    report = evaluate(Memory(fleet), Evaluation(users=3, curves=True, plan=plan), np.random.default_rng(0))
    assert report.mix_phones is None
    assert report.model.header["epsilon"] <= 100.0
    assert report.curves is not None
    assert {point.mix_phones for point in report.curves.phones} == {None}


@pytest.mark.parametrize("personal", [False, True])
def test_who_trains_the_mix_has_the_keyboard_that_is_evaluated(personal: bool) -> None:
    """It is asked the last messages; who learns knows the first ones, and the first of the last two."""
    model = aggregate([Phone(["see you"]).delta()], min_phones=1)
    first, last = ["see you okapi"] * 8, ["quagga bongo", "quagga bongo"]

    def loss(trainer: MixTrainer) -> float:
        return trainer.loss(default_mix().weights)

    found = trainer_of(PhoneTexts("ann", first + last), model, None, learns=personal)
    learnt = PersonalModel()
    for message in first if personal else ():
        learnt.learn(message)
    expected = MixTrainer("ann", model, learnt, None, last, learns=personal)
    assert found.samples == expected.samples == 12
    assert loss(found) == loss(expected)


@pytest.mark.parametrize(
    ("changes", "given"),
    [({"curves": True}, "model"), ({"new_users": 1}, "model"), ({}, "both"), ({"new_users": 1}, "train_on")],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], given: str) -> None:
    model = aggregate([Phone(["see you"]).delta()], min_phones=1)
    with pytest.raises(UsageError):
        evaluate(
            Memory(FLEET),
            Evaluation(**changes),
            np.random.default_rng(0),
            model=None if given == "train_on" else model,
            train_on=None if given == "model" else Memory(FLEET),
        )


def test_curves_of_everybody_leave_half_of_the_phones_to_learn_from() -> None:
    report = evaluate(Memory(FLEET), Evaluation(curves=True, mix=False), np.random.default_rng(0))
    assert len(report.known) == 3
    assert report.curves is not None
    (point,) = report.curves.phones
    assert point.at == 2
    assert len(point.scores["keyboard"]) == 2


@pytest.mark.parametrize(("phones", "asked", "fleets"), [(2, 1, [1]), (3, 1, [2]), (30, 15, [2, 4, 15])])
def test_every_corpus_of_two_phones_has_curves(phones: int, asked: int, fleets: list[int]) -> None:
    fleet = {f"{at}": ["see you soon"] * 10 for at in range(phones)}
    evaluation = Evaluation(curves=True, mixing=MixPlan(rounds=1))
    report = evaluate(Memory(fleet), evaluation, np.random.default_rng(0))
    assert report.curves is not None
    assert [point.at for point in report.curves.phones] == fleets
    assert {len(point.scores["keyboard"]) for point in report.curves.phones} == {asked}
    json.dumps(report.as_dict(np.random.default_rng(0)))


def test_curves_of_one_phone_are_refused_before_any_work() -> None:
    steps: list[str] = []
    alone = Evaluation(curves=True, plan=Plan(min_phones=1))
    with pytest.raises(UsageError, match="no fleet"):
        evaluate(
            Memory({"ann": FLEET["ann"]}),
            alone,
            np.random.default_rng(0),
            on_step=lambda name, _: steps.append(name),
        )
    assert not steps
