"""Bytes that are what they should be come back; all others are refused."""

import os
import zlib
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.container import (
    check_seal,
    pack_arrays,
    pack_column,
    read_bytes,
    seal,
    unpack_arrays,
    unpack_columns,
    unpack_list,
    unpack_map,
    write_atomically,
)
from fedkeys.errors import DamagedError, FedkeysError, FormatError, VersionError

columns = st.lists(
    st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 300), max_size=20), min_size=1, max_size=5
)


def deflate(raw: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(raw) + compressor.flush()


@given(columns)
def test_columns_come_back(values: list[list[int]]) -> None:
    data = deflate(b"".join(pack_column(np.array(column, np.int64)) for column in values))
    read = unpack_columns([data], np.array([[len(column) for column in values]]))
    assert [column.tolist() for column in read] == values


@given(st.binary(max_size=60), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
def test_any_bytes_are_columns_or_refused(data: bytes, sizes: list[int]) -> None:
    for body in (data, deflate(data)):
        try:
            read = unpack_columns([body], np.array([sizes]))
        except FormatError:
            continue
        assert [len(column) for column in read] == sizes


def test_a_number_has_one_encoding() -> None:
    assert unpack_columns([deflate(b"\x80\x01")], np.array([[1]]))[0].tolist() == [128]
    for twisted in (b"\x81\x00", b"\x80\x80\x80\x80\x80\x01", b"\xff\xff\xff\xff\x7f", b"\x80"):
        with pytest.raises(FormatError):
            unpack_columns([deflate(twisted)], np.array([[1]]))


def test_a_few_bytes_cannot_ask_for_gigabytes() -> None:
    with pytest.raises(FormatError, match="cannot hold"):
        unpack_columns([deflate(b"\x00")], np.array([[2**22]]))
    with pytest.raises(FormatError, match="are announced"):
        unpack_columns([deflate(bytes(10_000_000))], np.array([[10_000_000]]))
    bomb = deflate(bytes(50_000_000))
    with pytest.raises(FormatError):
        unpack_columns([bomb], np.array([[10]]))


def test_numbers_outside_a_column_are_refused() -> None:
    for value in (-1, 2**32):
        with pytest.raises(ValueError, match="2\\^32"):
            pack_column(np.array([value]))


def test_a_seal_tells_any_change_of_one_bit() -> None:
    sealed = seal(b"some bytes")
    check_seal(sealed)
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError):
            check_seal(bytes(changed))


KEYS = ["format", "version", "a"]
SOUND = {"format": "test", "version": 1, "a": 7}


def test_a_map_comes_back() -> None:
    assert unpack_map(msgpack.packb(SOUND), "test", 1, KEYS) == SOUND


@given(st.binary(max_size=80))
def test_any_bytes_are_a_map_or_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_map(data, "test", 1, KEYS)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({**SOUND, "b": 2}, "with the keys"),
        ({"a": 7, "format": "test", "version": 1}, "with the keys"),
        ({"format": "test", "version": 1}, "with the keys"),
        ({**SOUND, "version": 0}, "not a whole number"),
        ({**SOUND, "version": True}, "not a whole number"),
        ({**SOUND, "format": "other"}, "holds a 'other'"),
        ({"a": 1}, "not a map that says"),
        ([1], "not a map that says"),
        (7, "not a map that says"),
        ({}, "not a map that says"),
    ],
    ids=str,
)
def test_a_map_has_the_expected_keys(value: object, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        unpack_map(msgpack.packb(value), "test", 1, KEYS)


def test_a_newer_map_is_named_as_such_whatever_its_keys() -> None:
    with pytest.raises(VersionError, match="version 2 is newer"):
        unpack_map(msgpack.packb({**SOUND, "version": 2, "more": 1}), "test", 1, KEYS)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(FormatError, match="twice"):
        unpack_map(b"\x82\xa1a\x01\xa1a\x02", "test", 1, KEYS)


def test_what_comes_after_the_map_is_refused() -> None:
    with pytest.raises(FormatError, match="comes after"):
        unpack_map(msgpack.packb(SOUND) + b"\x00", "test", 1, KEYS)


LIST = ["test", 1, 7]


def test_a_list_comes_back_by_name() -> None:
    assert unpack_list(msgpack.packb(LIST), "test", 1, KEYS) == SOUND


@given(st.binary(max_size=80))
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_list(data, "test", 1, KEYS)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([*LIST, 8], "of 3 entries: format, version, a"),
        (LIST[:2], "of 3 entries"),
        (["test", 0, 7], "not a whole number"),
        (["other", 1, 7], "holds a 'other'"),
        (["test", 2], "version 2 is newer"),
        (["test"], "not an array that says"),
        (SOUND, "not an array that says"),
        (7, "not an array that says"),
    ],
    ids=str,
)
def test_a_list_has_the_expected_entries(value: object, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        unpack_list(msgpack.packb(value), "test", 1, KEYS)


ARRAYS = {
    "ids": np.array([1, 2, 3], np.uint32),
    "none": np.zeros(0, np.float32),
    "text": np.frombuffer("héllo".encode(), np.uint8),
    "wide": np.array([2**40], np.int64),
}


def test_arrays_come_back_without_a_copy_and_aligned() -> None:
    data = pack_arrays("test", 1, {"name": "é", "n": [1, None]}, ARRAYS)
    container = unpack_arrays(data, "test", 1)
    assert container.header == {"name": "é", "n": [1, None]}
    for name, array in ARRAYS.items():
        read = container.arrays[name]
        assert np.array_equal(read, array)
        assert not read.flags.owndata
        assert not read.flags.writeable
    head, body, checksum = msgpack.unpackb(data)
    assert [offset % 64 for *_, offset in head["arrays"]] == [0] * len(ARRAYS)
    assert (len(data) - len(body) - len(checksum) - 2) % 64 == 0


def test_the_payload_digest_is_of_the_arrays_alone() -> None:
    one = unpack_arrays(pack_arrays("test", 1, {"made": "here"}, ARRAYS), "test", 1)
    other = unpack_arrays(pack_arrays("test", 1, {"made": "elsewhere, later"}, ARRAYS), "test", 1)
    assert one.payload == other.payload


def test_deflated_arrays_come_back_and_leave_the_payload_digest_as_it_is() -> None:
    alike = {**ARRAYS, "alike": np.arange(1000, dtype=np.uint32) // 100}
    raw = pack_arrays("test", 1, {}, alike)
    deflated = pack_arrays("test", 1, {}, alike, ["alike", "none", "text"])
    assert len(deflated) < len(raw) / 4
    one, other = unpack_arrays(raw, "test", 1), unpack_arrays(deflated, "test", 1)
    assert one.payload == other.payload
    for name, array in alike.items():
        assert np.array_equal(other.arrays[name], array)
        assert other.arrays[name].dtype == array.dtype
        assert not other.arrays[name].flags.writeable


def test_what_would_inflate_too_much_is_not_deflated() -> None:
    zeros = {"zeros": np.zeros(1 << 20, np.uint8)}
    data = pack_arrays("test", 1, {}, zeros, ["zeros"])
    assert len(data) > 1 << 20
    assert np.array_equal(unpack_arrays(data, "test", 1).arrays["zeros"], zeros["zeros"])


def forged(changes: Callable[[list[Any]], list[Any]], body: bytes, count: int = 1) -> bytes:
    """A container whose table says something else than its body holds."""
    entry = ["a", "|u1", 8, 0]
    head = {
        "format": "test",
        "version": 1,
        "header": {},
        "arrays": [changes(list(entry)) for _ in range(count)],
        "payload": blake2b(body, digest_size=16).digest(),
        "pad": b"",
    }
    parts = b"\x93" + msgpack.packb(head) + b"\xc6" + len(body).to_bytes(4, "big") + body + b"\xc4\x08"
    return seal(parts)


DEFLATED = deflate(bytes(8))


@pytest.mark.parametrize(
    ("changes", "body", "reason"),
    [
        (lambda entry: [*entry, len(DEFLATED)], DEFLATED + b"x", "payload digest"),
        (lambda entry: [*entry, len(DEFLATED) - 1], DEFLATED, "does not inflate to its 8 bytes"),
        (lambda entry: [*entry[:2], 9, 0, len(DEFLATED)], DEFLATED, "does not inflate to its 9 bytes"),
        (lambda entry: [*entry[:2], 7, 0, len(DEFLATED)], DEFLATED, "does not inflate to its 7 bytes"),
        (lambda entry: [*entry[:2], 1 << 40, 0, len(DEFLATED)], DEFLATED, "more than 16 times the file"),
        (lambda entry: [*entry, -1], DEFLATED, "reaches outside"),
        (lambda entry: [*entry, 99], DEFLATED, "reaches outside"),
        (lambda entry: [*entry, 1, 1], DEFLATED, "more in the table"),
        (lambda entry: [*entry, 8], b"\xff" * 8, "cannot be inflated"),
        (lambda entry: [*entry[:3], 1], bytes(9), "does not follow"),
        (lambda entry: entry, bytes(9), "payload digest"),
        (lambda entry: [*entry[:2], -1, 0], bytes(8), "reaches outside"),
    ],
)
def test_a_table_that_does_not_fit_the_body_is_refused(changes: Any, body: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        unpack_arrays(forged(changes, body), "test", 1)


def test_arrays_may_not_share_their_bytes() -> None:
    """Or a few bytes would be read as many arrays, over and over."""
    assert unpack_arrays(forged(lambda entry: entry, bytes(8)), "test", 1).arrays["a"].tolist() == [0] * 8
    with pytest.raises(FormatError, match="does not follow"):
        unpack_arrays(forged(lambda entry: entry, bytes(8), 2), "test", 1)


def test_damaged_foreign_and_newer_containers_are_refused() -> None:
    data = pack_arrays("test", 2, {}, ARRAYS)
    with pytest.raises(VersionError, match="upgrade"):
        unpack_arrays(data, "test", 1)
    with pytest.raises(FormatError, match="holds a 'test'"):
        unpack_arrays(data, "other", 2)
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            unpack_arrays(data[:cut], "test", 2)
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 0x40
        with pytest.raises(FormatError):
            unpack_arrays(bytes(changed), "test", 2)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_container_or_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_arrays(data, "test", 1)


def test_writing_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in path.parent.iterdir()] == ["file"]
    with pytest.raises(FedkeysError, match="cannot be written"):
        write_atomically(path / "below-a-file", b"three")


def test_a_target_that_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"data")
    assert os.read(reader, 10) == b"data"
    os.close(reader)
    assert pipe.is_fifo()


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(FormatError, match="more than"):
        read_bytes(path, 4)
    with pytest.raises(FedkeysError, match="cannot be read"):
        read_bytes(tmp_path / "none", 5)
