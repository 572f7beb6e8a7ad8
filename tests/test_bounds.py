"""Bounds: a phone keeps them, and an aggregator holds every phone to them, whatever it sends."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import Aggregator, intake
from fedkeys.cli.options import DEFAULT_MAX_BYTES, DEFAULT_MAX_COUNT, DEFAULT_MAX_NGRAMS, bounds_of
from fedkeys.counts import Level, NgramCounts, Vocabulary
from fedkeys.delta import DEFAULT_BOUNDS, Bounds, Delta
from fedkeys.errors import FormatError, RefusedError, UsageError
from fedkeys.phone import Phone
from fedkeys.words import OTHER
from tests.strategies import corpora

BASE = Vocabulary(["hello", "london", "see", "you"])
Said = dict[tuple[str, ...], tuple[int, int]]

all_bounds = st.builds(Bounds, max_ngrams=st.integers(1, 40), max_count=st.integers(1, 4))


def said(delta: Delta, base: Vocabulary | None = None) -> tuple[Said, Said]:
    """What a delta says of n-grams, and of written forms."""
    words = ["<", "/", *(base.words if base and delta.known else ()), *delta.words]
    names = [words[id_] for id_ in delta.ids.tolist()]
    ngrams = {tuple(names[id_] for id_ in ids): (count, mark) for ids, count, mark in delta.counts.rows()}
    level = delta.forms
    forms = {
        (names[row], delta.other_forms[style - OTHER] if style >= OTHER else str(style)): (count, mark)
        for row, style, count, mark in zip(
            level.parents.tolist(),
            level.words.tolist(),
            level.counts.tolist(),
            level.phones.tolist(),
            strict=True,
        )
    }
    return ngrams, forms


def sent(parts: list[list[str]], bounds: Bounds | None, known: list[bool], order: int = 3) -> list[Delta]:
    phone = Phone(order=order, bounds=bounds, pseudonym=bytes(16))
    deltas = []
    for texts, with_base in zip(parts, known, strict=False):
        phone.type(texts)
        deltas.append(Delta.from_bytes(phone.delta(BASE if with_base else None).to_bytes()))
        phone.accepted()
    return deltas


flags = st.lists(st.booleans(), min_size=3, max_size=3)


@given(st.lists(corpora, min_size=3, max_size=3), all_bounds, flags, st.integers(2, 4))
def test_a_phone_keeps_its_bounds(
    parts: list[list[str]], bounds: Bounds, known: list[bool], order: int
) -> None:
    totals: Counter[tuple[str, ...]] = Counter()
    marks: Counter[tuple[str, ...]] = Counter()
    free = sent(parts, None, known, order)
    for delta, unbounded in zip(sent(parts, bounds, known, order), free, strict=True):
        assert delta.bounds == bounds.as_map()
        ngrams, forms = said(delta, BASE)
        everything = {("ngram", *key): value for key, value in ngrams.items()} | {
            ("form", *key): value for key, value in forms.items()
        }
        free_ngrams, _ = said(unbounded, BASE)
        for key, (count, mark) in everything.items():
            totals[key] += count
            marks[key] += mark
            assert count or not mark
        for ngram, (count, _) in ngrams.items():
            assert count <= free_ngrams[ngram][0]
            assert len(ngram) == 1 or {ngram[:-1], ngram[1:]} <= ngrams.keys()
        parents = {part for ngram in ngrams for part in (ngram[:-1], ngram[1:])} | {
            (word,) for word, _ in forms
        }
        assert all(count or ngram in parents for ngram, (count, _) in ngrams.items())
    assert len(totals) <= bounds.max_ngrams
    assert max(totals.values(), default=1) <= bounds.max_count
    assert set(marks.values()) <= {1}


@given(corpora)
def test_the_most_useful_goes_first(texts: list[str]) -> None:
    """Whatever is left out was typed no more often than what is sent, at the same rarity of its words."""
    (free,), (delta,) = (sent([texts], bounds, [False]) for bounds in (None, Bounds(8, 100)))
    everything, kept = said(free)[0], said(delta)[0]
    assert len(kept) + len(delta.forms) == min(8, len(everything) + len(free.forms))

    def worth(ngram: tuple[str, ...]) -> int:
        counts = [everything[(word,)][0] for word in ngram if word not in "</"]
        return everything[ngram][0] * min(counts, default=1 << 31)

    left_out = everything.keys() - kept.keys()
    assert min(map(worth, kept), default=0) >= max(map(worth, left_out), default=0)


@given(st.lists(corpora, min_size=3, max_size=3), all_bounds, flags, st.integers(1, 2), st.randoms())
def test_a_bounded_phone_is_never_refused(
    parts: list[list[str]], bounds: Bounds, known: list[bool], min_phones: int, random: Any
) -> None:
    """Whether its deltas come one by one with those before them, or all at once in any order."""
    deltas = [delta.to_bytes() for delta in sent(parts, bounds, known)]
    one_by_one, at_once = (Aggregator(bases=[BASE], bounds=bounds) for _ in range(2))
    for end in range(1, len(deltas) + 1):
        assert one_by_one.add_messages(deltas[:end]) == [False] * (end - 1) + [True]
    random.shuffle(deltas)
    assert at_once.add_messages(deltas) == [True] * 3
    released = [aggregator.release(min_phones).to_bytes() for aggregator in (one_by_one, at_once)]
    assert released[0] == released[1]


def remade(delta: Delta, **changes: Any) -> bytes:
    """A delta as a phone could forge it."""
    fields = {name: getattr(delta, name) for name in Delta.__dataclass_fields__}
    return Delta(**{**fields, **changes}).to_bytes()


def all_marked(delta: Delta) -> NgramCounts:
    return NgramCounts(
        tuple(
            Level(level.keys, np.maximum(1, level.counts), np.ones_like(level.phones))
            for level in delta.counts.levels
        )
    )


def test_one_phone_cannot_pass_for_two() -> None:
    """A phone that marks a phrase as new in each of its deltas puts it in front of nobody."""
    first, second = sent([["buy my coin"], ["buy my coin"]], None, [False, False])
    forged = remade(second, counts=all_marked(second))
    messages = [first.to_bytes(), forged]
    trusting, holding = Aggregator(), Aggregator(bounds=DEFAULT_BOUNDS)
    trusting.add_messages(messages)
    assert trusting.release(2).vocabulary.words == ("buy", "coin", "my")
    merged, refused = holding.add_messages(messages)
    assert merged is True
    assert "marks an n-gram as new" in str(refused)
    assert holding.release(2).vocabulary.words == ()


def test_what_a_phone_sent_before_must_be_shown() -> None:
    deltas = [
        delta.to_bytes() for delta in sent([["hello"], ["world"], ["again"]], DEFAULT_BOUNDS, [False] * 3)
    ]
    aggregator = Aggregator(bounds=DEFAULT_BOUNDS)
    assert aggregator.add_messages(deltas[:2]) == [True, True]
    (refused,) = aggregator.add_messages(deltas[2:])
    assert "without 2 of the deltas" in str(refused)
    (_, refused) = aggregator.add_messages(deltas[1:])
    assert "without 1 of the deltas" in str(refused)
    assert aggregator.add_messages(deltas) == [False, False, True]


def test_an_earlier_delta_may_come_later() -> None:
    first, second = (delta.to_bytes() for delta in sent([["hello"], ["world"]], DEFAULT_BOUNDS, [False] * 2))
    aggregator = Aggregator(bounds=DEFAULT_BOUNDS)
    assert aggregator.add_messages([second]) == [True]
    assert aggregator.add_messages([first, second]) == [True, False]


def test_whoever_goes_too_far_is_refused_alone() -> None:
    bounds = Bounds(max_ngrams=30, max_count=3)
    good = Phone(["hello world"], bounds=bounds).delta().to_bytes()
    many = Phone([f"word{chr(97 + at)} other{chr(97 + at)}" for at in range(20)]).delta().to_bytes()
    often = Phone(["spam " * 4]).delta().to_bytes()
    results = Aggregator(bounds=bounds).add_messages([many, good, often])
    assert "has 101 n-grams and forms, more than 30" in str(results[0])
    assert results[1] is True
    assert "counting one n-gram 4 times, more than 3" in str(results[2])
    assert Aggregator().add_messages([many, good, often]) == [True] * 3


def test_a_life_is_bounded_not_a_delta() -> None:
    bounds = Bounds(max_ngrams=12, max_count=3)
    first, second = sent([["spam spam"], ["spam spam", "eggs ham"]], None, [False, False])
    aggregator = Aggregator(bounds=bounds)
    results = aggregator.add_messages([first.to_bytes(), second.to_bytes()])
    assert results[0] is True
    assert "4 times, more than 3" in str(results[1]) or "more than 12" in str(results[1])
    assert aggregator.release(1).vocabulary.words == ("spam",)


def test_a_count_of_0_must_have_been_counted() -> None:
    """Else it would name n-grams that nobody has, and take none of its phone's bound."""
    delta = Phone(["hello world"]).delta()
    levels = list(delta.counts.levels)
    levels[1] = Level(levels[1].keys, np.zeros_like(levels[1].counts), np.zeros_like(levels[1].phones))
    forged = remade(delta, counts=NgramCounts(tuple(levels)))
    for bounds in (None, DEFAULT_BOUNDS):
        (refused,) = Aggregator(bounds=bounds).add_messages([forged])
        assert "a count of 0 that no delta of its phone has counted" in str(refused)


def test_of_a_phone_the_last_is_withdrawn_first() -> None:
    bounds = Bounds(100, 1)
    texts = [["hello world"], ["hello world again"]]
    first, second = (delta.to_bytes() for delta in sent(texts, bounds, [False, False]))
    aggregator = Aggregator(bounds=bounds)
    aggregator.add_messages([first, second])
    with pytest.raises(RefusedError, match="has sent number 1 after it"):
        aggregator.withdraw(first)
    aggregator.withdraw(second)
    alone = Aggregator(bounds=bounds)
    alone.add_messages([first])
    assert aggregator.release(1).payload_digest == alone.release(1).payload_digest
    aggregator.withdraw(first)
    assert aggregator.release(1).payload_digest == Aggregator().release(1).payload_digest


def test_of_what_was_refused_no_text_is_kept(tmp_path: Path) -> None:
    first, second = sent(
        [["buy iCoin now", "say sEcReT now"], ["buy my money", "say oThEr now"]], None, [False] * 2
    )
    aggregator = Aggregator(bounds=DEFAULT_BOUNDS, state=tmp_path)
    aggregator.add_messages([first.to_bytes(), remade(second, counts=all_marked(second))])
    aggregator.commit()
    aggregator.close()
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"sEcReT" in data for data in files)
    assert not any(b"oThEr" in data or b"money" in data for data in files)


def test_vocabularies_that_were_released_are_remembered(tmp_path: Path) -> None:
    state = tmp_path / "state"
    phone = Phone(["see you in london"])
    aggregator = Aggregator(state=state)
    aggregator.add(phone.delta())
    phone.accepted()
    model = aggregator.release(1)
    aggregator.know(model.vocabulary)
    aggregator.commit()
    aggregator.close()
    phone.type(["see you"])
    assert Aggregator(state=state).add(phone.delta(model.vocabulary))


def test_the_model_says_which_bounds_were_enforced() -> None:
    delta = Phone(["hello world"]).delta()
    for bounds in (None, DEFAULT_BOUNDS):
        aggregator = Aggregator(bounds=bounds)
        aggregator.add(delta)
        assert aggregator.release(1).header["bounds"] == (bounds and bounds.as_map())


def test_one_unbounded_call_is_not_forgotten(tmp_path: Path) -> None:
    first, second = (Phone(["hello world"], bounds=DEFAULT_BOUNDS).delta().to_bytes() for _ in range(2))
    for delta, bounds in ((first, DEFAULT_BOUNDS), (second, None)):
        aggregator = Aggregator(bounds=bounds, state=tmp_path)
        assert aggregator.add_messages([delta]) == [True]
        aggregator.commit()
        aggregator.close()
    assert Aggregator(bounds=DEFAULT_BOUNDS, state=tmp_path).release(1).header["bounds"] is None


def test_a_phone_sends_no_more_deltas_than_it_may() -> None:
    bounds = Bounds(100, 16, max_deltas=2)
    phone = Phone(["hello"], bounds=bounds)
    uploads = []
    while phone.may_send:
        uploads.append(phone.upload())
        phone.accepted()
        phone.type(["hello"])
    assert len(uploads) == 2
    aggregator = Aggregator(bounds=bounds)
    assert aggregator.add_messages(uploads[0]) == [True]
    assert aggregator.add_messages(uploads[1]) == [False, True]
    *_, refused = aggregator.add_messages(phone.upload())
    assert "2 deltas, which is as many as it may" in str(refused)


def test_what_is_refused_takes_no_memory() -> None:
    """Else a phone could fill it with words that are never counted."""
    first, *more = sent([["buy my coin"], ["buy many words"], ["buy other words"]], None, [False] * 3)
    aggregator = Aggregator(bounds=DEFAULT_BOUNDS)
    aggregator.add_messages([first.to_bytes()])
    before = len(aggregator._sums._vocabulary)
    for delta in more:
        _, refused = aggregator.add_messages([first.to_bytes(), remade(delta, counts=all_marked(delta))])
        assert "marks an n-gram as new" in str(refused)
    assert len(aggregator._sums._vocabulary) == before


@given(st.lists(corpora, min_size=4, max_size=4), all_bounds | st.just(Bounds(10_000, 2)), st.integers(0, 3))
def test_a_phone_that_withdrew_goes_on(parts: list[list[str]], bounds: Bounds, back: int) -> None:
    """As if it had not sent what it took back."""
    aggregator, phone = Aggregator(bounds=bounds), Phone(bounds=bounds, pseudonym=bytes(16))
    sent_so_far: list[bytes] = []
    for texts in parts[:3]:
        phone.type(texts)
        upload = phone.upload()
        assert aggregator.add_messages(upload)[-1] is True
        sent_so_far.append(upload[-1])
        phone.accepted()
    for data in sent_so_far[3 - back :][::-1]:
        aggregator.withdraw(data)
    phone.withdrawn(back)
    phone.type(parts[3])
    assert aggregator.add_messages(phone.upload())[-1] is True
    other = Phone(bounds=bounds, pseudonym=bytes(16))
    for texts in parts[: 3 - back]:
        other.type(texts)
        other.delta()
        other.accepted()
    other.type(parts[3])
    if bounds.max_ngrams == 10_000:  # else of equally useful ones those go that the phone met first
        assert said(phone.delta()) == said(other.delta())


def test_only_what_was_accepted_can_have_been_withdrawn() -> None:
    phone = Phone(["hello"])
    with pytest.raises(UsageError, match="1 deltas cannot be withdrawn of 0"):
        phone.withdrawn()
    phone.delta()
    with pytest.raises(UsageError, match="under way"):
        phone.withdrawn(0)


@pytest.mark.parametrize("bounds", [{"x" * 17: 1}, {"a\nb": 1}, {str(at): at for at in range(9)}])
def test_a_map_of_bounds_is_short(bounds: dict[str, int]) -> None:
    with pytest.raises(FormatError, match="short map"):
        Delta.from_bytes(remade(Phone(["hello"]).delta(), bounds=bounds))


def test_a_letter_has_one_capital_form() -> None:
    """Else "I" would be two forms, each with a count of its own."""
    delta = Phone(["so I say"]).delta()
    assert len(delta.forms) == 1
    forged = remade(
        delta, forms=Level(delta.forms.keys + np.uint64(1), delta.forms.counts, delta.forms.phones)
    )
    with pytest.raises(FormatError, match="not written so"):
        Delta.from_bytes(forged)
    base = Vocabulary(["i"])
    known = Phone(["so I say"]).delta(base)
    forged = remade(
        known, forms=Level(known.forms.keys + np.uint64(1), known.forms.counts, known.forms.phones)
    )
    (refused,) = Aggregator(bases=[base]).add_messages([forged])
    assert "is written 'I'" in str(refused)


def test_the_commands_keep_bounds(fedkeys: Any, tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    (tmp_path / "ann.txt").write_text("\n".join(f"x{a}{b} y{b}{a}" for a in letters for b in letters))
    assert fedkeys("delta", "ann.txt", "--out", "d").returncode == 0
    assert 4800 < (tmp_path / "d" / "ann.delta").stat().st_size <= 5000
    fedkeys("delta", "ann.txt", "--out", "d", "--max-ngrams", 700)
    assert len(Delta.load(tmp_path / "d" / "ann.delta").counts) == 700
    fedkeys("delta", "ann.txt", "--out", "free", "--unbounded")
    for options, why in (
        ([], "more than 5,000"),
        (["--max-bytes", 9999], "more than 2,000"),
    ):
        refused = fedkeys("aggregate", "free", "--out", "a.model", *options)
        assert (refused.returncode, why in refused.stderr) == (3, True)
    assert fedkeys("aggregate", "free", "--out", "a.model", "--unbounded").returncode == 0
    assert fedkeys("aggregate", "d", "--out", "a.model", "--max-ngrams", 699).returncode == 3
    assert fedkeys("delta", "ann.txt", "--out", "d", "--max-ngrams", 0).returncode == 2


def test_defaults_are_the_same_everywhere() -> None:
    defaults = (DEFAULT_MAX_NGRAMS, DEFAULT_MAX_COUNT, DEFAULT_MAX_BYTES)
    assert Bounds(*defaults) == DEFAULT_BOUNDS
    assert bounds_of(None, None, None, False) == DEFAULT_BOUNDS
    assert bounds_of(None, None, None, True) is None
    with pytest.raises(UsageError, match="goes with no bound"):
        bounds_of(9, None, None, True)
    with pytest.raises(UsageError, match="max_count is 0"):
        Bounds(1, 0)


def test_a_log_is_never_cut_between_what_a_phone_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_GROUP_SIZE", 4)
    phone = Phone(["hello"], bounds=DEFAULT_BOUNDS)
    uploads = []
    for text in ("world", "again", "and again"):
        uploads.append(phone.upload())
        phone.accepted()
        phone.type([text])
    other = Phone(["hello"]).delta().to_bytes()
    log = tmp_path / "all.deltas"
    log.write_bytes(b"".join([other, *uploads[0], other, *uploads[1], *uploads[2]]))
    found = intake.merge_files(Aggregator(bounds=DEFAULT_BOUNDS), [log])
    assert (found.merged, found.repeated, found.refused) == (4, 4, ())


VOTING = Bounds(max_ngrams=2000, max_count=4096, max_norm=4096)


@given(
    st.lists(corpora, min_size=3, max_size=3),
    st.builds(
        Bounds, max_ngrams=st.integers(1, 40), max_count=st.integers(1, 60), max_norm=st.integers(1, 100)
    ),
    st.integers(1, 4),
)
def test_votes_are_no_longer_than_they_may_be(parts: list[list[str]], bounds: Bounds, rounds: int) -> None:
    assert bounds.max_norm is not None
    phone = Phone(order=3, bounds=bounds, pseudonym=bytes(16), rounds=rounds)
    aggregator = Aggregator(bounds=bounds)
    votes: Counter[Any] = Counter()
    for number, texts in enumerate(parts):
        phone.type(texts)
        delta = Delta.from_bytes(phone.delta().to_bytes())
        voted = [said_ for found in said(delta) for said_ in found.items()]
        assert len({count for _, (count, mark) in voted if mark}) <= 1
        assert all((count > 0) == bool(mark) for _, (count, mark) in voted)
        for name, (count, _) in voted:
            assert not (count and votes[name])
            votes[name] += count
        assert aggregator.add_messages(phone.upload())[-1] is True
        phone.accepted()
        squares = sum(count**2 for count in votes.values())
        assert squares <= bounds.max_norm**2 * min(1, (number + 1) / rounds) + 1e-9
        assert max(votes.values(), default=0) <= bounds.max_count
        assert len(+votes) <= bounds.max_ngrams


def test_a_phone_that_sends_little_says_it_louder() -> None:
    few, many = (Phone(texts, bounds=VOTING).delta() for texts in (["hi"], ["the cat sat on a mat"] * 9))
    assert {count for _, count, _ in few.counts.rows()} == {
        int(4096 / 3**0.5)
    }  # its start, it, it at the start
    capped = Phone(["hi"], bounds=Bounds(2000, 512, max_norm=4096)).delta()
    assert {count for _, count, _ in capped.counts.rows()} == {512}
    counts = {count for _, count, _ in many.counts.rows()}
    assert counts == {int(4096 / len(many.counts) ** 0.5)}
    assert len(many.counts) * counts.pop() ** 2 <= 4096**2


def test_votes_go_over_several_rounds() -> None:
    phone = Phone(["the cat sat on a mat"], bounds=VOTING, rounds=2)
    first = phone.delta()
    phone.accepted()
    phone.type(["the cat sat on a hat", "the cat sat"])
    second = phone.delta()
    size = int((4096**2 / 2 / len(first.counts)) ** 0.5)
    assert {count for _, count, _ in first.counts.rows()} == {size}
    new = [count for _, count, mark in second.counts.rows() if mark]
    assert len(set(new)) == 1
    assert new[0] > size
    assert all(count == 0 for _, count, mark in second.counts.rows() if not mark)
    aggregator = Aggregator(bounds=VOTING)
    aggregator.add(first)
    phone.accepted()
    phone.type(["whatever else"])
    assert max(count for _, count, _ in phone.delta().counts.rows()) < size / 9  # what rounding left


@pytest.mark.parametrize("times", [1, 2])
def test_an_aggregator_refuses_votes_that_are_too_long(times: int) -> None:
    phone = Phone(["the cat sat on a mat"] * 9, bounds=Bounds(2000, 4096, max_norm=4097))
    delta = phone.delta()
    assert sum(count**2 for _, count, _ in delta.counts.rows()) > 4096**2 * 0.9
    limit = int(sum(count**2 for _, count, _ in delta.counts.rows()) ** 0.5) - (times == 1)
    aggregator = Aggregator(bounds=Bounds(2000, 4096, max_norm=limit + (times == 2)))
    if times == 1:
        with pytest.raises(RefusedError, match=r"to a length of 4,09\d\.\d, more than 4,09"):
            aggregator.add(delta)
    else:
        assert aggregator.add(delta)


@pytest.mark.parametrize("norm", [0, -1, 1 << 25])
def test_lengths_out_of_range_are_refused(norm: int) -> None:
    with pytest.raises(UsageError, match="max_norm"):
        Bounds(1, 1, max_norm=norm)
