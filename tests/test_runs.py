"""Sums that do not fit memory: whatever is put on disk, and however it is merged, the totals are the same."""

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import Aggregator, runs, slices
from fedkeys.aggregator.runs import Run, merge_runs
from fedkeys.aggregator.state import State
from fedkeys.aggregator.sums import Sums
from fedkeys.aggregator.totals import Totals
from fedkeys.counts import Vocabulary
from fedkeys.delta import Batch
from fedkeys.errors import StorageError
from fedkeys.phone import Phone
from fedkeys.simulate import Fleet
from tests.strategies import corpora

BASE = Vocabulary(["hello", "london", "see", "you"])
phones = st.lists(st.tuples(corpora, st.integers(2, 4), st.booleans()), min_size=1, max_size=6)


def said(totals: Totals) -> tuple[object, ...]:
    """Everything that totals say, for comparison."""
    levels = [*(level[:] for level in totals.levels), totals.forms]
    rows = [[level.keys.tolist(), level.counts.tolist(), level.phones.tolist()] for level in levels]
    return list(totals.words), rows, list(totals.spelt)


def batches(fleet: list[tuple[list[str], int, bool]]) -> list[Batch]:
    return [
        Batch.of([Phone(texts, order=order).delta(BASE if known else None).to_bytes()])
        for texts, order, known in fleet
    ]


def added(some: list[Batch]) -> Sums:
    sums = Sums(State(None, "fedkeys"))
    sums.know(BASE)
    for batch in some:
        sums.add(batch)
    return sums


@given(phones, st.data())
def test_any_tree_of_runs_gives_the_totals(
    fleet: list[tuple[list[str], int, bool]], data: st.DataObject
) -> None:
    read = batches(fleet)
    with TemporaryDirectory() as scratch, patch.object(slices, "_SAMPLED", 1):
        found = [
            Run.write(Path(scratch) / f"part {at}", added([one]).totals()) for at, one in enumerate(read)
        ]
        while len(found) > 1:
            chosen = data.draw(st.permutations(found))[: data.draw(st.integers(2, len(found)))]
            merged = merge_runs(
                chosen, Path(scratch) / f"merged {len(found)}", data.draw(st.integers(1, 30), label="rows")
            )
            found = [merged, *(run for run in found if run not in chosen)]
        assert said(found[0].totals()) == said(added(read).totals())


@given(phones, st.integers(1, 40))
def test_memory_does_not_change_the_totals(fleet: list[tuple[list[str], int, bool]], rows: int) -> None:
    read = batches(fleet)
    sums = Sums(State(None, "fedkeys"))
    sums.know(BASE)
    sums._most_rows = rows
    for batch in read:
        sums.add(batch)
    whole = said(added(read).totals())
    assert said(sums.totals()) == whole
    assert said(sums.totals()) == whole


def test_a_fleet_in_little_memory_gives_the_same_release() -> None:
    fleet = Fleet(300)
    deltas = fleet.batch(0)
    roomy, tight = (Aggregator(bases=[fleet.base], memory=memory) for memory in (1 << 30, 1 << 20))
    for start in range(0, 300, 50):
        assert all(result is True for result in tight.add_messages(deltas[start : start + 50]))
    roomy.add_messages(deltas[::-1])
    assert len(tight._state.runs) > 3
    assert tight.release(2).to_bytes() == roomy.release(2).to_bytes()


def test_a_disk_that_takes_no_more_ends_it_and_nothing_counts_twice() -> None:
    fleet = Fleet(40)
    aggregator = Aggregator(bases=[fleet.base], memory=0)
    deltas = fleet.batch(0)
    full = OSError(28, "No space left on device")
    with (
        patch.object(runs.Run, "write_forms", side_effect=full),
        pytest.raises(StorageError, match="No space"),
    ):
        aggregator.add_messages(deltas)
    for use in (lambda: aggregator.add_messages(deltas), lambda: aggregator.withdraw(deltas[0])):
        with pytest.raises(StorageError, match="could not be written before"):
            use()
