"""`TypingApp`: the typing demo.

In: a keyboard, and maybe the phone that it belongs to. Out: a screen: the messages sent, three suggestions, the
message box, and beside them what the federation is and what it saves.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.driver import Driver
from textual.events import Resize
from textual.message import Message
from textual.widgets import Footer, Static

from fedkeys.errors import FedkeysError
from fedkeys.model import Model
from fedkeys.phone import Keyboard, Prior
from fedkeys.tui.message_box import MessageBox
from fedkeys.tui.strip import SuggestionStrip

_WIDE = 72  # columns
_REMOTE_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class TypingApp(App[None]):
    """The typing demo.

    Args:
        keyboard: everyone's model with a personal one.
        phone: the name of the phone that is held; None for a new one.
        sent: messages that its owner sent before, oldest first, to be shown.
        prior: gives public words for the keyboard, if it has none yet; called beside the screen, once that stands.
        clock: gives seconds that never go back.
        driver_class: what shows it; None for the terminal.
    """

    TITLE = "fedkeys"
    CSS_PATH = "typing.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012, declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (11, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="quit", tooltip="Leave fedkeys", priority=True),
    ]

    @dataclass
    class PriorFound(Message):
        """Public words were read."""

        prior: Prior

    def __init__(
        self,
        keyboard: Keyboard,
        phone: str | None = None,
        sent: Sequence[str] = (),
        prior: Callable[[], Prior] | None = None,
        clock: Callable[[], float] = monotonic,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self._keyboard = keyboard
        self._phone = phone
        self._sent_before = sent
        self._prior = prior
        self._clock = clock
        self._keys = 0
        self._characters = 0

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        own = "your own phone" if len(self._keyboard.personal) else "a new phone"
        whose = f"{self._phone}'s phone" if self._phone else own
        hint = (
            "Incognito: what you send teaches this keyboard nothing."
            if self._keyboard.incognito
            else "What you send stays here: it teaches this keyboard and goes nowhere."
        )
        with Horizontal(id="title"):
            typing = "incognito on" if self._keyboard.incognito else "typing on"
            yield Static(Content.assemble(("fedkeys", "bold"), f"  {typing} {whose}"), id="whose")
            yield Static(id="brief")
        with Horizontal(id="main"):
            with Vertical(id="typing"):
                with VerticalScroll(id="chat", can_focus=False):
                    yield Static(hint, id="hint")
                    for text in self._sent_before:
                        yield _bubble(text)
                yield SuggestionStrip(id="strip")
                yield MessageBox(self._keyboard, self._clock)
            with Vertical(id="side"):
                yield Static("[b]This message[/b]", classes="heading")
                yield Static(id="now")
                yield Static("[b]So far[/b]", classes="heading")
                yield Static(id="so-far")
                yield Static("[b]Everyone's model[/b]", classes="heading")
                yield Static(account(self._keyboard.model), id="federation")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin in the message box."""
        self.query_one("#chat").anchor()  # stays at its end, whatever is added or however it is resized
        self.query_one(MessageBox).focus()
        self._show_savings()
        if self._prior is not None:
            self.call_after_refresh(self._find_prior, self._prior)

    @work(thread=True)
    def _find_prior(self, prior: Callable[[], Prior]) -> None:
        # A key may wait for the longest step of it, 0.1 s on a busy machine, and only where none were kept.
        try:
            self.post_message(self.PriorFound(prior()))
        except FedkeysError as error:
            self.notify(str(error), title="No public words", severity="warning", markup=False)

    def on_typing_app_prior_found(self, event: PriorFound) -> None:
        """Offer public words too, from the next key on: a strip does not change under its reader's eyes."""
        self._keyboard.gain(event.prior)

    def on_resize(self, event: Resize) -> None:
        """Leave nothing between keys of the footer where there is little room."""
        self.query_one(Footer).compact = event.size.width < _WIDE

    def on_message_box_suggested(self, event: MessageBox.Suggested) -> None:
        """Show what the keyboard offers."""
        self.query_one(SuggestionStrip).show(event.suggestions)
        self.query_one("#now", Static).update(savings(event.keys, event.characters))

    def on_message_box_sent(self, event: MessageBox.Sent) -> None:
        """Put the message into the chat."""
        self._keys += event.keys
        self._characters += len(event.text)
        self.query_one("#chat", VerticalScroll).mount(_bubble(event.text))
        self._show_savings()

    def on_suggestion_strip_taken(self, event: SuggestionStrip.Taken) -> None:
        """Take the suggestion that was clicked."""
        box = self.query_one(MessageBox)
        box.action_accept(event.slot)
        box.focus()

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """Give the screen as SVG that fetches nothing: Textual's names fonts on a server."""
        return _REMOTE_FONTS.sub("", super().export_screenshot(title=title, simplify=simplify))

    def _show_savings(self) -> None:
        said = savings(self._keys, self._characters)
        self.query_one("#so-far", Static).update(said)
        brief = f"{said.splitlines()[1]} saved" if self._characters else ""
        # Where there is little room, that nothing is learnt matters more than how many keys it takes.
        self.query_one("#brief", Static).update("incognito" if self._keyboard.incognito else brief)


def savings(keys: int, characters: int) -> str:
    """Say what the suggestions saved; less than nothing where letters were taken back.

    >>> print(savings(6, 24))
    18 of 24 keys saved
    75 %
    >>> print(savings(9, 6))
    -3 of 6 keys saved
    -50 %
    >>> print(savings(0, 0))
    nothing typed yet
    """
    if not characters:
        return "nothing typed yet"
    saved = characters - keys
    return f"{saved} of {characters} keys saved\n{round(100 * saved / characters)} %"


def account(model: Model) -> str:
    """Say what the federation is that made a model."""
    header = model.header
    words, *above = model.ngrams
    rounds = "round" if header["rounds"] == 1 else "rounds"
    least = header["release"]["min_phones"]
    shared = f"each on {least}+ phones" if least > 1 else "whoever typed them"
    if header["epsilon"] is not None:
        seeded = "noise" in header["privacy"]
        shared = "noise from a seed" if seeded else f"epsilon {header['epsilon']:.3g}"
    return (
        f"{header['phones']:,} phones\n{header['rounds']:,} {rounds}\n{words:,} words\n"
        f"{sum(above):,} n-grams\n{shared}"
    )


def _bubble(text: str) -> Static:
    return Static(text, classes="bubble", markup=False)
