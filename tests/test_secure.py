"""Secure aggregation: sums that nobody sees into; needs the extra `privacy`."""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from hashlib import blake2b
from itertools import islice
from math import comb
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkeys import Phone
from fedkeys.aggregator import Aggregator, Enrolment
from fedkeys.aggregator.cohorts import CohortSum
from fedkeys.aggregator.secure import SecureSum
from fedkeys.container.sealed import seal
from fedkeys.counts import Vocabulary
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.delta.secure import (
    _AGAIN,
    _ONCE,
    SecureMessage,
    Step,
    Terms,
    deltas_of,
    name_of,
    survivors_of,
)
from fedkeys.delta.table import Table, hash_of, read_table, salt_of, sketch_for, table_of
from fedkeys.errors import FedkeysError, FormatError, RefusedError, UsageError
from fedkeys.phone.secure import SecurePhone
from fedkeys.phone.summed import summed
from fedkeys.privacy.masks import SecretKey, add_mask, derived, opened_box, sealed_box
from fedkeys.privacy.neighbours import SUCCESS_BITS, Neighbourhood, _betrayed, _greatest_threshold
from fedkeys.privacy.shares import PRIME, joined, split
from fedkeys.privacy.sketch import Sketch
from fedkeys.simulate import Federation, Plan
from fedkeys.simulate.keyring import Keyring
from fedkeys.simulate.steps import STEPS, take_steps
from fedkeys.sources import open_corpus, shipped_corpus
from tests.strategies import corpora

shamirs = pytest.importorskip("shamirs", reason="needs fedkeys[privacy]")
pytest.importorskip("cryptography", reason="needs fedkeys[privacy]")
pytest.importorskip("scipy", reason="needs fedkeys[privacy]")

RUN = bytes(range(16))
TERMS = Terms(RUN, least=4)


class Run:
    """A run of a sum over vectors, whose messages are kept."""

    def __init__(self, vectors: np.ndarray, seed: int = 0, run: bytes = RUN) -> None:
        self.vectors = vectors
        self.terms = terms = Terms(run, least=4)
        self.server = SecureSum(terms, lambda _: vectors.shape[1], np.random.default_rng(seed))
        self.phones = [
            SecurePhone(terms, n.to_bytes(16), 0, vectors.shape[1], lambda _, own=own: own)
            for n, own in enumerate(vectors)
        ]
        self.heard: list[bytes] = []
        self.told: Mapping[int, bytes] = dict.fromkeys(range(len(vectors)), b"")

    def forget(self, number: int) -> None:
        """Have a phone's process end after what it has kept, and another one take it up."""
        kept, own = self.phones[number].kept(), self.vectors[number]
        self.phones[number] = SecurePhone(self.terms, number.to_bytes(16), 0, len(own), lambda _: own)
        self.phones[number].take_up(kept)

    def say(self, number: int, step: Step) -> bytes:
        phone, message = self.phones[number], self.told[number]
        if step is Step.KEYS:
            return phone.keys()
        found: bytes = getattr(phone, step.name.lower())(message)
        return found

    def take(self, step: Step, lost: Iterable[int] = ()) -> None:
        for number in sorted(set(self.told) - set(lost)):
            self.heard.append(self.say(number, step))
            self.server.receive(self.heard[-1])
        self.told_before = self.told.get(0, b"")
        if step is not Step.SHARES:
            self.told = self.server.advance()

    def take_all(self, lost_at: Mapping[int, Step]) -> np.ndarray:
        for step in STEPS:
            self.take(step, [number for number, at in lost_at.items() if at <= step])
        return self.server.total()


def vectors_of(phones: int, length: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << 32, (phones, length), dtype=np.uint32)


@settings(max_examples=40)
@given(st.data(), st.integers(5, 24))
def test_any_third_may_be_lost_at_any_step(data: st.DataObject, phones: int) -> None:
    # Numbers are given in the order of coming, so that one that never came has none.
    lost = data.draw(st.sets(st.integers(0, phones - 1), max_size=phones // 3))
    at = {number: data.draw(st.sampled_from(STEPS[1:])) for number in sorted(lost)}
    run = Run(vectors_of(phones), data.draw(st.integers(0, 9)))
    total = run.take_all(at)
    inside = [number for number in range(phones) if at.get(number, Step.SHARES) > Step.MASKED]
    assert np.array_equal(total, run.vectors[inside].sum(axis=0, dtype=np.uint32))
    assert run.server.survivors == [(number.to_bytes(16), 0) for number in inside]


@settings(max_examples=20)
@given(st.data(), st.integers(5, 12))
def test_a_phone_that_is_taken_up_between_steps_says_what_it_would_have(
    data: st.DataObject, phones: int
) -> None:
    """Any phones forget before any steps, and some are lost; one that is taken up takes no step twice either."""
    lost = data.draw(st.sets(st.integers(0, phones - 1), max_size=phones // 3))
    run = Run(vectors_of(phones), 1)
    for step in STEPS:
        for number in data.draw(st.sets(st.integers(0, phones - 1))) if step is not Step.KEYS else ():
            run.forget(number)
        run.take(step, lost if step >= Step.MASKED else ())
        run.forget(0)
        if 0 not in lost:
            with pytest.raises(RefusedError, match=r"was taken, or is not due|came before"):
                getattr(run.phones[0], step.name.lower())(*([] if step is Step.KEYS else [run.told_before]))
    inside = [number for number in range(phones) if number not in lost]
    assert np.array_equal(run.server.total(), run.vectors[inside].sum(axis=0, dtype=np.uint32))


def test_a_sparse_graph_of_neighbours_loses_a_third_too() -> None:
    phones = 120
    assert Neighbourhood.of(phones).neighbours < phones - 1
    rng = np.random.default_rng(1)
    lost = {
        int(number): STEPS[1 + place % 4]
        for place, number in enumerate(rng.choice(phones, phones // 3, replace=False))
    }
    run = Run(vectors_of(phones, 3), 1)
    inside = [number for number in range(phones) if lost.get(number, Step.SHARES) > Step.MASKED]
    assert np.array_equal(run.take_all(lost), run.vectors[inside].sum(axis=0, dtype=np.uint32))


@pytest.mark.parametrize("step", STEPS[1:])
def test_fewer_than_the_threshold_are_refused_and_tell_nothing(step: Step) -> None:
    phones = 12
    threshold = Neighbourhood.of(phones).threshold
    run = Run(vectors_of(phones))
    with pytest.raises(RefusedError, match="needed"):
        run.take_all(dict.fromkeys(range(threshold - 1, phones), step))
    shares = [message for message in run.heard if SecureMessage.from_bytes(message).step is Step.SHARES]
    assert len(shares) == (threshold - 1 if step is Step.SHARES else 0)


def test_shares_of_too_few_are_no_secret() -> None:
    secret = bytes(range(32))
    shares = dict(enumerate(split(secret, 9, 5), 1))
    is_right = secret.__eq__
    assert joined({at: shares[at] for at in (2, 3, 5, 7, 9)}, 5, is_right) == secret
    assert joined(shares, 5, is_right) == secret
    theirs = [shamirs.share(at, int.from_bytes(share), PRIME) for at, share in shares.items()]
    assert shamirs.interpolate(theirs[2:7]) == int.from_bytes(secret)
    with pytest.raises(RefusedError, match="4 shares of a secret of which 5"):
        joined({at: shares[at] for at in range(1, 5)}, 5, is_right)
    for wrong in range(1, 10):
        forged = {**shares, wrong: (PRIME - 1).to_bytes(33)}
        assert joined(forged, 5, is_right) == secret
    with pytest.raises(RefusedError, match="belong to no secret"):
        joined({**shares, 1: bytes(33), 2: bytes(33)}, 5, is_right)
    beyond = [share.value.to_bytes(33) for share in shamirs.shares(PRIME - 1, 9, PRIME, 5)]
    with pytest.raises(RefusedError, match="belong to no secret"):
        joined(dict(enumerate(beyond, 1)), 5, lambda _: True)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 40_000))
def test_a_mask_is_the_key_stream_of_aes(seed: bytes, length: int) -> None:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    vector = np.arange(length, dtype=np.uint32)
    add_mask(vector, seed)
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update(bytes(4 * length))
    assert np.array_equal(vector - np.arange(length, dtype=np.uint32), np.frombuffer(stream, "<u4"))
    add_mask(vector, seed, subtract=True)
    assert np.array_equal(vector, np.arange(length, dtype=np.uint32))


def test_two_keys_agree_and_a_box_opens_for_its_purpose_alone() -> None:
    mine, yours, theirs = SecretKey(), SecretKey(), SecretKey()
    assert mine.agreed(yours.public) == yours.agreed(mine.public) != mine.agreed(theirs.public)
    key = derived(mine.agreed(yours.public), b"box")
    box = sealed_box(key, b"share", b"run")
    assert opened_box(key, box, b"run") == b"share"
    for wrong in (
        (derived(key, b"x"), box, b"run"),
        (key, box, b"other"),
        (key, box[:-1] + bytes([box[-1] ^ 1]), b"run"),
    ):
        with pytest.raises(RefusedError, match="not from whom"):
            opened_box(*wrong)
    with pytest.raises(RefusedError, match="no secret can be agreed"):
        mine.agreed(bytes(32))
    assert mine.raw.hex() not in repr(mine)


def test_what_the_server_hears_tells_no_word_and_looks_random() -> None:
    phones = [*islice(open_corpus(shipped_corpus()).phones(), 6)]
    members = [
        Phone(phone.texts[:40], bounds=DEFAULT_BOUNDS, pseudonym=n.to_bytes(16))
        for n, phone in enumerate(phones)
    ]
    heard = cohort_of(members, Aggregator(bounds=DEFAULT_BOUNDS))[1]
    words = {
        word for phone in members for word in phone.delta().words if len(word) > 7
    }  # shorter ones come by chance
    assert len(words) > 30
    everything = b"".join(heard)
    assert not [word for word in words if word.encode() in everything]
    vectors = [
        message.body[0] for data in heard if (message := SecureMessage.from_bytes(data)).step is Step.MASKED
    ]
    for vector in vectors[:5]:
        assert len(zlib.compress(vector)) > len(vector)
        bits = np.unpackbits(np.frombuffer(vector, np.uint8))
        assert abs(bits.mean() - 0.5) < 6 * 0.5 / len(bits) ** 0.5
        counts = np.bincount(np.frombuffer(vector, np.uint8), minlength=256)
        expected = len(vector) / 256
        assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 7 * (2 * 255) ** 0.5
    both = np.frombuffer(vectors[0], "<u4") ^ np.frombuffer(vectors[1], "<u4")
    assert np.count_nonzero(both == 0) < 10  # no mask comes twice


def cohort_of(
    phones: list[Phone], aggregator: Aggregator, base: Vocabulary | None = None, part: float = 1.0
) -> tuple[CohortSum, list[bytes]]:
    """Sum the deltas of phones up; give the run, and all that the server heard."""
    vocabulary = base or Vocabulary([])
    cohort = CohortSum(aggregator, TERMS, vocabulary, np.random.default_rng(0), part)
    return cohort, merged_by(cohort, phones, vocabulary)


def merged_by(cohort: CohortSum, phones: list[Phone], base: Vocabulary) -> list[bytes]:
    heard: list[bytes] = []
    receive = cohort.receive

    def kept(data: bytes) -> bool:
        heard.append(data)
        return receive(data)

    cohort.receive = kept  # type: ignore[method-assign]
    take_steps(cohort, {phone.pseudonym: summed(phone, base, cohort.terms) for phone in phones}, {})
    cohort.merge()
    return heard


@settings(max_examples=25)
@given(st.lists(corpora, min_size=4, max_size=7), st.booleans(), st.sampled_from([2, 3, 4]))
def test_a_sum_is_what_merging_one_by_one_gives(fleet: list[list[str]], has_base: bool, order: int) -> None:
    base = Vocabulary(["a", "cat", "hello", "the"]) if has_base else None
    phones = [Phone(texts, order=order, pseudonym=n.to_bytes(16)) for n, texts in enumerate(fleet)]
    deltas = [phone.delta(base) for phone in phones]
    plain, unseen = (Aggregator(bases=[base] if base else []) for _ in range(2))
    plain.add_messages([delta.data for delta in deltas])
    cohort_of(phones, unseen, base)
    for min_phones in (1, 2, 3):
        assert unseen.release(min_phones).payload_digest == plain.release(min_phones).payload_digest
    assert (unseen.phones, unseen.deltas) == (plain.phones, plain.deltas)
    with pytest.raises(RefusedError, match="of whom 4 are needed"):
        cohort_of(phones, unseen, base)  # all are merged already, so that nobody is left


def test_too_little_room_is_seen_and_nothing_is_merged() -> None:
    phones = [Phone([f"{a}{b} {b}{a}" for a in "bcdf" for b in "aeiou"]) for _ in range(4)]
    aggregator = Aggregator()
    with pytest.raises(RefusedError, match="cannot be told apart"):
        cohort_of([Phone(words_of(n)) for n in range(12)], aggregator, part=0.01)
    assert aggregator.deltas == 0
    cohort_of(phones, aggregator)
    assert aggregator.deltas == 4


def words_of(number: int) -> list[str]:
    letters = "bcdfghklmn"
    return [f"{letters[number % 10]}{a}{b}{c}ing" for a in "aeiou" for b in letters for c in "aeiou"][:200]


@given(
    st.integers(0, 300),
    st.integers(1, 4),
    st.integers(0, 5),
    st.integers(1, 3),
    st.integers(0, (1 << 64) - 1),
)
def test_a_sketch_gives_exactly_what_was_added(
    size: int, limbs: int, phones: int, numbers: int, salt: int
) -> None:
    rng = np.random.default_rng(size)
    keys = np.unique(rng.integers(0, 1 << 20, (size, limbs), dtype=np.uint32), axis=0)
    sketch = Sketch.of(len(keys), limbs, numbers, salt)
    total, times = np.zeros(sketch.length, np.uint32), np.zeros(len(keys), np.int64)
    sums = np.zeros((len(keys), numbers), np.uint32)
    for _ in range(phones):
        has = rng.random(len(keys)) < 0.5
        own = rng.integers(0, 1 << 32, (np.count_nonzero(has), numbers), dtype=np.uint32)
        total += sketch.vector(keys[has], own)
        times += has
        sums[has] += own
    found, often, added = sketch.decoded(total)
    assert np.array_equal(found, keys[times > 0])
    assert np.array_equal(often, times[times > 0])
    assert np.array_equal(added, sums[times > 0])


def test_what_is_no_sum_of_sketches_is_refused() -> None:
    rng = np.random.default_rng(0)
    sketch = Sketch.of(500, 5, 2, 1)
    keys = rng.integers(0, 1 << 20, (500, 5), dtype=np.uint32)
    vector = sketch.vector(keys, keys[:, :2])
    for wrong in (
        rng.integers(0, 1 << 32, sketch.length, dtype=np.uint32),
        vector + np.eye(1, sketch.length, 3, np.uint32)[0],
        sketch.vector(rng.integers(0, 1 << 20, (2000, 5), dtype=np.uint32), np.zeros((2000, 2), np.uint32)),
    ):
        with pytest.raises(RefusedError, match="cannot be told apart"):
            sketch.decoded(wrong)
    with pytest.raises(UsageError):
        sketch.decoded(vector[:-1])


def without(step: Step, change: Callable[[SecureMessage], SecureMessage]) -> None:
    """Take a run to a step, change what phone 1 sends, and expect the server to refuse it and to go on."""
    run = Run(vectors_of(6))
    who = 0 if step is Step.KEYS else 1  # who comes first is the first
    for each in STEPS:
        if each is step:
            good = run.say(who, step)
            bad = change(SecureMessage.from_bytes(good))
            with pytest.raises(FedkeysError):
                run.server.receive(bad.to_bytes())
            run.server.receive(good)
            with pytest.raises(RefusedError, match="second message"):
                run.server.receive(good)
            for number in sorted(set(run.told) - {who}):
                run.server.receive(run.say(number, step))
            if step is not Step.SHARES:
                run.told = run.server.advance()
                with pytest.raises(RefusedError, match="step"):
                    run.server.receive(good)  # replayed
        else:
            run.take(each)
    assert np.array_equal(run.server.total(), run.vectors.sum(axis=0, dtype=np.uint32))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "change",
    [
        lambda message: SecureMessage(message.step, bytes(16), message.phone, message.body),
        lambda message: SecureMessage(Step((message.step + 1) % 9), message.run, message.phone, message.body),
        lambda message: SecureMessage(message.step, message.run, message.phone, message.body[:-1]),
        lambda message: SecureMessage(message.step, message.run, message.phone, [*message.body, 1.5]),
        lambda message: SecureMessage(
            message.step,
            message.run,
            message.phone,
            [entry[:-4] if isinstance(entry, bytes) else entry for entry in message.body],
        ),
    ],
)
def test_wrong_messages_change_nothing_on_the_server(step: Step, change: Any) -> None:
    without(step, change)


def test_a_phone_takes_no_step_twice_and_no_message_of_another() -> None:
    run = Run(vectors_of(6))
    other = Run(vectors_of(6), run=bytes(16))
    for each in (run, other):
        each.take(Step.KEYS)
    for wrong in (other.told[0], run.told[1][:-1], b"", run.told[0][:-9] + bytes(9)):
        with pytest.raises(FedkeysError):
            run.phones[0].boxes(wrong)
    with pytest.raises(RefusedError, match="taken, or is not due"):
        run.phones[0].keys()
    with pytest.raises(FedkeysError):
        run.phones[0].masked(run.told[0])
    roster = run.told[0]
    run.take(Step.BOXES)
    with pytest.raises(RefusedError):
        run.phones[0].boxes(roster)
    mixed = SecureMessage.from_bytes(run.told[0])
    body = [*mixed.body]
    body[1], body[3] = body[3], body[1]
    with pytest.raises(RefusedError, match="not from whom"):
        run.phones[0].masked(SecureMessage(mixed.step, mixed.run, mixed.phone, body).to_bytes())


def test_a_phone_sums_up_with_no_fewer_than_it_wants_and_no_weaker_roster() -> None:
    run = Run(vectors_of(6))
    run.phones[0] = SecurePhone(Terms(RUN, least=7), bytes(16), 0, 5, lambda _: run.vectors[0])
    run.take(Step.KEYS)
    with pytest.raises(RefusedError, match="hides too little"):
        run.phones[0].boxes(run.told[0])
    roster = SecureMessage.from_bytes(run.told[1])
    for body in (
        [40, *roster.body[1:]],  # says that there are many, with the neighbours of few
        [*roster.body[:3], *roster.body[9:]],
        [*roster.body[:3], *roster.body[3:9], *roster.body[3:9], *roster.body[15:]],
        [*roster.body[:4], roster.body[10], *roster.body[5:]],  # one phone is two neighbours
        [*roster.body[:4], (1).to_bytes(16), *roster.body[5:]],  # or a phone its own
    ):
        with pytest.raises(RefusedError):
            run.phones[1].boxes(SecureMessage(roster.step, RUN, 1, body).to_bytes())


def test_a_word_with_the_hash_of_another_is_never_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from fedkeys.delta import table as tables

    made = tables.hash_of
    monkeypatch.setattr(tables, "hash_of", lambda word, salt: made("cat" if word == "zebra" else word, salt))
    base = Vocabulary(["cat"])
    for texts, vocabulary in ((["a zebra"], base), (["a zebra", "a cat"], Vocabulary([]))):
        phones = [Phone(texts, pseudonym=n.to_bytes(16)) for n in range(3)]
        aggregator = Aggregator(bases=[vocabulary] if len(vocabulary) else [])
        with pytest.raises((RefusedError, UsageError)):
            cohort_of(phones, aggregator, vocabulary)
        assert aggregator.deltas == 0


def test_more_than_a_third_lost_is_refused_before_any_share() -> None:
    run = Run(vectors_of(120, 3))
    for step in STEPS[:2]:
        run.take(step)
    with pytest.raises(RefusedError, match="79 of 120 phones are left, of whom 80 are needed"):
        run.take(Step.MASKED, range(41))
    patient = Run(vectors_of(6))
    for step in STEPS[:3]:
        patient.take(step)
    few = SecureMessage(Step.SURVIVORS, RUN, 0, [survivors_of(range(3), 6), _deltas(range(3))]).to_bytes()
    with pytest.raises(RefusedError):
        patient.phones[0].confirmations(few)


def test_a_delta_that_was_withdrawn_spoils_no_sum() -> None:
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcde")]
    aggregator = Aggregator()
    aggregator.add(phones[0].delta())
    aggregator.withdraw(phones[0].delta().data)
    cohort = CohortSum(aggregator, TERMS, Vocabulary([]), np.random.default_rng(0))
    with pytest.raises(RefusedError, match="was withdrawn"):
        cohort.receive(summed(phones[0], Vocabulary([]), TERMS).keys())
    cohort_of(phones[1:], aggregator)
    assert aggregator.deltas == 4


def test_vectors_that_fill_a_memory_are_refused() -> None:
    run = Run(vectors_of(6))
    run.take(Step.KEYS)
    roster = SecureMessage.from_bytes(run.told[0])
    crowd = [(1 << 32) - 1, *roster.body[1:]]
    with pytest.raises(RefusedError, match="hides too little"):
        run.phones[0].boxes(SecureMessage(Step.ROSTER, RUN, 0, crowd).to_bytes())
    body = [roster.body[0], (1 << 32) - 1, *roster.body[2:]]
    with pytest.raises(RefusedError, match="numbers, where a phone takes up to"):
        run.phones[0].boxes(SecureMessage(Step.ROSTER, RUN, 0, body).to_bytes())
    for bounds, claimed, said in (
        (None, (1 << 32) - 64, "of one phone"),
        (DEFAULT_BOUNDS, 1 << 16, "more than its bounds allow"),
    ):
        cohort = CohortSum(Aggregator(bounds=bounds), TERMS, Vocabulary([]), np.random.default_rng(0))
        with pytest.raises(RefusedError, match=said):
            cohort.receive(SecurePhone(TERMS, bytes(16), 0, claimed, lambda _: run.vectors[0]).keys())
        phones = [Phone([f"hello world {word}"], bounds=bounds) for word in ("one", "two", "three", "four")]
        merged_by(cohort, phones, Vocabulary([]))  # who lied is not missed


def test_a_summed_delta_is_not_withdrawn_nor_sent_again() -> None:
    phones = [
        Phone([f"hello world {word}"], pseudonym=n.to_bytes(16))
        for n, word in enumerate(("a", "b", "c", "d"))
    ]
    deltas = [phone.delta() for phone in phones]
    aggregator = Aggregator()
    cohort_of(phones, aggregator)
    before = aggregator.release(1).payload_digest
    with pytest.raises(RefusedError):
        aggregator.withdraw(deltas[0].data)
    with pytest.raises(RefusedError):
        aggregator.add(deltas[0])
    assert aggregator.release(1).payload_digest == before


def test_who_sees_other_survivors_gives_no_share_away() -> None:
    """A server that tells some phones that one of them is lost, to get shares of both of its secrets."""
    run = Run(vectors_of(6))
    for step in STEPS[:3]:
        run.take(step)
    seen, lie = ([survivors_of(range(of), 6), _deltas(range(of))] for of in (6, 5))
    tags = {
        number: SecureMessage.from_bytes(
            run.phones[number].confirmations(
                SecureMessage(Step.SURVIVORS, RUN, number, lie if number < 2 else seen).to_bytes()
            )
        ).body
        for number in range(6)
    }
    others = [number for number in range(5) if number != 0]
    passed_on = [
        entry
        for other in others
        for entry in (other, tags[other][sorted({*range(5 if other < 2 else 6)} - {other}).index(0)])
    ]
    message = SecureMessage(Step.CONFIRMATIONS_OF_IT, RUN, 0, passed_on).to_bytes()
    with pytest.raises(RefusedError, match="not from whom"):
        run.phones[0].shares(message)
    with pytest.raises(RefusedError, match="confirm the survivors"):
        run.phones[0].shares(SecureMessage(Step.CONFIRMATIONS_OF_IT, RUN, 0, passed_on[:2]).to_bytes())


def _deltas(numbers: Iterable[int]) -> bytes:
    """What is said of the deltas of the phones of a `Run`."""
    return deltas_of((number.to_bytes(16), 0) for number in numbers)


@pytest.mark.parametrize(
    "said",
    [
        [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (9, 0)],  # a neighbour is another
        [(0, 7), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)],  # it has another delta itself
        [(0, 0), (1, 0), (2, 0), (3, 0), (5, 0), (4, 0)],  # two have changed places
        [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 0)],  # one is there twice
        [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)],  # one is missing
    ],
)
def test_survivors_are_who_they_are_said_to_be(said: list[tuple[int, int]]) -> None:
    """Else a server could give another sum the name of one that was opened, and have it opened as well."""
    run = Run(vectors_of(6))
    for step in STEPS[:3]:
        run.take(step)
    deltas = deltas_of((phone.to_bytes(16), number) for phone, number in said)
    message = SecureMessage(Step.SURVIVORS, RUN, 0, [survivors_of(range(6), 6), deltas]).to_bytes()
    with pytest.raises((RefusedError, FormatError), match=r"another phone|not the deltas of 6 phones"):
        run.phones[0].confirmations(message)


def test_a_sum_with_the_name_of_one_that_was_opened_is_of_the_same_phones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that opens a sum, leaves one phone out of the next, and calls it by the name of the first."""
    base = Vocabulary([])
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcdefgh")]
    first = SecureSum(TERMS, lambda _: 640, np.random.default_rng(0))
    take_steps(first, {one.pseudonym: summed(one, base, TERMS) for one in phones}, {})
    name = name_of(first.survivors)
    assert all(phone.bound == name for phone in phones)
    terms = Terms(bytes(16), least=4)
    second = SecureSum(terms, lambda _: 640, np.random.default_rng(0), again=name)
    parts = {one.pseudonym: summed(one, base, terms) for one in phones[:-1]}
    monkeypatch.setattr("fedkeys.aggregator.secure.deltas_of", lambda _: deltas_of(first.survivors))
    with pytest.raises(RefusedError):
        take_steps(second, parts, {})


def test_a_sum_that_was_opened_is_made_of_the_same_phones_or_of_none() -> None:
    """Two sums that differ by a phone tell all of it, so that neither side makes the second."""
    base = Vocabulary([])
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcdefgh")]
    aggregator = Aggregator()
    crowded = CohortSum(aggregator, TERMS, base, np.random.default_rng(0), part=0.0)
    spoiler = Phone([" ".join(f"{a}{b}{c}" for a in "bcdfghkl" for b in "aeiou" for c in "mnprstvw")])
    with pytest.raises(RefusedError, match="cannot be told apart"):
        merged_by(crowded, [*phones, spoiler], base)
    assert crowded.is_asked
    assert aggregator.deltas == 0
    assert all(phone.bound == name_of(crowded.survivors) for phone in phones)
    for phone in phones:  # what was in it goes nowhere else
        with pytest.raises(UsageError, match="not sent alone"):
            phone.upload()
        with pytest.raises(UsageError, match="call spent"):
            phone.refused()
        with pytest.raises(RefusedError, match="could not be read"):
            aggregator.unseen.check_is_new(phone.pseudonym, 0)
        with pytest.raises(FedkeysError):
            aggregator.add(phone.delta())
    # A server that has lost its ledger finds no phone that takes part, one that has it makes no other sum.
    with pytest.raises(RefusedError, match="phones are left"):
        cohort_of(phones, Aggregator())
    again = crowded.again(Terms(bytes(16), least=4))
    with pytest.raises(RefusedError, match="was not in the sum that is made again"):
        again.receive(summed(Phone(["hello you"]), base, again.terms).keys())
    with pytest.raises(RefusedError, match="a phone is missing"):
        merged_by(again, phones, base)
    merged_by(again.again(Terms(bytes(15) + b"1", least=4)), [*phones, spoiler], base)
    plain = Aggregator()
    plain.add_messages([phone.delta().data for phone in (*phones, spoiler)])
    assert aggregator.release(1).payload_digest == plain.release(1).payload_digest
    for phone in phones:
        phone.accepted()
        assert phone.bound is None


def test_a_run_that_was_never_opened_is_not_made_again() -> None:
    base = Vocabulary([])
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcdefgh")]
    aggregator = Aggregator()
    cohort = CohortSum(aggregator, TERMS, base, np.random.default_rng(0))
    parts = {phone.pseudonym: summed(phone, base, TERMS) for phone in phones}
    with pytest.raises(RefusedError, match="neighbours left"):
        take_steps(cohort, parts, dict.fromkeys([*parts][:5], Step.CONFIRMATIONS))
    with pytest.raises(UsageError, match="never opened"):
        cohort.again(Terms(bytes(16), least=4))
    cohort_of(phones[1:], aggregator)  # nothing was learnt, so they may be in any other
    assert aggregator.deltas == 7


@pytest.mark.parametrize("merged_before", [False, True])
def test_what_was_opened_is_known_after_a_kill(tmp_path: Path, merged_before: bool) -> None:
    Vocabulary([])
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcdefghij")]
    aggregator = Aggregator(state=tmp_path / "state")
    if merged_before:
        cohort_of(phones[5:], aggregator)
    aggregator.begin_sum([(phone.pseudonym, 0) for phone in phones[:5]], bytes(16))
    aggregator.close()  # what was not committed is forgotten, as by a kill
    again = Aggregator(state=tmp_path / "state")
    assert all(again.unseen.is_spent(phone.pseudonym, 0) for phone in phones[:5])
    assert again.deltas == 5 * merged_before
    again.close()
    undone = Aggregator(state=tmp_path / "state", all_or_nothing=True)
    with pytest.raises(UsageError, match="cannot be undone"):
        undone.begin_sum([(bytes(16), 1)], bytes(16))


def test_a_sum_is_merged_once_however_late_its_shares_come() -> None:
    base = Vocabulary([])
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcdefgh")]
    aggregator = Aggregator()
    first = CohortSum(aggregator, TERMS, base, np.random.default_rng(0))
    parts = {phone.pseudonym: summed(phone, base, TERMS) for phone in phones}
    late: list[bytes] = []
    receive = first.receive

    def kept(data: bytes) -> bool:
        if SecureMessage.from_bytes(data).step is Step.SHARES:
            late.append(data)
            return True
        return receive(data)

    first.receive = kept  # type: ignore[method-assign]
    take_steps(first, parts, {})
    with pytest.raises(RefusedError, match="have given shares"):
        first.merge()
    merged_by(first.again(Terms(bytes(16), least=4)), phones, base)
    for data in late:
        receive(data)
    with pytest.raises(UsageError, match="begin it first"):
        first.merge()
    assert (aggregator.deltas, aggregator.merged.deltas) == (8, 8)


def test_a_delta_against_another_vocabulary_is_part_of_no_sum() -> None:
    phone = Phone(["apple pear melon"])
    phone.delta(Vocabulary(["apple", "pear"]))
    with pytest.raises(UsageError, match="another vocabulary"):
        summed(phone, Vocabulary(["apple", "lemon", "pear"]), TERMS)


def test_a_table_is_as_it_is_written_down() -> None:
    """A second reading of what `delta.table` and `privacy.sketch` say, with Python's integers."""
    salt, step, whole, low = salt_of(RUN), 0x9E3779B97F4A7C15, (1 << 64) - 1, (1 << 59) - 1

    def mix(x: int) -> int:
        x = x + step & whole
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & whole
        x = (x ^ x >> 27) * 0x94D049BB133111EB & whole
        return x ^ x >> 31

    def word(text: str) -> int:
        digest = blake2b(text.encode(), digest_size=8, key=salt.to_bytes(8)).digest()
        return max(2, int.from_bytes(digest) >> 4)

    def ngram(items: list[int]) -> int:
        hash_ = mix(salt) & low
        for item in items:
            hash_ = mix(hash_ ^ mix(item)) & low
        return hash_

    def key(value: int) -> tuple[int, ...]:
        return tuple(value >> 20 * at & 0xFFFFF for at in reversed(range(6)))

    said = [0, word("hello"), word("worldwide")]
    rows = {
        key(ngram(said[at : at + n - 1]) << 60 | said[at + n - 1]): (1, 1)
        for n in (1, 2)
        for at in range(len(said) - n + 1)
    }
    rows[key((mix(ngram(said[2:]) ^ 1) & low) << 60 | 0)] = (1, 1)  # with a capital, style 0
    for text in ("hello", "worldwide"):
        for place in range(-(-len(text) // 6)):
            letters = text.encode()[6 * place : 6 * place + 6].ljust(6, b"\0")
            first = 1 << 119 | place << 108 | letters[0] << 100
            rows[key(first | int.from_bytes(letters[1:]) << 60 | word(text))] = (0, 0)
    delta = Phone(["hello Worldwide"], order=2).delta()
    table = table_of(delta, Vocabulary([]), salt)
    assert dict(zip(map(tuple, table.keys.tolist()), map(tuple, table.numbers.tolist()), strict=True)) == rows
    sketch = sketch_for(len(rows), RUN)
    cells = np.zeros((sketch.cells, 10), np.uint32)
    quarter = sketch.cells // 4
    for limbs, numbers in rows.items():
        hash_ = salt
        for limb in limbs:
            hash_ = mix(hash_ ^ limb)
        row = np.array([1, *limbs, mix(hash_ + 4 * step) >> 32, *numbers], np.uint32)
        for at in range(4):
            cells[at * quarter + mix(hash_ + at * step) % quarter] += row
    assert np.array_equal(sketch.vector(*table), cells.reshape(-1))


def test_one_phone_that_is_refused_keeps_no_other_out() -> None:
    base = Vocabulary([])
    phones = [Phone([f"hello world {word}"], pseudonym=n.to_bytes(16)) for n, word in enumerate("abcdefgh")]
    often = Phone([" ".join(["no"] * (1 << 20))] * 2, pseudonym=bytes(15) + b"x")
    aggregator = Aggregator()
    cohort = CohortSum(aggregator, TERMS, base, np.random.default_rng(0))
    parts = {phone.pseudonym: summed(phone, base, TERMS) for phone in (*phones, often)}
    refused = take_steps(cohort, parts, {})
    assert len(cohort.merge()) == 8
    assert [*refused] == [often.pseudonym]
    assert "of which a sum takes fewer" in str(refused[often.pseudonym])


def test_what_is_spent_is_counted_nowhere_and_its_words_are_new_when_they_come_again() -> None:
    phone = Phone(["hello world"])
    phone.delta()
    phone.join(RUN)
    phone.bind(bytes(16), RUN)
    with pytest.raises(RefusedError, match="the difference would tell"):
        phone.bind(RUN, RUN)
    phone.join(bytes(16))
    with pytest.raises(RefusedError, match="in no more"):
        phone.bind(bytes(16), RUN)
    phone.spent()
    phone.type(["hello you"])
    delta = phone.delta()
    assert (delta.sequence, delta.words) == (1, ("hello", "you"))
    assert delta.counts.levels[0].phones.tolist() == delta.counts.levels[0].counts.tolist()
    assert phone.waiting == 1


def test_rounds_with_a_spoiler_spend_its_sum_and_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum that cannot be read nothing is merged, nor ever will be; what comes after it is."""
    from fedkeys.aggregator import cohorts

    made, spoilt = cohorts.read_table, []

    def read(*arguments: Any) -> Any:
        if len(spoilt) < 2:  # the first sum, and when it is made again
            spoilt.append(1)
            raise RefusedError("spoilt")
        return made(*arguments)

    monkeypatch.setattr(cohorts, "read_table", read)
    plan = Plan(rounds=2, bounds=DEFAULT_BOUNDS, together=15)
    federation = Federation(open_corpus(shipped_corpus()), plan, np.random.default_rng(3))
    first, second = federation.run()
    assert (first.spent > 0, first.failed, first.failure) == (True, 0, "spoilt")
    assert (second.spent, second.failed, second.failure) == (0, 0, None)
    assert first.deltas + first.spent == second.deltas == federation.aggregator.phones
    assert federation.aggregator.status()["withdrawn"] == first.spent


def test_keys_that_no_phone_of_the_federation_has_signed_are_refused() -> None:
    """A server that passes its own keys on could read a phone; phones that know the others' keys refuse."""
    names = [f"phone {n}" for n in range(6)]
    keyring = Keyring(bytes(32), names, "fedkeys")
    public = keyring.public
    signers = [keyring.of(name) for name in names]
    phones = [
        Phone(["hello world"], pseudonym=key.public.pseudonym("fedkeys"), bounds=DEFAULT_BOUNDS)
        for key in signers
    ]
    aggregator = Aggregator(enrolment=Enrolment(key.public for key in signers), bounds=DEFAULT_BOUNDS)
    base = Vocabulary([])
    cohort = CohortSum(aggregator, TERMS, base, np.random.default_rng(0))
    parts = {
        phone.pseudonym: summed(phone, base, TERMS, key, public)
        for phone, key in zip(phones, signers, strict=True)
    }
    for wrong in (
        summed(phones[0], base, TERMS),
        summed(phones[0], base, TERMS, signers[1], public),
        summed(Phone(["hello"]), base, TERMS, signers[1], public),
    ):
        with pytest.raises(RefusedError, match=r"has not signed this|is not enrolled"):
            cohort.receive(wrong.keys())
    for part in parts.values():
        cohort.receive(part.keys())
    told = cohort.advance()
    roster = SecureMessage.from_bytes(told[0])
    mine = SecretKey()
    for at, forged in ((5, mine.public), (4, bytes(16)), (7, bytes(16)), (8, b""), (8, bytes(64))):
        body = [*roster.body[:at], forged, *roster.body[at + 1 :]]
        with pytest.raises(RefusedError, match="has not signed, or that is not known"):
            parts[cohort.name(0)].boxes(SecureMessage(Step.ROSTER, RUN, 0, body).to_bytes())
    assert parts[cohort.name(0)].boxes(told[0])  # what was refused has changed nothing
    again = CohortSum(aggregator, Terms(bytes(16), least=4), base, np.random.default_rng(0))
    take_steps(
        again,
        {
            phone.pseudonym: summed(phone, base, again.terms, key, public)
            for phone, key in zip(phones, signers, strict=True)
        },
        {},
    )
    assert len(again.merge()) == 6


def test_keys_that_are_none_or_another_ones_do_no_harm() -> None:
    run = Run(vectors_of(6))
    run.take(Step.KEYS)
    good = SecureMessage.from_bytes(run.heard[0]).body
    for bad in (
        [good[0], 0, 64, bytes(32), good[4]],
        [bytes(15) + b"x", 0, 64, bytes(32), SecretKey().public],
        [bytes(15) + b"x", 0, 64, SecretKey().public, bytes(32)],
        [bytes(15) + b"x", 0, 64, good[3], SecretKey().public],
        [bytes(15) + b"x", 0, 64, SecretKey().public, good[3]],
        [bytes(15) + b"x", 0, 64, *[SecretKey().public] * 2],
    ):
        server = SecureSum(TERMS, lambda _: 5, np.random.default_rng(0))
        server.receive(run.heard[0])
        with pytest.raises(RefusedError):
            server.receive(SecureMessage(Step.KEYS, RUN, 0, [*bad, bytes(32), b""]).to_bytes())
        assert server.heard == 1
    roster = SecureMessage.from_bytes(run.told[0])
    for at in (5, 6):
        body = [*roster.body[:at], bytes(32), *roster.body[at + 1 :]]
        with pytest.raises(RefusedError, match="no secret can be agreed"):
            run.phones[0].boxes(SecureMessage(Step.ROSTER, RUN, 0, body).to_bytes())
    for step in (Step.BOXES, Step.MASKED, Step.CONFIRMATIONS, Step.SHARES):
        run.take(step)
    assert np.array_equal(run.server.total(), run.vectors.sum(axis=0, dtype=np.uint32))


@pytest.mark.parametrize("liars", [1, 2])
def test_one_wrong_share_does_no_harm_and_more_are_seen(liars: int) -> None:
    run = Run(vectors_of(9))
    for step in STEPS[:4]:
        run.take(step, [8] if step is Step.MASKED else [])
    for number in sorted(run.told):
        message = SecureMessage.from_bytes(run.say(number, Step.SHARES))
        if number < liars:
            message = SecureMessage(message.step, message.run, number, [bytes(33) for _ in message.body])
        run.server.receive(message.to_bytes())
    if liars == 1:
        assert np.array_equal(run.server.total(), run.vectors[:8].sum(axis=0, dtype=np.uint32))
    else:
        with pytest.raises(RefusedError, match="belong to no secret"):
            run.server.total()


def test_the_vector_of_a_phone_that_is_lost_is_taken_no_more() -> None:
    """With the secrets of a lost phone, and its vector, which comes late, the server could read it."""
    run = Run(vectors_of(9))
    for step in STEPS[:2]:
        run.take(step)
    late = run.say(8, Step.MASKED)
    run.take(Step.MASKED, [8])
    for step in STEPS[3:]:
        with pytest.raises(RefusedError):
            run.server.receive(late)
        run.take(step)
    assert np.array_equal(run.server.total(), run.vectors[:8].sum(axis=0, dtype=np.uint32))


@pytest.mark.parametrize("which", ["own", "pairs"])
def test_each_kind_of_mask_hides_a_vector_by_itself(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """Who has given its own seed away is hidden by its neighbours, and the other way about."""
    from fedkeys.phone import secure

    seeds: list[bytes] = []
    made = secure.derived

    def derived_but(secret: bytes, purpose: bytes) -> bytes:
        found = made(secret, purpose)
        if b"own mask" in purpose if which == "own" else b" mask" in purpose and b"own" not in purpose:
            seeds.append(found)
        return found

    monkeypatch.setattr(secure, "derived", derived_but)
    monkeypatch.setattr(
        secure,
        "add_mask",
        lambda vector, seed, **how: None if seed in seeds else add_mask(vector, seed, **how),
    )
    run = Run(np.zeros((6, 2000), np.uint32))
    for step in STEPS[:3]:
        run.take(step)
    sent = [
        np.frombuffer(message.body[0], "<u4")
        for data in run.heard
        if (message := SecureMessage.from_bytes(data)).step is Step.MASKED
    ]
    assert seeds
    assert all(np.count_nonzero(vector == 0) < 10 for vector in sent)
    for step in STEPS[3:]:
        run.take(step)
    found = run.server.total()
    assert np.count_nonzero(found) == 0 if which == "pairs" else np.count_nonzero(found) > 1900


@given(st.binary(max_size=200))
def test_any_bytes_are_a_sound_message_or_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        SecureMessage.from_bytes(data)


_VALUES = st.one_of(
    st.integers(-1, 1 << 33),
    st.binary(max_size=90),
    st.sampled_from([bytes(n) for n in (16, 32, 33, 64, 82)]),
)


@settings(max_examples=300)
@given(st.integers(0, 9), st.integers(0, 12), st.lists(_VALUES, max_size=14), st.booleans())
def test_sealed_nonsense_is_refused_by_both_sides(step: int, phone: int, body: list[Any], fits: bool) -> None:
    """Messages with a right checksum that say anything at all, to a run in the middle of each step."""
    kinds = _ONCE.get(Step(step % 9), ()) + _AGAIN.get(Step(step % 9), ()) * 5
    if fits and kinds:
        body = [
            (3 if kind == "number" else bytes(max(kind) if isinstance(kind, set) else 8)) for kind in kinds
        ]
    entries = ["fedkeys.secure", 1, step, RUN, phone, body]
    data = seal(msgpack.packb([*entries, bytes(8)])[:-8])
    run = NONSENSE[step % 5]
    with pytest.raises(FedkeysError):
        run.server.receive(data)
    for member in run.phones:
        for take in (member.boxes, member.masked, member.confirmations, member.shares):
            with pytest.raises(FedkeysError):
                take(data)


def runs_at_each_step() -> list[Run]:
    runs = [Run(vectors_of(6)) for _ in STEPS]
    for at, run in enumerate(runs):
        for step in STEPS[:at]:
            run.take(step)
    return runs


NONSENSE = runs_at_each_step()


@pytest.mark.parametrize(("phones", "neighbours", "drawn"), [(60, 20, 40), (200, 60, 20), (1000, 100, 100)])
def test_the_chances_are_those_of_exact_integers(phones: int, neighbours: int, drawn: int) -> None:
    """Hypergeometric tails by counting, which no floating point can lose."""
    others = phones - 1
    ways = comb(others, neighbours)
    for threshold in (neighbours // 3, neighbours // 2, 2 * neighbours // 3):
        more = sum(
            comb(drawn, k) * comb(others - drawn, neighbours - k) for k in range(threshold, neighbours + 1)
        )
        assert _betrayed(phones, neighbours, threshold, drawn) == pytest.approx(
            float(Fraction(phones * more, ways)), rel=1e-6, abs=1e-300
        )
    lost = phones // 3
    greatest = _greatest_threshold(phones, neighbours, lost)

    def missing(threshold: int) -> Fraction:
        fewer = sum(comb(others - lost, k) * comb(lost, neighbours - k) for k in range(threshold))
        return Fraction(phones * fewer, ways)

    assert missing(greatest) <= Fraction(1, 1 << SUCCESS_BITS) < missing(greatest + 1)


@pytest.mark.parametrize("phones", [4, 5, 10, 31, 60, 100, 1000])
def test_being_a_neighbour_is_mutual_and_parameters_hold(phones: int) -> None:
    hood = Neighbourhood.of(phones)
    around = hood.tied(np.random.default_rng(0).permutation(phones))
    assert all(len(set(some)) == hood.neighbours and number not in some for number, some in enumerate(around))
    assert all(number in around[other] for number, some in enumerate(around) for other in some)
    assert phones // 10 < hood.threshold or hood.neighbours < phones - 1
    assert hood.threshold <= hood.neighbours


def test_neighbourhoods_that_keep_nothing_are_refused() -> None:
    for wrong in ((2,), (10, 0.9, 0.2), (10, 0.5, 0.45), (10, -0.1), (10, 1.0)):
        with pytest.raises(UsageError):
            Neighbourhood.of(*wrong)


def test_two_words_of_one_hash_are_refused_and_so_are_forged_sums() -> None:
    base = Vocabulary([])
    table = table_of(Phone(["hello world", "hello World"]).delta(), base, 1)
    ones = np.ones(len(table.keys), np.int64)
    delta = Phone(["x"]).delta()
    from fedkeys.delta.batch import Head

    head = Head(b"", "fedkeys", delta.phone, 0, 0, b"", 0, None, (), (), (), b"")
    whole = read_table(table, ones, base, 1, head, 3)
    assert whole.heads[0].words == ("hello", "world")
    refused = 0
    for at in range(len(table.keys)):  # whatever row is missing, unless nothing else is made of it
        keys, numbers = (np.delete(column, at, axis=0) for column in table)
        try:
            batch = read_table(Table(keys, numbers), ones[1:], base, 1, head, 3)
            assert len(batch.counts) + len(batch.forms) == len(whole.counts) + len(whole.forms) - 1
        except RefusedError:
            refused += 1
    assert refused == 6  # names, words, and what others are made of
    with pytest.raises(RefusedError, match="more phones than have sent it"):
        read_table(Table(table.keys, table.numbers + 1), ones, base, 1, head, 3)
    with pytest.raises(RefusedError, match="more than once"):
        read_table(table, 4 * ones, base, 1, head, 3)
    often = np.column_stack([table.numbers[:, 0] + 16, table.numbers[:, 1]])
    with pytest.raises(RefusedError, match="more often than phones may"):
        read_table(Table(table.keys, often), ones, base, 1, head._replace(bounds={"count": 16}), 3)
    with pytest.raises(RefusedError):
        read_table(table, ones, base, 2, head, 3)  # another salt
    with pytest.raises(RefusedError, match="the hash of one of the vocabulary"):
        read_table(table, ones, Vocabulary(["hello"]), 1, head, 3)
    assert hash_of("hello", 1) != hash_of("hello", 2)
    assert salt_of(RUN) != salt_of(bytes(16))


@pytest.mark.parametrize("dropout", [0.0, 0.15])
def test_rounds_under_masks_release_what_plain_ones_do(dropout: float) -> None:
    models: list[list[bytes]] = []
    for together in (None, 15):
        plan = Plan(rounds=2, bounds=DEFAULT_BOUNDS, dropout=dropout, together=together)
        federation = Federation(open_corpus(shipped_corpus()), plan, np.random.default_rng(3))
        rounds = list(federation.run())
        assert not any(round_.failed for round_ in rounds)
        models.append([round_.model.payload_digest for round_ in rounds if round_.model])
    assert models[0] == models[1]


def test_a_crowded_sum_is_made_again_of_the_same_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    from fedkeys.simulate import summing

    again: list[bytes] = []
    made = CohortSum.again
    monkeypatch.setattr(summing, "_MARGIN", 0.2)  # far too little room for all sums but the first
    monkeypatch.setattr(CohortSum, "again", lambda self, terms: again.append(terms.run) or made(self, terms))
    models: list[bytes] = []
    for together in (None, 15):
        plan = Plan(bounds=DEFAULT_BOUNDS, together=together)
        (only,) = Federation(open_corpus(shipped_corpus()), plan, np.random.default_rng(3)).run()
        assert only.model
        assert (only.failed, only.spent, only.failure) == (0, 0, None)
        models.append(only.model.payload_digest)
    assert models[0] == models[1]
    assert again


def test_what_crosses_is_shown(fedkeys: Any, tmp_path: Path) -> None:
    done = fedkeys("simulate", "--secure", "--together", "15", "--transcript", "kept", "--json")
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(result.stdout)["rounds"] for result in (done, fedkeys("simulate", "--json"))]
    assert rounds[0][0]["payload"] == rounds[1][0]["payload"]
    assert len(list((tmp_path / "kept").iterdir())) == len(Step)
    said = " ".join(fedkeys("inspect", "kept/4-masked.secure").stdout.split())
    assert "as likely for any other delta" in said
    assert "there is no pattern in it" in said
    told = json.loads(fedkeys("inspect", "kept/4-masked.secure", "--json").stdout)
    assert (told["step"], told["phone"]) == (4, 0)
    assert told["deflated_to"] > 1
    for file in (tmp_path / "kept").iterdir():
        assert fedkeys("inspect", file).returncode == 0
    (tmp_path / "cut.secure").write_bytes((tmp_path / "kept" / "0-keys.secure").read_bytes()[:-1])
    assert "cut.secure: the checksum" in fedkeys("inspect", "cut.secure").stderr


def test_what_masks_do_not_do_is_refused(fedkeys: Any) -> None:
    for arguments, said in (
        (["--together", "20"], "add --secure"),
        (["--transcript", "kept"], "add --secure"),
        (["--secure", "--checkpoint", "c"], "masks do not come again"),
    ):
        refused = fedkeys("simulate", *arguments)
        assert (refused.returncode, said in refused.stderr) == (2, True)
