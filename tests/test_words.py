"""What a word is, and what never leaves a phone."""

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fedkeys.words import (
    GAP,
    MAX_WORD_LENGTH,
    MESSAGE_START,
    SENTENCE_START,
    Cursor,
    Pause,
    at_cursor,
    fold,
    is_word,
    is_written_form,
    rest_of_word,
    style_of,
    styled,
    tokens,
)
from fedkeys.words.styles import OTHER
from tests.strategies import any_text, messages

READABLE = {MESSAGE_START: "<", SENTENCE_START: "/", GAP: "_"}


def read(text: str) -> str:
    """The items of a message in one readable line: < message, / sentence, _ gap."""
    return " ".join(READABLE.get(item, item) for item in tokens(text))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", "<"),
        ("See you", "< See you"),
        ("don't I’m rock'n'roll", "< don't I'm rock'n'roll"),
        ("'quoted' dogs' 'tis", "< quoted dogs tis"),
        ('well-known, (and) "so" on; ok', "< well known and so on ok"),
        ("one. two! three?! four… five", "< one / two / three / four / five"),
        ("wait...what", "< wait / what"),
        ("line\nnext", "< line / next"),
        ("naïve cafe\u0301", "< naïve café"),
        ("ok 👍🏽 ❤️ 👩‍👩‍👧 🇬🇧!", "< ok 👍 ❤️ 👩‍👩‍👧 🇬🇧 /"),
        ("😂😂", "< 😂 😂"),
        ("hi :-) :D <3 ok", "< hi ok"),
        ("at 7 or 10.", "< at 7 or 10 /"),
        ("हिन्दी भाषा", "< हिन्दी भाषा"),
        ("или/нет", "< или нет"),
    ],
)
def test_items(text: str, items: str) -> None:
    assert read(text) == items


@pytest.mark.parametrize(
    "secret",
    [
        "me@example.org",
        "first.last+tag@mail.example.org",
        "https://example.org/a?b=c",
        "www.example.org",
        "example.org",
        "@handle",
        "#tag",
        "07700 900123",
        "07700-900-123",
        "+44 (0)1632 960 000",
        "1,000",
        "12:30",
        "4471",
        "a1b2",
        "2nd",
        "AB-1234",
        "covid-19",
        "key=value",
        "snake_case",
        "/etc/passwd",
        "C:\\Users\\me",
        "~root",
        "a/b/c",
        "e.g",
        "x" * (MAX_WORD_LENGTH + 1),
        "12 34 56 78",
        "12   34   56",
        "1 -- 2 -- 3",
        "07700–900–123",
        "06 | 12 | 34 | 56",
        "1! 2! 3",
        "tom @ example . org",
        "me＠example．org",
        "４４７１",
        "u/tomsmith",
        "ABCDE-FGHIJ-KLMNO",
        "de:ad:be:ef:ca:fe",
        "07700\u00a0900\u2011123",
    ],
)
def test_what_must_not_leave_a_phone_is_dropped_and_breaks_the_ngram(secret: str) -> None:
    items = tokens(f"before {secret} after")
    assert items[:2] == [MESSAGE_START, "before"]
    assert items[-1] == "after"
    assert GAP in items
    assert not any(secret.casefold() in item.casefold() for item in items if len(item) > 1)
    assert all(item in (GAP, SENTENCE_START) for item in items[2:-1])


@given(any_text | messages)
@example("İstanbul ŒUVRE ǅ ΟΔΟΣ ﬁn")
@example("e\u200dz ❤\ufe0f\ufe0f 🏽 \U0001f1ec")
@example("9\u20e3 ²³ Ⅷ")
@example("\x00\x02\x03")
def test_every_word_is_its_own_only_token(text: str) -> None:
    for item in tokens(text):
        if item not in READABLE:
            word = fold(item)
            assert tokens(word) == [MESSAGE_START, word]
            assert is_word(word)
            assert word == item or is_written_form(item, word)
            assert len(word) <= MAX_WORD_LENGTH
            style = style_of(item, word)
            assert style == OTHER or styled(word, style) == item


def test_marks_and_gaps_are_no_words() -> None:
    for text in (GAP, MESSAGE_START, SENTENCE_START, "", " ", "two words", "London", "a\u0301"):
        assert not is_word(text)


def test_a_run_of_marks_costs_no_more_than_its_length() -> None:
    started = time.process_time()
    assert tokens("a" + "\u0301\u0316" * 100_000) == [MESSAGE_START, GAP]
    assert time.process_time() - started < 2


@given(any_text)
def test_no_digit_run_mixed_token_or_at_sign_comes_out(text: str) -> None:
    for item in tokens(text):
        if item not in READABLE:
            numbers = sum(unicodedata.category(character)[0] == "N" for character in item)
            letters = sum(character.isalpha() for character in item)
            assert numbers <= 2
            assert not (numbers and letters)
            assert not set(item) & set("@/\\_=#.")


@given(messages, messages)
def test_the_cursor_sees_what_phones_count(before: str, last: str) -> None:
    """The context at the end of a text is the end of its items, back to the last mark or gap."""
    text = f"{before} {last} "
    items = tokens(text)
    effective = []
    for item in items:
        if item == SENTENCE_START and effective and effective[-1] in (MESSAGE_START, SENTENCE_START):
            continue
        effective.append(item)
    context = list(at_cursor(text).items)
    assert context == effective[len(effective) - len(context) :]
    if len(context) < len(effective):
        assert context[:1] == [SENTENCE_START] or effective[len(effective) - len(context) - 1] == GAP


@pytest.mark.parametrize(
    ("text", "items", "prefix"),
    [
        ("", "<", ""),
        ("He", "<", "He"),
        ("see you ", "< see you", ""),
        ("see you tom", "< see you", "tom"),
        ("(tom", "<", "tom"),
        ("I don'", "< I", "don'"),
        ("I don’t", "< I", "don't"),
        ("and/o", "< and", "o"),
        ("Done.", "/", ""),
        ("Done. He", "/", "He"),
        ("Done\n", "/", ""),
        ("one\ntw", "/", "tw"),
        ("see you\u00a0t", "< see you", "t"),
        ("one\n  ", "/", ""),
        ("\u200b", "<", ""),
        ("ok 👍", "< ok 👍", ""),
        ("mail a@b.org to", "", "to"),
        ("mail a@b.org. T", "/", "T"),
    ],
)
def test_at_cursor(text: str, items: str, prefix: str) -> None:
    cursor = at_cursor(text)
    assert " ".join(READABLE.get(item, item) for item in cursor.items) == items
    assert cursor.prefix == prefix


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("", Pause.NONE),
        ("see you ", Pause.NONE),
        ("Done! ", Pause.NONE),
        ("ok 👍 ", Pause.NONE),
        ("tom: ", Pause.ADDRESS),
        ("tom: y", Pause.ADDRESS),
        ("tom:y", Pause.ADDRESS),
        ("b52, ", Pause.ADDRESS),
        ("tom; ", Pause.CLAUSE),
        (": ", Pause.CLAUSE),
        ("see you, ", Pause.CLAUSE),
        ("tom: if so, th", Pause.CLAUSE),
        ("tom:\n", Pause.NONE),
        ("tom: see", Pause.ADDRESS),
        ("tom: see ", Pause.NONE),
        ("(", Pause.OTHER),
        ("see you :) ", Pause.OTHER),
        ("word " * 100 + "tom, ", Pause.CLAUSE),
    ],
)
def test_the_cursor_sees_a_pause(text: str, pause: Pause) -> None:
    assert at_cursor(text).pause == pause


def test_the_letters_to_replace_are_counted_as_typed() -> None:
    typed = {"see you tom": 3, "i like cafe\u0301": 5, "so\u00adon": 5, "hi!tom": 3, "ok ": 0}
    assert {text: at_cursor(text).typed for text in typed} == typed


@pytest.mark.parametrize(
    ("before", "after", "rest"),
    [
        ("see y", "ou now", "ou"),
        ("see you", "", ""),
        ("see you", " now", ""),
        ("see ", "you now", ""),
        ("I do", "n’t, no", "n’t"),
        ("'do", "g' he said", "g"),
        ("dog", "'", ""),
        ("see y", "ou.com", "ou"),
        ("caf", "e\u0301s 2", "e\u0301s"),
        ("me@ex", "ample.org", ""),
        ("see you. " * 100 + "y", "ou now", "ou"),
    ],
)
def test_the_rest_of_the_word_at_the_cursor(before: str, after: str, rest: str) -> None:
    assert after[: rest_of_word(before, after)] == rest


@pytest.mark.parametrize("text", ["me@exam", "call 07700", "at 1", "www.exa", "#ta", "~ro", "x1"])
def test_nothing_is_suggested_inside_what_must_not_leave(text: str) -> None:
    assert at_cursor(text).prefix is None


def test_a_long_text_costs_no_more_than_its_end() -> None:
    long = "word " * 100_000 + "see you tom"
    cursor = at_cursor(long)
    assert cursor.items[-2:] == ("see", "you")
    assert cursor.prefix == "tom"
    assert len(cursor.items) < 100


def test_a_text_cut_in_the_middle_does_not_begin_a_message() -> None:
    assert at_cursor("word " * 100).items[0] == "word"


def test_nothing_is_suggested_inside_a_chunk_whose_beginning_is_not_read() -> None:
    address = "https://example.org/" + "a-b" * 100
    for text in (address + "-the", "see " + address + "-", "see\n" + address):
        assert at_cursor(text) == Cursor((), None, 0)
    assert at_cursor(address + " the") == Cursor((), "the", 3)


@given(any_text | messages)
@example("\u200b")
@example("hello \u200f")
def test_any_text_has_a_cursor(text: str) -> None:
    cursor = at_cursor(text)
    assert cursor.prefix is None or fold(cursor.prefix).rstrip("'") in ("", *map(fold, tokens(text)))


@given(st.text(alphabet="abcxyz", min_size=1, max_size=40))
def test_what_is_all_small_letters_is_a_word_by_the_rules_too(text: str) -> None:
    """`is_word` does not ask the rules about these."""
    assert is_word(text) == (tokens(text) == [MESSAGE_START, text] and fold(text) == text)


@pytest.mark.parametrize(
    "part",
    [
        "@",
        "x@",
        "x",
        "A",
        "\u00e9",
        "A-",
        "AA-",
        "a:",
        "a@b",
        "a @ b ",
        " @",
        "/",
        ".",
        "a.",
        "1 ",
        "-",
        "'",
        ":)",
    ],
)
def test_no_text_takes_long(part: str) -> None:
    """Each would take hours if any rule looked at it again from each of its characters."""
    assert tokens(part * 200_000)[0] == MESSAGE_START


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to tom @ example . org. See you", ["write", "to", GAP, SENTENCE_START, "See", "you"]),
        ("tom@ example.org and", [GAP, "and"]),
        ("tom @example.org", [GAP]),
        ("x @ b . c-d @ e . f", None),
        ("tom @ example . org,x @ b . c", None),
        ("tom @x@example . org", None),
    ],
)
def test_spaced_addresses_are_dropped(text: str, left: list[str] | None) -> None:
    found = tokens(text)[1:]
    assert not {"tom", "example", "org", "x", "b", "c", "d", "e", "f"} & set(found)
    if left is not None:
        assert found == left
