"""Merging in tasks: what comes out is what one process gives, however it is cut; here without a cluster."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedkeys.aggregator import Enrolment, intake, slices
from fedkeys.aggregator.releases import ReleaseRule
from fedkeys.counts import NgramCounts, count_ngrams
from fedkeys.delta import DEFAULT_BOUNDS, Bounds
from fedkeys.delta.keys import PhoneKey
from fedkeys.engines.dask import Here, Scale, inputs, is_url, sources_of, words
from fedkeys.engines.dask.partitions import Part, joined
from fedkeys.engines.dask.reading import group_starts, read
from fedkeys.engines.dask.taking import PartSums
from fedkeys.errors import FedkeysError, UsageError
from fedkeys.model import Model
from fedkeys.phone import Phone
from fedkeys.simulate import Fleet
from fedkeys.sources import open_corpus, shipped_corpus
from tests.engines.merges import Forgetting, Setting, by_one, by_tasks
from tests.strategies import corpora
from tests.test_helpers import HOSTILE, claiming

pytestmark = pytest.mark.engines

KEYS = [PhoneKey.draw() for _ in range(5)]
ENROLMENT = Enrolment([key.public for key in KEYS[:4]])
TIGHT = Bounds(max_ngrams=40, max_count=3, max_bytes=600)

scales = st.builds(
    Scale,
    read_bytes=st.sampled_from([1, 300, 1 << 20]),
    buckets=st.integers(1, 4),
    ranges=st.integers(1, 4),
    partitions=st.integers(1, 6),
)


def uploads_of(parts: list[list[str]], key: PhoneKey, order: int, bounds: Bounds | None) -> list[list[bytes]]:
    """What a phone sends round after round: what it sent before, and a new delta."""
    phone = Phone(order=order, pseudonym=key.public.pseudonym("fedkeys"), bounds=bounds)
    found = []
    for texts in parts:
        phone.type(texts)
        found.append(phone.upload())
        phone.accepted()
    return found


def written(directory: Path, messages: list[bytes], is_log: list[bool], at: int) -> None:
    """Write messages into logs and single files, about three each."""
    for number in range(0, len(messages), 3):
        some = messages[number : number + 3]
        if is_log[number // 3 % len(is_log)]:
            (directory / f"{at + number:04}.deltas").write_bytes(b"".join(some))
        else:
            for place, data in enumerate(some):
                (directory / f"{at + number:04}-{place}.delta").write_bytes(data)


@given(
    fleet=st.lists(st.lists(corpora, min_size=1, max_size=3), min_size=1, max_size=5),
    order=st.integers(2, 4),
    min_phones=st.integers(1, 3),
    blocked=st.lists(st.sampled_from(["hello", "london", "you", "i"]), unique=True, max_size=2),
    prune=st.none() | st.integers(0, 20),
    bounds=st.sampled_from([None, DEFAULT_BOUNDS, TIGHT]),
    is_signed=st.booleans(),
    is_log=st.lists(st.booleans(), min_size=1, max_size=4),
    group=st.sampled_from([1, 2, 5, 1 << 12]),
    scale=scales,
    random=st.randoms(),
)
@settings(max_examples=150)
def test_any_cut_gives_the_account_and_the_model_of_one_process(
    fleet: list[list[list[str]]],
    order: int,
    min_phones: int,
    blocked: list[str],
    prune: int | None,
    bounds: Bounds | None,
    is_signed: bool,
    is_log: list[bool],
    group: int,
    scale: Scale,
    random: Any,
) -> None:
    """Of phones that send several deltas, damaged ones, second copies and second deltas under one identity."""
    uploads = [
        upload
        for parts, key in zip(fleet, KEYS, strict=False)
        for upload in uploads_of(parts, key, order, bounds)
    ]
    uploads += [[upload[-1][:-1]] for upload in uploads[::3]] + [uploads[0], [b"\xc0"]]
    uploads += uploads_of([["something else"]], KEYS[0], order, bounds)
    random.shuffle(uploads)
    messages = [data for upload in uploads for data in upload]
    if is_signed:
        signing = {key.public.pseudonym("fedkeys"): key for key in KEYS}
        messages = [
            next((key.sign(data) for phone, key in signing.items() if phone in data), data)
            for data in messages
        ]
    setting = Setting(ReleaseRule(min_phones, blocked, prune), bounds, ENROLMENT if is_signed else None)
    with (
        TemporaryDirectory() as directory,
        patch.object(slices, "_SAMPLED", 1),
        patch.object(intake, "_GROUP_SIZE", group),
    ):
        written(Path(directory), messages, is_log, 0)
        (Path(directory) / "0001.deltas").write_bytes(messages[0] + messages[-1][:-3])
        assert by_tasks([directory], setting, scale) == by_one([directory], setting)


@cache
def fleet() -> Fleet:
    return Fleet(3000)


def fleet_log(directory: Path) -> Path:
    log = directory / "fleet.deltas"
    log.write_bytes(b"".join(data for batch in fleet().deltas() for data in batch))
    return log


@pytest.mark.parametrize("min_phones", [1, 2, 20])
def test_a_fleet_and_many_pieces(tmp_path: Path, min_phones: int) -> None:
    log = fleet_log(tmp_path)
    setting = Setting(ReleaseRule(min_phones), DEFAULT_BOUNDS, bases=(fleet().base,))
    expected = by_one([log], setting)
    assert expected.deltas == 3000
    for scale in (None, Scale(1 << 16, 13, 5, 9), Scale(1 << 30, 1, 1, 1)):
        assert by_tasks([log], setting, scale) == expected


def test_a_bucket_whose_sums_outgrow_memory(tmp_path: Path) -> None:
    log = fleet_log(tmp_path)
    setting = Setting(ReleaseRule(2), DEFAULT_BOUNDS, bases=(fleet().base,))
    tight = setting._replace(memory=64 << 10)
    assert by_tasks([log], tight, Scale(1 << 18, 2, 2, 3)) == by_one([log], setting)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("prune", [None, 500])
def test_the_shipped_phones(tmp_path: Path, order: int, prune: int | None) -> None:
    for name, texts in open_corpus(shipped_corpus()).phones():
        Phone(texts, order=order, bounds=DEFAULT_BOUNDS).delta().save(tmp_path / f"{name}.delta")
    setting = Setting(ReleaseRule(2, ["the", "You"], prune), DEFAULT_BOUNDS)
    with patch.object(slices, "_SAMPLED", 7):
        assert by_tasks([tmp_path], setting, Scale(1 << 12, 4, 3, 5)) == by_one([tmp_path], setting)


def test_of_two_deltas_under_one_identity_the_first_is_merged(tmp_path: Path) -> None:
    for number, text in enumerate(("hello world", "something else")):
        Phone([text], pseudonym=bytes(16)).delta().save(tmp_path / f"{number}.delta")
    for names in (["0.delta", "1.delta"], ["1.delta", "0.delta"]):
        files = [tmp_path / name for name in names]
        found = by_tasks(files, Setting(ReleaseRule(1)), Scale(1, 3, 2, 2))
        assert found == by_one(files, Setting(ReleaseRule(1)))
        assert [names[1] in sentence for sentence in found.intake.refused] == [True]


def test_what_cannot_be_read_is_named_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    good, junk = Phone(["hello"]).delta().to_bytes(), b"\xc1" + bytes(9)
    (tmp_path / "a.deltas").write_bytes(good + bytes(1200) + good[:-1])
    (tmp_path / "b.delta").write_bytes(b"")
    (tmp_path / "c.deltas").write_bytes(good + junk)
    (tmp_path / "d.delta").write_bytes(bytes(9 << 20))
    for number, hostile in enumerate(HOSTILE):
        (tmp_path / f"e{number}.delta").write_bytes(claiming(hostile))
    for group, named in ((7, 1003), (1 << 12, 1000)):  # files that cannot be read are all named
        with patch.object(intake, "_GROUP_SIZE", group):
            found = by_tasks([tmp_path], Setting(ReleaseRule(1)), Scale(40, 3, 1, 1))
            assert found == by_one([tmp_path], Setting(ReleaseRule(1)))
        assert (found.intake.merged, found.intake.repeated) == (1, 1)
        assert (len(found.intake.refused), found.intake.unnamed) == (named, 1204 + len(HOSTILE) - named)


STEPS = ("merging", "sorting words", "adding up", "choosing", "writing")


def few_phones(directory: Path, *texts: str) -> bytes:
    """Write a delta of each text, of a phone of its own; gives all of them, as in a log."""
    deltas = [Phone([text], pseudonym=bytes([number] * 16)).delta() for number, text in enumerate(texts, 1)]
    for number, delta in enumerate(deltas):
        delta.save(directory / f"{number}.delta")
    return b"".join(delta.to_bytes() for delta in deltas)


def test_what_is_lost_at_every_step_is_made_again(tmp_path: Path) -> None:
    few_phones(tmp_path, "hello world", "hello you", "see you there")
    setting = Setting(ReleaseRule(1))
    assert by_tasks([tmp_path], setting, Scale(1, 2, 2, 2), Forgetting()) == by_one([tmp_path], setting)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("change", ["another", "none", "damaged"])
def test_what_was_lost_and_is_another_now_ends_the_merge(tmp_path: Path, step: str, change: str) -> None:
    few_phones(tmp_path, "hello world", "hello you", "see you there")
    changed = tmp_path / "1.delta"

    def happen() -> None:
        if change == "none":
            changed.unlink()
        elif change == "damaged":
            changed.write_bytes(changed.read_bytes()[:-1])
        else:
            Phone(["hello there"], pseudonym=bytes([2] * 16)).delta().save(changed)

    why = "1.delta: is not what it was" if change == "none" else "inputs have changed while they were merged"
    with pytest.raises(FedkeysError, match=why):
        by_tasks([tmp_path], Setting(ReleaseRule(1)), Scale(1, 2, 2, 2), Forgetting(step, happen))


def test_a_log_is_read_as_it_was_when_it_was_cut(tmp_path: Path) -> None:
    data, other = (few_phones(tmp_path, "hello you", f"see {word}", "bye") for word in ("you", "her"))
    assert len(data) == len(other)
    log, setting = tmp_path / "all.deltas", Setting(ReleaseRule(1))
    log.write_bytes(data)
    expected = by_one([log], setting)

    def merged_with(changed: bytes) -> Any:
        log.write_bytes(data)
        return by_tasks(
            [log], setting, Scale(1, 2, 2, 2), Forgetting("reading", lambda: log.write_bytes(changed))
        )

    with pytest.raises(FedkeysError, match=r"is not what it was when the merge began .it ends in the middle"):
        merged_with(data[: len(data) - len(data) // 9])
    assert merged_with(data + other) == expected  # as if they had come after the merge
    for changed in (other, data[:-1], data[: len(data) // 2], b"", b"\xc1" + data):
        with pytest.raises(FedkeysError, match=r"all\.deltas: is not what it was when the merge began"):
            merged_with(changed)


def test_urls_are_read_as_files_are(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    directory = tmp_path / "in"
    for number, text in enumerate(("hello world", "hello you", "see you", "hello you")):
        path = directory / ("a-b" if number % 2 else "a") / f"{number}.delta"
        Phone([text], pseudonym=bytes([number // 3] * 16)).delta().save(path)
        memory.pipe(f"/{path.relative_to(tmp_path)}", path.read_bytes())
    (directory / "all.deltas").write_bytes(Phone(["bye"]).delta().to_bytes() + b"\xc1")
    memory.pipe("/in/all.deltas", (directory / "all.deltas").read_bytes())
    memory.pipe("/in/notes.txt", b"not asked")
    expected = by_one([directory], Setting(ReleaseRule(1)))
    try:
        for root, scale in (("memory://in", None), (f"file://{directory}", Scale(1, 2, 2, 2))):
            found = by_tasks([root], Setting(ReleaseRule(1)), scale)
            assert found.model == expected.model
            assert found.intake.reasons == expected.intake.reasons
            told = [sentence.replace(str(directory), "/in") for sentence in expected.intake.refused]
            assert [
                sentence.split("://")[1].replace(str(directory), "/in") for sentence in found.intake.refused
            ] == told
        assert [source.name for source in sources_of(["memory://in/a/0.delta"])] == ["memory://in/a/0.delta"]
        with pytest.raises(UsageError, match="no such file"):
            sources_of(["memory://in/none.delta"])
        memory.pipe("/in/north.partial", b"")
        with pytest.raises(UsageError, match="a partial aggregate is merged by one process"):
            sources_of(["memory://in"])
    finally:
        memory.rm("/in", recursive=True)
    with pytest.raises(UsageError, match="fsspec cannot read it"):
        sources_of(["nowhere://in"])


def test_archives_are_read(tmp_path: Path) -> None:
    data = few_phones(tmp_path / "in", "hello world", "hello you", "see you there")
    (tmp_path / "in" / "all.deltas").write_bytes(data)
    with ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in (tmp_path / "in").iterdir():
            archive.write(path, path.relative_to(tmp_path))
    expected = by_one([tmp_path / "in"], Setting(ReleaseRule(1)))
    for scale in (None, Scale(1, 2, 2, 2)):
        assert by_tasks([f"zip://in::{tmp_path}/in.zip"], Setting(ReleaseRule(1)), scale) == expected
    (tmp_path / "in.zip").write_bytes(b"junk")
    with pytest.raises(FedkeysError, match=r"in\.zip: cannot be read .File is not a zip file"):
        sources_of([f"zip://in::{tmp_path}/in.zip"])


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What is in the odd storage, by URL."""
    pytest.importorskip("fsspec").register_implementation("odd", "tests.engines.odd_storage.OddStorage", True)
    held: dict[str, bytes] = {}
    monkeypatch.setattr("tests.engines.odd_storage.OddStorage.held", held)
    return held


def test_storage_that_gives_no_sizes_and_a_few_bytes_at_a_time_is_read(
    tmp_path: Path, odd: dict[str, bytes]
) -> None:
    log = few_phones(tmp_path, "hello world", "hello you", "see you there")
    (tmp_path / "all.deltas").write_bytes(log + b"\xc1")
    odd |= {f"odd://host/in/{path.name}": path.read_bytes() for path in tmp_path.iterdir()}
    expected = by_one([tmp_path], Setting(ReleaseRule(1)))
    for scale in (None, Scale(1, 2, 2, 2)):
        found = by_tasks(["odd://host/in"], Setting(ReleaseRule(1)), scale)
        told = tuple(text.replace(str(tmp_path), "odd://host/in") for text in expected.intake.refused)
        assert found == expected._replace(intake=replace(expected.intake, refused=told))
    tasks = inputs.planned(sources_of(["odd://host/in"]), 1 << 23, lambda logs: [[] for _ in logs])
    assert [len(spans) for spans in tasks] == [1, 1, 1]  # each may be as long as a message can be


def test_what_urls_are_signed_with_is_told_nobody(tmp_path: Path, odd: dict[str, bytes]) -> None:
    log = few_phones(tmp_path, "hello world", "hello you")
    odd |= {f"odd://me:secret@host/{name}.deltas": log for name in ("all", "broken")}
    urls = [f"odd://me:secret@host/{name}.deltas?Signature=secret" for name in ("all", "broken")]
    found = by_tasks(urls, Setting(ReleaseRule(1)))
    assert found.deltas == 2
    assert found.intake.refused == (
        "odd://host/broken.deltas?...: cannot be read (403 of odd://host/broken.deltas?...)",
    )
    assert "secret" not in repr(sources_of(urls))
    with pytest.raises(UsageError, match=r"^odd://host/no\.deltas\?\.\.\.: no such file or directory$"):
        sources_of(["odd://me:secret@host/no.deltas?Signature=secret"])


def test_the_command_keeps_what_urls_are_signed_with(fedkeys: Callable[..., Any]) -> None:
    url = f"nowhere://me:secret@host/all.deltas?Signature={'secret' * 99}"
    for options in ((), ("--engine", "dask")):
        result = fedkeys("aggregate", url, "--dry-run", *options)
        assert (result.returncode, "secret" in result.stderr, "Traceback" in result.stderr) == (
            2,
            False,
            False,
        )
        assert "nowhere://host/all.deltas?...: " in result.stderr


def test_a_file_may_be_named_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Phone(["hello"]).delta().save(Path("rust::delta.delta"))
    (source,) = sources_of(["rust::delta.delta"])
    assert source.url is None


def test_a_log_is_cut_between_messages_only(tmp_path: Path) -> None:
    messages = [Phone([f"hello {word}"]).delta().to_bytes() for word in ("you", "world", "there", "again")]
    log = tmp_path / "all.deltas"
    log.write_bytes(b"".join(messages))
    (source,) = sources_of([str(log)])
    ends = set(np.cumsum(list(map(len, messages))).tolist())
    for bytes_ in (1, 300, 1 << 20):
        spans = inputs.scan(source, bytes_)
        assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
        assert {span.end for span in spans} <= ends
        _, shares = read(spans, 1)
        assert [found.data for found in shares[0]] == messages
    assert len(inputs.scan(source, 1)) == 4
    log.write_bytes(b"".join(messages)[:-1])
    *_, last = inputs.scan(source, 1)
    assert "ends in the middle of a message" in str(last.lost)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40), st.integers(1, 6), st.integers(1, 9)
)
@example([(0, True)] * 20, 4, 3)
def test_groups_are_those_of_one_process(drawn: list[tuple[int, bool]], size: int, reads: int) -> None:
    """Of sound messages, and of damaged ones, which no phone is known of."""
    sound = [Phone(["hello"], pseudonym=bytes([number] * 16)).delta().to_bytes() for number in range(4)]
    messages = [sound[number] if is_sound else sound[number][:-1] for number, is_sound in drawn]
    with TemporaryDirectory() as directory, patch.object(intake, "_GROUP_SIZE", size):
        files = []
        for number, data in enumerate(messages):
            files.append(Path(directory) / f"{number}.delta")
            files[-1].write_bytes(data)
        expected = [len(group) for group in intake._groups((file, None, file.read_bytes()) for file in files)]
        spans = [inputs.Span(source) for source in sources_of(map(str, files))]
        tasks = [spans[at : at + reads] for at in range(0, len(spans), reads)]
        starts = group_starts([read(task, 2)[0] for task in tasks])
    assert np.diff([*starts, len(messages)]).tolist() == expected


def test_no_message_comes_to_who_asks(tmp_path: Path) -> None:
    few_phones(tmp_path, "hello hidden", "see you there")
    about, shares = read([inputs.Span(source) for source in sources_of([str(tmp_path)])], 1)
    assert b"hidden" in pickle.dumps(shares)
    assert b"hidden" not in pickle.dumps(about)


@given(
    st.lists(st.lists(st.text("abc", min_size=1, max_size=3), max_size=9), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_words_get_the_numbers_of_one_vocabulary(buckets: list[list[str]], ranges: int) -> None:
    sums = [PartSums(sorted(set(own)), (), None, []) for own in buckets]  # type: ignore[arg-type]
    spans = words.word_ranges([words.word_samples(own) for own in sums], ranges)
    distinct = [words.distinct_words([words.words_between(own, span) for own in sums]) for span in spans]
    every = [word for found, _ in distinct for word in found]
    assert every == sorted({word for own in buckets for word in own})
    offsets = np.cumsum([0, *(len(found) for found, _ in distinct)])[:-1]
    for number, own in enumerate(sums):
        ids = words.ids_of([places[number] for _, places in distinct], offsets)
        assert ids.tolist() == [0, 1, *(2 + every.index(word) for word in own.words)]


def test_parts_of_nothing_add_up_to_nothing() -> None:
    empty = Part(np.zeros(0, np.int64), NgramCounts(NgramCounts.empty(2).levels, 0))
    assert len(joined([empty, empty]).counts) == 0
    counts = count_ngrams(np.array([0, 2, 3, 4], np.uint32), 3)
    part = Part(
        counts.levels[0].words.astype(np.int64), NgramCounts(counts.levels[1:], len(counts.levels[0]))
    )
    twice = joined([part, empty, part])
    assert twice.firsts.tolist() == [0, 2, 3]
    assert twice.counts.levels[0].counts.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-"], "other processes cannot read standard input"),
        (["none"], "no such file or directory"),
        (["a.partial"], "a partial aggregate is merged by one process; leave --engine out"),
        (["a.delta", "--state", "S"], "--state with --engine dask"),
        (["a.delta", "--partial", "b.partial"], "--partial with --engine dask"),
        (["a.delta", "--epsilon", "1", "--releases", "2"], "--epsilon, --releases with --engine dask"),
        (["--status", "--state", "S"], "--state, --status with --engine dask"),
        (["nowhere://bucket"], "fsspec cannot read it"),
        ([], "no deltas were given"),
    ],
)
def test_what_tasks_cannot_do_is_refused(
    fedkeys: Callable[..., Any], tmp_path: Path, arguments: list[str], why: str
) -> None:
    Phone(["hello"]).delta().save(tmp_path / "a.delta")
    (tmp_path / "a.partial").write_bytes(b"")
    result = fedkeys("aggregate", *arguments, "--out", "m.model", "--engine", "dask")
    assert result.returncode == 2
    assert why in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "m.model").exists()


def test_one_process_says_what_tasks_are_for(fedkeys: Callable[..., Any], tmp_path: Path) -> None:
    Phone(["hello"]).delta().save(tmp_path / "a.delta")
    for arguments, why in (
        (["s3://bucket/monday"], "reads no URLs; add --engine dask"),
        (["a.delta", "--scheduler", "tcp://127.0.0.1:1"], "add --engine dask"),
        (["a.delta", "--engine", "spark"], "spark"),
    ):
        result = fedkeys("aggregate", *arguments, "--dry-run")
        assert (result.returncode, why in result.stderr) == (2, True)


@pytest.mark.parametrize("missing", ["dask=None, distributed=None, fsspec=None", "cryptography=None"])
def test_without_the_extra_it_says_which_one(tmp_path: Path, missing: str) -> None:
    Phone(["hello"]).delta().save(tmp_path / "a.delta")
    hidden = f"import sys; sys.modules.update({missing})\nfrom fedkeys.cli import main; main()"
    for what in ("a.delta", "memory://a.delta"):
        command = [sys.executable, "-c", hidden, "aggregate", what, "--engine", "dask", "--dry-run"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert result.returncode == 2
        assert "pip install 'fedkeys[dask]'" in result.stderr


def test_urls_and_paths_are_told_apart() -> None:
    assert [is_url(text) for text in ("s3://a/b", "simplecache::s3://a", "a:b", "C:/a", "a.deltas")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert Here().workers == 1


def test_an_empty_model_is_one(tmp_path: Path) -> None:
    Phone([]).delta().save(tmp_path / "a.delta")
    found = by_tasks([tmp_path], Setting(ReleaseRule(1)))
    assert found == by_one([tmp_path], Setting(ReleaseRule(1)))
    assert Model.from_bytes(found.model).ngrams[0] == 0
