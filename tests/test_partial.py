"""Partial aggregates: any tree of them gives the payload of one place, and a delta counts once in all of it."""

import json
import random
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import Aggregator, Enrolment, merge_files
from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.counts import Vocabulary
from fedkeys.delta import DEFAULT_BOUNDS, Bounds
from fedkeys.delta.keys import PhoneKey
from fedkeys.errors import FedkeysError, FormatError, RefusedError
from fedkeys.phone import Phone
from tests.strategies import corpora

BASE = Vocabulary(["hello", "london", "see", "you"])
DELTAS = [
    Phone([f"Hello world {number % 3}", "see you tOmOrrow"], order=2 + number % 3).delta().to_bytes()
    for number in range(6)
]


def merged(deltas: list[bytes], **options: Any) -> Aggregator:
    aggregator = Aggregator(bases=[BASE], **options)
    assert all(result is True for result in aggregator.add_messages(deltas))
    return aggregator


def saved(path: Path, deltas: list[bytes], **options: Any) -> Path:
    merged(deltas, **options).save_partial(path)
    return path


fleets = st.lists(st.tuples(corpora, st.integers(2, 4), st.booleans()), min_size=1, max_size=7)


@given(fleets, st.integers(1, 2), st.integers(1, 60), st.randoms())
def test_any_tree_gives_the_payload_of_one_place(
    fleet: list[tuple[list[str], int, bool]], min_phones: int, rows: int, chance: Any
) -> None:
    deltas = [
        Phone(texts, order=order).delta(BASE if known else None).to_bytes() for texts, order, known in fleet
    ]
    whole = merged(deltas)
    with TemporaryDirectory() as scratch:
        waiting: list[Any] = list(deltas)
        number = 0
        while len(waiting) > 1:
            chance.shuffle(waiting)
            some, waiting = waiting[:3], waiting[3:]
            aggregator = Aggregator(bases=[BASE])
            aggregator._sums._most_rows = rows
            for one in some:
                if isinstance(one, Path):
                    assert aggregator.add_partial(one)[0] > 0
                else:
                    assert aggregator.add_messages([one]) == [True]
            number += 1
            aggregator.save_partial(Path(scratch) / f"{number}.partial")
            waiting.append(Path(scratch) / f"{number}.partial")
        last = Aggregator(bases=[BASE])
        if isinstance(waiting[0], Path):
            last.add_partial(waiting[0])
        else:
            last.add_messages(waiting)
    assert last.release(min_phones).to_bytes() == whole.release(min_phones).to_bytes()
    assert (last.deltas, last.phones) == (whole.deltas, whole.phones)


def test_the_same_deltas_give_the_same_bytes(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.partial", DELTAS)
    other = saved(tmp_path / "other.partial", DELTAS[::-1], memory=0)
    assert one.read_bytes() == other.read_bytes()


def test_a_delta_counts_once_however_it_comes(tmp_path: Path) -> None:
    path = saved(tmp_path / "some.partial", DELTAS[:3])
    aggregator = Aggregator(state=tmp_path / "state")
    assert aggregator.add_partial(path) == (3, 0)
    assert aggregator.add_partial(path) == (0, 3)
    other = Phone(["something else"]).delta().to_bytes()
    mixed = saved(tmp_path / "mixed.partial", [*DELTAS[:3], other])
    before = aggregator.release(1).to_bytes()
    with pytest.raises(RefusedError, match="3 of its deltas are merged already and 1 are not"):
        aggregator.add_partial(mixed)
    assert aggregator.release(1).to_bytes() == before
    assert aggregator.add_messages(DELTAS) == [False] * 3 + [True] * 3
    aggregator.commit()
    aggregator.close()
    again = Aggregator(state=tmp_path / "state")
    assert again.add_partial(path) == (0, 3)
    assert again.release(2).to_bytes() == merged(DELTAS).release(2).to_bytes()
    assert again.status()["refused"] == {"not for this aggregator": 1}


def test_what_is_in_a_partial_can_be_withdrawn(tmp_path: Path) -> None:
    aggregator = Aggregator()
    aggregator.add_partial(saved(tmp_path / "some.partial", DELTAS[:3]))
    aggregator.withdraw(DELTAS[1])
    rest = merged([DELTAS[0], DELTAS[2]]).release(1)
    assert aggregator.release(1).payload_digest == rest.payload_digest
    aggregator.save_partial(tmp_path / "rest.partial")
    other = Aggregator()
    other.add_partial(tmp_path / "rest.partial")
    assert other.release(1).payload_digest == rest.payload_digest
    (refused,) = other.add_messages([DELTAS[1]])
    assert "withdrawn" in str(refused)
    holding = merged([DELTAS[1]])
    with pytest.raises(RefusedError, match="withdrawn on one side only"):
        holding.add_partial(tmp_path / "rest.partial")


def test_a_phone_in_two_partials_cannot_be_held_to_its_bounds(tmp_path: Path) -> None:
    phone = Phone(["buy my coin"], pseudonym=bytes(16))
    first = phone.delta().to_bytes()
    forged = Phone(["buy my coin again"], pseudonym=bytes(16))
    forged.sequence = 1
    one = saved(tmp_path / "one.partial", [first], bounds=DEFAULT_BOUNDS)
    two = saved(tmp_path / "two.partial", [forged.delta().to_bytes()], bounds=DEFAULT_BOUNDS)
    aggregator = Aggregator(bounds=DEFAULT_BOUNDS)
    aggregator.add_partial(one)
    with pytest.raises(RefusedError, match="1 of its phones have other deltas here"):
        aggregator.add_partial(two)
    assert aggregator.release(2).vocabulary.words == ()


def test_what_was_merged_without_bounds_never_passes_for_bounded(tmp_path: Path) -> None:
    """Not by what its deltas declare, nor by way of an aggregator that holds nobody to anything."""
    bounds = Bounds(100, 16)
    declaring = Phone(["hello world"], bounds=bounds).delta().to_bytes()
    held = saved(tmp_path / "held.partial", [declaring], bounds=bounds)
    free = saved(tmp_path / "free.partial", [declaring])
    through = Aggregator()
    through.add_partial(held)
    through.save_partial(tmp_path / "through.partial")
    assert Aggregator(bounds=bounds).add_partial(held) == (1, 0)
    for path in (free, tmp_path / "through.partial"):
        with pytest.raises(RefusedError, match="under other bounds"):
            Aggregator(bounds=bounds).add_partial(path)


def test_what_was_withdrawn_everywhere_is_remembered(tmp_path: Path) -> None:
    aggregator = merged(DELTAS[:1])
    aggregator.withdraw(DELTAS[0])
    aggregator.save_partial(tmp_path / "none.partial")
    other = Aggregator()
    assert other.add_partial(tmp_path / "none.partial") == (0, 0)
    (refused,) = other.add_messages(DELTAS[:1])
    assert "withdrawn" in str(refused)


def test_the_larger_partial_comes_first(tmp_path: Path) -> None:
    """Else the smaller one, which is in it, would keep it out."""
    small, large = saved(tmp_path / "a.partial", DELTAS[:2]), saved(tmp_path / "b.partial", DELTAS)
    found = merge_files(Aggregator(), [small, large])
    assert (found.merged, found.repeated, found.refused) == (6, 2, ())


def test_a_partial_keeps_the_rules_of_who_merges_it(tmp_path: Path) -> None:
    free = saved(tmp_path / "free.partial", DELTAS)
    other = saved(tmp_path / "other.partial", [], federation="other")
    held = saved(tmp_path / "held.partial", DELTAS, bounds=Bounds(100, 16))
    for path, options, why in (
        (free, {"bounds": DEFAULT_BOUNDS}, "under other bounds"),
        (held, {"bounds": DEFAULT_BOUNDS}, "under other bounds"),
        (other, {}, "belongs to the federation 'other'"),
    ):
        with pytest.raises(RefusedError, match=why):
            Aggregator(**options).add_partial(path)
    aggregator = Aggregator(bounds=Bounds(100, 16))
    aggregator.add_partial(held)
    assert aggregator.release(1).header["bounds"] == Bounds(100, 16).as_map()


def test_enrolment_holds_for_partials_too(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    key = PhoneKey.draw()
    pseudonym = key.public.pseudonym("fedkeys")
    signed = key.sign(Phone(["hello"], pseudonym=pseudonym).delta().to_bytes())
    enrolment, revoked = Enrolment([key.public]), Enrolment([PhoneKey.draw().public])
    path = saved(tmp_path / "signed.partial", [signed], enrolment=enrolment)
    assert Aggregator(enrolment=enrolment).add_partial(path) == (1, 0)
    assert Aggregator(enrolment=revoked).add_partial(path) == (1, 0)  # what it sent before stays
    with pytest.raises(RefusedError, match="without enrolment"):
        Aggregator(enrolment=enrolment).add_partial(saved(tmp_path / "plain.partial", DELTAS))


def test_what_is_cut_or_changed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    data = saved(tmp_path / "whole.partial", DELTAS).read_bytes()
    chance = random.Random(0)
    state = tmp_path / "state"
    bad = tmp_path / "bad.partial"
    cases = [data[: chance.randrange(len(data))] for _ in range(60)]
    for _ in range(60):
        at = chance.randrange(len(data))
        cases.append(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
    for case in [*cases, data + data, b""]:
        bad.write_bytes(case)
        aggregator = Aggregator(state=state)
        with pytest.raises(FormatError, match=r"bad\.partial"):
            aggregator.add_partial(bad)
        assert aggregator.deltas == 0
        aggregator.close()
        assert not list((state / "runs").iterdir())


def pieces_of(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    from fedkeys.aggregator.messages import messages

    with path.open("rb") as file:
        found = [unpack_arrays(data, "fedkeys.partial", 1) for _, data in messages(file)]
    return [(dict(piece.header), dict(piece.arrays)) for piece in found]


def _more_phones(piece: Any) -> None:
    piece[1].update(counts=piece[1]["counts"] + 9, phones=piece[1]["phones"] + 9)


def test_a_lower_order_never_comes_after_a_higher_one(tmp_path: Path) -> None:
    pieces = pieces_of(saved(tmp_path / "whole.partial", DELTAS))[:-1]
    levels = [at for at, piece in enumerate(pieces) if piece[0]["kind"] == "level"]
    pieces[levels[0] : levels[0] + 2] = pieces[levels[0] : levels[0] + 2][::-1]
    with pytest.raises(FormatError, match=r"no prefix|a lower order comes after"):
        Aggregator().add_partial(rewritten(tmp_path / "bad.partial", pieces))


def rewritten(path: Path, pieces: list[Any]) -> Path:
    written = [pack_arrays("fedkeys.partial", 1, *piece) for piece in pieces]
    digest = blake2b(b"".join(data[-8:] for data in written), digest_size=16).digest()
    end = pack_arrays("fedkeys.partial", 1, {"kind": "end", "pieces": len(written), "digest": digest}, {})
    path.write_bytes(b"".join(written) + end)
    return path


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("level", lambda piece: piece[1].update(keys=piece[1]["keys"][::-1].copy()), "out of order"),
        ("level", lambda piece: piece[1].update(counts=piece[1]["counts"] * -1), "cannot be"),
        ("level", lambda piece: piece[0].update(order=9), "level that there is not"),
        ("level", lambda piece: piece[1].update(keys=piece[1]["keys"] + (1 << 40)), "no prefix"),
        ("level", lambda piece: piece[1].pop("phones"), "no 'phones'"),
        ("words", lambda piece: piece[1].update(text=piece[1]["text"][:-1]), "within a line"),
        ("words", lambda piece: piece[1].update(text=piece[1]["text"][::-1][1:]), "within a line|words"),
        ("head", lambda piece: piece[0].update(words=10**9), "more or fewer"),
        ("head", lambda piece: piece[0].update(rows=7), "not that of a partial"),
        ("head", lambda piece: piece[0].update(order=99), "not that of a partial"),
        ("ledger", lambda piece: piece[1].update(phone=piece[1]["phone"][:-1]), "do not fit"),
        ("ledger", lambda piece: piece[0].update(kind="surprise"), "cannot come here"),
        ("ledger", lambda piece: piece[1].update(sequence=piece[1]["sequence"][:-1]), "do not fit"),
        ("ledger", lambda piece: piece[1].update(phone=piece[1]["phone"][::-1].copy()), "out of order"),
        ("head", lambda piece: piece[0].update(round=1 << 40), "not that of a partial"),
        ("head", lambda piece: piece[0].update(deltas=7), "more or fewer deltas"),
        ("level", lambda piece: piece[1].update(counts=piece[1]["counts"] + (1 << 50)), "cannot be"),
        ("level", lambda piece: _more_phones(piece), "more phones than there are"),
        (
            "spelt",
            lambda piece: piece[1].update(text=np.frombuffer(b"tomo\x01rrow\n", np.uint8)),
            "no written form",
        ),
        ("forms", lambda piece: piece[1].update(keys=piece[1]["keys"] + 9), "do not fit its words"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, change: Any, why: str, tmp_path: Path) -> None:
    """Though every checksum is right."""
    pieces = pieces_of(saved(tmp_path / "whole.partial", DELTAS))[:-1]
    change(next(piece for piece in pieces if piece[0]["kind"] == kind))
    with pytest.raises(FormatError, match=why):
        Aggregator().add_partial(rewritten(tmp_path / "bad.partial", pieces))


def test_one_bad_partial_keeps_no_other_input_out(tmp_path: Path) -> None:
    (tmp_path / "bad.partial").write_bytes(b"junk")
    (tmp_path / "one.delta").write_bytes(DELTAS[0])
    good = saved(tmp_path / "good.partial", DELTAS[1:])
    aggregator = Aggregator()
    found = merge_files(aggregator, [good, tmp_path / "bad.partial", tmp_path / "one.delta"])
    assert (found.merged, len(found.refused)) == (6, 1)
    assert aggregator.release(2).to_bytes() == merged(DELTAS).release(2).to_bytes()
    with pytest.raises(FedkeysError, match="cannot be read"):
        aggregator.add_partial(tmp_path / "none.partial")


def test_partials_by_command(fedkeys: Any, tmp_path: Path) -> None:
    for name, some in (("a", DELTAS[:2]), ("b", DELTAS[2:])):
        (tmp_path / f"{name}.deltas").write_bytes(b"".join(some))
        result = fedkeys("aggregate", f"{name}.deltas", "--partial", f"parts/{name}.partial", "--json")
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["partial"] == f"parts/{name}.partial"
    (tmp_path / "all.deltas").write_bytes(b"".join(DELTAS))
    assert fedkeys("aggregate", "all.deltas", "--out", "all.model").returncode == 0
    assert fedkeys("aggregate", "parts", "--out", "parts.model", "--state", "fleet").returncode == 0
    assert (tmp_path / "all.model").read_bytes() == (tmp_path / "parts.model").read_bytes()
    again = fedkeys("aggregate", "all.deltas", "--state", "fleet", "--partial", "fleet.partial")
    assert (again.returncode, "6 merged before" in again.stderr) == (0, True)
    assert fedkeys("aggregate", "fleet.partial", "--out", "fleet.model").returncode == 0
    assert (tmp_path / "all.model").read_bytes() == (tmp_path / "fleet.model").read_bytes()
    assert fedkeys("aggregate", "all.deltas", "--partial", "x.parts").returncode == 2
    (tmp_path / "one.delta").write_bytes(DELTAS[0])
    assert fedkeys("aggregate", "one.delta", "--state", "one").returncode == 0
    mixed = fedkeys("aggregate", "parts", "--state", "one")
    assert (mixed.returncode, "1 of its deltas are merged already" in mixed.stderr) == (3, True)
