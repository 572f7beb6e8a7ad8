"""A federation on one machine does what one over a network would."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkeys import Keyboard, Model, Phone, aggregate
from fedkeys.aggregator import Aggregator, Fate, RoundRule, Upload, collect, select
from fedkeys.cli.simulate import print_lesson
from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.model.mix import Mix, size
from fedkeys.phone import MixTrainer, PersonalModel, default_mix
from fedkeys.phone.situation import FEATURES, FEATURES_VERSION
from fedkeys.simulate import Federation, Lesson, MixPlan, Plan, Round
from fedkeys.simulate.lesson import give_lesson, trainers_of
from fedkeys.simulate.member import Record
from fedkeys.sources import PhoneTexts
from fedkeys.sources.parts import count_first

FLEET = {
    "ann": ["see you tomorrow", "in London", "on my way", "see you soon", "hello"],
    "bob": ["see you tomorrow", "to London", "on my way home"],
    "cat": [],
    "dan": ["hello there"],
}


class Memory:
    def __init__(self, fleet: dict[str, list[str]]) -> None:
        self.fleet = fleet

    def names(self, _: object = None) -> Sequence[str]:
        return list(self.fleet)

    def phones(self) -> Iterator[PhoneTexts]:
        return (PhoneTexts(name, texts) for name, texts in self.fleet.items())


def run(plan: Plan, seed: int = 0, fleet: dict[str, list[str]] | None = None) -> list[Round]:
    return list(Federation(Memory(fleet or FLEET), plan, np.random.default_rng(seed)).run())


@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("min_phones", [1, 2])
def test_it_releases_what_one_place_would(rounds: int, min_phones: int) -> None:
    expected = aggregate([Phone(texts).delta() for texts in FLEET.values() if texts], min_phones)
    history = run(Plan(rounds=rounds, min_phones=min_phones))
    assert history[-1].model.payload_digest == expected.payload_digest
    assert sum(round_.messages for round_ in history) == 9
    assert [round_.number for round_ in history] == list(range(1, rounds + 1))


def test_a_phone_that_is_not_sampled_sends_later() -> None:
    """With one phone a round, enough rounds bring in whatever was typed by the time a phone was sampled."""
    history = run(Plan(rounds=4, cohort=1, min_phones=1), seed=3)
    assert all(round_.sampled == 1 for round_ in history)
    assert all(round_.deltas <= 1 for round_ in history)
    assert sum(round_.messages for round_ in history) <= 9
    # Ann writes five messages; sampled in the last round alone, she sends all five.
    fleet = {"ann": FLEET["ann"], "bob": []}
    histories = (run(Plan(rounds=2, cohort=1, min_phones=1), seed, fleet) for seed in range(100))
    alone = next(history for history in histories if [r.messages for r in history] == [0, 5])
    assert alone[1].model.payload_digest == aggregate([Phone(FLEET["ann"]).delta()], 1).payload_digest
    again = run(Plan(rounds=4, cohort=1, min_phones=1), seed=3)
    assert [r.model.to_bytes() for r in again] == [r.model.to_bytes() for r in history]
    assert [r.bytes_up.tolist() for r in again] == [r.bytes_up.tolist() for r in history]


def test_later_rounds_cost_less_since_words_are_known() -> None:
    words = [
        one + two for one in ("alpha", "beta", "gamma", "delta") for two in ("berg", "dorf", "stadt", "bach")
    ]
    texts = [f"from {word} to {word}" for word in words] * 2
    first, second = run(Plan(rounds=2, min_phones=1), fleet={"ann": texts, "bob": texts})
    assert second.messages == first.messages
    assert second.bytes_up.sum() < 0.8 * first.bytes_up.sum()


def test_phones_are_told_as_they_are_done() -> None:
    seen: list[tuple[int, float]] = []
    list(
        Federation(Memory(FLEET), Plan(rounds=2), np.random.default_rng(0)).run(
            lambda number, part: seen.append((number, part))
        )
    )
    assert seen == [(number, done / 4) for number in (1, 2) for done in (1, 2, 3, 4)]


@pytest.mark.parametrize("changes", [{"rounds": 0}, {"cohort": 0}, {"min_phones": 0}])
def test_a_plan_that_cannot_be_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="choose 1 or more"):
        Plan(**changes)


def test_a_corpus_without_phones_is_refused() -> None:
    with pytest.raises(UsageError, match="no phones"):
        Federation(Memory({}), Plan(), np.random.default_rng(0))


def test_the_account_of_a_round_is_true() -> None:
    started = time.perf_counter()
    (round_,) = run(Plan())
    assert 0 < round_.seconds < time.perf_counter() - started
    assert round_.phones == 4
    assert round_.deltas == len(round_.bytes_up) == 3
    assert round_.bytes_down == len(round_.model.to_bytes())


HARD = Plan(
    rounds=5, min_phones=1, bounds=Bounds(60, 3), min_available=2, available=0.7, dropout=0.5, deadline=40.0
)


def fleet_of(seed: int) -> dict[str, list[str]]:
    words = ["see", "you", "tomorrow", "in", "London", "hello", "on", "my", "way", "home"]
    random = np.random.default_rng(seed)
    return {
        name: [" ".join(random.choice(words, 4)) for _ in range(int(random.integers(0, 12)))]
        for name in ("ann", "bob", "cat", "dan", "eve", "fay")
    }


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("bounds", [None, HARD.bounds])
def test_dropouts_and_stragglers_lose_nothing_and_count_nothing_twice(
    seed: int, bounds: Bounds | None
) -> None:
    fleet = fleet_of(seed)
    federation = Federation(Memory(fleet), replace(HARD, bounds=bounds), np.random.default_rng(seed))
    history = list(federation.run())
    assert not any(round_.refused for round_ in history)
    merged = {name: texts[: merged_of(federation, name)] for name, texts in fleet.items()}
    assert sum(round_.messages for round_ in history) == sum(map(len, merged.values()))
    model = history[-1].model
    if bounds is None and model:
        expected = aggregate([Phone(texts).delta() for texts in merged.values() if texts], 1)
        assert federation.aggregator.release(1).payload_digest == expected.payload_digest


def merged_of(federation: Federation, name: str) -> int:
    """How many of a phone's messages the aggregator has merged, by its ledger and the phone's record."""
    record = federation._records.get(name, Record())
    pseudonym = blake2b(name.encode(), key=federation._key, digest_size=16).digest()
    entries = federation.aggregator._state.entries([pseudonym]).get(pseudonym, {})
    assert len(record.accepted) <= len(entries) <= len(record.accepted) + (record.pending is not None)
    sent = [*record.accepted, *filter(None, [record.pending])]
    return sent[len(entries) - 1].messages if entries else 0


def test_trouble_of_every_kind_comes_about() -> None:
    rounds = [round_ for seed in range(12) for round_ in run(HARD, seed, fleet_of(seed))]
    for name in ("lost", "late", "known", "deltas"):
        assert any(getattr(round_, name) for round_ in rounds), name
    idle = [round_ for round_ in rounds if not round_.started]
    assert idle
    for round_ in idle:
        assert (round_.deltas, round_.bytes_down, len(round_.bytes_up)) == (0, 0, 0)


@pytest.mark.parametrize("stop", range(5))
@pytest.mark.parametrize("seed", [1, 2])
def test_a_resumed_federation_goes_on_as_if_it_had_not_stopped(tmp_path: Path, stop: int, seed: int) -> None:
    fleet = Memory(fleet_of(seed))
    expected = run(HARD, seed, fleet.fleet)
    first = Federation(fleet, HARD, np.random.default_rng(seed), tmp_path / "c")
    begun = [round_ for _, round_ in zip(range(stop), first.run(), strict=False)]
    first.aggregator.close()
    second = Federation(fleet, HARD, np.random.default_rng(seed), tmp_path / "c", resume=True)
    history = [*begun, *second.run()]
    for number in range(1, HARD.rounds + 1):  # a last round that did not start is gone through again
        mine = [round_ for round_ in history if round_.number == number][-1]
        other = expected[number - 1]
        assert mine._replace(seconds=0, model=None, bytes_up=None) == other._replace(
            seconds=0, model=None, bytes_up=None
        )
        assert mine.bytes_up.tolist() == other.bytes_up.tolist()
        assert (mine.model and mine.model.to_bytes()) == (other.model and other.model.to_bytes())


def test_a_checkpoint_is_for_the_rounds_it_began_with(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="no rounds to resume"):
        Federation(Memory(FLEET), HARD, rng, tmp_path / "c", resume=True)
    Federation(Memory(FLEET), HARD, rng, tmp_path / "c").aggregator.close()
    with pytest.raises(UsageError, match="--seed was another"):
        Federation(Memory(FLEET), HARD, np.random.default_rng(1), tmp_path / "c", resume=True)
    with pytest.raises(UsageError, match="go on with --resume"):
        Federation(Memory(FLEET), HARD, rng, tmp_path / "c")
    with pytest.raises(UsageError, match="--min-phones was 1"):
        Federation(Memory(FLEET), replace(HARD, min_phones=3), rng, tmp_path / "c", resume=True)
    with pytest.raises(UsageError, match="the phones were others"):
        Federation(Memory({"ann": ["hi"]}), HARD, rng, tmp_path / "c", resume=True)


def test_a_killed_simulation_is_resumed(fedkeys: Any, home: dict[str, str], tmp_path: Path) -> None:
    options = ["--rounds", "6", "--cohort", "20", "--dropout", "0.2", "--checkpoint"]
    command = [sys.executable, "-m", "fedkeys", "simulate", *options]
    with subprocess.Popen([*command, "killed"], cwd=tmp_path, env=home, stderr=subprocess.DEVNULL) as child:
        while not (tmp_path / "killed" / "2.model").exists() and child.poll() is None:
            time.sleep(0.01)
        child.kill()
    resumed = fedkeys("simulate", *options, "killed", "--resume", "--json")
    whole = fedkeys("simulate", *options, "whole", "--json")
    assert (resumed.returncode, whole.returncode) == (0, 0), resumed.stderr
    rounds = [json.loads(result.stdout)["rounds"] for result in (resumed, whole)]
    assert 1 <= len(rounds[0]) < 6
    assert [round_["payload"] for round_ in rounds[0]] == [
        round_["payload"] for round_ in rounds[1][-len(rounds[0]) :]
    ]
    for number in range(1, 7):
        names = [tmp_path / at / f"{number}.model" for at in ("killed", "whole")]
        assert names[0].read_bytes() == names[1].read_bytes()
    again = fedkeys("simulate", *options, "killed", "--resume")
    assert (again.returncode, "all rounds are done" in again.stderr) == (2, True)


def test_the_aggregator_selects_and_answers() -> None:
    rng = np.random.default_rng(0)
    assert select(range(3), RoundRule(min_available=4), rng) is None
    assert select(range(3), RoundRule(cohort=9), rng) == [0, 1, 2]
    assert all(
        len(set(select(range(9), RoundRule(cohort=4), np.random.default_rng(seed)) or [])) == 4
        for seed in range(5)
    )
    delta = Phone(["hello world"]).delta().to_bytes()
    uploads = [Upload("ann", 1.0, [delta]), Upload("bob", 9.0, [delta]), Upload("cat", 2.0, [b"junk"])]
    answers = {answer.name: answer for answer in collect(Aggregator(), uploads, RoundRule(deadline=5.0))}
    assert {name: answer.fate for name, answer in answers.items()} == {
        "ann": Fate.MERGED,
        "bob": Fate.LATE,
        "cat": Fate.REFUSED,
    }
    assert "not one msgpack array" in str(answers["cat"].reason)
    for wrong in ({"cohort": 0}, {"min_available": 0}, {"deadline": 0.0}):
        with pytest.raises(UsageError):
            RoundRule(**wrong)


def test_no_model_without_a_round(fedkeys: Any) -> None:
    result = fedkeys("simulate", "--min-available", 31)
    assert (result.returncode, "no round started" in result.stderr, "not started" in result.stdout) == (
        3,
        True,
        True,
    )
    assert fedkeys("simulate", "--available", 2).returncode == 2
    assert fedkeys("simulate", "--resume").returncode == 2
    none = fedkeys("simulate", "--available", "nan")
    assert (none.returncode, "available lies above 0 and up to 1" in none.stderr) == (2, True)


MIXED = Plan(rounds=2, min_phones=1, mix=MixPlan(rounds=6, cohort=4, phones=20))


def talkers(phones: int = 10) -> dict[str, list[str]]:
    """Each always ends with its own word, which nobody else has: a mix must learn to trust the owner more."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"{letters[at % 26]}{letters[at // 26]}ndor" for at in range(phones)]
    return {name: [f"see you {name}", "on my way home"] * 10 for name in names}


def test_a_fleet_trains_the_mix_on_what_it_held_back_and_counts_that_afterwards() -> None:
    fleet = Memory({**talkers(15), "new": ["hello there"]})
    federation = Federation(fleet, MIXED, np.random.default_rng(0))
    history = list(federation.run())
    assert [round_.messages for round_ in history] == [120, 121, 60]
    lesson, model = federation.lesson, history[-1].model
    assert (lesson.phones, lesson.checking, lesson.rounds) == (12, 3, 6)
    assert lesson.loss_after < lesson.loss_before
    assert history[1].model.mix is None
    assert model.header["mix"] == {
        "version": FEATURES_VERSION,
        "phones": 12,
        "rounds": 6,
        "features": FEATURES,
    }
    assert np.array_equal(model.mix.weights, lesson.trained.weights)
    assert Keyboard(model).mix is model.mix
    everything = aggregate([Phone(texts).delta() for texts in fleet.fleet.values()], 1)
    assert model.arrays.keys() == everything.arrays.keys()
    for name, array in everything.arrays.items():
        assert np.array_equal(array, model.arrays[name])


def test_phones_train_on_messages_that_neither_model_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held back has words of its own; while the mix is trained nobody knows them."""
    seen: list[Model] = []

    def spy(corpus: Any, model: Model, *rest: Any) -> Lesson | None:
        seen.append(model)
        return give_lesson(corpus, model, *rest)

    monkeypatch.setattr("fedkeys.simulate.federation.give_lesson", spy)
    fleet = {name: [*texts[:16], *["quite another matter"] * 4] for name, texts in talkers(6).items()}
    (*_, last) = Federation(Memory(fleet), MIXED, np.random.default_rng(0)).run()
    assert [model.vocabulary.find("another") for model in seen] == [None]
    assert seen[0].vocabulary.find("home") is not None
    assert last.model.vocabulary.find("another") is not None


def test_a_phone_trains_on_what_it_has_held_back_alone() -> None:
    """It has learnt what it counted, and is asked each key of the rest: three letters of each word, or fewer."""
    model = aggregate([Phone(texts).delta() for texts in FLEET.values() if texts], 1)
    texts = [*["see you okapi"] * 8, "my zebra", "to okapi"]
    (trainer,) = trainers_of(Memory({"ann": texts}), model, None, MixPlan(), np.random.default_rng(0), print)
    learnt = PersonalModel()
    for message in texts[:8]:
        learnt.learn(message)
    expected = MixTrainer("ann", model, learnt, None, texts[8:])
    weights = default_mix().weights
    assert trainer.samples == expected.samples == (2 + 3) * 2
    assert trainer.loss(weights) == expected.loss(weights)


def test_a_mix_that_is_no_better_is_not_brought() -> None:
    model = aggregate([Phone(texts).delta() for texts in FLEET.values() if texts], 1)
    mix = Mix(FEATURES, np.zeros(size(FEATURES), np.float32))
    assert Lesson(10, 3, 6, 1.0, 1.0, mix).into(model) is model
    assert Keyboard(Lesson(10, 3, 6, 1.0, 1.1, mix).into(model)).mix is default_mix()
    assert Lesson(10, 3, 6, 1.0, 0.9, mix).into(model).mix is not None


@pytest.mark.parametrize(("training", "checking"), [(10, 2), (9, 3), (1, 1)])
def test_a_mix_that_few_have_trained_or_checked_is_not_brought(
    capsys: pytest.CaptureFixture[str], training: int, checking: int
) -> None:
    model = aggregate([Phone(texts).delta() for texts in FLEET.values() if texts], 1)
    lesson = Lesson(training, checking, 6, 1.0, 0.5, Mix(FEATURES, np.zeros(size(FEATURES), np.float32)))
    assert lesson.into(model) is model
    print_lesson(lesson)
    said = " ".join(capsys.readouterr().out.split())
    assert "stays, since it takes 10 phones to train one and 3 to check it" in said


def test_phones_that_hold_nothing_back_train_nothing() -> None:
    assert [count_first(messages) for messages in (0, 1, 9, 10, 11, 100)] == [0, 1, 9, 8, 8, 80]
    federation = Federation(Memory(FLEET), MIXED, np.random.default_rng(0))
    history = list(federation.run())
    assert federation.lesson is None
    assert history[-1].model.mix is None
    assert sum(round_.messages for round_ in history) == 9


@pytest.mark.parametrize("stop", [1, 2])
def test_a_federation_resumed_before_or_after_training_trains_the_same_mix(tmp_path: Path, stop: int) -> None:
    fleet = Memory(talkers(15))
    plan = replace(MIXED, available=0.9, dropout=0.2)
    expected = run(plan, 3, fleet.fleet)
    first = Federation(fleet, plan, np.random.default_rng(3), tmp_path / "c")
    list(zip(range(stop), first.run(), strict=False))
    first.aggregator.close()
    with pytest.raises(UsageError, match="resumed: --mix was given"):
        Federation(fleet, replace(plan, mix=None), np.random.default_rng(3), tmp_path / "c", resume=True)
    second = Federation(fleet, plan, np.random.default_rng(3), tmp_path / "c", resume=True)
    *_, last = second.run()
    assert last.model.mix is not None
    assert last.model.to_bytes() == expected[-1].model.to_bytes()


def test_simulate_trains_the_mix_and_inspect_tells(fedkeys: Any, tmp_path: Path) -> None:
    lines = [{"user": name, "text": text} for name, texts in talkers(15).items() for text in texts]
    (tmp_path / "talk.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = fedkeys("simulate", "talk.jsonl", "--mix", "--out", "m.model", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert [round_["messages"] for round_ in told["rounds"]] == [240, 60]
    assert told["mix"]["loss_after"] < told["mix"]["loss_before"]
    assert told["mix"]["bytes_each_way"] == Model.load(tmp_path / "m.model").mix.weights.nbytes
    assert f"a mix, trained by 12 phones in {MixPlan().rounds_of(12)} rounds, by which" in " ".join(
        fedkeys("inspect", "m.model").stdout.split()
    )
    (tmp_path / "few.jsonl").write_text(json.dumps(lines[0]))
    few = fedkeys("simulate", "few.jsonl", "--mix", "--min-phones", 1)
    assert (few.returncode, "no mix was trained" in few.stderr) == (3, True)
