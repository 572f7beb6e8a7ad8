"""The personal store: what was learnt lasts, what was forgotten is gone, whatever happens between."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fedkeys.phone.store as storing
from fedkeys import Keyboard, Phone, aggregate
from fedkeys.errors import DamagedError, FedkeysError, FormatError, StorageError, VersionError
from fedkeys.phone import PersonalModel, PersonalStore
from fedkeys.phone.contents import MOST_TYPED, Contents, Followers
from fedkeys.phone.journal import pack_record
from fedkeys.phone.snapshot import SNAPSHOT_VERSION, pack_snapshot, unpack_snapshot
from fedkeys.words import tokens
from tests.strategies import corpora, histories
from tests.test_personal import known, learnt, live, ngrams

TEXTS = ["See you tomorrow", "off to eBay. So LOL", "mail me@example.org or hunter2, code 447199", "❤️ naïve"]

Image = dict[str, bytes]


def image(directory: Path) -> Image:
    """The files of a store, as a kill at this instant would leave them."""
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def restored(files: Image, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def opened(directory: Path) -> dict[str, Any]:
    with PersonalStore(directory) as store:
        return known(store)


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> Callable[[PersonalStore, Callable[[], object]], list[Image]]:
    """Do something to a store; give what is on the disk before and after each step that changes it."""

    def watch(store: PersonalStore, change: Callable[[], object]) -> list[Image]:
        seen = [image(store.path)]

        def watched(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                seen.append(image(store.path))
                done = original(*arguments, **named)
                seen.append(image(store.path))
                return done

            return call

        with monkeypatch.context() as patch:
            for step in ("open", "write", "fsync", "replace", "unlink", "chmod"):
                patch.setattr(os, step, watched(getattr(os, step)))
            change()
        return seen

    return watch


@given(histories, st.integers(1, 60), st.integers(0, 200), st.data())
@settings(max_examples=60)
def test_a_store_that_is_opened_again_and_again_is_a_model_that_never_stopped(
    history: list[tuple[bool, str]], max_ngrams: int, long: int, data: st.DataObject
) -> None:
    in_memory = PersonalModel(max_ngrams)
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(storing, "_LONG", long)
        patch.setattr(storing, "_LONG_AT_OPEN", long // 2)
        store = PersonalStore(Path(directory), max_ngrams)
        for event in history:
            live(in_memory, [event])
            live(store, [event])
            if data.draw(st.booleans()):
                store.close()
                store = PersonalStore(Path(directory), max_ngrams)
            assert known(store) == known(in_memory)
        store.close()


def test_a_kill_at_every_byte_of_the_journal(tmp_path: Path) -> None:
    with PersonalStore(tmp_path / "store") as store:
        ends = [0, *((store.learn(text), store._journal.size)[1] for text in TEXTS)]
    files = image(tmp_path / "store")
    states = [known(learnt(TEXTS[:count])) for count in range(len(TEXTS) + 1)]
    assert ends[-1] == len(files["journal"])
    for end in range(ends[-1] + 1):
        whole = sum(other <= end for other in ends) - 1
        cut = restored({**files, "journal": files["journal"][:end]}, tmp_path / f"cut {end}")
        with PersonalStore(cut) as store:
            assert known(store) == states[whole]
            store.learn("and on it goes")
        assert opened(cut) == known(learnt([*TEXTS[:whole], "and on it goes"]))


def test_a_power_cut_may_leave_zeros_or_half_a_message(tmp_path: Path) -> None:
    with PersonalStore(tmp_path / "store") as store:
        store.learn(TEXTS[0])
        whole = store._journal.size
        store.learn(TEXTS[1])
    files = image(tmp_path / "store")
    first, last = files["journal"][:whole], files["journal"][whole:]
    for tail in (bytes(4), bytes(100), last[:20] + bytes(len(last) - 20)):
        cut = restored({**files, "journal": first + tail}, tmp_path / f"cut {len(tail)}")
        assert opened(cut) == known(learnt(TEXTS[:1]))


@pytest.mark.parametrize(
    "change",
    [
        lambda store, _: store.learn("see pancakes"),
        lambda store, _: store._save(),
        lambda store, _: store.forget("TOMORROW"),
        lambda store, _: store.forget_all(),
        lambda store, exported: store.import_(exported),
    ],
    ids=["learn", "compact", "forget", "forget all", "import"],
)
def test_a_kill_at_every_step_leaves_before_or_after(
    tmp_path: Path, images: Any, change: Callable[[PersonalStore, Path], object]
) -> None:
    exported = tmp_path / "exported.jsonl"
    with PersonalStore(tmp_path / "other") as other:
        other.learn("pancakes tomorrow")
        other.export(exported)
    with PersonalStore(tmp_path / "store") as store:
        store.learn(TEXTS[0])
        store._save()
        store.learn(f"tomorrow {TEXTS[1]}")
        before = known(store)
        seen = images(store, lambda: change(store, exported))
        after = known(store)
    assert opened(tmp_path / "store") == after
    found = []
    for number, files in enumerate(seen):
        directory = restored(files, tmp_path / f"image {number}")
        with PersonalStore(directory) as store:
            found.append(known(store))
            assert found[-1] in (before, after)
        if found[-1] == after != before and "tomorrow" not in dict(after["learnt"]):
            assert not any(b"tomorrow" in data for data in image(directory).values())
        assert set(image(directory)) <= {"snapshot", "journal", "lock"}, "something was left lying"
    assert found == sorted(found, key=lambda state: state == after), "once after, never before again"


@given(corpora, st.sampled_from(["tomorrow", "London", "iPhone", "naïve", "❤️", "LOL"]))
@settings(max_examples=40)
def test_a_forgotten_word_is_in_no_file(texts: list[str], word: str) -> None:
    """As it is counted and as it was written, alone and in n-grams; beside it nothing changes."""
    texts = [*texts, f"so {word} and {word.upper()} {word.lower()}", f"{word} again"]
    with TemporaryDirectory() as directory:
        with PersonalStore(Path(directory)) as store:
            for at, text in enumerate(texts):
                store.learn(text)
                if at == len(texts) // 2:
                    store._save()
            assert any(word.lower().encode() in data.lower() for data in image(store.path).values())
            before = ngrams(store)
            assert store.forget(word)
            held = b"".join(image(store.path).values())
            identity = next(iter({ngram[-1] for ngram in before} - {ngram[-1] for ngram in ngrams(store)}))
            for form in {word, word.upper(), word.lower(), word.title(), identity}:
                assert form.encode() not in held
            left = known(store)
        assert ngrams(store) == {ngram: found for ngram, found in before.items() if identity not in ngram}
        assert opened(Path(directory)) == left


def test_a_word_that_had_to_make_room_is_forgotten_in_the_journal_too(tmp_path: Path) -> None:
    with PersonalStore(tmp_path, max_ngrams=4) as store:
        store.learn("pancakes")
        for at in "abcdef":
            store.learn(f"see {at}")
        assert "pancakes" not in dict(store.learnt())
        assert b"pancakes" in image(tmp_path)["journal"]
        assert not store.forget("pancakes")
        assert not any(b"pancakes" in data for data in image(tmp_path).values())


def test_a_message_that_was_never_whole_leaves_nothing_of_a_forgotten_word(tmp_path: Path) -> None:
    """Its writing was stopped, then the word was forgotten, and that was stopped before the journal was gone."""
    with PersonalStore(tmp_path) as store:
        store.learn("see pancakes")
        store.forget("pancakes")
    (tmp_path / "journal").write_bytes(pack_record(0, ["see", "pancakes"])[:-3])
    with PersonalStore(tmp_path) as store:
        assert dict(store.learnt()) == {"see": 1}
        assert not any(b"pancakes" in data for data in image(tmp_path).values())


def test_what_the_filter_drops_is_never_written(tmp_path: Path, images: Any) -> None:
    secrets = (b"example", b"hunter2", b"447199", b"07700", b"900123", b"me@")
    with PersonalStore(tmp_path) as store:
        seen = images(store, lambda: [store.learn(f"{text} 07700 900123") for text in TEXTS])
        seen += images(store, store._save)
    assert any(b"mail" in data for files in seen for data in files.values())
    assert not any(secret in data for files in seen for data in files.values() for secret in secrets)


def test_a_store_is_its_owner_s_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "personal"
    with PersonalStore(path) as store:
        store.learn("see you")
        store._save()
        store.learn("see you")
        store.export(tmp_path / "out.jsonl")
        assert {file.name: file.stat().st_mode & 0o777 for file in path.iterdir()} == {
            "snapshot": 0o600,
            "journal": 0o600,
            "lock": 0o600,
        }
    assert path.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600


def test_one_process_at_a_time(tmp_path: Path) -> None:
    code = "import pathlib, fedkeys.phone as phone; phone.PersonalStore(pathlib.Path.cwd())"
    with PersonalStore(tmp_path) as store:
        store.learn("see you")
        with pytest.raises(FedkeysError, match="another fedkeys has this personal store open; close it"):
            PersonalStore(tmp_path)
        refused = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert "another fedkeys has this personal store open" in refused.stderr
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
    with pytest.raises(StorageError, match="was closed"):
        store.learn("see you")
    assert opened(tmp_path) == known(learnt(["see you"]))


@pytest.mark.parametrize("name", ["snapshot", "journal"])
def test_damage_is_named_and_nothing_is_changed(tmp_path: Path, name: str) -> None:
    with PersonalStore(tmp_path / "store") as store:
        store.learn(TEXTS[0])
        store._save()
        store.learn(TEXTS[1])
        whole = store._journal.size
        store.learn(TEXTS[3])
    files = image(tmp_path / "store")
    last = len(files["snapshot"]) if name == "snapshot" else whole
    for at in range(0, last, 1 if name == "journal" else 7):
        changed = bytearray(files[name])
        changed[at] ^= 0x41
        directory = restored({**files, name: bytes(changed)}, tmp_path / f"{name} {at}")
        before = image(directory)
        with pytest.raises(FormatError) as error:
            PersonalStore(directory)
        assert error.value.file == directory / name
        assert "upgrade" in str(error.value) or "bring it back from a copy" in str(error.value)
        assert image(directory) == before
        restored(files, directory)
        assert opened(directory)["now"] == 10, "the lock was let go"


def test_a_journal_without_its_snapshot_is_refused(tmp_path: Path) -> None:
    with PersonalStore(tmp_path) as store:
        store.learn(TEXTS[0])
        store._save()
        store.learn(TEXTS[1])
    (tmp_path / "snapshot").unlink()
    before = image(tmp_path)
    with pytest.raises(FormatError, match="snapshot that it belongs to is missing"):
        PersonalStore(tmp_path)
    assert image(tmp_path) == before


def test_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("fedkeys.phone.snapshot.SNAPSHOT_VERSION", SNAPSHOT_VERSION + 1)
        (tmp_path / "snapshot").write_bytes(pack_snapshot(learnt(TEXTS).contents, 1))
    with pytest.raises(VersionError, match="upgrade fedkeys"):
        PersonalStore(tmp_path)
    (tmp_path / "snapshot").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("fedkeys.phone.journal.JOURNAL_VERSION", 2)
        (tmp_path / "journal").write_bytes(pack_record(0, ["see"]) * 2)
    with pytest.raises(VersionError, match="upgrade fedkeys"):
        PersonalStore(tmp_path)


@given(histories)
def test_a_snapshot_holds_all(history: list[tuple[bool, str]]) -> None:
    personal = live(PersonalModel(), history)
    data = pack_snapshot(personal.contents, 7)
    contents, generation = unpack_snapshot(data)
    again = PersonalModel()
    again._become(contents)
    assert known(again) == known(personal)
    assert generation == 7
    assert pack_snapshot(again.contents, 7) == data


@pytest.mark.parametrize(
    ("count", "last", "form_count"), [(1, 10, 1), (0, 9, 1), (9, 8, 1), (0, 0, 1), (1, 9, 0)]
)
def test_a_sealed_snapshot_whose_numbers_cannot_be_is_refused(
    tmp_path: Path, count: int, last: int, form_count: int
) -> None:
    def sealed(count: int, last: int, form_count: int) -> bytes:
        after = {
            (): Followers.of(["see", "you"], [1, count], [1, last]),
            ("see",): Followers.of(["you"], [1], [1]),
        }
        return pack_snapshot(Contents(9, after, {"you": {"You": form_count}}, ()), 1)

    (tmp_path / "snapshot").write_bytes(sealed(count, last, form_count))
    with pytest.raises(FormatError, match=r"do not grow in this order.*nothing was changed"):
        PersonalStore(tmp_path)
    (tmp_path / "snapshot").write_bytes(sealed(1, 9, 1))
    with PersonalStore(tmp_path) as store:
        model = aggregate([Phone(["see you"]).delta()], min_phones=1)
        assert Keyboard(model, store).suggest("see ")[0].word == "You"


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, step: str, room: int) -> Iterator[None]:
    """Let the disk be full once so many bytes were written, or at once in other steps."""

    def write(file: int, data: bytes, write: Any = os.write) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written: int = write(file, data[:room])
        room -= written
        return written

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, write if step == "write" else fails)
        yield


@pytest.mark.parametrize(("step", "room"), [("write", 0), ("write", 20), ("fsync", 0)])
def test_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, room: int
) -> None:
    with PersonalStore(tmp_path / "store") as store:
        store.learn(TEXTS[0])
        for _ in range(2):
            with (
                full_disk(monkeypatch, step, room),
                pytest.raises(StorageError, match=r"No space left.*make room"),
            ):
                store.learn(TEXTS[1])
        assert known(store) == known(learnt(TEXTS[:1]))
        killed = restored(image(store.path), tmp_path / "killed")
        assert opened(killed) in (known(learnt(TEXTS[:1])), known(learnt(TEXTS[:2])))
        store.learn(TEXTS[3])
        assert known(store) == known(learnt([TEXTS[0], TEXTS[3]]))
    assert opened(tmp_path / "store") == known(learnt([TEXTS[0], TEXTS[3]]))


def test_what_could_not_be_forgotten_on_disk_is_at_the_next_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PersonalStore(tmp_path) as store:
        store.learn("see you tomorrow")
        with full_disk(monkeypatch, "fsync", 0), pytest.raises(StorageError):
            store.forget("tomorrow")
        assert any(b"tomorrow" in data for data in image(tmp_path).values())
        store.learn("see you")
        assert not any(b"tomorrow" in data for data in image(tmp_path).values())
        left = known(store)
    assert opened(tmp_path) == left


def test_a_message_longer_than_a_journal_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "_MANY_ITEMS", 3)
    with PersonalStore(tmp_path) as store:
        for text in TEXTS:
            store.learn(text)
    assert opened(tmp_path) == known(learnt(TEXTS))


@contextmanager
def no_room_for_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that takes a message in the journal, and no snapshot."""

    def fails(path: Path, *_: Any, **__: Any) -> None:
        raise FedkeysError("cannot be written (No space left on device)", file=path)

    with monkeypatch.context() as patch:
        patch.setattr(storing, "write_atomically", fails)
        yield


def test_a_message_in_the_journal_is_counted_though_no_snapshot_could_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_LONG", 10)
    with PersonalStore(tmp_path / "store") as store:
        with no_room_for_a_snapshot(monkeypatch):
            store.learn(TEXTS[0])
            with pytest.raises(StorageError, match="make room"):
                store.learn(TEXTS[1])
            assert known(store) == known(learnt(TEXTS[:1]))
        killed = restored(image(store.path), tmp_path / "killed")
        monkeypatch.setattr(storing, "_LONG_AT_OPEN", 10)
        with no_room_for_a_snapshot(monkeypatch):
            assert opened(killed) == known(store)
        store.learn(TEXTS[1])
    assert opened(tmp_path / "store") == known(learnt(TEXTS[:2]))


def test_a_message_longer_than_a_journal_takes_is_counted_once_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_MANY_ITEMS", 3)
    with PersonalStore(tmp_path) as store:
        store.learn(TEXTS[0])
        with no_room_for_a_snapshot(monkeypatch), pytest.raises(StorageError, match="make room"):
            store.learn(TEXTS[1])
        assert known(store) == known(learnt(TEXTS[:1]))
        store.learn(TEXTS[1])
        assert known(store) == known(learnt(TEXTS[:2]))
    assert opened(tmp_path) == known(learnt(TEXTS[:2]))


def test_its_size_on_disk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "_LONG", 2000)
    sizes = []
    with PersonalStore(tmp_path, max_ngrams=100) as store:
        for first in "abcdefghijklmnopqrstuvwxyz":
            for second in "abcdefghijklmnopqrstuvwxyz":
                store.learn(f"{first}{second} {second}{first} {first}")
                sizes.append(sum(map(len, image(tmp_path).values())))
        assert len(store) <= 100
    assert max(sizes) < 10_000
    assert len([size for size in sizes if size < 2500]) > 10, "snapshots were written"


def test_it_is_kept_over_a_new_release(tmp_path: Path) -> None:
    """Releases number their words anew; what its owner typed is kept by word."""
    first, second = (
        aggregate([Phone(texts).delta() for texts in [release] * 2])
        for release in (["see you soon", "see them"], ["a whole new world of words", "see you later"])
    )
    with PersonalStore(tmp_path) as store:
        keyboard = Keyboard(first, store)
        for _ in range(5):
            keyboard.learn("see you pancakes")
    with PersonalStore(tmp_path) as store:
        keyboard = Keyboard(second, store)
        assert keyboard.suggest("see you ", 1)[0].word == "pancakes"
        store.forget("pancakes")
        assert "pancakes" not in [word for word, _ in keyboard.suggest("see you ", 9)]
    assert "pancakes" not in dict(opened(tmp_path)["learnt"])


@given(histories, corpora)
@settings(max_examples=40)
def test_export_and_import_bring_all_of_it_back(history: list[tuple[bool, str]], texts: list[str]) -> None:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "exported.jsonl"
        with PersonalStore(Path(directory) / "one") as store:
            live(store, history)
            lines = store.export(file)
            expected = known(store)
        assert lines == len(file.read_text().splitlines())
        for line in file.read_text().splitlines():
            assert isinstance(json.loads(line), dict)
        with PersonalStore(Path(directory) / "other") as store:
            store.import_(file)
            assert {**known(store), "messages": ()} == {**expected, "messages": ()}
        merged = live(PersonalModel(), history)
        with PersonalStore(Path(directory) / "third") as store:
            for text in texts:
                store.learn(text)
            store.import_(file)
        for text in texts:
            merged.learn(text)
        assert {**opened(Path(directory) / "third"), "messages": ()} == {**known(merged), "messages": ()}


HEAD = '{"format": "fedkeys.personal", "version": 1, "now": 9}'
SEE = '{"context": [], "word": "see", "count": 2, "last": 8}'
YOU = '{"context": [], "word": "you", "count": 2, "last": 9}'


def ngram(context: list[Any], word: str, count: int = 1, last: int = 9) -> str:
    return json.dumps({"context": context, "word": word, "count": count, "last": last})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([""], "line 1: not JSON"),
        (["see\t2"], "line 1: not JSON"),
        (["[" * 100_000], "line 1: not JSON"),
        (['{"format": "fedkeys.model", "version": 1, "now": 9}'], "line 1: the first line"),
        (['{"format": "fedkeys.personal", "version": 2, "now": 9}'], "upgrade fedkeys"),
        (['{"format": "fedkeys.personal", "version": 1, "now": -1}'], "cannot be"),
        ([HEAD[:-1] + ', "starts": 10}'], "do not fit together"),
        ([HEAD[:-1] + ', "starts": 2, "capitals": 3}'], "do not fit together"),
        ([HEAD[:-1] + ', "starts": -1, "capitals": -1}'], "do not fit together"),
        ([HEAD, "[]"], "line 2: not a map"),
        ([HEAD, '{"word": "see"}'], "line 2: neither"),
        ([HEAD, ngram([], "see", True)], "line 2: not a map of words and numbers"),
        ([HEAD, ngram([], "See")], "line 2: 'See' is not one word"),
        ([HEAD, ngram([], "a@b.org")], "is not one word"),
        ([HEAD, ngram([], "447199")], "is not one word"),
        ([HEAD, ngram([], "\x02")], "is not one word"),
        ([HEAD, ngram([], "\ud800")], "is not one word"),
        ([HEAD, ngram([], "see", 0)], "do not grow"),
        ([HEAD, ngram([], "see", 5, 4)], "do not grow"),
        ([HEAD, ngram([], "see", 1, 10)], "do not grow"),
        ([HEAD, ngram([], "see", 10**30, 10**31)], "do not grow"),
        ([HEAD, SEE, SEE], "line 3: this n-gram stands twice"),
        ([HEAD, YOU, ngram(["see"], "you")], "line 3: 'see' has no line of its own"),
        ([HEAD, SEE, ngram(["see"], "you")], "line 3: has no line without"),
        ([HEAD, SEE, YOU, ngram(["see"], "you", 3, 9)], "line 4: typed more often"),
        ([HEAD, SEE, YOU, ngram(["you"], "see", 1, 9)], "line 4: typed more often, or later"),
        ([HEAD, SEE, YOU, ngram(["you", "see"], "you")], "line 4: has no line without"),
        ([HEAD, SEE, YOU, ngram(["see"] * 4, "you")], "line 4: not a context"),
        ([HEAD, SEE, YOU, ngram([7], "you")], "line 4: not a context"),
        ([HEAD, SEE, YOU, ngram(["see", "⟨message⟩"], "you")], "line 4: not a context"),
        ([HEAD, SEE, YOU, ngram(["⟨any⟩"], "you")], "line 4: not a context"),
        ([HEAD, SEE, YOU, ngram(["see", "⟨any⟩", "you"], "you")], "line 4: not a context"),
        ([HEAD, SEE, '{"word": "you", "form": "You", "count": 1}'], "'you' has no line of its own"),
        ([HEAD, SEE, '{"word": "see", "form": "sea", "count": 1}'], "'sea' is no way to write 'see'"),
        ([HEAD, SEE, '{"word": "see", "form": "See", "count": 3}'], "written more often than typed"),
        ([HEAD, SEE, *['{"word": "see", "form": "See", "count": 1}'] * 2], "this written form stands twice"),
    ],
)
def test_what_was_not_exported_is_refused_whole(tmp_path: Path, lines: list[str], said: str) -> None:
    file = tmp_path / "hostile.jsonl"
    file.write_text("\n".join(lines))
    with PersonalStore(tmp_path / "store") as store:
        store.learn("see you")
        before = image(store.path), known(store)
        with pytest.raises(FormatError) as error:
            store.import_(file)
        assert (image(store.path), known(store)) == before
    assert said in str(error.value)
    assert str(file) in str(error.value)


def head(now: int) -> str:
    return json.dumps({"format": "fedkeys.personal", "version": 1, "now": now})


def test_after_the_longest_life_that_is_imported_words_can_be_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    often = ngram([], "ho", MOST_TYPED, MOST_TYPED)
    file.write_text("\n".join([head(MOST_TYPED), ngram([], "hi", 1, MOST_TYPED), often]))
    with PersonalStore(tmp_path / "store") as store:
        store.import_(file)
        store.learn("my secret")
        assert store.forget("secret")
        assert not any(b"secret" in data for data in image(store.path).values())
        left = known(store)
    assert opened(tmp_path / "store") == left


def test_a_longer_life_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "longer.jsonl"
    file.write_text("\n".join([head(MOST_TYPED + 1), ngram([], "hi", 1, 9)]))
    with PersonalStore(tmp_path / "store") as store, pytest.raises(FormatError, match="cannot be"):
        store.import_(file)


def test_a_store_that_has_taken_a_longer_life_forgets_too(tmp_path: Path) -> None:
    longest = (1 << 32) - 1
    tmp_path.joinpath("snapshot").write_bytes(
        pack_snapshot(Contents(longest, {(): Followers.of(["hi"], [1], [longest])}, {}, ()), 1)
    )
    tmp_path.joinpath("journal").write_bytes(pack_record(1, tokens("my secret")))
    with PersonalStore(tmp_path) as store:
        assert store.forget("secret")
        assert not any(b"secret" in data for data in image(tmp_path).values())


def test_what_has_no_place_in_a_snapshot_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    with PersonalStore(tmp_path) as store:
        store._become(Contents(9, {(): Followers.of(["hi"], [1 << 32], [9])}, {}, ()))
        with pytest.raises(StorageError, match="no place in a snapshot"):
            store.forget("other")


def test_too_many_written_forms_are_refused(tmp_path: Path) -> None:
    forms = [f"{a}{b}{c}{d}" for a in "aA" for b in "bB" for c in "cC" for d in "dD"][:9]
    lines = [HEAD, ngram([], "abcd", 9, 9)]
    lines += [json.dumps({"word": "abcd", "form": form, "count": 1}) for form in forms]
    (tmp_path / "many.jsonl").write_text("\n".join(lines))
    with (
        PersonalStore(tmp_path / "store") as store,
        pytest.raises(FormatError, match="more than 8 written forms"),
    ):
        store.import_(tmp_path / "many.jsonl")


@pytest.mark.parametrize(
    ("bound", "said"), [("_MOST_LINES", "the 10 lines"), ("_MOST_BYTES", "the 10 bytes")]
)
def test_a_file_beyond_all_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, said: str
) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text("\n".join([HEAD, *[SEE] * 11]))
    monkeypatch.setattr(f"fedkeys.phone.exported.{bound}", 10)
    with PersonalStore(tmp_path / "store") as store, pytest.raises(FormatError, match=f"more than {said}"):
        store.import_(file)


def test_a_path_that_is_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    for path in (tmp_path / "file", tmp_path / "file" / "personal"):
        with pytest.raises(StorageError, match="directory of its own with --data-dir") as error:
            PersonalStore(path)
        assert "make room" not in str(error.value)
    assert (tmp_path / "file").read_text() == "hello"


# By the command line, in processes of their own.


def typed(fedkeys: Any, text: str, *options: str) -> str:
    result = fedkeys("type", "--plain", *options, stdin=text)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def test_what_is_typed_is_there_the_next_time(fedkeys: Any, tmp_path: Path, home: dict[str, str]) -> None:
    typed(fedkeys, "see you pancakes at eBay\n\n")
    assert typed(fedkeys, "see you pan\n").startswith("pancakes")
    typed(fedkeys, "see you waffles\n\n", "--incognito")
    typed(fedkeys, "see you waffles\n\n", "--phone", "nurse")
    place = fedkeys("personal", "path").stdout.strip()
    assert place == str(Path(home["FEDKEYS_DATA_DIR"]) / "personal")
    assert fedkeys("personal", "learnt").stdout.split("\n") == [
        "at\t1",
        "ebay\t1",
        "pancakes\t1",
        "see\t1",
        "you\t1",
        "",
    ]

    elsewhere = tmp_path / "elsewhere"
    assert fedkeys("personal", "export", "mine.jsonl").returncode == 0
    assert fedkeys("personal", "import", "mine.jsonl", "--data-dir", elsewhere).returncode == 0
    listed = json.loads(fedkeys("personal", "learnt", "--json", "--data-dir", elsewhere).stdout)
    assert {"word": "ebay", "count": 1} in listed["words"]

    result = fedkeys("personal", "forget", "Pancakes", "waffles")
    assert "Pancakes: forgotten" in result.stderr
    assert "waffles: was not known" in result.stderr
    assert not any(b"pancakes" in file.read_bytes() for file in Path(place).iterdir())
    assert not typed(fedkeys, "see you pan\n").startswith("pancakes")
    assert typed(fedkeys, "see you pan\n", "--data-dir", str(elsewhere)).startswith("pancakes")

    assert fedkeys("personal", "forget-all").returncode == 1  # nobody is there to say yes
    assert fedkeys("personal", "learnt").stdout
    assert fedkeys("personal", "forget-all", "--yes").returncode == 0
    assert not fedkeys("personal", "learnt").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("personal", "forget", "see you"), 2, "is not one word"),
        (("personal", "import", "nowhere.jsonl"), 2, "no such file"),
        (("personal", "export", "mine.txt"), 2, "does not end in .jsonl"),
        (("type", "--plain", "--phone", "nurse", "--data-dir", "x"), 2, "leave out --data-dir"),
    ],
)
def test_arguments_that_cannot_work(fedkeys: Any, arguments: tuple[str, ...], status: int, said: str) -> None:
    result = fedkeys(*arguments)
    assert result.returncode == status
    assert said in result.stderr
    assert not result.stdout


def test_a_store_in_use_is_a_sentence(fedkeys: Any, home: dict[str, str]) -> None:
    with PersonalStore(Path(home["FEDKEYS_DATA_DIR"]) / "personal"):
        result = fedkeys("personal", "learnt")
    assert result.returncode == 1
    assert "another fedkeys has this personal store open; close it" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_store_is_a_damaged_error(tmp_path: Path) -> None:
    with PersonalStore(tmp_path) as store:
        store.learn("see you")
        store._save()
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(snapshot.read_bytes()[:-1] + b"\0")
    with pytest.raises(DamagedError, match="bring it back from a copy, or move its directory away"):
        PersonalStore(tmp_path)
