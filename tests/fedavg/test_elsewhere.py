"""A round whose clients train elsewhere: who is asked, what comes back, and the same bytes at the end."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.errors import UsageError
from fedkeys.fedavg import (
    Device,
    FederatedAveraging,
    GaussianMechanism,
    Krum,
    LocalTraining,
    LogisticRegression,
    Median,
    Missing,
    Participation,
    Quantised,
    State,
    answers,
)
from fedkeys.fedavg.training import seeds

LOCAL = LocalTraining(epochs=2, batch_size=3)
VARIANTS: dict[str, dict[str, Any]] = {
    "mean": {},
    "SCAFFOLD": {"scaffold": True},
    "median": {"mean": Median()},
    "Krum": {"mean": Krum(1, best=3)},
    "private": {"privacy": GaussianMechanism(0.5, 1.0, 9, quantile=0.5)},
    "cohort": {"participation": Participation(cohort=7, dropout=0.2, deadline=0.02)},
}


def fleet(number: int = 11) -> list[Device]:
    rng = np.random.default_rng(4)
    sizes = rng.choice([4, 4, 4, 7, 12], number)
    return [
        Device(rng.normal(size=(size, 3)), rng.integers(2, size=size), f"d{at}")
        for at, size in enumerate(sizes)
    ]


def trained(algorithm: FederatedAveraging, state: State, device: Device, place: int) -> Any:
    """What a client elsewhere does, with nothing but what a message can bring."""
    rng = np.random.default_rng(seeds(state, place))
    correction = algorithm.correction(state, device)
    return device.train(algorithm.model, state.weights, algorithm.local, state.round, rng, correction)


def asked(
    algorithm: FederatedAveraging, state: State, devices: list[Device], cuts: list[int]
) -> Iterator[Any]:
    """Answers in groups of the sizes named, and one by one from there."""
    answering = algorithm.asked(state, devices).answering
    rest = list(range(len(answering)))
    for size in [*cuts, *[1] * len(rest)]:
        group, rest = rest[:size], rest[size:]
        if group:
            yield (
                group,
                np.stack([trained(algorithm, state, devices[answering[at]], answering[at]) for at in group]),
            )


@pytest.mark.parametrize("variant", VARIANTS)
@given(cuts=st.lists(st.integers(1, 6), max_size=5), block=st.integers(1, 40))
def test_where_clients_train_and_how_they_are_grouped_changes_no_bit(
    variant: str, cuts: list[int], block: int
) -> None:
    devices = fleet()
    algorithm = FederatedAveraging(LogisticRegression(3), LOCAL, **VARIANTS[variant])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "TOGETHER", block)
        state = algorithm.initialize(3)
        for _ in range(2):
            expected, counted = algorithm.next(state, devices)
            turnout = algorithm.asked(state, devices)
            after, metrics = algorithm.put_together(
                state, devices, turnout, asked(algorithm, state, devices, cuts)
            )
            assert after.to_bytes() == expected.to_bytes()
            assert metrics == counted
            state = after


def test_blocks_are_of_one_size_and_given_before_the_rest_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "TOGETHER", 8)
    rows = np.arange(24.0).reshape(6, 4)
    given_: list[int] = []

    def one_by_one() -> Iterator[Any]:
        for at in range(6):
            given_.append(at)
            yield [at], rows[at : at + 1]

    found = answers.blocks(one_by_one(), 4)
    places, block = next(found)
    assert (list(places), given_) == ([0, 1], [0, 1])
    assert np.array_equal(block, rows[:2])
    assert [list(places) for places, _ in found] == [[2, 3], [4, 5]]
    for cuts in ([6], [5, 1], [1, 5], [3, 3]):
        groups = np.split(np.arange(6), np.cumsum(cuts)[:-1])
        again = answers.blocks(iter([(group.tolist(), rows[group]) for group in groups]), 4)
        assert [list(places) for places, _ in again] == [[0, 1], [2, 3], [4, 5]]


def test_who_is_lost_on_an_engine_is_told_apart() -> None:
    devices = fleet(6)
    algorithm = FederatedAveraging(LogisticRegression(3), LOCAL)
    state = algorithm.initialize()
    turnout = algorithm.asked(state, devices)
    own = [trained(algorithm, state, device, place) for place, device in enumerate(devices)]
    after, metrics = algorithm.put_together(
        state,
        devices,
        turnout,
        [
            ([0], own[0][None]),
            ([1], Missing.LATE),
            ([2], Missing.DROPPED),
            ([3], np.zeros((1, 2))),
            ([5], own[5][None]),
        ],
    )
    assert (metrics.averaged, metrics.late, metrics.dropped, metrics.refused) == (2, 1, 2, 1)
    assert metrics.samples == devices[0].samples + devices[5].samples
    shares = np.array([devices[0].samples, devices[5].samples]) / metrics.samples
    np.testing.assert_allclose(after.weights, shares @ [own[0], own[5]], rtol=1e-12)


def test_nobody_s_answer_changes_nothing_but_the_number() -> None:
    devices = fleet(3)
    algorithm = FederatedAveraging(LogisticRegression(3), LOCAL)
    state = algorithm.initialize()
    after, metrics = algorithm.put_together(state, devices, algorithm.asked(state, devices), [])
    assert (metrics.dropped, metrics.averaged, after.round) == (3, 0, 1)
    assert after.weights.tobytes() == state.weights.tobytes()


def test_what_only_who_trains_can_do_is_refused() -> None:
    devices = fleet(3)
    algorithm = FederatedAveraging(LogisticRegression(3), LOCAL, codec=Quantised(8))
    state = algorithm.initialize()
    with pytest.raises(UsageError, match="trained elsewhere"):
        algorithm.put_together(state, devices, algorithm.asked(state, devices), [])
