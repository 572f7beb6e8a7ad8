"""Four keyboards at once: the same message on nothing, one's own words, everyone's, and both.

In: the desk, and a message. Out: what each of the four offers at every key; or, replayed by itself, how many keys
each would have saved on messages that none has seen. Law: all four are asked the same text, and counted by the
rules of `fedkeys evaluate`.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Input, Static
from textual.worker import get_current_worker

from fedkeys.aggregator import Aggregator
from fedkeys.evaluate.replay import Score, replay, spans, type_word
from fedkeys.evaluate.systems import KeyboardSystem
from fedkeys.model import Model
from fedkeys.phone import Keyboard, PersonalModel
from fedkeys.sources.parts import parts
from fedkeys.tui.desk import Held
from fedkeys.tui.nav import Nav
from fedkeys.tui.strip import MARKS

if TYPE_CHECKING:
    from fedkeys.tui.app import TypingApp

_NAMES = (
    "nothing but public words",
    "your own words alone",
    "everyone's words alone",
    "everyone's and yours",
)
_SPEEDS = (2.0, 5.0, 20.0, 100.0)  # words a second
_LEAST_MESSAGES = 10  # of a phone that is replayed: its last fifth is


class _Four(NamedTuple):
    """Four keyboards of one owner.

    Attributes:
        keyboards: in the order of `_NAMES`.
        messages: that none of them has seen.
    """

    keyboards: tuple[Keyboard, ...]
    messages: Sequence[str]

    @classmethod
    def of(cls, held: Held, keyboard: Keyboard, holds_back: bool) -> "_Four":
        """Make them; with messages held back the owner's knows all but these."""
        texts, rest = parts(held.sent) if holds_back else (held.sent, [])
        everyone, prior = keyboard.model, keyboard.prior
        aggregator = Aggregator()
        nobody = aggregator.release(1)
        aggregator.close()  # in the thread that has opened it

        def of(model: Model, is_own: bool) -> Keyboard:
            personal = PersonalModel()
            if is_own and not holds_back:
                personal.merge(held.personal.contents)
            for text in texts if is_own and holds_back else ():
                personal.learn(text)
            return Keyboard(model, personal, prior, incognito=not is_own)

        made = of(nobody, False), of(nobody, True), of(everyone, False), of(everyone, True)
        return cls(made, rest)


class CompareScreen(Screen[None]):
    """Type on four keyboards at once, or watch them being typed on."""

    app: "TypingApp"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "replay", "Replay", id="replay", tooltip="Type messages that none has seen, or stop"),
        Binding("f3", "speed", "Speed", id="speed", tooltip="How fast"),
        Binding("ctrl+l", "clear", "Clear", id="clear", tooltip="Begin anew"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Nav("compare")
        yield Static(id="compared")
        with VerticalScroll(id="four"):
            for at in range(len(_NAMES)):
                yield Static(id=f"one-{at}", classes="one")
        yield Static(id="replayed")
        yield Input(placeholder="Type a message; F2 replays messages that none has seen", id="same")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin with nothing typed."""
        self._four: _Four | None = None
        self._scores = [Score() for _ in _NAMES]
        self._speed = 1
        self._timer: Timer | None = None
        self._words: Iterator[None] = iter(())
        self._typing = ""
        self.query_one(Input).focus()

    def on_screen_resume(self) -> None:
        """Be of the phone in hand, as it is now."""
        self._stop()
        self._make(False)

    def on_screen_suspend(self) -> None:
        """Stop what types by itself."""
        self._stop()

    @work(thread=True, exclusive=True)
    def _make(self, replays: bool) -> None:
        desk = self.app.desk
        four = _Four.of(desk.held, desk.keyboard, replays)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._have, four, replays)

    def _have(self, four: _Four, replays: bool) -> None:
        if not self.is_current:
            return
        self._four = four
        self._scores = [Score() for _ in _NAMES]
        if replays:
            self._words = self._typed(four)
            self._start()
        self._show()

    def on_input_changed(self, _: Input.Changed) -> None:
        """Ask all four."""
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Count a message that was typed, as if each had been typed on; those that learn learn it."""
        if self._four is None or not event.value.strip():
            return
        for keyboard, score in zip(self._four.keyboards, self._scores, strict=True):
            replay(event.value, KeyboardSystem(keyboard, learns=True), score)
        self.query_one(Input).clear()

    def action_replay(self) -> None:
        """Type messages that none of them has seen, one word after the other; or stop."""
        if self._timer is not None:
            self._stop()
            self._show()
        elif len(self.app.desk.held.sent) < _LEAST_MESSAGES:
            self.notify(
                f"it takes {_LEAST_MESSAGES} messages to hold some back: hold a phone of the corpus, F5 and F4",
                title="Nothing to replay",
            )
        else:
            self._make(True)

    def action_speed(self) -> None:
        """Type faster, or slowly again."""
        self._speed = (self._speed + 1) % len(_SPEEDS)
        if self._timer is not None:
            self._start()
        self._show()

    def action_clear(self) -> None:
        """Begin anew."""
        self._stop()
        self.query_one(Input).clear()
        self._make(False)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_interval(1 / _SPEEDS[self._speed], self._go_on)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = None
        self._typing = ""

    def _go_on(self) -> None:
        if next(self._words, self) is self:
            self._stop()
        self._show()

    def _typed(self, four: _Four) -> Iterator[None]:
        """Type word after word on all four."""
        systems = [KeyboardSystem(keyboard, learns=True) for keyboard in four.keyboards]
        for text in four.messages:
            for start, end in spans(text):
                self._typing = text[:start]
                for system, score in zip(systems, self._scores, strict=True):
                    type_word(text, start, end, system, score)
                yield
            for system in systems:
                system.learn(text)

    def _show(self) -> None:
        if self._four is None:
            return
        is_replaying = self._timer is not None
        text = self._typing if is_replaying else self.query_one(Input).value
        for at, (keyboard, score) in enumerate(zip(self._four.keyboards, self._scores, strict=True)):
            offered = keyboard.suggest(text)
            words = "   ".join(f"{MARKS[keyboard.source(word)]} {word}" for word, _ in offered) or "·"
            self.query_one(f"#one-{at}", Static).update(
                Content.assemble((f"{_NAMES[at]}\n", "bold"), f"{words}\n", *_worth(score))
            )
        speed = f"F3: {_SPEEDS[self._speed]:g} words a second"
        self.query_one("#compared", Static).update(
            Content(f"The same message on four keyboards of {self.app.desk.held.title}   {speed}")
        )
        replayed = self.query_one("#replayed", Static)
        replayed.display = is_replaying
        replayed.update(Content(f"replaying: {self._typing}"))


def _worth(score: Score) -> list[str | tuple[str, str]]:
    """Say what a keyboard was worth so far."""
    if not score.words:
        return [("nothing typed yet", "$text-muted")]
    figures = score.summary()
    bar = "█" * max(0, round(30 * figures["keystroke_savings"]))
    said = (
        f" {figures['keystroke_savings']:.0%} of {score.characters:,} keys saved; "
        f"{figures['top3']:.0%} of {score.words:,} words offered, {figures['top1']:.0%} first"
    )
    return [(bar, "$primary"), (said, "$text-muted")]
