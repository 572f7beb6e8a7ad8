"""A federation on one machine does what one over a network would."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from fedkeys import Phone, aggregate
from fedkeys.errors import UsageError
from fedkeys.simulate import Federation, Plan, Round
from fedkeys.sources import PhoneTexts

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
    seen: list[int] = []
    list(Federation(Memory(FLEET), Plan(rounds=2), np.random.default_rng(0)).run(seen.append))
    assert seen == [1] * 4 + [2] * 4


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
