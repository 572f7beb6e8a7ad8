"""The typing screen, by Textual's pilot: what it says, what keys do, and how it looks."""

from threading import Event
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, Static

from fedkeys import Keyboard, Phone, aggregate
from fedkeys.errors import SourceError, StorageError
from fedkeys.model import Suggestion
from fedkeys.phone import Prior
from fedkeys.tui import MessageBox, TypingApp
from fedkeys.tui.message_box import READ_SECONDS
from fedkeys.words import at_cursor

FLEET = [["see you tomorrow", "see you soon", "on my way home", "to London", "so I am on my way"]] * 2


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def app() -> TypingApp:
    model = aggregate([Phone(texts).delta() for texts in FLEET])
    sent = ["hello [b]you[/b]", "handover ran over"]
    return TypingApp(Keyboard(model), phone="nurse", sent=sent, clock=Clock())


def strip(pilot: Pilot[Any]) -> list[str]:
    """The words on the strip."""
    labels = [str(button.label).split("\n")[0] for button in pilot.app.query(Button)]
    return [label for label in labels if label != "·"]


def text_of(pilot: Pilot[Any], id_: str) -> str:
    return str(pilot.app.query_one(id_, Static).content)


async def type_(pilot: Pilot[Any], text: str) -> None:
    await pilot.press(*("space" if character == " " else character for character in text))
    await pilot.pause()


async def test_it_opens_on_the_message_box_with_suggestions() -> None:
    async with app().run_test() as pilot:
        assert isinstance(pilot.app.focused, MessageBox)
        assert strip(pilot) == ["See", "So", "To"]
        assert "nurse's phone" in text_of(pilot, "#whose")
        assert "2 phones" in text_of(pilot, "#federation")
        assert "each on 2+ phones" in text_of(pilot, "#federation")


async def test_it_says_whose_phone_it_is_and_what_becomes_of_what_is_sent() -> None:
    keyboard = Keyboard(aggregate([Phone(texts).delta() for texts in FLEET]))
    async with TypingApp(keyboard).run_test() as pilot:
        assert "typing on a new phone" in text_of(pilot, "#whose")
        assert "stays here" in text_of(pilot, "#hint")
    keyboard.learn("see you")
    keyboard.incognito = True
    async with TypingApp(keyboard).run_test() as pilot:
        assert "incognito on your own phone" in text_of(pilot, "#whose")
        assert text_of(pilot, "#brief") == "incognito"
        assert "nothing" in text_of(pilot, "#hint")


async def test_what_cannot_be_kept_is_told_and_typing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object, message: str) -> None:
        raise StorageError(f"no room for {len(message)} letters", remedy="make room")

    monkeypatch.setattr(Keyboard, "learn", fails)
    async with app().run_test() as pilot:
        await type_(pilot, "so")
        await pilot.press("enter")
        await pilot.pause()
        assert [toast.message for toast in pilot.app._notifications] == ["no room for 2 letters; make room"]
        await type_(pilot, "see you ")
        assert set(strip(pilot)[:2]) == {"soon", "tomorrow"}


async def test_suggestions_follow_every_key() -> None:
    async with app().run_test() as pilot:
        await type_(pilot, "see you ")
        assert set(strip(pilot)[:2]) == {"soon", "tomorrow"}
        await type_(pilot, "t")
        assert strip(pilot)[0] == "tomorrow"
        assert pilot.app.query_one(MessageBox).suggestion == "omorrow"
        await pilot.press("backspace")
        await pilot.pause()
        assert set(strip(pilot)[:2]) == {"soon", "tomorrow"}


@pytest.mark.parametrize(("key", "slot"), [("tab", 0), ("f2", 1), ("f3", 2)])
async def test_keys_accept(key: str, slot: int) -> None:
    async with app().run_test() as pilot:
        await type_(pilot, "see you ")
        word = strip(pilot)[slot]
        await pilot.press(key)
        box = pilot.app.query_one(MessageBox)
        assert box.text == f"see you {word} "
        assert box.cursor_location == (0, len(box.text))
        assert isinstance(pilot.app.focused, MessageBox)


async def test_accepting_replaces_the_letters_typed_and_can_be_undone() -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        await type_(pilot, "see you to")
        await pilot.press("tab")
        assert box.text == "see you tomorrow "
        box.undo()
        assert box.text == "see you to"


async def test_right_arrow_takes_the_ghost_text_only_at_the_end() -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        await type_(pilot, "see you to")
        await pilot.press("left", "right")
        assert box.text == "see you to"
        await pilot.press("right")
        assert box.text == "see you tomorrow "


async def test_the_mouse_accepts() -> None:
    async with app().run_test(size=(100, 30)) as pilot:
        await type_(pilot, "see you ")
        word = strip(pilot)[1]
        await pilot.click("#slot-1")
        await pilot.pause()
        assert pilot.app.query_one(MessageBox).text == f"see you {word} "
        assert isinstance(pilot.app.focused, MessageBox)


async def test_punctuation_moves_up_to_an_accepted_word() -> None:
    async with app().run_test() as pilot:
        await type_(pilot, "see you to")
        await pilot.press("tab", "full_stop")
        assert pilot.app.query_one(MessageBox).text == "see you tomorrow."


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("left", "left", "exclamation_mark"), "see you tomorro!w "),
        (("home", "exclamation_mark"), "!see you tomorrow "),
        (("home", "end", "exclamation_mark"), "see you tomorrow!"),
        (("ctrl+z", "full_stop"), "see you to."),
        (("ctrl+w", "full_stop"), "see you ."),
        (("shift+left", "full_stop"), "see you tomorrow."),
        (("shift+home", "full_stop"), "."),
        (("left", "shift+right", "full_stop"), "see you tomorrow."),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
async def test_punctuation_moves_up_only_from_where_the_word_was_accepted(
    keys: tuple[str, ...], text: str
) -> None:
    async with app().run_test() as pilot:
        await type_(pilot, "see you to")
        await pilot.press("tab", *keys)
        assert pilot.app.query_one(MessageBox).text == text


async def test_punctuation_stays_where_the_mouse_has_put_the_cursor() -> None:
    async with app().run_test(size=(100, 30)) as pilot:
        await type_(pilot, "see you to")
        await pilot.press("tab")
        box = pilot.app.query_one(MessageBox)
        inside = box.content_region.offset - box.region.offset
        await pilot.click(MessageBox, offset=(inside.x + 4, inside.y))
        await pilot.press("exclamation_mark")
        assert box.text == "see !you tomorrow "


@pytest.mark.parametrize(
    ("typed", "text"), [("Hi.", "Hi. see "), ("(", "(see "), ("see you,", "see you, see ")]
)
async def test_a_word_after_punctuation_stands_apart(typed: str, text: str) -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        box.insert(typed)
        await pilot.pause()
        box.suggestions = [Suggestion("see", 1.0)]
        box.action_accept(0)
        assert box.text == text


@pytest.mark.parametrize(
    ("before", "after", "text", "column"),
    [
        ("see y", "ou now", "see you now", 8),
        ("see y", "ou", "see you ", 8),
        ("see y", "ou, now", "see you, now", 7),
        ("see y", "ou(now", "see you (now", 8),
        ("see y", " now", "see you now", 8),
        ("see ", "now", "see you now", 8),
        ("see ", " now", "see you now", 8),
    ],
)
async def test_accepting_inside_a_word_replaces_all_of_it(
    before: str, after: str, text: str, column: int
) -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        box.insert(before + after)
        box.move_cursor((0, len(before)))
        await pilot.pause()
        box.suggestions = [Suggestion("you", 1.0)]
        box.action_accept(0)
        assert box.text == text
        assert box.cursor_location == (0, column)


async def test_accepting_replaces_decomposed_letters_whole() -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        box.keyboard.learn("like cafés")
        box.insert("like cafe\u0301")
        await pilot.pause()
        assert strip(pilot)[0] == "cafés"
        await pilot.press("tab")
        assert box.text == "like cafés "


async def test_a_name_is_shown_as_it_is() -> None:
    model = aggregate([Phone(texts).delta() for texts in FLEET])
    async with TypingApp(Keyboard(model), phone="[b]noob[/x]").run_test() as pilot:
        assert "[b]noob[/x]'s phone" in text_of(pilot, "#whose")


async def test_an_empty_slot_does_nothing() -> None:
    async with app().run_test() as pilot:
        await type_(pilot, "zzz")
        assert strip(pilot) == []
        await pilot.press("tab", "f2", "f3")
        assert pilot.app.query_one(MessageBox).text == "zzz"


async def test_sending_shows_the_message_learns_it_and_counts_keys() -> None:
    async with app().run_test() as pilot:
        for _ in range(12):
            await type_(pilot, "see you pancakes")
            await pilot.press("enter")
        await pilot.pause()
        box = pilot.app.query_one(MessageBox)
        assert box.text == ""
        assert len(pilot.app.query(".bubble")) == 2 + 12
        await type_(pilot, "see you ")
        assert strip(pilot)[0] == "pancakes"
        await pilot.press("tab", "enter")
        await pilot.pause()
        typed, accepted = 12 * 16, 8 + 1
        characters = 13 * 16
        assert f"{characters - typed - accepted} of {characters} keys saved" in text_of(pilot, "#so-far")


async def test_a_sent_message_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[str] = []
    monkeypatch.setattr(Keyboard, "learn", lambda _, message: learnt.append(message))
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        await type_(pilot, "see you to")
        await pilot.press("tab", "enter", "ctrl+z", "ctrl+y", "enter")
        assert (box.text, learnt) == ("", ["see you tomorrow"])
        await type_(pilot, "so")
        await pilot.press("ctrl+z", "ctrl+z")
        assert box.text == ""


@pytest.mark.parametrize(
    ("keys", "text", "pressed"),
    [
        (("backspace", "delete"), "see yo", 2),
        (("ctrl+w", "y"), "see y", 2),
        (("ctrl+u",), "", 1),
        (("home", "ctrl+k"), "", 1),
        (("home", "delete", "ctrl+d"), "e you", 2),
        (("ctrl+a", "ctrl+x"), "", 1),
        (("ctrl+x", "ctrl+v"), "see you", 1 + 7),
        (("ctrl+shift+k",), "", 1),
        (("ctrl+z", "ctrl+y"), "see you", 2),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
async def test_every_key_that_changes_the_message_counts(
    keys: tuple[str, ...], text: str, pressed: int
) -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        await type_(pilot, "see you")
        await pilot.press(*keys)
        assert (box.text, box.keys) == (text, 7 + pressed)


async def test_sending_nothing_sends_nothing() -> None:
    async with app().run_test() as pilot:
        await type_(pilot, "  ")
        await pilot.press("enter")
        await pilot.pause()
        assert len(pilot.app.query(".bubble")) == 2


async def test_messages_are_shown_as_they_are() -> None:
    async with app().run_test() as pilot:
        assert "hello [b]you[/b]" in str(pilot.app.query(".bubble").first(Static).content)


async def test_a_narrow_terminal_keeps_what_matters() -> None:
    async with app().run_test(size=(50, 16)) as pilot:
        assert not pilot.app.query_one("#side").display
        await type_(pilot, "see you to")
        assert strip(pilot)[0] == "tomorrow"
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert text_of(pilot, "#brief") == "31 % saved"
        assert pilot.app.query_one("#brief").display


def test_how_it_looks(snap_compare: Any) -> None:
    async def typing(pilot: Pilot[Any]) -> None:
        await type_(pilot, "See you to")
        await pilot.press("tab", "enter")
        await type_(pilot, "on my w")
        pilot.app.query_one(MessageBox).cursor_blink = False

    assert snap_compare(app(), run_before=typing, terminal_size=(80, 24))


async def test_a_paste_goes_in_once_and_saves_nothing() -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        pilot.app.post_message(events.Paste("hello there"))
        await pilot.pause()
        assert box.text == "hello there"
        assert "0 of 11 keys saved" in text_of(pilot, "#now")


@pytest.mark.parametrize("size", [(45, 12), (40, 12), (30, 12), (20, 8), (12, 10), (5, 4)], ids=str)
async def test_a_terminal_may_shrink_at_once(size: tuple[int, int]) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await type_(pilot, "see you tomorrow at the longest word")
        await pilot.resize_terminal(*size)
        await pilot.pause()
        await type_(pilot, "s")
        assert pilot.app.query_one(MessageBox).text.endswith("words")


async def test_keys_pressed_at_once_are_taken_in_their_order() -> None:
    async with app().run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        for key in ["s", "e", "e", "space", "y", "tab", "t", "o", "tab", "o", "n", "enter", "h"]:
            character = {"space": " ", "tab": "\t", "enter": "\r"}.get(key, key)
            pilot.app.post_message(events.Key(key, character))
        await pilot.pause()
        await pilot.pause()
        assert [str(bubble.content) for bubble in pilot.app.query(".bubble").results(Static)][
            -1
        ] == "see you tomorrow on"
        assert box.text == "h"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def timed(clock: Clock, *texts: str) -> TypingApp:
    model = aggregate([Phone(texts or ["see you soon", "see yours", "see yolk"]).delta()], min_phones=1)
    return TypingApp(Keyboard(model), clock=clock)


async def test_a_word_that_was_read_and_passed_over_is_not_shown_again_for_that_word(clock: Clock) -> None:
    async with timed(clock).run_test() as pilot:
        await type_(pilot, "see ")
        first = strip(pilot)
        assert set(first) == {"you", "yours", "yolk"}
        clock.now += READ_SECONDS
        await type_(pilot, "y")
        assert not set(first) & set(strip(pilot))
        await pilot.press("backspace")
        await pilot.pause()
        assert strip(pilot) == first
        await type_(pilot, "you see ")
        assert set(strip(pilot)) == set(first)


async def test_a_strip_that_stood_for_a_moment_was_not_read(clock: Clock) -> None:
    async with timed(clock).run_test() as pilot:
        await type_(pilot, "see ")
        first = strip(pilot)
        clock.now += READ_SECONDS * 0.9
        await type_(pilot, "y")
        assert set(strip(pilot)) == set(first)


async def test_a_strip_that_did_not_change_stood_on(clock: Clock) -> None:
    async with timed(clock, "yolk yours").run_test() as pilot:
        for letter in "yo":
            await type_(pilot, letter)
            assert set(strip(pilot)) == {"yolk", "yours"}
            clock.now += READ_SECONDS * 0.6
        await type_(pilot, "u")
        assert "yours" not in strip(pilot)  # "yolk" may have been meant: u and l may be a slip


@pytest.mark.parametrize("mark", ["full_stop", "minus"])
async def test_a_word_after_a_mark_may_be_one_that_was_passed_over(clock: Clock, mark: str) -> None:
    async with timed(clock, "you you you").run_test() as pilot:
        await type_(pilot, "y")
        assert strip(pilot) == ["you"]
        clock.now += READ_SECONDS
        await pilot.press("e", mark)
        await pilot.pause()
        assert [word.lower() for word in strip(pilot)] == ["you"]


async def test_words_come_back_with_the_letters_and_stay_if_typing_is_fast(clock: Clock) -> None:
    async with timed(clock).run_test() as pilot:
        await type_(pilot, "see ")
        first = strip(pilot)
        clock.now += READ_SECONDS
        await type_(pilot, "y")
        await pilot.press("backspace")
        await type_(pilot, "y")
        assert set(strip(pilot)) == set(first)


@pytest.mark.parametrize("way", ["paste", "away and back", "undo and redo"])
async def test_only_a_key_passes_words_over(clock: Clock, way: str) -> None:
    async with timed(clock).run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        await type_(pilot, "see ")
        first = strip(pilot)
        clock.now += 2 * READ_SECONDS
        if way == "paste":
            pilot.app.post_message(events.Paste("yo"))
        elif way == "away and back":
            await type_(pilot, "yo")
            await pilot.press("home", "end")
        else:
            await type_(pilot, "yo")
            box.undo()
            await pilot.pause()
            box.redo()
        await pilot.pause()
        assert box.text == "see yo"
        assert set(strip(pilot)) == set(first)


@pytest.mark.parametrize("key", ["tab", "enter"])
async def test_what_was_taken_or_sent_begins_anew(clock: Clock, key: str) -> None:
    async with timed(clock, "yolk yolk yolk", "yolk").run_test() as pilot:
        await type_(pilot, "y")
        clock.now += READ_SECONDS
        assert strip(pilot) == ["yolk"]
        if key == "enter":
            await type_(pilot, "o")
            assert strip(pilot) == []
        await pilot.press(key)
        await type_(pilot, "yo")
        assert strip(pilot) == ["yolk"]


@pytest.mark.parametrize(
    "text",
    [
        "hello there\n\n",
        "hello there\n\nse",
        "one\ntwo\n  \nthree. fo",
        "tom:\n",
        "tom: " + "see you " * 40 + "t",
        "see you\n" * 40,
        "see you " * 40 + "a-b" * 100,
    ],
)
async def test_the_box_reads_as_much_as_the_cursor_rules_do(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def suggest(_: Keyboard, before: str, **__: object) -> list[Suggestion]:
        asked.append(before)
        return []

    monkeypatch.setattr(Keyboard, "suggest", suggest)
    async with app().run_test() as pilot:
        pilot.app.query_one(MessageBox).insert(text)
        await pilot.pause()
        assert at_cursor(asked[-1]) == at_cursor(text)
        assert len(asked[-1]) <= 257 + 300


async def test_what_was_read_is_passed_over_in_a_long_message_too(clock: Clock) -> None:
    async with timed(clock).run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        box.insert("so on\n" + "see you " * 40 + "see ")
        await pilot.pause()
        first = strip(pilot)
        assert set(first) == {"you", "yours", "yolk"}
        clock.now += READ_SECONDS
        await type_(pilot, "yo")
        assert not set(first) & set(strip(pilot))


async def test_public_words_come_when_they_are_read() -> None:
    given = Event()

    def slow() -> Prior:
        assert given.wait(20)
        return Prior.load()

    keyboard = Keyboard(aggregate([Phone(texts).delta() for texts in FLEET]))
    async with TypingApp(keyboard, prior=slow, clock=Clock()).run_test() as pilot:
        await type_(pilot, "ze")
        assert strip(pilot) == []
        given.set()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert strip(pilot) == []  # it does not change under its reader's eyes
        await type_(pilot, "b")
        assert "zebra" in strip(pilot)


async def test_without_public_words_typing_goes_on() -> None:
    def missing() -> Prior:
        raise SourceError("they are not installed")

    keyboard = Keyboard(aggregate([Phone(texts).delta() for texts in FLEET]))
    async with TypingApp(keyboard, prior=missing, clock=Clock()).run_test() as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert [toast.message for toast in pilot.app._notifications] == ["they are not installed"]
        await type_(pilot, "see you ")
        assert set(strip(pilot)[:2]) == {"soon", "tomorrow"}
