"""The laws of merging: a sum, in any order, exactly once, only what enough phones share."""

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import Aggregator, aggregate, delta_files, merge_files, read_blocklist
from fedkeys.aggregator.messages import messages as cut
from fedkeys.counts import Vocabulary
from fedkeys.delta import Delta
from fedkeys.errors import FormatError, RefusedError, SourceError, UsageError
from fedkeys.model import Model
from fedkeys.phone import DEFAULT_ORDER, Phone
from fedkeys.words import MESSAGE_START, fold, tokens
from tests.strategies import corpora, fleets


def ngrams_of(model: Model) -> set[tuple[str, ...]]:
    """Every n-gram of a model, in words, by asking its arrays."""
    names = ["<", "/", *model.vocabulary.words]
    found: set[tuple[str, ...]] = {(word,) for word in model.vocabulary.words}
    longest: list[tuple[str, ...]] = [(name,) for name in names]
    for m in range(1, model.order):
        children = np.diff(model.arrays[f"first_{m}"].astype(np.int64)).tolist()
        contexts = [context for context, count in zip(longest, children, strict=True) for _ in range(count)]
        last = model.arrays[f"successor_{m}"].tolist()
        longest = [(*context, names[id_]) for context, id_ in zip(contexts, last, strict=True)]
        found.update(longest)
    return found


def phones_of(fleet: list[list[str]], order: int) -> dict[tuple[str, ...], int]:
    """On how many phones each n-gram is, by the definition, for n-grams without marks."""
    having: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, texts in enumerate(fleet):
        for text in texts:
            runs: list[list[str]] = [[]]
            for item in tokens(text):
                if len(item) == 1 and item < "\x04":
                    runs.append([])
                else:
                    runs[-1].append(fold(item))
            for run in runs:
                for n in range(1, order + 1):
                    for at in range(len(run) - n + 1):
                        having[tuple(run[at : at + n])].add(number)
    return {ngram: len(numbers) for ngram, numbers in having.items()}


@given(fleets, st.integers(2, 4), st.randoms())
def test_any_split_in_any_order_gives_the_payload_of_one_place(
    fleet: list[list[str]], order: int, random: Any
) -> None:
    everything = [text for texts in fleet for text in texts]
    central = aggregate([Phone(everything, order=order).delta()], min_phones=1)
    deltas = [Phone(texts, order=order).delta() for texts in fleet]
    for _ in range(2):
        random.shuffle(deltas)
        assert aggregate(deltas, min_phones=1).payload_digest == central.payload_digest


@given(fleets, st.integers(1, 3))
def test_rounds_give_the_payload_of_one_round(fleet: list[list[str]], min_phones: int) -> None:
    """Messages split over rounds, written against what was released between them, merge to the same."""
    at_once = aggregate([Phone(texts).delta() for texts in fleet], min_phones)
    aggregator = Aggregator()
    phones = [Phone() for _ in fleet]
    base = None
    for half in range(2):
        aggregator.begin_round(half + 1)
        for phone, texts in zip(phones, fleet, strict=True):
            middle = len(texts) // 2
            phone.type(texts[middle:] if half else texts[:middle])
            assert aggregator.add(Delta.from_bytes(phone.delta(base, half + 1).to_bytes()))
            phone.accepted()
        model = aggregator.release(min_phones)
        base = model.vocabulary
        aggregator.know(base)
    assert model.payload_digest == at_once.payload_digest
    assert model.header["rounds"] == 2


@given(fleets, st.integers(1, 3))
def test_a_release_holds_exactly_what_enough_phones_have(fleet: list[list[str]], min_phones: int) -> None:
    model = aggregate([Phone(texts).delta() for texts in fleet], min_phones)
    expected = {ngram for ngram, phones in phones_of(fleet, DEFAULT_ORDER).items() if phones >= min_phones}
    assert {ngram for ngram in ngrams_of(model) if not {"<", "/"} & set(ngram)} == expected
    # Those that begin with a mark: at least their words are on enough phones.
    assert {ngram[1:] for ngram in ngrams_of(model) if ngram[0] in "</"} <= expected


@given(fleets, st.data())
def test_a_blocked_word_is_in_no_release(fleet: list[list[str]], data: st.DataObject) -> None:
    deltas = [Phone(texts).delta() for texts in fleet]
    words = sorted({word for delta in deltas for word in delta.words})
    blocked = data.draw(st.lists(st.sampled_from(words), unique=True)) if words else []
    aggregator = Aggregator()
    for delta in deltas:
        aggregator.add(delta)
    free, model = aggregator.release(1), aggregator.release(1, [word.upper() for word in blocked])
    assert ngrams_of(model) == {ngram for ngram in ngrams_of(free) if not set(blocked) & set(ngram)}
    assert not set(blocked) & set(model.vocabulary.words)
    assert aggregator.release(1).to_bytes() == free.to_bytes()


@pytest.mark.parametrize("text", ["two words", "a@b.org", "12345", ""])
def test_what_is_never_counted_cannot_be_blocked(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no single word"):
        Aggregator().release(1, [text])
    (tmp_path / "list.txt").write_text(f"# insults\n\nfool\n{text or '-'}\n")
    with pytest.raises(SourceError, match=r"list\.txt, line 4: .* no single word"):
        read_blocklist(tmp_path / "list.txt")


@given(fleets, st.randoms())
def test_exactly_once(fleet: list[list[str]], random: Any) -> None:
    deltas = [Phone(texts).delta() for texts in fleet]
    once = aggregate(deltas, 1)
    twice = deltas + [Delta.from_bytes(delta.to_bytes()) for delta in deltas]
    random.shuffle(twice)
    again = aggregate(twice, 1)
    assert again.payload_digest == once.payload_digest
    assert again.header == once.header


def test_a_second_delta_under_one_identity_is_refused_and_named() -> None:
    name = bytes(16)
    aggregator = Aggregator()
    assert aggregator.add(Phone(["hello world"], pseudonym=name).delta())
    assert not aggregator.add(Phone(["hello world"], pseudonym=name).delta())
    with pytest.raises(RefusedError, match="number 0 of phone 00000000"):
        aggregator.add(Phone(["something else"], pseudonym=name).delta())
    assert aggregator.deltas == 1
    assert aggregator.release(1).vocabulary.words == ("hello", "world")


def replaced(delta: Delta, **changes: Any) -> Delta:
    return Delta(**{**{name: getattr(delta, name) for name in delta.__dataclass_fields__}, **changes})


BASE = Vocabulary(["ebay", "hello", "or", "straße", "world"])


@given(corpora.map(lambda texts: [text for text in texts if "iPhone" not in text]))
def test_a_refused_delta_changes_nothing(texts: list[str]) -> None:
    aggregator = Aggregator(bases=[BASE])
    aggregator.add(Phone(["hello world iPhone"]).delta())
    before = aggregator.release(1)
    written = Phone([*texts, "zebra eBay or eBay"]).delta(BASE)
    contradicting = tuple("iPHONE" if form == "eBay" else form for form in written.other_forms)
    for refused in (
        Phone(texts, federation="another").delta(),
        Phone([*texts, "zebra"]).delta(Vocabulary(["unknown", "vocabulary"])),
        replaced(written, other_forms=contradicting),
        replaced(Phone(["zebra hello"]).delta(BASE), words=("world",)),
    ):
        words = list(aggregator._sums._vocabulary.words)
        with pytest.raises(RefusedError):
            aggregator.add(refused)
        assert aggregator._sums._vocabulary.words == words
    assert aggregator.release(1).to_bytes() == before.to_bytes()


def test_a_delta_that_contradicts_its_vocabulary_is_refused() -> None:
    base = Vocabulary(["hello", "iphone", "world"])
    aggregator = Aggregator(bases=[base])
    delta = Phone(["hello iPhone world iPhone"]).delta(base)
    assert delta.words == ()
    with pytest.raises(RefusedError, match="has 4 words, it has 3"):
        aggregator.add(replaced(delta, known=4))
    fresh = Phone(["hello big world"]).delta(base)
    with pytest.raises(RefusedError, match="'iphone' as a new word"):
        aggregator.add(replaced(fresh, words=("iphone",)))
    with pytest.raises(RefusedError, match="'iphone' is written 'eBay'"):
        aggregator.add(replaced(delta, other_forms=("eBay",)))
    assert aggregator.add(delta)


def test_a_style_that_does_not_lead_back_to_the_word_is_refused() -> None:
    delta = Phone(["the HELLO here"]).delta(BASE)
    row = delta.ids.tolist().index(2 + BASE.words.index("hello"))
    ids = delta.ids.copy()
    ids[row] = 2 + BASE.words.index("straße")
    with pytest.raises(RefusedError, match="'straße' is written 'STRASSE'"):
        Aggregator(bases=[BASE]).add(replaced(delta, ids=ids))


def test_bounds_that_are_only_declared_are_not_believed() -> None:
    declaring = replaced(Phone(["hello"]).delta(), bounds={"ngrams": 9})
    assert aggregate([declaring], 1).header["bounds"] is None


def test_orders_may_be_mixed() -> None:
    model = aggregate([Phone(["a b c"], order=2).delta(), Phone(["a b c d"], order=4).delta()], 1)
    assert model.order == 4
    assert ("a", "b", "c", "d") in ngrams_of(model)


def test_nothing_to_merge_gives_an_empty_model() -> None:
    model = aggregate([], 1)
    assert model.ngrams == [0, 0]
    assert model.suggest(["hello"]) == []
    with pytest.raises(UsageError, match="choose 1 or more"):
        aggregate([], 0)


@pytest.mark.parametrize(
    ("fleet", "written"),
    [
        ([["to London now", "from London", "in london"]], "London"),
        ([["to london now", "from london", "in London"]], "london"),
        ([["London is far", "London is big"]], "london"),  # the start of a sentence says nothing
        ([["to London"], ["in LONDON"], ["at LONDON"]], "LONDON"),
        ([["ok ❤️", "so ❤️"]], "❤️"),
    ],
)
def test_the_usual_written_form(fleet: list[list[str]], written: str) -> None:
    model = aggregate([Phone(texts).delta() for texts in fleet], 1)
    assert model.suggest([], prefix=fold(written))[0].word == written


def test_a_written_form_needs_as_many_phones() -> None:
    fleet = [["to London", "in London"], ["to london"]]
    assert aggregate([Phone(texts).delta() for texts in fleet], 2).suggest(["to"])[0].word == "london"
    fleet.append(["at London"])
    assert aggregate([Phone(texts).delta() for texts in fleet], 2).suggest(["to"])[0].word == "London"


def test_what_is_withheld_says_no_form_either() -> None:
    """Sentence starts that are not released still do not count as written small."""
    fleet = [["London calls", "London burns", "London sleeps", "so London"], ["in London"]]
    for min_phones in (1, 2):
        model = aggregate([Phone(texts).delta() for texts in fleet], min_phones)
        assert model.suggest([], prefix="lond")[0].word == "London"


def test_files_that_are_bad_are_set_aside_and_the_others_merged(tmp_path: Path) -> None:
    for name, texts in (("a", ["hello world"]), ("b", ["hello there"]), ("c", ["good day"])):
        Phone(texts).delta().save(tmp_path / f"{name}.delta")
    whole = (tmp_path / "b.delta").read_bytes()
    (tmp_path / "b.delta").write_bytes(whole[:40])
    (tmp_path / "d.delta").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a delta, and not asked")
    (tmp_path / "directory.delta").mkdir()
    (tmp_path / "copy.delta").write_bytes((tmp_path / "a.delta").read_bytes())
    aggregator = Aggregator()
    intake = merge_files(aggregator, delta_files([tmp_path, tmp_path / "a.delta"]))
    assert (intake.merged, intake.repeated) == (2, 1)
    assert [sentence.split(":")[0].rsplit("/", 1)[1] for sentence in intake.refused] == ["b.delta", "d.delta"]
    assert (tmp_path / "b.delta").read_bytes() == whole[:40]
    assert aggregator.release(1).vocabulary.words == ("day", "good", "hello", "world")


@given(fleets, st.sampled_from([1, 2, 7, 64, 1 << 16]))
def test_a_log_is_its_messages_one_after_the_other(fleet: list[list[str]], block: int) -> None:
    parts = [Phone(texts).delta().to_bytes() for texts in fleet]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedkeys.aggregator.messages._BLOCK", block)
        found = list(cut(io.BytesIO(b"".join(parts))))
    assert [data for _, data in found] == parts
    assert [start for start, _ in found] == [sum(map(len, parts[:at])) for at in range(len(parts))]


def test_a_bad_message_of_a_log_is_named_by_its_place(tmp_path: Path) -> None:
    texts = (["hello world"], ["hello there"], ["good day"])
    a, b, c = (Phone(own).delta().to_bytes() for own in texts)
    spoilt = b[:-1] + bytes([b[-1] ^ 1])
    log = tmp_path / "all.deltas"
    log.write_bytes(a + spoilt + c + a)
    aggregator = Aggregator()
    intake = merge_files(aggregator, delta_files([tmp_path]))
    assert (intake.merged, intake.repeated, len(intake.refused)) == (2, 1, 1)
    assert f"all.deltas, byte {len(a)}: the checksum" in intake.refused[0]
    assert aggregator.release(1).vocabulary.words == ("day", "good", "hello", "world")
    for rest, reason in ((c[:-3], "in the middle of a message"), (b"\xc1" + c, "no msgpack object")):
        log.write_bytes(a + b + rest)
        intake = merge_files(Aggregator(), [log])
        assert intake.merged == 2
        assert f"byte {len(a + b)}: " in intake.refused[0]
        assert reason in intake.refused[0]


def test_a_message_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedkeys.aggregator.messages.MAX_MESSAGE_BYTES", 1000)
    endless = b"\xc6\xff\xff\xff\xff" + bytes(300_000)  # says that it has 4 GiB
    with pytest.raises(FormatError, match=r"byte 0: .* more than the 1,000 bytes"):
        list(cut(io.BytesIO(endless)))
    with pytest.raises(FormatError, match="no msgpack object"):
        list(cut(io.BytesIO(b"\x91" * 100_000)))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_or_refused(data: bytes) -> None:
    try:
        found = list(cut(io.BytesIO(data)))
    except FormatError:
        return
    assert b"".join(message for _, message in found) == data


def test_inputs_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none: no such file"):
        delta_files([tmp_path / "none"])
    with pytest.raises(UsageError, match=r"no \*\.delta or \*\.deltas"):
        delta_files([tmp_path])


def test_the_server_merges_what_came_in_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from fedkeys.aggregator import sums

    fleet = [[f"word{chr(97 + number)} is here", "hello world"] for number in range(20)]
    fleet = [[text.replace("word", "w") for text in texts] for texts in fleet]
    deltas = [Phone(texts).delta() for texts in fleet]
    at_once = aggregate(deltas, 1)
    monkeypatch.setattr(sums, "_LEAST_BATCH", 10)
    assert aggregate(deltas, 1).payload_digest == at_once.payload_digest
    assert MESSAGE_START not in at_once.vocabulary.words


def test_of_very_many_bad_messages_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    log = tmp_path / "junk.deltas"
    log.write_bytes(bytes(1100) + Phone(["hello"]).delta().to_bytes())
    intake = merge_files(Aggregator(), [log])
    assert (intake.merged, len(intake.refused), intake.unnamed) == (1, 1000, 100)
