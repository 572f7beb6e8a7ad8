"""The personal model: what it counts, what it forgets, and what goes first when there is too much."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.errors import FedkeysError
from fedkeys.phone import PersonalModel
from fedkeys.phone.contents import MAX_FORMS, MOST_TYPED, Contents, Followers
from fedkeys.phone.exported import export_lines, read_exported
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, fold, one_mark, tokens
from tests.strategies import PIECES, corpora, histories

SMALL = 12  # n-grams, so that there are soon too many


def learnt(texts: list[str], max_ngrams: int = 10_000) -> PersonalModel:
    personal = PersonalModel(max_ngrams)
    for text in texts:
        personal.learn(text)
    return personal


def live(personal: PersonalModel, history: list[tuple[bool, str]]) -> PersonalModel:
    """Learn and forget."""
    for learns, text in history:
        if learns:
            personal.learn(text)
        else:
            personal.forget(text)
    return personal


def known(personal: PersonalModel) -> dict[str, Any]:
    """All that a personal model answers from, in values that can be compared."""
    contents = personal.contents
    after = {
        context: (
            dict(found.counts),
            list(found.last.items()),
            found.total,
            list(found.frequent),
            found.recent,
        )
        for context, found in contents.after.items()
    }
    return {
        "now": contents.now,
        "starts": contents.starts,
        "after": after,
        "written": {word: dict(forms) for word, forms in contents.written.items()},
        "messages": contents.messages,
        "learnt": personal.learnt(),
        "n-grams": len(personal),
        "completions": set(personal.candidates(personal.recall(()), "l", 100)),
    }


def ngrams(personal: PersonalModel) -> dict[tuple[str, ...], tuple[int, int]]:
    """Count and time of each n-gram, its last word last."""
    return {
        (*context, word): (count, after.last[word])
        for context, after in personal.contents.after.items()
        for word, count in after.counts.items()
    }


@given(corpora)
def test_it_counts_what_came_after_each_context_and_two_words_later(texts: list[str]) -> None:
    expected: dict[tuple[str, ...], tuple[int, int]] = {}
    now = 0
    for text in texts:
        sentence: list[str] = []
        for item in one_mark(tokens(text)):
            if item in (GAP, MESSAGE_START, SENTENCE_START):
                sentence = [] if item == GAP else [item]
                continue
            now += 1
            sentence.append(fold(item))
            found = [tuple(sentence[-n:]) for n in range(1, min(4, len(sentence)) + 1)]
            if len(sentence) > 2:
                found.append((sentence[-3], GAP, sentence[-1]))
            for ngram in found:
                expected[ngram] = expected.get(ngram, (0, 0))[0] + 1, now
    personal = learnt(texts)
    assert ngrams(personal) == expected
    assert len(personal) == len(expected)


@given(histories)
def test_followers_are_ranked_as_they_grow(history: list[tuple[bool, str]]) -> None:
    for after in live(PersonalModel(), history).contents.after.values():
        assert after.frequent == sorted(after.counts, key=lambda word: (-after.counts[word], word))[:10]
        assert after.recent == sorted(after.last, key=after.last.__getitem__, reverse=True)[:4]
        assert after.total == sum(after.counts.values())


@given(corpora, st.sampled_from(["", "l", "s", "hello"]), st.integers(1, 4))
def test_candidates_are_the_best_after_each_context(texts: list[str], prefix: str, k: int) -> None:
    personal = learnt(texts)
    memory = personal.recall(("see", "you"))
    expected: set[str] = set()
    for after in [*memory.followers, *([memory.skipped] if memory.skipped else [])]:
        words = [word for word in after.counts if word.startswith(prefix)]
        expected.update(sorted(words, key=lambda word: (-after.counts[word], word))[:k])
        if not prefix and after is not memory.followers[0]:
            expected.update(after.recent)
    assert set(personal.candidates(memory, prefix, k)) == expected


@given(corpora, st.sampled_from([piece for piece in PIECES if piece.isalpha()]))
def test_forgetting_takes_the_ngrams_of_the_word_and_no_others(texts: list[str], word: str) -> None:
    personal = learnt(texts)
    before, version = ngrams(personal), personal.version
    was_known = (fold(word),) in before
    assert personal.forget(word) is was_known
    assert ngrams(personal) == {ngram: found for ngram, found in before.items() if fold(word) not in ngram}
    assert len(personal) == len(ngrams(personal))
    assert personal.written(fold(word)) is None
    assert all(fold(word) not in said for said in personal.messages)
    assert fold(word) not in personal.candidates(personal.recall(()), "", 100)
    assert personal.version > version or not was_known


def test_marks_are_no_words_to_forget() -> None:
    personal = learnt(["see you tomorrow. see you"])
    before = known(personal)
    assert not any(personal.forget(mark) for mark in (GAP, MESSAGE_START, SENTENCE_START))
    assert known(personal) == before


def test_what_was_forgotten_can_be_learnt_again() -> None:
    personal = learnt(["see you at eBay"] * 3)
    personal.forget("ebay")
    assert "ebay" not in personal.candidates(personal.recall(("you", "at")), "", 10)
    personal.learn("see you at EBAY")
    assert ngrams(personal)["ebay",] == (1, 16)
    assert personal.written("ebay") == "EBAY"


@given(histories, st.integers(1, 40))
def test_it_is_bounded_and_closed(history: list[tuple[bool, str]], max_ngrams: int) -> None:
    """With an n-gram stay its words, and what is left without the first of them."""
    personal = live(PersonalModel(max_ngrams), history)
    found = ngrams(personal)
    assert len(personal) == len(found) <= max_ngrams
    for ngram, (count, last) in found.items():
        assert all((word,) in found for word in ngram if word not in (GAP, MESSAGE_START, SENTENCE_START))
        shorter = ngram[-1:] if GAP in ngram else ngram[1:]
        if shorter:
            assert found[shorter][0] >= count
            assert found[shorter][1] >= last
    words = personal.contents.after[()].counts
    assert all(sum(forms.values()) <= words[word] for word, forms in personal.contents.written.items())
    assert all(said <= words.keys() for said in personal.messages)


def test_what_is_typed_least_and_longest_ago_goes_first() -> None:
    personal = PersonalModel(max_ngrams=10)
    for text in (
        "tea please",
        "tea please",
        "old one",
    ):
        personal.learn(text)
    found = set(ngrams(personal))
    assert {("tea",), ("please",), ("old",), ("one",)} <= found  # words stay longest
    assert ("tea", "please") in found
    assert (MESSAGE_START, "old") not in found  # typed once, before "one"
    personal.learn("new one")
    found = set(ngrams(personal))
    assert ("tea", "please") in found  # typed twice
    assert (MESSAGE_START, "old", "one") not in found
    assert ("old", "one") not in found


def test_what_is_typed_often_outlives_what_is_typed_once() -> None:
    personal = PersonalModel(max_ngrams=60)
    for _ in range(5):
        personal.learn("see you soon")
    for number in range(40):
        personal.learn(f"{chr(97 + number % 26)}x and {chr(97 + number // 26)}y")
    assert len(personal) <= 60
    assert dict(personal.learnt())["soon"] == 5
    assert personal.recall(["see", "you"]).followers[-1].counts == {"soon": 5}


def test_words_go_when_there_is_nothing_else() -> None:
    personal = learnt([f"{letter}{other}" for letter in "abcdef" for other in "xyz"], max_ngrams=10)
    assert 0 < len(personal) <= 10
    assert [word for word, _ in personal.learnt()][-1] == "fz"
    assert ("ax",) not in ngrams(personal)


def test_written_forms_are_bounded() -> None:
    personal = PersonalModel()
    personal.learn("so pancakes pancakes")
    for at in range(8):
        personal.learn("so " + "pancakes"[:at] + "pancakes"[at:].upper())
    assert len(personal.contents.written["pancakes"]) == MAX_FORMS
    assert personal.written("pancakes") == "pancakes"


@given(corpora, corpora)
def test_merging_is_having_typed_it_before(before: list[str], after: list[str]) -> None:
    personal = learnt(after)
    personal.merge(learnt(before).contents)
    assert known(personal) == known(learnt(before + after))


def test_no_life_has_so_many_words() -> None:
    personal = learnt(["see you"])
    before = known(personal)
    with pytest.raises(FedkeysError, match="words typed are more than"):
        personal.merge(Contents(MOST_TYPED - 1, {(): Followers()}, {}, ()))
    assert known(personal) == before


@given(histories, st.integers(3, 30))
def test_beyond_so_many_words_all_numbers_are_halved_and_stay_in_order(
    history: list[tuple[bool, str]], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as directory:
        patch.setattr("fedkeys.phone.personal.MOST_TYPED", most)
        personal = live(PersonalModel(), history)
        assert personal.now <= most
        file = Path(directory) / "exported.jsonl"
        file.write_text("\n".join(export_lines(personal.contents)))
        other = PersonalModel()
        other.merge(read_exported(file))  # which refuses what no personal model can hold
        assert ngrams(other) == ngrams(personal)
        assert [known(other)[name] for name in ("now", "starts", "written")] == [
            known(personal)[name] for name in ("now", "starts", "written")
        ]


@given(corpora)
def test_what_must_go_depends_on_what_is_known_not_on_how_it_came(texts: list[str]) -> None:
    """So a store that is read from a snapshot goes on as the process that wrote it would have."""
    one = learnt(texts)
    other = PersonalModel()
    other.merge(one.contents)
    for personal in (one, other):
        personal.max_ngrams = SMALL
        personal.learn("hello")
    assert known(one) == known(other)


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nothing_of_it_can_be_pickled_or_copied(leave: Callable[[object], object]) -> None:
    personal = learnt(["see you tomorrow"])
    memory = personal.recall(("see", "you"))
    for part in (personal, personal.contents, memory, *memory.followers, memory.skipped):
        with pytest.raises(TypeError, match="stays on its phone"):
            leave(part)


def test_a_message_all_in_capitals_says_nothing_of_how_words_are_written() -> None:
    model = PersonalModel()
    model.learn("I LOVE NASA")
    model.learn("WE LOVE NASA")
    assert [model.written(word) for word in ("love", "nasa")] == [None, None]
    assert dict(model.learnt())["love"] == 2
    model.learn("they love NASA")
    assert [model.written(word) for word in ("love", "nasa")] == ["love", "NASA"]
    model.learn("and OK")
    assert model.written("ok") == "OK"
