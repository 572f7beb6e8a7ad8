"""The screens beside typing, by Textual's pilot: what they say, what keys do, and how they look."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, Static

from fedkeys import Keyboard, Phone, aggregate
from fedkeys.evaluate.live import Setting, Watched
from fedkeys.evaluate.reassembly import reassembled
from fedkeys.evaluate.replay import asked_words
from fedkeys.phone import PersonalModel, Source
from fedkeys.sources import PhoneTexts, open_corpus
from fedkeys.tui import Desk, MessageBox, Settings, TypingApp
from fedkeys.tui.desk import CHATS, NEW, OWN
from fedkeys.tui.federation import FederationScreen
from fedkeys.tui.nav import PLACES
from fedkeys.tui.savings import Tally
from fedkeys.tui.tour import TourApp

TEXTS = {
    "anna": [*["see you tomorrow at the station", "the handover ran over again", "on my way home now"] * 5],
    "ben": [*["see you tomorrow my friend", "on my way home", "the station is closed"] * 5],
    "cleo": [*["see you soon", "my friend is on the way", "at home again"] * 5],
}


def text_of(pilot: Pilot[Any], selector: str) -> str:
    return str(pilot.app.screen.query_one(selector, Static).content)


async def until(pilot: Pilot[Any], holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what another thread or process brings."""
    for _ in range(int(seconds / 0.05)):
        await pilot.pause(0.05)
        if holds():
            return
    pytest.fail(f"not within {seconds} s")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lines = [json.dumps({"user": name, "text": text}) for name, texts in TEXTS.items() for text in texts]
    (tmp_path / "chat.jsonl").write_text("\n".join(lines))
    return tmp_path / "chat.jsonl"


def app(corpus: Path, settings: Settings | None = None) -> TypingApp:
    model = aggregate([Phone(texts).delta() for texts in TEXTS.values()])
    desk = Desk(Keyboard(model), corpus=open_corpus(corpus), spec=str(corpus))
    return TypingApp(desk, clock=lambda: 0.0, settings=settings)


async def hold(pilot: Pilot[Any], name: str) -> None:
    await pilot.press("f4", *name, "enter")
    await until(pilot, lambda: pilot.app.desk.held.name == name)
    await pilot.pause()


async def test_another_phone_is_held_and_the_message_stays(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        box = pilot.app.query_one(MessageBox)
        await pilot.press(*"see")
        await hold(pilot, "ben")
        assert box.text == "see"
        assert isinstance(pilot.app.focused, MessageBox)
        assert "typing on ben's phone" in text_of(pilot, "#whose")
        assert len(pilot.app.screen.query(".bubble")) == len(TEXTS["ben"])
        await pilot.press("enter")
        await hold(pilot, "anna")
        assert "see" not in [str(bubble.content) for bubble in pilot.app.screen.query(".bubble")]
        await hold(pilot, "ben")  # as it was left
        assert pilot.app.desk.held.sent[-1] == "see"
        await pilot.press("f4", "escape")
        await pilot.pause()
        assert pilot.app.desk.held.name == "ben"


async def test_choosing_a_phone_by_the_mouse_and_by_arrows(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        await pilot.press("f4")
        await pilot.pause()
        options = pilot.app.screen.query_one(OptionList)
        assert [str(option.prompt) for option in options.options] == [OWN, NEW, "anna", "ben", "cleo", CHATS]
        await pilot.press("down", "down", "down", "enter")
        await until(pilot, lambda: pilot.app.desk.held.name == "ben")
        await pilot.press("f4", *"zz")
        await pilot.pause()
        assert not pilot.app.screen.query_one(OptionList).option_count
        await pilot.press("enter", "escape")


async def test_each_slot_says_who_knows_its_word() -> None:
    model = aggregate([Phone(texts).delta() for texts in TEXTS.values()])
    personal = PersonalModel()
    personal.learn("see you pancakes tomorrow")
    keyboard = Keyboard(model, personal)
    assert keyboard.source("pancakes") is Source.OWN
    assert keyboard.source("Tomorrow") is Source.BOTH
    assert keyboard.source("home") is Source.EVERYONE
    assert keyboard.source("zebra") is Source.PUBLIC
    async with TypingApp(keyboard, clock=lambda: 0.0).run_test() as pilot:
        await pilot.press(*"pan")
        await pilot.pause()
        assert str(pilot.app.query(Button).first().label).split("\n")[1].startswith("Tab •")


async def test_a_word_is_forgotten_and_incognito_learns_nothing(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        keyboard = pilot.app.desk.keyboard
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert [toast.message for toast in pilot.app._notifications] == [
            "this keyboard has learnt nothing yet"
        ]
        await pilot.press(*"pancakes", "enter")
        assert keyboard.source("pancakes") is Source.OWN
        await pilot.press("ctrl+g", *"panc", "enter")
        await pilot.pause()
        assert keyboard.source("pancakes") is Source.PUBLIC
        await pilot.press("ctrl+n", *"waffles", "enter")
        await pilot.pause()
        assert keyboard.source("waffles") is Source.PUBLIC
        assert "incognito on" in text_of(pilot, "#whose")
        assert pilot.app.desk.held.sent == []  # neither what was forgotten nor what was incognito
        await pilot.press("f7")
        await until(pilot, lambda: "Nothing was sent" in text_of(pilot, "#own-words"))


async def test_ones_own_phone_is_held_again_with_its_store(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        personal = pilot.app.desk.keyboard.personal
        await hold(pilot, "ben")
        await pilot.press("f4", *"your", "space", *"own", "space", *"ph", "enter")
        await until(pilot, lambda: pilot.app.desk.held.name == OWN)
        await pilot.press(*"pancakes", "enter", "f8")
        await pilot.pause()
        assert pilot.app.desk.keyboard.personal is personal
        await until(pilot, lambda: "phone" in text_of(pilot, "#compared"))
        await pilot.press(*"panc")
        await pilot.pause()
        assert "pancakes" in text_of(pilot, "#one-1")


async def test_a_federation_that_dies_is_told(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        await pilot.press("f6")
        screen = pilot.app.screen
        assert isinstance(screen, FederationScreen)
        await pilot.press("m")  # while the process starts: it is told when it can hear
        await until(pilot, lambda: "s takes one" in text_of(pilot, "#said"))
        await pilot.press("s")
        await until(pilot, lambda: len(screen.rounds) == 1)
        assert screen._run.setting.min_phones == 3
        assert pilot.app.desk.keyboard.model.header["release"]["min_phones"] == 3
        assert screen._process is not None
        os.kill(screen._process.pid, signal.SIGKILL)
        await until(pilot, lambda: "has ended" in text_of(pilot, "#said"))
        await pilot.press("space")
        assert text_of(pilot, "#rules").startswith("paused")
        await pilot.press("r")
        await until(pilot, lambda: "s takes one" in text_of(pilot, "#said"))


async def test_recall_is_counted_as_evaluate_counts_it() -> None:
    tally = Tally()
    tally.add("see you soon", 9, {"": ["see", "on"], "see ": ["me", "you"], "see you ": ["tomorrow"]})
    assert (tally.words, tally.first, tally.any, tally.keys) == (3, 1, 2, 9)
    tally.add("soon", 4, {})  # pasted: no strip stood before it
    assert tally.words == 3
    text = "naïve café: it’s ok 4you b52 don't"
    counted = Tally()
    counted.add(text, 1, {text[:at]: [] for at in range(len(text))})
    assert counted.words == asked_words(text) == 3


async def test_the_keyboard_has_each_release_and_the_message_stays(corpus: Path) -> None:
    async with app(corpus).run_test(size=(120, 36)) as pilot:
        before = pilot.app.desk.keyboard.model
        await pilot.press(*"see you", "f6")
        screen = pilot.app.screen
        assert isinstance(screen, FederationScreen)
        await until(pilot, lambda: "s takes one" in text_of(pilot, "#said"))
        assert "3 phones" in text_of(pilot, "#phones-title")
        await pilot.press("s")
        await until(pilot, lambda: pilot.app.desk.keyboard.model is not before)
        assert "●" in text_of(pilot, "#grid")
        assert "3/3" in text_of(pilot, "#rounds")
        await pilot.press("m", "d")
        assert "[m]in 3 phones" in text_of(pilot, "#rules")
        assert "[d]ropouts 10%" in text_of(pilot, "#rules")
        await pilot.press("s")
        await until(pilot, lambda: len(screen._run.rounds) == 2)
        words = [account["released"][0] for account in screen._run.rounds]
        assert words[0] > words[1] > 0  # fewer words are on three phones than on two
        await pilot.press("f5")
        assert pilot.app.query_one(MessageBox).text == "see you"
        process = screen._process
    assert process is not None
    await process.wait()  # it ends with the screens


async def test_rounds_follow_one_another_to_the_last(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        await pilot.press("f6")
        screen = pilot.app.screen
        assert isinstance(screen, FederationScreen)
        await until(pilot, lambda: "s takes one" in text_of(pilot, "#said"))
        await pilot.press("space")
        await until(pilot, lambda: len(screen._run.rounds) == screen._run.setting.rounds)
        await pilot.press("space")
        assert text_of(pilot, "#rules").startswith("paused")
        await pilot.press("x")  # another federation, under masks
        await until(pilot, lambda: "s takes one" in text_of(pilot, "#said"))
        assert not screen._run.rounds
        assert "sums only" in text_of(pilot, "#rules")
        await pilot.press("s")
        await until(pilot, lambda: bool(screen._run.rounds))
        assert "of whom 10 are needed" in text_of(pilot, "#said")  # three phones hide nobody


async def test_a_corpus_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}")
    model = aggregate([Phone(texts).delta() for texts in TEXTS.values()])
    desk = Desk(Keyboard(model), spec=str(tmp_path / "bad.jsonl"))
    async with TypingApp(desk).run_test() as pilot:
        await pilot.press("f6")
        await until(pilot, lambda: "line 1" in text_of(pilot, "#said"))
        await pilot.press("s", "space")
        assert text_of(pilot, "#rules").startswith("paused")


async def test_what_leaves_is_the_delta_and_what_stays_is_not_in_it(corpus: Path) -> None:
    async with app(corpus).run_test(size=(120, 40)) as pilot:
        await pilot.press("f7")
        await until(pilot, lambda: "Nothing was sent" in text_of(pilot, "#own-words"))
        await pilot.press("f5")
        await hold(pilot, "anna")
        await pilot.press("f7")
        await until(pilot, lambda: "15 messages on anna's phone" in text_of(pilot, "#own-words"))
        bounded = text_of(pilot, "#delta-entries")
        assert "one delta with bounds" in bounded
        assert "5* handover" in bounded
        await pilot.press("b")
        assert "one delta without bounds" in text_of(pilot, "#delta-entries")
        released = text_of(pilot, "#released")
        assert "handover" in released.split("Words of this phone that are not in it")[1]
        assert "tomorrow" not in released.split("Pairs that are not")[0].split("not in it")[1]
        assert "word for word" in text_of(pilot, "#attack")
        pages = pilot.app.screen.query_one("#pages")
        await pilot.press("right")
        assert pages.active == "page-left-out"
        await pilot.press("left", "left")
        assert pages.active == "page-attack"


def test_an_attack_finds_what_is_there_and_bounds_hide_some() -> None:
    texts = ["the meeting is at nine in the small room", "do not forget the keys of the car", "yes"]
    whole = reassembled(Phone(texts).delta(), texts)
    assert (whole.messages, len(whole.found)) == (2, 2)
    other = reassembled(Phone(["we are at home all day long"]).delta(), texts)
    assert (other.messages, other.found) == (2, [])


async def test_four_keyboards_are_asked_the_same(corpus: Path) -> None:
    async with app(corpus).run_test(size=(100, 30)) as pilot:
        await hold(pilot, "anna")
        await pilot.press("f8")
        await until(pilot, lambda: "anna's phone" in text_of(pilot, "#compared"))
        await pilot.press(*"see", "space", *"you", "space", *"to")
        await pilot.pause()
        four = [text_of(pilot, f"#one-{at}").splitlines()[1] for at in range(4)]
        assert four[0] == "·"  # nobody's words, and no public ones here
        assert four[1] == "• tomorrow"
        assert four[2] == "∴ tomorrow"
        assert four[3] == "∷ tomorrow"
        await pilot.press("enter")
        await pilot.pause()
        assert pilot.app.screen.query_one(Input).value == ""
        assert "words offered" in text_of(pilot, "#one-3")


async def test_messages_that_none_has_seen_are_replayed(corpus: Path) -> None:
    async with app(corpus).run_test(size=(100, 30)) as pilot:
        await pilot.press("f8")
        await pilot.pause(0.2)
        await pilot.press("f2")
        await pilot.pause()
        assert "it takes 10 messages" in str([toast.message for toast in pilot.app._notifications])
        await pilot.press("f5")
        await hold(pilot, "ben")
        await pilot.press("f8", "f3", "f3", "f3")
        await until(pilot, lambda: "ben's phone   F3: 2 words" in text_of(pilot, "#compared"))
        await pilot.press("f3", "f3", "f2")
        await until(pilot, lambda: "of 13 words offered" in text_of(pilot, "#one-0"))
        await pilot.press("f5")
        assert pilot.app.query_one(MessageBox).text == ""


async def test_hospitals_train_one_model(corpus: Path) -> None:
    async with app(corpus).run_test(size=(100, 40)) as pilot:
        await pilot.press("f9")
        await until(pilot, lambda: "island" in text_of(pilot, "#hospitals"))
        assert "together" in text_of(pilot, "#key")
        await pilot.press("n")
        assert "200 rounds" in text_of(pilot, "#how")


async def test_every_screen_opens_at_any_size(corpus: Path) -> None:
    for size in ((40, 12), (20, 8)):
        async with app(corpus).run_test(size=size) as pilot:
            for key in ("f6", "f7", "f8", "f1", "f1", "ctrl+t", "f5"):
                await pilot.press(key)
                await pilot.pause()
            await pilot.press("x")
            assert pilot.app.query_one(MessageBox).text == "x"


async def test_a_theme_and_keys_are_remembered(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "settings.json"
    async with app(corpus, Settings.load(path)).run_test() as pilot:
        await pilot.press("ctrl+t")
        await pilot.pause()
    assert json.loads(path.read_text())["theme"] == "textual-light"
    path.write_text(json.dumps({"theme": "high-contrast", "keys": {"accept-1": "f12", "federation": "f11"}}))
    async with app(corpus, Settings.load(path)).run_test() as pilot:
        assert pilot.app.theme == "high-contrast"
        await pilot.press(*"tomor")
        assert "F12" in str(pilot.app.query(Button).first().label)
        await pilot.press("f12")
        assert pilot.app.query_one(MessageBox).text == "tomorrow "
        await pilot.press("f11")
        await pilot.pause()
        assert isinstance(pilot.app.screen, FederationScreen)


@pytest.mark.parametrize("text", ["{", "[]", '{"keys": []}', "\xff"])
async def test_settings_that_are_none_are_said_and_left(text: str, corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(text.encode("latin-1"))
    async with app(corpus, Settings.load(path)).run_test() as pilot:
        assert "left as it is" in str([toast.message for toast in pilot.app._notifications])
        await pilot.press("ctrl+t")
        await pilot.pause()
    assert path.read_bytes() == text.encode("latin-1")


async def test_what_is_wrong_in_settings_is_said_and_the_rest_holds(corpus: Path, tmp_path: Path) -> None:
    keys = {"accept-1": "f12", "fly": "f11", "send": 3, "accept-2": "f12"}
    (tmp_path / "settings.json").write_text(json.dumps({"theme": 1, "keys": keys}))
    async with app(corpus, Settings.load(tmp_path / "settings.json")).run_test() as pilot:
        said = str([toast.message for toast in pilot.app._notifications])
        assert "'fly' has no key" in said
        assert "'f12' is the key of accept-1 already, not of accept-2" in said
        assert [str(button.label).split("\n")[1].split(" ")[0] for button in pilot.app.query(Button)] == [
            "F12",
            "F2",
            "F3",
        ]


def test_every_binding_with_a_name_can_have_another_key() -> None:
    from textual.binding import Binding

    from fedkeys.tui import settings
    from fedkeys.tui.compare import CompareScreen
    from fedkeys.tui.hospitals import HospitalsScreen
    from fedkeys.tui.leaves import LeavesScreen
    from fedkeys.tui.typing import TypingScreen

    where = (
        TypingApp,
        MessageBox,
        TypingScreen,
        FederationScreen,
        LeavesScreen,
        CompareScreen,
        HospitalsScreen,
    )
    named = [
        binding.id for one in where for binding in one.BINDINGS if isinstance(binding, Binding) and binding.id
    ]
    assert sorted(named) == sorted(settings.NAMES)


async def test_without_colour_every_screen_is_drawn(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with app(corpus).run_test(size=(100, 30)) as pilot:
        for key in ("f6", "f7", "f8", "f9", "f5"):
            await pilot.press(key)
            await pilot.pause(0.2)
            pilot.app.export_screenshot()
        assert pilot.app.return_code is None


async def test_keys_are_listed_with_their_names(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        await pilot.press("f1")
        await pilot.pause()
        listed = " ".join(str(one.content) for one in pilot.app.screen.query(Static))
        assert "(accept-1)" in listed
        assert "(federation)" in listed
        await pilot.press("escape", "x")
        assert pilot.app.query_one(MessageBox).text == "x"


async def test_a_round_that_is_asked_for_before_the_corpus_is_read_begins_then(corpus: Path) -> None:
    async with app(corpus).run_test() as pilot:
        await pilot.press("f6", "s")
        screen = pilot.app.screen
        assert isinstance(screen, FederationScreen)
        await until(pilot, lambda: len(screen.rounds) == 1)
        assert screen.rounds[0]["idle"] + screen.rounds[0]["merged"] == 3


async def test_the_palette_has_everything(corpus: Path) -> None:
    running = app(corpus)
    async with running.run_test() as pilot:
        titles = {command.title for command in running.get_system_commands(pilot.app.screen)}
        assert {
            "Type",
            "Federate",
            "Leaves",
            "Compare",
            "Hospitals",
            "Phone",
            "Forget",
            "Incognito",
        } <= titles


def told(setting: Setting) -> tuple[Watched, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    return Watched(setting, lambda event: events.append(json.loads(json.dumps(event)))), events


def test_what_is_watched_is_what_happens(corpus: Path, tmp_path: Path) -> None:
    watched, events = told(Setting(str(corpus), str(tmp_path), rounds=2))
    watched.round()
    watched.change(min_phones=3)
    watched.round()
    fates = [fate for event in events for fate in event.get("fates", ())]
    assert sorted(fates) == sorted(
        [place, fate] for place in range(3) for fate in ("asked", "sent", "merged") for _ in range(2)
    )
    first, second = (event["round"] for event in events if "round" in event)
    assert first["released"][0] > second["released"][0] > 0
    assert first["came"] <= second["came"]
    assert Path(second["model"]).exists()
    assert 0 < second["keystroke_savings"] < 1


def test_a_round_stops_between_two_phones_and_goes_on(corpus: Path, tmp_path: Path) -> None:
    watched, events = told(Setting(str(corpus), str(tmp_path)))
    watched.pause(True)
    waiting: list[int] = []

    def go_on() -> None:
        waiting.append(len(events))
        watched.pause(False)

    Timer(0.3, go_on).start()
    watched.round()
    assert waiting == [2]  # how many phones there are, and that one was asked
    assert "round" in events[-1]


def test_what_is_replayed_was_held_back() -> None:
    class Texts:
        def names(self, _: Any = None) -> Sequence[str]:
            return ["anna"]

        def phones(self) -> Iterator[PhoneTexts]:
            yield PhoneTexts("anna", [f"number {'abcdefghijklmnopqrst'[at]} here" for at in range(20)])

    from fedkeys.evaluate import live

    held = list(live._held_back(Texts()))
    assert held == ["number s here", "number t here"]


is_drawn: dict[str, Callable[[Pilot[Any]], bool]] = {
    "leaves": lambda pilot: "order 4" in text_of(pilot, "#delta-entries"),
    "attack": lambda pilot: "word for word" in text_of(pilot, "#attack"),
    "compare": lambda pilot: "∷" in text_of(pilot, "#one-3"),
    "choices": lambda pilot: pilot.app.screen.query_one(OptionList).option_count == 6,
}


@pytest.mark.parametrize(
    ("screen", "keys"),
    [
        ("leaves", ["f7"]),
        ("attack", ["f7", "left"]),
        ("compare", ["f8", *"see", "space"]),
        ("choices", ["f4"]),
    ],
)
@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=lambda size: f"{size[0]}")
def test_how_it_looks(
    snap_compare: Any, screen: str, keys: list[str], size: tuple[int, int], corpus: Path
) -> None:
    async def there(pilot: Pilot[Any]) -> None:
        if screen != "choices":
            await hold(pilot, "anna")
        await pilot.press(*keys)
        await until(pilot, lambda: is_drawn[screen](pilot))
        await pilot.pause(0.5)
        for box in pilot.app.screen.query(MessageBox):
            box.cursor_blink = False
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()

    assert snap_compare(app(corpus), run_before=there, terminal_size=size)


async def test_the_tour_shows_every_screen_and_leaves_the_keyboard(corpus: Path) -> None:
    model = aggregate([Phone(texts).delta() for texts in TEXTS.values()])
    desk = Desk(Keyboard(model), corpus=open_corpus(corpus), spec=str(corpus))
    touring = TourApp(desk, speed=50.0)
    shown: set[str] = set()
    async with touring.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: touring._caption is not None)

        def ended() -> bool:
            shown.add(str(touring.current_mode))
            return touring._caption is None

        await until(pilot, ended, 120)
        assert shown == {place.mode for place in PLACES}
        assert not touring.screen.query(".caption")
        await pilot.press(*"mine")
        assert touring.query_one(MessageBox).text.endswith("mine")


async def test_the_tour_ends_at_once_when_it_is_told(corpus: Path) -> None:
    model = aggregate([Phone(texts).delta() for texts in TEXTS.values()])
    touring = TourApp(Desk(Keyboard(model), corpus=open_corpus(corpus), spec=str(corpus)))
    async with touring.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: bool(touring.screen.query(".caption")))
        await pilot.press("escape")
        await pilot.pause()
        assert not touring.screen.query(".caption")
        assert isinstance(touring.focused, MessageBox)
        await pilot.press("f4")
        await pilot.pause()
        await pilot.press("escape")  # which now closes what is open, as ever
        await pilot.pause()
        assert isinstance(touring.focused, MessageBox)


async def test_ones_own_chats_are_brought_and_what_was_dropped_is_said(corpus: Path, tmp_path: Path) -> None:
    chat = tmp_path / "WhatsApp Chat with Ben.txt"
    chat.write_text(
        "31/12/2023, 21:41 - Messages and calls are end-to-end encrypted.\n"
        "31/12/2023, 21:41 - Anna: pancakes for everyone\n"
        "31/12/2023, 21:42 - Ben: waffles rather\n"
        "31/12/2023, 21:43 - Anna: <Media omitted>\n"
    )
    async with app(corpus).run_test(size=(100, 30)) as pilot:
        await pilot.press(*"pan", "f4", *"own", "space", *"chats", "enter")
        await pilot.pause()
        for wrong in ("~nosuchuser/x", "x" * 300, str(tmp_path)):
            pilot.app.screen.query_one("#file", Input).value = wrong
            await pilot.press("enter")
            await until(pilot, lambda: "Enter reads" not in text_of(pilot, "#found"))
        pilot.app.screen.query_one("#file", Input).value = str(chat)
        await pilot.press("enter")
        await until(pilot, lambda: "Ben (1)" in text_of(pilot, "#found"))
        pilot.app.screen.query_one("#who", Input).value = "anna"
        await pilot.press("enter")
        await until(pilot, lambda: "Enter holds" in text_of(pilot, "#found"))
        assert "1 messages by Anna, 1 by others are left out" in text_of(pilot, "#found")
        assert "1 media" in text_of(pilot, "#found")
        await pilot.press("enter")
        await pilot.pause()
        assert "typing on Anna's phone" in text_of(pilot, "#whose")
        assert str(pilot.app.query(Button).first().label).startswith("pancakes")


def test_ones_own_chats_from_the_command_line(fedkeys: Any, tmp_path: Path) -> None:
    (tmp_path / "me.txt").write_text("pancakes are good\npancakes again\n")
    done = fedkeys("type", "--plain", "--me", "me.txt", stdin="pan\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pancakes")
    assert "plain text: 2 messages by me, 0 by others are left out" in done.stderr
    for wrong, said in (
        (["--as", "me"], "name its file with --me"),
        (["--me", "me.txt", "--phone", "x"], "in memory"),
    ):
        refused = fedkeys("type", "--plain", *wrong)
        assert (refused.returncode, said in refused.stderr) == (2, True)
