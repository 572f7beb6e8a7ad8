"""The state of an aggregator: it outlives processes, kills and full disks, and has one owner at a time."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import Aggregator, merge_files
from fedkeys.aggregator.runs import Run
from fedkeys.counts import Vocabulary
from fedkeys.delta import DEFAULT_BOUNDS, Bounds
from fedkeys.errors import (
    DamagedError,
    FedkeysError,
    FormatError,
    RefusedError,
    StorageError,
    UsageError,
    VersionError,
)
from fedkeys.phone import Phone
from fedkeys.simulate import Fleet
from tests.kills import kill_often
from tests.strategies import corpora

BASE = Vocabulary(["hello", "london", "see", "you"])

PHONES = [Phone([f"hello world {number % 3}", "see you tomorrow"]) for number in range(6)]
DELTAS = [phone.delta().to_bytes() for phone in PHONES]


def merged(state: Path, deltas: list[bytes], **options: Any) -> list[bool | FedkeysError]:
    aggregator = Aggregator(state=state, **options)
    results = aggregator.add_messages(deltas)
    aggregator.commit()
    aggregator.close()
    return results


def released(state: Path | None, deltas: Sequence[bytes] = (), bounds: Bounds | None = None) -> bytes:
    aggregator = Aggregator(state=state, all_or_nothing=True, bounds=bounds)
    aggregator.add_messages(list(deltas))
    model = aggregator.release(2).to_bytes()
    aggregator.close()
    return model


def test_calls_add_up_and_a_delta_counts_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert merged(state, DELTAS[:3]) == [True] * 3
    assert merged(state, DELTAS[2:]) == [False, True, True, True]
    assert released(state) == released(None, DELTAS)
    other = Phone(["something else"], pseudonym=PHONES[0].pseudonym).delta().to_bytes()
    assert isinstance(merged(state, [other, b"junk"])[0], RefusedError)
    aggregator = Aggregator(state=state)
    assert aggregator.status() == aggregator.status() | {
        "phones": 6,
        "deltas": 6,
        "refused": {"not a sound delta": 1, "not for this aggregator": 1},
    }
    assert aggregator.release(2).to_bytes() == released(None, DELTAS)


def test_without_a_commit_nothing_has_changed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    merged(state, DELTAS[:2])
    before = released(state)
    aggregator = Aggregator(state=state, all_or_nothing=True, memory=0)
    aggregator.add_messages(DELTAS)
    aggregator._sums.spill()
    assert aggregator.release(2).to_bytes() == released(None, DELTAS)
    assert len(list((state / "runs").iterdir())) > 1
    aggregator.close()
    assert released(state) == before
    assert len(list((state / "runs").iterdir())) == 1


def test_a_second_aggregator_is_refused(tmp_path: Path) -> None:
    first = Aggregator(state=tmp_path)
    with pytest.raises(FedkeysError, match="another aggregator works on this state"):
        Aggregator(state=tmp_path)
    first.close()
    Aggregator(state=tmp_path).close()


def test_what_is_no_state_of_this_federation_is_named(tmp_path: Path) -> None:
    merged(tmp_path / "a", DELTAS)
    with pytest.raises(UsageError, match="'fedkeys', not of 'other'"):
        Aggregator("other", state=tmp_path / "a")
    connection = sqlite3.connect(tmp_path / "a" / "state.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(VersionError, match="version 99"):
        Aggregator(state=tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "state.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(FormatError, match="no state of an aggregator"):
        Aggregator(state=tmp_path / "b")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FedkeysError, match="cannot be put on disk"):
        Aggregator(state=tmp_path / "file")
    (tmp_path / "c").mkdir()
    sqlite3.connect(tmp_path / "c" / "state.sqlite").execute("CREATE TABLE runs (mine)").connection.close()
    with pytest.raises(FormatError, match="another program's"):
        Aggregator(state=tmp_path / "c")


@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a disk without room: writes fail in the same places."""
    fleet = Fleet(120)
    log, state = tmp_path / "fleet.deltas", tmp_path / "state"
    deltas = fleet.batch(0)
    log.write_bytes(b"".join(deltas))
    code = (
        "import sys; from pathlib import Path; from fedkeys.aggregator import Aggregator, merge_files\n"
        "from fedkeys.simulate import Fleet; from fedkeys.errors import FedkeysError\n"
        "try:\n    a = Aggregator(bases=[Fleet(1).base], state=Path(sys.argv[2]), memory=0)\n"
        "    merge_files(a, [Path(sys.argv[1])]); a.commit(); a.release(2); print('done')\n"
        "except FedkeysError as error:\n    print(error)\n"
    )
    for blocks in (4, 8, 24, 48):
        limited = [
            "bash",
            "-c",
            f'ulimit -f {blocks}; exec "$@"',
            "-",
            sys.executable,
            "-c",
            code,
            log,
            state,
        ]
        result = subprocess.run(limited, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert "cannot be put on disk" in result.stdout, (blocks, result.stdout, result.stderr)
    aggregator = Aggregator(bases=[fleet.base], state=state)
    merge_files(aggregator, [log])
    whole = Aggregator(bases=[fleet.base])
    whole.add_messages(deltas)
    assert aggregator.release(2).to_bytes() == whole.release(2).to_bytes()


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """`python -m tests.kills` does so as often as is asked for."""
    outcome = kill_often(tmp_path, 600, 6, 0)
    assert outcome.kills == 6


def test_the_commands_keep_a_state(fedkeys: Any, tmp_path: Path) -> None:
    (tmp_path / "all.deltas").write_bytes(b"".join(DELTAS))
    assert fedkeys("aggregate", "all.deltas", "--state", "state").returncode == 0
    assert fedkeys("aggregate", "--state", "state", "--out", "a.model").returncode == 0
    assert (tmp_path / "a.model").read_bytes() == released(None, DELTAS, DEFAULT_BOUNDS)
    (tmp_path / "bad.delta").write_bytes(b"junk")
    assert fedkeys("aggregate", "bad.delta", "--state", "state", "--strict").returncode == 3
    assert fedkeys("aggregate", "bad.delta", "--state", "state", "--dry-run").returncode == 3
    status = fedkeys("aggregate", "--state", "state", "--status", "--json")
    assert json.loads(status.stdout) | {"deltas": 6, "phones": 6, "refused": {}} == json.loads(status.stdout)
    assert "deltas accepted" in fedkeys("aggregate", "--state", "state", "--status").stdout
    nothing = fedkeys("aggregate", "--state", "none", "--status")
    assert (nothing.returncode, (tmp_path / "none").exists()) == (2, False)
    assert fedkeys("aggregate", "all.deltas", "--state", "none", "--dry-run").returncode == 0
    assert not (tmp_path / "none").exists()


def payload(deltas: Sequence[bytes], min_phones: int, **options: Any) -> bytes:
    aggregator = Aggregator(bases=[BASE], **options)
    aggregator.add_messages(list(deltas))
    return aggregator.release(min_phones).payload_digest


fleets = st.lists(st.tuples(corpora, st.integers(2, 4), st.booleans(), st.booleans()), min_size=1, max_size=6)


@given(fleets, st.integers(1, 2), st.integers(1, 60))
def test_what_is_withdrawn_never_took_part(
    fleet: list[tuple[list[str], int, bool, bool]], min_phones: int, rows: int
) -> None:
    """Whether sums lie on disk or not."""
    deltas = [
        Phone(texts, order=order).delta(BASE if known else None).to_bytes()
        for texts, order, known, _ in fleet
    ]
    leaving = [delta for delta, (*_, leaves) in zip(deltas, fleet, strict=True) if leaves]
    staying = [delta for delta in deltas if delta not in leaving]
    aggregator = Aggregator(bases=[BASE])
    aggregator._sums._most_rows = rows
    aggregator.add_messages(deltas)
    for delta in leaving:
        aggregator.withdraw(delta)
    assert aggregator.release(min_phones).payload_digest == payload(staying, min_phones)
    assert (aggregator.deltas, aggregator.status()["withdrawn"]) == (len(staying), len(leaving))
    again = aggregator.add_messages(leaving)
    assert all(isinstance(result, RefusedError) for result in again)
    assert aggregator.release(min_phones).payload_digest == payload(staying, min_phones)


def test_only_what_counts_can_be_withdrawn(tmp_path: Path) -> None:
    merged(tmp_path, DELTAS[:2])
    aggregator = Aggregator(state=tmp_path)
    with pytest.raises(RefusedError, match="never merged"):
        aggregator.withdraw(DELTAS[2])
    aggregator.withdraw(DELTAS[0])
    with pytest.raises(RefusedError, match="withdrawn before"):
        aggregator.withdraw(DELTAS[0])
    other = Phone(["something else"], pseudonym=PHONES[1].pseudonym).delta().to_bytes()
    with pytest.raises(RefusedError, match="another delta was merged"):
        aggregator.withdraw(other)
    aggregator.commit()
    aggregator.close()
    assert released(tmp_path) == released(None, DELTAS[1:2])


def test_withdrawal_by_command(fedkeys: Any, tmp_path: Path) -> None:
    (tmp_path / "all.deltas").write_bytes(b"".join(DELTAS))
    (tmp_path / "mine.delta").write_bytes(DELTAS[3])
    fedkeys("aggregate", "all.deltas", "--state", "state")
    first = fedkeys("withdraw", "mine.delta", "--state", "state")
    assert (first.returncode, "1 withdrawn; state holds 5 deltas of 5 phones" in first.stderr) == (0, True)
    second = fedkeys("withdraw", "mine.delta", "--state", "state")
    assert (second.returncode, "withdrawn before" in second.stderr) == (3, True)
    assert fedkeys("aggregate", "all.deltas", "--state", "state", "--out", "a.model").returncode == 3
    assert (tmp_path / "a.model").read_bytes() == released(None, DELTAS[:3] + DELTAS[4:], DEFAULT_BOUNDS)
    assert fedkeys("withdraw", "mine.delta", "--state", "none").returncode == 2


def test_nothing_of_others_is_touched(tmp_path: Path) -> None:
    mine = tmp_path / "runs" / "mine"
    mine.mkdir(parents=True)
    with pytest.raises(UsageError, match="not empty, and no state"):
        Aggregator(state=tmp_path)
    assert mine.is_dir()
    merged(tmp_path / "state", DELTAS[:2])
    (tmp_path / "state" / "runs" / ".DS_Store").write_bytes(b"")
    merged(tmp_path / "state", DELTAS[2:])
    assert released(tmp_path / "state") == released(None, DELTAS)


def test_a_run_that_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    merged(tmp_path, DELTAS)
    (column,) = (tmp_path / "runs").glob("*/1.counts")
    column.write_bytes(column.read_bytes()[:-8])
    with pytest.raises(DamagedError, match="not as it was committed"):
        Aggregator(state=tmp_path)


def test_of_what_is_withdrawn_no_text_stays(tmp_path: Path) -> None:
    delta = Phone(["say sEcReTnAmE to nobodyelse sEcReTnAmE"]).delta().to_bytes()
    merged(tmp_path, [*DELTAS, delta])
    everything = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"sEcReTnAmE" in data for data in everything)
    aggregator = Aggregator(state=tmp_path)
    aggregator.withdraw(delta)
    aggregator.settle()
    aggregator.commit()
    aggregator.close()
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or not {b"sEcReTnAmE", b"nobodyelse"} & set(file.read_bytes().split(b"\n")), file


def test_a_disk_that_fails_during_a_withdrawal_withdraws_nothing(tmp_path: Path) -> None:
    merged(tmp_path, DELTAS)
    aggregator = Aggregator(state=tmp_path, memory=0)
    aggregator._sums._most_rows = 1
    full = OSError(28, "No space left on device")
    with patch.object(Run, "write_forms", side_effect=full), pytest.raises(StorageError):
        aggregator.withdraw(DELTAS[0])
    with pytest.raises(StorageError):
        aggregator.commit()
    assert released(tmp_path) == released(None, DELTAS)
