"""The delta: round trip, only what is new, nothing raw, and no bytes that are not one."""

import copy
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fedkeys.container import pack_column, seal
from fedkeys.counts import Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import pack_keys
from fedkeys.delta import Batch, Delta, Head, unsound
from fedkeys.delta.batch import ENTRIES
from fedkeys.errors import DamagedError, FedkeysError, FormatError, UsageError, VersionError
from fedkeys.phone import Phone
from fedkeys.words import OTHER, fold, styled, tokens
from tests.strategies import any_text, corpora, messages

VECTORS = Path(__file__).parent / "vectors"
NAME = bytes(range(16))


def head_of(data: bytes) -> dict[str, Any]:
    """The entries of a message by name."""
    return dict(zip(ENTRIES, msgpack.unpackb(data), strict=True))


def resealed(head: dict[str, Any]) -> bytes:
    """Entries with a correct checksum."""
    return seal(msgpack.packb([*[*head.values()][:-1], bytes(8)])[:-8])


def said(delta: Delta, base: Vocabulary | None = None) -> dict[str, Any]:
    """All that a delta says, in words."""
    known = base.words if base else ()
    names = ["<", "/"]
    names = [[*names, *known, *delta.words][id_] for id_ in delta.ids.tolist()]
    styles = zip(delta.forms.parents.tolist(), delta.forms.words.tolist(), strict=True)
    forms = [
        delta.other_forms[style - OTHER] if style >= OTHER else styled(names[row], style)
        for row, style in styles
    ]
    return {
        "ngrams": {
            " ".join(names[id_] for id_ in ids): [count, mark] for ids, count, mark in delta.counts.rows()
        },
        "forms": {
            form: [count, mark]
            for form, count, mark in zip(
                forms, delta.forms.counts.tolist(), delta.forms.phones.tolist(), strict=True
            )
        },
    }


@given(corpora, st.integers(2, 4), st.booleans())
def test_a_delta_comes_back_from_its_bytes(texts: list[str], order: int, with_base: bool) -> None:
    base = Vocabulary(["hello", "london", "tomorrow", "zebra"]) if with_base else None
    delta = Phone(texts, order=order, pseudonym=NAME).delta(base, round=3)
    read = Delta.from_bytes(delta.to_bytes())
    assert said(read, base) == said(delta, base)
    assert read.identity == ("fedkeys", NAME, 0)
    assert (read.round, read.known, read.words) == (3, 4 if with_base else 0, delta.words)
    assert read.digest == delta.digest
    again = Delta(**{name: getattr(read, name) for name in read.__dataclass_fields__})
    assert again.to_bytes() == delta.to_bytes()


def test_a_delta_says_what_was_typed() -> None:
    delta = Phone(["Hello London, I say. I say", "hello LOL iPhone"], order=2).delta()
    assert said(delta) == {
        "ngrams": {
            "<": [2, 1],
            "/": [1, 1],
            "hello": [2, 1],
            "i": [2, 1],
            "iphone": [1, 1],
            "lol": [1, 1],
            "london": [1, 1],
            "say": [2, 1],
            "< hello": [2, 1],
            "/ i": [1, 1],
            "hello lol": [1, 1],
            "hello london": [1, 1],
            "i say": [2, 1],
            "lol iphone": [1, 1],
            "london i": [1, 1],
        },
        "forms": {"London": [1, 1], "I": [1, 1], "LOL": [1, 1], "iPhone": [1, 1]},
    }


@given(corpora, corpora, st.booleans())
def test_only_what_is_new(first: list[str], second: list[str], released_between: bool) -> None:
    """Counts of two deltas add up to those of one over everything, and so do the marks: to 1 each."""
    phone = Phone(first)
    one = said(phone.delta())
    phone.accepted()
    phone.type(second)
    base = Vocabulary(["hello", "world"]) if released_between else None
    other = said(phone.delta(base), base)
    whole = said(Phone(first + second).delta())
    for part in ("ngrams", "forms"):
        added = {
            key: [
                sum(values)
                for values in zip(one[part].get(key, [0, 0]), other[part].get(key, [0, 0]), strict=True)
            ]
            for key in {**one[part], **other[part]}
        }
        assert added == whole[part]
        assert all(mark == 1 for _, mark in added.values())


def test_a_delta_whose_fate_is_unknown_comes_again_unchanged() -> None:
    phone = Phone(["hello world"])
    first = phone.delta()
    phone.type(["more words"])
    assert phone.delta(Vocabulary(["hello"]), round=2).to_bytes() == first.to_bytes()
    phone.accepted()
    assert phone.waiting == 1
    second = phone.delta()
    assert second.sequence == 1
    assert second.words == ("more", "words")


def test_a_refused_delta_is_counted_again() -> None:
    phone = Phone(["hello world"])
    phone.delta(Vocabulary(["hello"]))
    phone.refused()
    assert said(phone.delta()) == said(Phone(["hello world"]).delta())
    assert phone.sequence == 0


def test_settling_what_was_never_sent_is_an_error() -> None:
    for settle in (Phone().accepted, Phone().refused):
        with pytest.raises(UsageError, match="no delta is under way"):
            settle()


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nothing_else_of_a_phone_leaves_it(leave: Any) -> None:
    with pytest.raises(TypeError, match="only its deltas"):
        leave(Phone(["my secret"]))


@pytest.mark.parametrize("texts", ["hello world", b"hello", [b"hello"], [None]], ids=str)
def test_a_phone_takes_a_list_of_messages(texts: Any) -> None:
    with pytest.raises(TypeError, match="list of messages"):
        Phone(texts)
    with pytest.raises(TypeError, match="list of messages"):
        Phone().type(texts)


@pytest.mark.parametrize("order", [1, 5])
def test_a_phone_counts_orders_2_to_4(order: int) -> None:
    with pytest.raises(UsageError, match="choose 2, 3 or 4"):
        Phone(order=order)


SECRETS = [
    "me@example.org",
    "07700900123",
    "hunter2",
    "example.org",
    "@handle",
    "key=hidden",
    "/home/me/file",
]


@given(st.lists(messages | st.sampled_from(SECRETS), max_size=8))
def test_nothing_raw_is_in_the_bytes(texts: list[str]) -> None:
    """Neither the strings in the message nor anything it unpacks to holds what the filter drops."""
    data = Phone(texts).delta().to_bytes()
    unpacked = head_of(data)
    kept = {fold(item) for text in texts for item in tokens(text)}
    assert set(unpacked["words"]) <= kept
    assert {fold(form) for form in unpacked["forms"]} <= kept
    for secret in SECRETS:
        assert secret.encode() not in data


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        Delta.from_bytes(data)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(set(ENTRIES) - {"checksum"})), anything)
def test_any_value_in_the_header_is_refused_or_read_as_itself(key: str, value: Any) -> None:
    try:
        delta = Delta.from_bytes(forged(**{key: value}))
    except FormatError:
        return
    head = head_of(delta.to_bytes())
    assert head[key] == value


@given(corpora, st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(texts: list[str], at: int, bit: int) -> None:
    data = bytearray(Phone(texts).delta().to_bytes())
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(FormatError):
        Delta.from_bytes(bytes(data))


@given(corpora, st.integers(0, 10_000))
def test_a_cut_is_noticed(texts: list[str], at: int) -> None:
    data = Phone(texts).delta().to_bytes()
    with pytest.raises(FormatError):
        Delta.from_bytes(data[: at % len(data)])


def forged(**changes: Any) -> bytes:
    """A delta with a correct checksum over a header that an attacker chose."""
    head = head_of(Phone(["hello world iPhone ok iPhone"], pseudonym=NAME).delta().to_bytes())
    return resealed({**head, **changes})


def test_an_unchanged_forgery_is_read() -> None:
    assert Delta.from_bytes(forged()).words == ("hello", "iphone", "ok", "world")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "fedkeys.model"}, "holds a"),
        ({"version": 0}, "not a whole number"),
        ({"version": True}, "not a whole number"),
        ({"federation": ""}, "federation"),
        ({"federation": "x" * 65}, "federation"),
        ({"federation": "a\nb"}, "federation"),
        ({"federation": 7}, "federation"),
        ({"phone": b"short"}, "phone"),
        ({"sequence": -1}, "sequence"),
        ({"round": 2**32}, "round"),
        ({"known": 3}, "base"),
        ({"base": bytes(16)}, "base"),
        ({"bounds": 7}, "bounds"),
        ({"bounds": {"max": -1}}, "bounds"),
        ({"words": ["hello"]}, "word id|not used"),
        ({"words": ["hello", "iphone", "ok", "two words"]}, "not a word"),
        ({"words": ["hello", "iphone", "ok", "World"]}, "not a word"),
        ({"words": ["hello", "iphone", "ok", "a@b.org"]}, "not a word"),
        ({"words": ["hello", "iphone", "ok", "x\x1b[2J"]}, "not a word"),
        ({"words": ["iphone", "hello", "ok", "world"]}, "out of order"),
        ({"words": ["hello", "hello", "ok", "world"]}, "out of order"),
        ({"words": "hello"}, "list of strings"),
        ({"words": ["\0", "iphone", "ok", "world"]}, "not a word"),
        ({"words": ["hello", "iphone", "ok", "w" * 10_000_000]}, "more than|not a word|bytes"),
        ({"format": [[[["deep"]]]]}, "holds a list"),
        ({"version": {"a": 1}}, "version dict"),
        ({"forms": ["IPHone2"]}, "must be spelt out"),
        ({"forms": ["hello"]}, "must be spelt out"),
        ({"forms": ["Iphone"]}, "must be spelt out"),
        ({"forms": ["IPHONE"]}, "must be spelt out"),
        ({"forms": [""]}, "must be spelt out"),
        ({"forms": []}, "styles"),
        ({"sizes": [5, 4]}, "sizes"),
        ({"sizes": [5, 4, 3, 2, 1, 1]}, "sizes"),
        ({"sizes": [5, 4, -3, 1]}, "sizes"),
        ({"sizes": [2**31, 4, 3, 1]}, "are announced"),
        ({"sizes": [2**20, 4, 3, 1]}, "cannot hold"),
        ({"known": 2**32 - 3, "base": bytes(16)}, "more words than ids"),
        ({"sizes": [5, 6, 5, 1]}, "announced"),
        ({"body": b""}, "columns"),
        ({"body": "text"}, "body"),
        ({"body": bytes(100)}, "columns"),
    ],
    ids=str,
)
def test_a_forged_header_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        Delta.from_bytes(forged(**changes))


def test_a_newer_delta_is_refused_with_a_sentence() -> None:
    with pytest.raises(VersionError, match=r"version 2 is newer than the 1 .* upgrade fedkeys"):
        Delta.from_bytes(forged(version=2))


def with_columns(numbers: list[int], **changes: Any) -> bytes:
    """A forgery whose columns are these numbers."""
    compressor = zlib.compressobj(wbits=-15)
    raw = pack_column(np.array(numbers, np.int64))
    return forged(body=compressor.compress(raw) + compressor.flush(), **changes)


@given(st.lists(st.integers(0, 3), min_size=25, max_size=25), st.data())
def test_any_columns_are_refused_or_closed(numbers: list[int], data: st.DataObject) -> None:
    """Whatever numbers an attacker puts into the columns, no n-gram comes out without prefix and suffix."""
    sizes = data.draw(st.sampled_from([[3, 3, 3, 1], [4, 3, 2, 1], [3, 4, 2, 0], [3, 2, 1, 2]]))
    one, two, three, forms = sizes
    length = 2 * one + (one + 2 * two) + (two + 2 * three) + 3 * forms
    try:
        delta = Delta.from_bytes(with_columns(numbers[:length], sizes=sizes, words=["a"], forms=[]))
    except FormatError:
        return
    everything = {ngram for ngram, _, _ in delta.counts.rows()}
    for ngram in everything:
        assert len(ngram) == 1 or {ngram[:-1], ngram[1:]} <= everything
        assert all(delta.ids[id_] >= 2 for id_ in ngram[1:])
    assert all(np.all(level.counts > 0) for level in delta.counts.levels)


def test_some_columns_of_an_attacker_are_sound() -> None:
    """The property above is not empty: these columns are accepted, and say "a a a" with its suffixes."""
    numbers = [*[2, 0], *[1], *[0], *[0], *[1], *[0], *[0]]
    delta = Delta.from_bytes(with_columns(numbers, sizes=[1, 1, 1, 0], words=["a"], forms=[]))
    assert sorted(said(delta)["ngrams"]) == ["a", "a a", "a a a"]


def test_a_form_that_stands_twice_does_not_count_as_two_phones() -> None:
    sound = head_of(Phone(["ok iPhone", "ok iPHone"]).delta().to_bytes())
    assert sound["forms"] == ["iPHone", "iPhone"]
    for forms in (["iPhone", "iPhone"], ["iPhone", "iPHone"]):
        with pytest.raises(FormatError, match="out of order"):
            Delta.from_bytes(resealed({**sound, "forms": forms}))


@given(corpora | st.lists(any_text, max_size=4))
@example(["hello cafe\u00ad\u0301 there"])
@example(["e\U0001f3fd\u0301 \u200b\u0301x"])
def test_every_honest_delta_is_read(texts: list[str]) -> None:
    delta = Phone(texts).delta()
    assert said(Delta.from_bytes(delta.to_bytes())) == said(delta)


@pytest.mark.parametrize(
    "identity", [{"federation": ""}, {"federation": "a\nb"}, {"pseudonym": b"x"}], ids=str
)
def test_a_phone_has_an_identity_that_a_delta_can_carry(identity: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        Phone(**identity)


def test_files(tmp_path: Path) -> None:
    delta = Phone(["hello world"]).delta()
    delta.save(tmp_path / "a.delta")
    assert Delta.load(tmp_path / "a.delta").digest == delta.digest
    (tmp_path / "b.delta").write_bytes(delta.to_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"b\.delta: ends in the middle, after \d+ bytes"):
        Delta.load(tmp_path / "b.delta")
    with pytest.raises(FedkeysError, match="cannot be read"):
        Delta.load(tmp_path / "none.delta")


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    """Each vector: messages, the bytes they must become, and what these must be read as."""
    vector = json.loads(path.read_text())
    base = Vocabulary(vector["base"]) if vector["base"] else None
    phone = Phone(vector["messages"], order=vector["order"], pseudonym=bytes.fromhex(vector["phone"]))
    data = bytes.fromhex(vector["delta"])
    assert said(Delta.from_bytes(data), base) == vector["said"]
    # The bytes of a deflated block may differ between zlib builds; what they say may not.
    mine = phone.delta(base, vector["round"])
    assert said(mine, base) == vector["said"]
    assert len(mine.ids) == len(Delta.from_bytes(data).ids)
    assert mine.words == Delta.from_bytes(data).words


def part_of(batch: Batch, number: int) -> Delta:
    """One message of a batch, as reading it by itself would give it."""
    rows = batch.counts.levels[0].parents == number
    first = int(np.flatnonzero(rows)[0]) if rows.any() else 0
    levels, below = [], None
    for level in batch.counts.levels:
        mask = rows if below is None else below[level.parents]
        before = 0 if below is None else int(np.flatnonzero(below)[0]) if below.any() else 0
        parents = np.zeros(mask.sum(), np.int64) if below is None else level.parents[mask] - before
        words = level.words[mask] - np.uint32(first)
        levels.append(Level(pack_keys(parents, words), level.counts[mask], level.phones[mask]))
        below = mask
    head = batch.heads[number]
    own = rows[batch.forms.parents]
    others = sum(len(other.forms) for other in batch.heads[:number])
    styles = batch.forms.words[own]
    styles = np.where(styles >= OTHER, styles - np.uint32(others), styles)
    forms = Level(
        pack_keys(batch.forms.parents[own] - first, styles), batch.forms.counts[own], batch.forms.phones[own]
    )
    counts = NgramCounts(tuple(levels[: len(head.sizes) - 1]))
    return Delta.of(head, batch.ids[rows], counts, forms)


BATCH_BASE = Vocabulary(["hello", "london", "see", "you"])


@given(st.lists(st.tuples(corpora, st.integers(2, 4), st.booleans()), min_size=1, max_size=6))
def test_a_batch_holds_what_its_messages_give_one_by_one(fleet: list[tuple[list[str], int, bool]]) -> None:
    data = [
        Phone(texts, order=order, pseudonym=NAME).delta(BATCH_BASE if known else None).to_bytes()
        for texts, order, known in fleet
    ]
    batch = Batch.of(data)
    assert batch.to_messages() == data
    assert [part_of(batch, number).to_bytes() for number in range(len(data))] == data
    for number, bytes_ in enumerate(data):
        alone = Delta.from_bytes(bytes_)
        assert said(part_of(batch, number), BATCH_BASE) == said(alone, BATCH_BASE)


@given(st.lists(st.tuples(corpora, st.integers(0, 200)), min_size=1, max_size=8))
def test_of_a_batch_exactly_the_unsound_messages_are_named(fleet: list[tuple[list[str], int]]) -> None:
    """Each message is spoilt in one byte of its columns, or not at all."""
    heads, bad = [], {}
    for number, (texts, place) in enumerate(fleet):
        head = head_of(Phone(["hello there you", *texts]).delta().to_bytes())
        body = zlib.decompress(head["body"], wbits=-15)
        if place < len(body):
            body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            compressor = zlib.compressobj(wbits=-15)
            head["body"] = compressor.compress(body) + compressor.flush()
        data = resealed(head)
        heads.append(Head.of(data))
        try:
            Delta.from_bytes(data)
        except FormatError as error:
            bad[number] = str(error)
    if bad:
        with pytest.raises(FormatError):
            Batch.read(heads)
    assert {number: str(error) for number, error in unsound(heads).items()} == bad
