"""The tour: the screens show themselves, in about three minutes, with a caption under each.

In: the desk. Out: the same screens, typed on by themselves. Law: what is shown is what they do: the tour presses
keys and nothing else.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from textual import work
from textual.binding import Binding
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

from fedkeys.tui.app import TypingApp

_PER_LETTER = 0.12  # seconds between two keys of a message
_PER_KEY = 0.4
_MOST_WAITED = 200  # tenths of a second, for rounds
_ANOTHER = "another"  # the name of another phone


class Step(NamedTuple):
    """One thing that is shown.

    Attributes:
        caption: what is said of it.
        keys: that are pressed, as Textual names them; one string of letters is typed letter by letter.
        seconds: how long it stands afterwards.
        rounds: how many rounds are waited for before it goes on.
    """

    caption: str
    keys: Sequence[str] = ()
    seconds: float = 5.0
    rounds: int = 0


STEPS = (
    Step("A keyboard on a phone. What is typed here teaches this keyboard and goes nowhere else."),
    Step(
        "It offers three words at every key. Tab takes the first.", ["=See you to", "tab", "=at ", "tab"], 5
    ),
    Step(
        "Sent. It has learnt that, and offers it when it is typed again.",
        ["enter", "=See y", "tab", "tab"],
        5,
    ),
    Step(
        "Marks tell who knows a word: everyone ∴, you •, both ∷. Now we hold another phone; the message stays.",
        ["f4", _ANOTHER, "enter"],
        7,
    ),
    Step("Where do everyone's words come from? From a federation: thirty phones here.", ["f6"], 6),
    Step(
        "In each round phones are asked. Each counts what is new in its own messages, keeps within its "
        "bounds, and sends a delta of a few kB. Messages stay.",
        ["space"],
        10,
        1,
    ),
    Step(
        "The curve is what that is worth on messages that no round has seen: how often the next word was offered, "
        "and how many keys are saved.",
        (),
        7,
    ),
    Step(
        "A word is released only if enough phones have sent it. Let that be five: a new federation.", "mmr", 4
    ),
    Step(
        "Fewer words come out, and more stays hidden. The table has what came and what was released.",
        ["space"],
        10,
        1,
    ),
    Step("Noise instead of a threshold, with a promise that can be stated: epsilon 10.", "e", 3),
    Step(
        "Of thirty phones nothing, or hardly anything, comes through the noise: it takes hundreds. That is what "
        "privacy costs.",
        ["space"],
        7,
        1,
    ),
    Step("Without noise again, and under masks: the aggregator sees sums of phones, never one.", "eeex", 3),
    Step("The same words come out. What crosses are random numbers that cancel in the sum.", ["space"], 8),
    Step("What leaves one phone? On the left its messages, on the right all that is sent.", ["f7"], 8),
    Step(
        "Much stays: what its bounds left out, and what is dropped before anything is counted.", ["right"], 7
    ),
    Step("What the aggregator sees of it, in the open and under masks.", ["right"], 7),
    Step("What of it was released, and what nobody could see in the model.", ["right"], 7),
    Step(
        "An attack: chaining n-grams back to messages. Bounds make the difference; masks leave nothing to chain.",
        ["right"],
        9,
    ),
    Step("Is it worth it? The same messages on four keyboards, typed by themselves.", ["f8", "f3", "f2"], 13),
    Step("Everyone's words save the most at once, your own the more the longer you type.", (), 5),
    Step(
        "The other half of the textbook: hospitals that train one model, and no patient's row crosses.",
        ["f9"],
        10,
    ),
    Step("That is all. Now type: this keyboard is yours.", ["f5"], 6),
)


class TourApp(TypingApp):
    """The screens, showing themselves.

    Args:
        desk: as of `TypingApp`.
        speed: how many times as fast as it is meant.
        more: as of `TypingApp`.
    """

    BINDINGS = [Binding("escape", "leave_tour", "End the tour", id="leave-tour", priority=True)]  # noqa: RUF012

    def __init__(self, *desk: Any, speed: float = 1.0, **more: Any) -> None:
        super().__init__(*desk, **more)
        self._speed = speed
        self._caption: str | None = None
        self._first_model = self.desk.keyboard.model

    def on_mount(self) -> None:
        """Begin once the first screen stands."""
        super().on_mount()
        self.call_after_refresh(self._show_all)

    @work(exclusive=True, group="tour")
    async def _show_all(self) -> None:
        for step in STEPS:
            self._caption = step.caption
            self._show_caption()
            await self._wait(1.5)
            for key in step.keys:
                if key == _ANOTHER:
                    key = f"={self.desk.names()[-1]}"
                if key.startswith("="):
                    for letter in key[1:]:
                        await self._press("space" if letter == " " else letter, letter, _PER_LETTER)
                else:
                    await self._press(key, key if len(key) == 1 else None, _PER_KEY)
                self._show_caption()
            await self._wait(step.seconds)
            await self._wait_for_rounds(step.rounds)
        self.action_leave_tour()

    async def _press(self, key: str, character: str | None, seconds: float) -> None:
        self.post_message(Key(key, {"space": " ", "tab": "\t", "enter": "\r"}.get(key, character)))
        await self._wait(seconds)

    async def _wait_for_rounds(self, rounds: int) -> None:
        """Wait until so many rounds are over, but not for long."""
        for _ in range(_MOST_WAITED):
            if not rounds or len(getattr(self.screen, "rounds", ())) >= rounds:
                return
            await asyncio.sleep(0.1)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have Esc end the tour only while there is one."""
        if action == "leave_tour" and self._caption is None:
            return False
        return super().check_action(action, parameters)

    def action_leave_tour(self) -> None:
        """Let the person at the keyboard go on."""
        if isinstance(self.screen, ModalScreen):
            self.pop_screen()
        self.workers.cancel_group(self, "tour")
        self._caption = None
        for stack in self._screen_stacks.values():
            for screen in stack:
                screen.query(".caption").remove()
        self.take_model(self._first_model)
        self.action_go("typing")

    def _show_caption(self) -> None:
        if self._caption is None:
            return
        shown = self.screen.query(".caption")
        if shown:
            shown.first(Static).update(Content(self._caption))
        else:
            self.screen.mount(Static(Content(self._caption), classes="caption"))
