"""The typing screen: a chat, the message box, and three suggestions between them.

In: the desk. Out: a screen: whose phone it is and what was sent, what the keyboard offers, and beside them what it
has saved and what the federation is. Law: the message that is being typed is never lost, whoever's phone is held.
"""

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import get_current_worker

from fedkeys.errors import FedkeysError
from fedkeys.model import Model
from fedkeys.tui.bringing import Bring
from fedkeys.tui.choices import Choices
from fedkeys.tui.desk import CHATS, Held
from fedkeys.tui.message_box import MessageBox
from fedkeys.tui.nav import Nav
from fedkeys.tui.savings import Tally, savings
from fedkeys.tui.strip import KEYS, LEGEND, SuggestionStrip

if TYPE_CHECKING:
    from fedkeys.tui.app import TypingApp

WIDE = 72  # columns
_SHOWN = 30  # messages of a phone


class TypingScreen(Screen[None]):
    """Type a message and see three suggestions at every key."""

    app: "TypingApp"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f4", "phone", "Phone", id="phone", tooltip="Hold another phone"),
        Binding(
            "ctrl+o", "bring", "Own chats", id="bring", show=False, tooltip="Read chats that you exported"
        ),
        Binding("ctrl+g", "forget", "Forget", id="forget", tooltip="Make your keyboard forget a word"),
        Binding("ctrl+n", "incognito", "Incognito", id="incognito", tooltip="Learn nothing, or learn again"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Nav("typing")
        with Horizontal(id="title"):
            yield Static(id="whose")
            yield Static(id="brief")
        with Horizontal(id="main"):
            with Vertical(id="typing"):
                with VerticalScroll(id="chat", can_focus=False):
                    yield Static(id="hint")
                yield SuggestionStrip(self._accepting_keys(), id="strip")
                yield MessageBox(self.app.desk.keyboard, self.app.clock)
            with VerticalScroll(id="side", can_focus=False):
                yield Static("[b]This message[/b]", classes="heading")
                yield Static(id="now")
                yield Static("[b]So far[/b]", classes="heading")
                yield Static(id="so-far")
                yield Static("[b]Who knows a word[/b]", classes="heading")
                yield Static(LEGEND, id="legend")
                yield Static("[b]Everyone's model[/b]", classes="heading")
                yield Static(id="federation")
        yield Footer(show_command_palette=False)

    def _accepting_keys(self) -> list[str]:
        """Name the keys that take slots, whatever they are."""
        remapped = self.app.settings.keys
        names = [remapped.get(f"accept-{slot}") for slot in range(1, len(KEYS) + 1)]
        return [name.split(",")[0].title() if name else key for name, key in zip(names, KEYS, strict=True)]

    def on_mount(self) -> None:
        """Begin in the message box."""
        self.app.typing = self
        self._tally = Tally()
        self.query_one("#chat").anchor()  # stays at its end, whatever is added or however it is resized
        self.query_one(MessageBox).focus()
        self._show_held()
        self.show_model()

    def on_resize(self, event: Resize) -> None:
        """Leave nothing between keys of the footer where there is little room."""
        self.query_one(Footer).compact = event.size.width < WIDE

    def on_message_box_suggested(self, event: MessageBox.Suggested) -> None:
        """Show what the keyboard offers."""
        self.query_one(SuggestionStrip).show(event.suggestions, self.app.desk.keyboard.source)
        took = f"\nsuggested in {event.milliseconds:.1f} ms"
        self.query_one("#now", Static).update(savings(event.keys, event.characters) + took)

    def on_message_box_sent(self, event: MessageBox.Sent) -> None:
        """Put the message into the chat."""
        self._tally.add(event.text, event.keys, event.offered)
        if not self.app.desk.keyboard.incognito:
            self.app.desk.held.sent.append(event.text)
        chat = self.query_one("#chat", VerticalScroll)
        if chat.is_attached:  # it is not any more where the screens were left at once
            chat.mount(_bubble(event.text))
            self._show_savings()

    def on_suggestion_strip_taken(self, event: SuggestionStrip.Taken) -> None:
        """Take the suggestion that was clicked."""
        box = self.query_one(MessageBox)
        box.action_accept(event.slot)
        box.focus()

    @work
    async def action_phone(self) -> None:
        """Hold another phone; the message stays."""
        desk = self.app.desk
        try:
            names = [*await asyncio.to_thread(desk.names), CHATS]  # of a large corpus that takes a while
        except FedkeysError as error:
            self.notify(str(error), title="No phones", severity="warning", markup=False)
            return
        name = await self.app.push_screen_wait(Choices("Whose phone?", names, desk.held.name))
        if name == CHATS:
            await self._bring()
        elif name is not None:
            self.hold(name)

    @work
    async def action_bring(self) -> None:
        """Hold a phone that has learnt one's own chats."""
        await self._bring()

    async def _bring(self) -> None:
        held = await self.app.push_screen_wait(Bring())
        if held is not None:
            self.app.desk.keep(held)
            self.take(held)

    @work(thread=True, exclusive=True)
    def hold(self, name: str) -> None:
        """Take a phone in hand."""
        try:
            held = self.app.desk.read(name)
        except FedkeysError as error:
            self.notify(str(error), title="Not held", severity="warning", markup=False)
            return
        if not get_current_worker().is_cancelled:  # another was chosen meanwhile
            self.app.call_from_thread(self.take, held)

    def take(self, held: Held) -> None:
        """Have a phone in hand that was read."""
        self.app.desk.hold(held)
        self._tally = Tally()
        self._show_held()
        self.query_one(MessageBox).ask_again()

    @work
    async def action_forget(self) -> None:
        """Forget a word that this keyboard has learnt."""
        personal = self.app.desk.keyboard.personal
        learnt = [word for word, _ in personal.learnt()]
        if not learnt:
            self.notify("this keyboard has learnt nothing yet", title="Nothing to forget")
            return
        word = await self.app.push_screen_wait(Choices("Forget which word?", learnt))
        if word is None:
            return
        try:
            self.app.desk.forget(word)
        except FedkeysError as error:
            self.notify(str(error), title="Not forgotten", severity="warning", markup=False)
            return
        self.notify(f"{word!r} is forgotten on this phone", markup=False)
        self.query_one(MessageBox).ask_again()

    def action_incognito(self) -> None:
        """Learn nothing from now on, or learn again."""
        keyboard = self.app.desk.keyboard
        keyboard.incognito = not keyboard.incognito
        self._show_hint()
        self._show_savings()

    def show_model(self) -> None:
        """Show what everyone's model is, and what it offers now."""
        self.query_one("#federation", Static).update(account(self.app.desk.keyboard.model))
        self.query_one(MessageBox).ask_again()

    def _show_held(self) -> None:
        chat = self.query_one("#chat", VerticalScroll)
        chat.query(".bubble").remove()
        chat.mount(*map(_bubble, self.app.desk.held.sent[-_SHOWN:]))
        self._show_hint()
        self._show_savings()

    def _show_hint(self) -> None:
        incognito = self.app.desk.keyboard.incognito
        typing = "incognito on" if incognito else "typing on"
        whose = Content.assemble(("fedkeys", "bold"), f"  {typing} {self.app.desk.held.title}")
        self.query_one("#whose", Static).update(whose)
        self.query_one("#hint", Static).update(
            "Incognito: what you send teaches this keyboard nothing."
            if incognito
            else "What you send stays here: it teaches this keyboard and goes nowhere."
        )

    def _show_savings(self) -> None:
        tally = self._tally
        said = savings(tally.keys, tally.characters)
        recall = f"\n{tally.recall}" if tally.recall else ""
        self.query_one("#so-far", Static).update(said + recall)
        brief = f"{said.splitlines()[1]} saved" if tally.characters else ""
        # Where there is little room, that nothing is learnt matters more than how many keys it takes.
        self.query_one("#brief", Static).update("incognito" if self.app.desk.keyboard.incognito else brief)


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
