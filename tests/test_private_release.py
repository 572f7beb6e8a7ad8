"""The private release: what one phone can change, what is told, what it costs; needs the extra `privacy`."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Model, Phone
from fedkeys.aggregator import Aggregator, releases
from fedkeys.aggregator.budget import Budget
from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import pack_keys
from fedkeys.delta import Bounds, Delta
from fedkeys.errors import RefusedError, UsageError
from fedkeys.model.noisy import HIDDEN, estimate_noisy
from fedkeys.words import OTHER
from tests.strategies import corpora

pytest.importorskip("dp_accounting", reason="needs fedkeys[privacy]")
pytest.importorskip("opendp", reason="needs fedkeys[privacy]")

BOUNDS = Bounds(max_ngrams=2000, max_count=512, max_norm=4096)
BUDGET = Budget(epsilon=4.0)
COMMON = ["See you tomorrow at the station", "On my way home", "well I live in London"]


def sums(merged: Aggregator) -> Counter[tuple[str, ...]]:
    """All that the aggregator holds of its phones, by words; a mark, and a written form, is named too."""
    totals = merged._sums.totals()
    names = ["<", "/", *totals.words]
    counts = NgramCounts(tuple(level[:] for level in totals.levels))
    found = Counter({tuple(names[id_] for id_ in ids): count for ids, count, _ in counts.rows()})
    forms = totals.forms
    for id_, style, times in zip(forms.parents, forms.words, forms.counts, strict=True):
        form = totals.spelt[int(style) - OTHER] if style >= OTHER else str(style)
        found[(names[int(id_)], f"form {form}")] += int(times)
    return found


def merged(fleet: list[list[str]], state: Path | None = None) -> Aggregator:
    found = Aggregator(bounds=BOUNDS, state=state)
    for number, texts in enumerate(fleet):
        found.add(Phone(texts, order=3, bounds=BOUNDS, pseudonym=number.to_bytes(16)).delta())
    return found


@given(
    st.lists(corpora, min_size=1, max_size=4),
    st.builds(
        Bounds, max_ngrams=st.integers(1, 60), max_count=st.integers(1, 80), max_norm=st.integers(1, 200)
    ),
)
def test_one_phone_moves_the_sums_by_no_more_than_its_bounds(fleet: list[list[str]], bounds: Bounds) -> None:
    with_it, without = Aggregator(bounds=bounds), Aggregator(bounds=bounds)
    for number, texts in enumerate(fleet):
        delta = Phone(texts, order=3, bounds=bounds, pseudonym=number.to_bytes(16)).delta()
        with_it.add(delta)
        if number:
            without.add(delta)
    moved = sums(with_it)
    moved.subtract(sums(without))
    far = [abs(value) for value in moved.values() if value]
    assert bounds.max_norm is not None
    assert sum(value**2 for value in far) <= bounds.max_norm**2
    assert max(far, default=0) <= bounds.max_count
    assert len(far) <= bounds.max_ngrams


def test_whatever_a_phone_sends_it_goes_no_further() -> None:
    """A phone that counts as if there were no length, and says that there is one."""
    texts = [*COMMON, "a cat and a dog met an owl under some old oak by our mill"]
    greedy = Phone(texts, order=3, bounds=Bounds(2000, 512, max_norm=4 * 4096))
    delta = greedy.delta()
    holder = Aggregator(bounds=BOUNDS)
    with pytest.raises(RefusedError, match="to a length of"):
        holder.add(Delta.from_bytes(delta.to_bytes()))
    assert not sums(holder)


@pytest.fixture(scope="module")
def fleet() -> list[list[str]]:
    """What all have in common, and of each phone a word of its own."""
    letters = "bcdfghjklmnpqrstvwxz"
    return [
        [*COMMON, f"my code is {letters[n // 400]}{letters[n // 20 % 20]}{letters[n % 20]}"]
        for n in range(600)
    ]


def test_what_many_phones_have_is_told_and_what_one_has_is_not(fleet: list[list[str]]) -> None:
    model = merged(fleet).release(1, budget=BUDGET)
    assert {"see", "you", "tomorrow", "station", "london"} <= set(model.vocabulary.words)
    codes = {text.split()[-1] for texts in fleet for text in texts if text.startswith("my code")}
    assert len(codes) == 600
    assert not codes & set(model.vocabulary.words)
    assert model.suggest(["see", "you"], "", 1)[0].word == "tomorrow"
    assert model.written_form(model.id("london") or 0) == "London"
    assert model.written_form(model.id("i") or 0) == "I"
    assert model.written_form(model.id("see") or 0) == "see"
    header = model.header
    assert header["epsilon"] == pytest.approx(4.0, rel=1e-3)
    assert header["epsilon"] <= 4.0
    assert header["dp_delta"] == 1e-6
    assert header["privacy"]["unit"] == "one phone, all that it sent in 1 round"
    assert "noise" not in header["privacy"]
    assert Model.from_bytes(model.to_bytes()).header == header


def test_a_released_ngram_has_its_parts_and_no_blocked_word(fleet: list[list[str]]) -> None:
    model = merged(fleet).release(1, blocked=["Station"], budget=BUDGET, rng=np.random.default_rng(1))
    assert model.id("station") is None
    assert "seed" in model.header["privacy"]["noise"]
    for context in ([], ["see"], ["see", "you"], ["my", "way"]):
        total = sum(one.probability for one in model.suggest(context, "", 10_000))
        assert total == pytest.approx(1.0, abs=1e-3)


def test_noise_from_a_seed_gives_the_same_bytes_and_other_noise_others(fleet: list[list[str]]) -> None:
    first, again, other = (
        merged(fleet).release(1, budget=BUDGET, rng=rng)
        for rng in (np.random.default_rng(1), np.random.default_rng(1), None)
    )
    assert first.to_bytes() == again.to_bytes()
    assert first.payload_digest != other.payload_digest


def test_more_phones_are_asked_for_beside_noise(fleet: list[list[str]]) -> None:
    few = merged(fleet).release(1, budget=BUDGET, rng=np.random.default_rng(1))
    many = merged(fleet).release(900, budget=BUDGET, rng=np.random.default_rng(1))
    assert many.header["privacy"]["threshold"] == few.header["privacy"]["threshold"] + 898 * 512
    assert (len(few.vocabulary) > 9, len(many.vocabulary)) == (True, 0)  # there are 600 phones
    assert many.header["release"]["min_phones"] == 900


def test_a_budget_is_spent_once_and_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Budget(epsilon=4.0, releases=2)
    state = tmp_path / "state"
    holder = merged([COMMON] * 40, state)
    first = holder.release(1, budget=twice)
    assert first.header["epsilon"] < 4.0
    holder.commit()
    holder.close()

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    holder = Aggregator(bounds=BOUNDS, state=state)
    for wrong in (Budget(epsilon=8.0, releases=2), Budget(epsilon=4.0), Budget(4.0, 1e-5, 2)):
        with pytest.raises(UsageError, match="an epsilon of 4 at a delta of 1e-06, for 2 releases"):
            holder.release(1, budget=wrong)
    with pytest.raises(UsageError, match="which one release without would undo"):
        holder.release(1)
    with monkeypatch.context() as patch:
        patch.setattr(releases, "release_privately", fails)
        with pytest.raises(KeyboardInterrupt):
            holder.release(1, budget=twice)
    holder.close()
    holder = Aggregator(bounds=BOUNDS, state=state)
    with pytest.raises(UsageError, match=r"2 of 2 releases have cost an epsilon of 4\.000 of 4"):
        holder.release(1, budget=twice)
    holder.close()


def test_two_releases_cost_no_more_than_was_promised() -> None:
    holder = merged([COMMON] * 40)
    twice = Budget(epsilon=2.0, releases=2)
    costs = [holder.release(1, budget=twice).header["epsilon"] for _ in range(2)]
    assert 1.0 < costs[0] < costs[1] <= 2.0
    assert costs[1] == pytest.approx(2.0, rel=2e-3)


def test_sums_that_were_released_without_noise_have_no_budget() -> None:
    holder = merged([COMMON] * 3)
    holder.release(1)
    holder.release(2)
    with pytest.raises(UsageError, match="which no noise can undo"):
        holder.release(1, budget=BUDGET)


@pytest.mark.parametrize("second", [None, Bounds(2000, 512, max_norm=2048)])
def test_phones_must_all_have_been_held_to_the_same_bounds(tmp_path: Path, second: Bounds | None) -> None:
    holder = merged([COMMON] * 3, tmp_path / "state")
    holder.commit()
    holder.close()
    holder = Aggregator(bounds=second, state=tmp_path / "state")
    holder.add(Phone(["hi"], order=3, bounds=second, pseudonym=bytes(range(16))).delta())
    with pytest.raises(UsageError, match="not all phones were held to the same bounds"):
        holder.release(1, budget=BUDGET)
    holder.close()


def test_bounds_without_a_length_have_one_all_the_same() -> None:
    bounds = Bounds(max_ngrams=200, max_count=400)
    holder = Aggregator(bounds=bounds)
    for number in range(300):
        holder.add(Phone(COMMON, bounds=bounds, pseudonym=number.to_bytes(16)).delta())
    header = holder.release(1, budget=BUDGET).header
    assert header["privacy"]["norm"] == int(400 * 200**0.5) + 1


@pytest.mark.parametrize(
    "numbers", [(0.0,), (-1.0,), (float("nan"),), (float("inf"),), (1.0, 0.0), (1.0, 1.0), (1.0, 1e-6, 0)]
)
def test_budgets_out_of_range_are_refused(numbers: tuple[float]) -> None:
    with pytest.raises(UsageError):
        Budget(*numbers)


def test_probabilities_from_noisy_counts() -> None:
    words = np.array([0, FIRST_WORD, FIRST_WORD + 1, FIRST_WORD + 2], np.uint32)
    first = Level(pack_keys(np.zeros(4, np.int64), words), np.array([90, 50, 30, 20]), np.zeros(4, np.int64))
    second = Level(
        pack_keys(np.array([0, 1, 1]), np.array([FIRST_WORD, FIRST_WORD, FIRST_WORD + 1], np.uint32)),
        np.array([40, 25, 15]),
        np.zeros(3, np.int64),
    )
    found = estimate_noisy(NgramCounts((first, second)), threshold=10)
    assert found.probabilities[0].tolist() == [0.0, 0.5, 0.3, 0.2]
    hidden = HIDDEN * 10 * 3
    total = 40 + hidden
    assert found.weights[0][1] == pytest.approx(hidden / total)
    assert found.probabilities[1][1] == pytest.approx(25 / total + hidden / total * 0.5)
    after = (
        found.probabilities[1][1:].sum() + found.weights[0][1] * 0.2
    )  # the one word that was not told there
    assert after == pytest.approx(1.0)
    assert found.weights[0][2:].tolist() == [1.0, 1.0]


def test_a_missing_package_is_said_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = merged([COMMON] * 3)
    for name in ("opendp.prelude", "dp_accounting"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(UsageError, match=r"pip install 'fedkeys\[privacy\]'"):
                holder.release(1, budget=BUDGET)
    assert holder.release(1, budget=BUDGET).header["epsilon"] <= 4.0


def test_a_plain_release_that_is_only_looked_at_keeps_nothing(tmp_path: Path) -> None:
    holder = Aggregator(bounds=BOUNDS, state=tmp_path / "state", all_or_nothing=True)
    holder.add(Phone(COMMON, order=3, bounds=BOUNDS).delta())
    holder.release(1)
    holder.close()
    holder = Aggregator(bounds=BOUNDS, state=tmp_path / "state")
    assert holder.deltas == 0
    holder.add(Phone(COMMON, order=3, bounds=BOUNDS).delta())
    assert holder.release(1, budget=BUDGET).header["epsilon"] <= 4.0
    holder.close()


def corpus_of_many(path: Path, phones: int) -> Path:
    lines = (json.dumps({"user": f"u{n}", "text": text}) for n in range(phones) for text in COMMON)
    path.write_text("\n".join(lines))
    return path


def test_a_private_federation_from_the_command_line(fedkeys: Any, tmp_path: Path) -> None:
    corpus_of_many(tmp_path / "many.jsonl", 200)
    made = fedkeys("delta", "many.jsonl", "--out", "votes", "--max-norm", "4096", "--order", "3")
    assert made.returncode == 0, made.stderr
    options = ("--epsilon", "4", "--state", "state", "--out", "m.model")
    merged_ = fedkeys("aggregate", "votes", *options, "--json")
    assert merged_.returncode == 0, merged_.stderr
    assert json.loads(merged_.stdout)["epsilon"] <= 4.0
    shown = " ".join(fedkeys("inspect", "m.model").stdout.split())
    assert "It is (4, 1e-06)-differentially private for one phone, all that it sent in 1 round" in shown
    assert "not differential privacy" not in shown
    assert fedkeys("predict", "m.model", "see you").stdout.startswith("tomorrow\t")
    told = json.loads(fedkeys("aggregate", "--state", "state", "--status", "--json").stdout)["budget"]
    assert (told["made"], told["releases"], told["epsilon"]) == (1, 1, 4.0)
    assert told["spent"] <= 4.0
    assert "1 of 1" in fedkeys("aggregate", "--state", "state", "--status").stdout
    again = fedkeys("aggregate", *options)
    assert (again.returncode, "the budget is spent" in again.stderr) == (2, True)
    plain = fedkeys("aggregate", "--state", "state", "--max-norm", "4096", "--out", "p.model")
    assert (plain.returncode, "one release without would undo" in plain.stderr) == (2, True)


def test_a_simulated_private_federation_of_rounds(fedkeys: Any, tmp_path: Path) -> None:
    corpus_of_many(tmp_path / "many.jsonl", 300)
    made = fedkeys("simulate", "many.jsonl", "--epsilon", "6", "--rounds", "2", "--out", "m.model")
    assert made.returncode == 0, made.stderr
    assert "noisy votes, epsilon 6 in all" in made.stdout
    model = Model.load(tmp_path / "m.model")
    assert model.header["epsilon"] == pytest.approx(6.0, rel=2e-3)
    assert len(model.header["privacy"]["events"]) == 2
    assert model.header["privacy"]["unit"] == "one phone, all that it sent in 2 rounds"
    assert "tomorrow" in model.vocabulary.words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate", "--epsilon", "4", "--mix"], "no noise hides what phones say of the mix"),
        (["simulate", "--epsilon", "4", "--unbounded"], "--epsilon wants bounds"),
        (["simulate", "--epsilon", "0"], "epsilon is 0"),
        (["simulate", "--epsilon", "4", "--dp-delta", "2"], "delta of differential privacy is 2"),
        (["aggregate", "x.delta", "--epsilon", "4", "--dry-run"], "to look at one spends the budget"),
        (["aggregate", "x.delta", "--out", "m", "--releases", "4"], "--releases without noise"),
        (["aggregate", "x.delta", "--out", "m", "--dp-delta", "1e-9"], "--dp-delta without noise"),
        (["evaluate", ".", "--model", "m.model", "--epsilon", "4"], "already, and --epsilon to make one"),
        (["simulate", "--epsilon", "4", "--checkpoint", "c"], "cannot be resumed: their noise"),
        (["aggregate", "x.delta", "--epsilon", "4", "--out", "m", "--releases", "2"], "name it with --state"),
        (
            ["aggregate", "x.delta", "--epsilon", "4", "--out", "m", "--partial", "p.partial"],
            "merge partials first",
        ),
    ],
)
def test_what_cannot_be_private_is_refused(fedkeys: Any, arguments: list[str], said: str) -> None:
    result = fedkeys(*arguments)
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_promise_that_is_worth_little_is_called_so(fedkeys: Any) -> None:
    said = " ".join(fedkeys("simulate", "--epsilon", "40", "--dp-delta", "0.1").stderr.split())
    assert "a delta of 0.1 lets something of one in 10 phones through, and there are 30" in said
    assert "promises a phone next to nothing" in said


def test_thirty_phones_are_too_few_and_that_is_said(fedkeys: Any) -> None:
    result = fedkeys("simulate", "--epsilon", "1", "--out", "m.model")
    assert result.returncode == 0
    assert "hide all that was said by 30 phones" in " ".join(result.stderr.split())


@pytest.mark.parametrize("last", ["hi", "hi there old man"])
def test_how_far_one_phone_has_counted_is_not_told(last: str) -> None:
    holder = merged([["hi"]] * 300)
    holder.add(Phone([last], order=4, bounds=BOUNDS, pseudonym=bytes(range(16))).delta())
    model = holder.release(1, budget=BUDGET)
    assert (model.order, model.ngrams) == (2, [1, 1])


def test_a_second_delta_too_long_together_with_the_first_is_refused() -> None:
    bounds = Bounds(2000, 4096, max_norm=4096)
    greedy = Phone(order=3, bounds=Bounds(2000, 5600, max_norm=5600), rounds=2)
    holder = Aggregator(bounds=bounds)
    uploads = []
    for texts in (["one two three"], ["four five six seven"]):
        greedy.type(texts)
        uploads.append(greedy.upload())
        greedy.accepted()
    alone = [
        np.sqrt(sum(count**2 for _, count, _ in Delta.from_bytes(up[-1]).counts.rows())) for up in uploads
    ]
    assert max(alone) <= 4096 < np.hypot(*alone)
    assert holder.add_messages(uploads[0])[-1] is True
    *_, refused = holder.add_messages(uploads[1])
    assert isinstance(refused, RefusedError)
    assert "to a length of" in str(refused)


def test_a_phone_that_says_the_same_again_votes_for_what_is_new() -> None:
    words = [f"{a}{b}{c}ing" for a in "bcdfghklmp" for b in "aeiou" for c in "dlmnrst"]
    messages = [" ".join(words[at : at + 6]) for at in range(0, 300, 3)]
    phone = Phone(messages, order=3, bounds=Bounds(2000, 512, 5000, max_norm=4096), rounds=2)
    first = phone.delta()
    phone.accepted()
    phone.type([*messages * 3, *(" ".join(reversed(message.split())) for message in messages)])
    second = phone.delta()
    assert len(first.data) <= 5000
    assert len(second.data) <= 5000
    assert sum(mark for _, _, mark in second.counts.rows()) > 100


@pytest.mark.parametrize("budget", [Budget(4.0, 1e-13), Budget(4.0, 1e-10, 1000), Budget(4.0, 1e-20)])
def test_what_cannot_be_computed_is_refused_and_nothing_is_spent(budget: Budget) -> None:
    holder = merged([COMMON] * 3)
    with pytest.raises(UsageError, match="choose a larger delta"):
        holder.release(1, budget=budget)
    holder.release(1)


def test_sums_with_a_budget_make_no_partial(tmp_path: Path) -> None:
    holder = merged([COMMON] * 3)
    holder.save_partial(tmp_path / "before.partial")
    holder.release(1, budget=BUDGET)
    with pytest.raises(UsageError, match="a partial would not know their budget"):
        holder.save_partial(tmp_path / "after.partial")
    assert not (tmp_path / "after.partial").exists()
