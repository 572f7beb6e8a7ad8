"""Merging in several processes: what comes out is what one process gives, whatever happens to the others."""

import os
import signal
import tracemalloc
from functools import cache
from pathlib import Path

import msgpack
import pytest

from fedkeys import Aggregator
from fedkeys.aggregator import aggregator as module
from fedkeys.aggregator.helpers import phone_of
from fedkeys.delta import DEFAULT_BOUNDS, Head
from fedkeys.delta.keys import PhoneKey
from fedkeys.errors import FedkeysError, FormatError
from fedkeys.simulate import Fleet

FLEET = Fleet(60)
THOUSAND_ROWS = 160_000


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH_BYTES", 1)


@cache
def deltas() -> list[bytes]:
    return FLEET.batch(0)


def aggregator(cores: int, state: Path | None = None, memory: int = 1 << 30) -> Aggregator:
    return Aggregator(bases=[FLEET.base], state=state, bounds=DEFAULT_BOUNDS, cores=cores, memory=memory)


def processes(one: Aggregator) -> list[int]:
    return [helper.process.pid or 0 for helper in one._sums.helpers._helpers]  # type: ignore[union-attr]


# What may stand where a delta has its pseudonym.
HOSTILE = (
    b"\xdd\x00\x10\x00\x00" + b"\x90" * (1 << 20),  # as many empty lists
    b"\xdd\xff\xff\xff\xff" * 400,
    b"\xdf\xff\xff\xff\xff" * 400,
    b"\x91" * 5000,
    b"\x81\x90\x01",  # a list is a key
    b"\x81\x01\x01",
    b"\xa1\xff",  # no UTF-8
    b"\xd6\xff\x00\x00\x00\x01",  # a time
    b"\xc7\x0c\xff" + b"\xff" * 12,  # none
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xc6\xff\xff\xff\xff",
    b"\xc1",
    b"\xc4\x00",
)


def claiming(phone: bytes) -> bytes:
    """A message that has some bytes where a delta has its pseudonym."""
    entries = msgpack.unpackb(deltas()[0])
    return b"".join(
        [
            bytes([0x90 + len(entries)]),
            *map(msgpack.packb, entries[:3]),
            phone,
            *map(msgpack.packb, entries[4:]),
        ]
    )


def test_nothing_is_made_of_what_is_no_pseudonym() -> None:
    assert phone_of(claiming(msgpack.packb(b"somebody"))) == b"somebody"
    for phone in HOSTILE:
        message = claiming(phone)
        tracemalloc.start()
        try:
            assert phone_of(message) is None
            assert tracemalloc.get_traced_memory()[1] < 3 * len(message) + (1 << 16)
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("memory", [1 << 30, THOUSAND_ROWS])
def test_messages_fare_alike_in_one_process_and_in_several(memory: int) -> None:
    damaged = [data[:-1] for data in deltas()[:9]]
    junk = [b"", b"\xc0", msgpack.packb([1, 2, 3]), msgpack.packb([1, 2, 3, 4]), b"\x94\xaefedkeys.signed"]
    junk += [claiming(phone) for phone in HOSTILE]
    given = [*deltas()[:40], *damaged, *junk, *deltas()[20:]]
    told, models = [], []
    for cores in (1, 3):
        one = aggregator(cores, memory=memory)
        told.append([str(result) for half in (given[:50], given[50:]) for result in one.add_messages(half)])
        models.append((one.release(2).to_bytes(), one.deltas, one.phones, one.status()["refused"]))
        one.close()
    assert told[0] == told[1]
    assert models[0] == models[1]


def test_a_state_that_helpers_worked_on_is_that_of_one_process(tmp_path: Path) -> None:
    for cores, some in ((2, deltas()[:30]), (1, deltas()[20:40]), (2, deltas())):
        one = aggregator(cores, tmp_path / "state")
        merged = one.deltas
        assert sum(result is True for result in one.add_messages(some)) == len(some) - len(
            set(some) & set(deltas()[:merged])
        )
        if some == deltas():
            one.withdraw(deltas()[7])
            assert "withdrawn" in str(one.add_messages([deltas()[7]])[0])
        one.commit()
        one.close()
    alone = aggregator(1)
    alone.add_messages([data for data in deltas() if data != deltas()[7]])
    assert aggregator(1, tmp_path / "state").release(2).to_bytes() == alone.release(2).to_bytes()
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"state.sqlite", "runs"}


def test_a_helper_that_is_killed_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    one = aggregator(2, tmp_path / "state")
    one.add_messages(deltas()[:30])
    one.commit()
    os.kill(processes(one)[0], signal.SIGKILL)
    with pytest.raises(FedkeysError, match="has ended"):
        one.add_messages(deltas()[30:])
    one.close()
    again = aggregator(1, tmp_path / "state")
    assert again.deltas == 30
    assert [result for result in again.add_messages(deltas()) if result is True] == [True] * 30


def test_what_helpers_leave_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "state" / "runs" / "helpers-left"
    aggregator(1, tmp_path / "state").close()
    left.mkdir()
    one = aggregator(2, tmp_path / "state")
    assert not left.exists()
    one.add_messages(deltas())
    (pid,) = processes(one)
    one.close()
    assert list((tmp_path / "state" / "runs").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_phone_is_told_from_any_message_that_could_be_sound() -> None:
    key = PhoneKey.draw()
    for data in (deltas()[0], key.sign(deltas()[0])):
        assert phone_of(data) == Head.of(deltas()[0]).phone
    for cut in range(len(deltas()[0])):
        assert phone_of(deltas()[0][:cut]) in (None, Head.of(deltas()[0]).phone)
    with pytest.raises(FormatError):
        Head.of(msgpack.packb([0, 0, 0, 0]))
    assert phone_of(msgpack.packb([0, 0, 0, 0])) is None
