"""The dialog that brings a person's own chats: a file that an app exported, and which of its senders that is.

In: a path and a name. Out: a phone that has learnt what that person wrote, or None. Law: what was read, what was
others' and what was dropped is said before anything is held; all of it stays on this machine, and lasts as long as
the screens do.
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from fedkeys.errors import FedkeysError, UsageError
from fedkeys.sources import Own, account_of, own_messages
from fedkeys.tui.desk import Held

if TYPE_CHECKING:
    from fedkeys.tui.app import TypingApp

_KINDS = (
    "WhatsApp (text or zip), Telegram JSON, SMS Backup & Restore XML, mbox, a message a line, or JSON Lines"
)


class Bring(ModalScreen[Held | None]):
    """Ask for a file and a name, say what is in it, and give a phone."""

    app: "TypingApp"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(id="bring"):
            yield Static("[b]Your own words, read on this machine[/b]")
            yield Static(Content(_KINDS), classes="muted")
            yield Input(placeholder="file, as ~/chat.zip", id="file")
            yield Input(placeholder="your name in it, where there are several", id="who")
            yield Static(id="found")

    def on_mount(self) -> None:
        """Nothing is read yet."""
        self._held: Held | None = None
        self._asked: tuple[str, str] | None = None
        self._show("Enter reads it, Esc leaves.")

    def on_input_submitted(self, _: Input.Submitted) -> None:
        """Read the file; or hold what was read, if nothing has changed since."""
        asked = self.query_one("#file", Input).value.strip(), self.query_one("#who", Input).value.strip()
        if not asked[0]:
            return
        if self._held is not None and asked == self._asked:
            self.dismiss(self._held)
            return
        self._held, self._asked = None, asked
        self._show("reading ...")
        self._read(*asked)

    @work(thread=True, exclusive=True)
    def _read(self, path: str, who: str) -> None:
        try:
            file = Path(path).expanduser()
            if not file.exists():
                raise UsageError("no such file", file=path)
            own = own_messages(file, who or None)
            held = self.app.desk.bring(own.name, own.texts)
        except (FedkeysError, OSError, RuntimeError, ValueError) as error:  # names may be no paths at all
            if get_current_worker().is_cancelled:
                return
            said = str(error).replace("with --as", "in the second field")
            self.app.call_from_thread(self._show, said)
            if said != str(error):
                self.app.call_from_thread(self.query_one("#who", Input).focus)
            return
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._have, held, own)

    def _have(self, held: Held, own: Own) -> None:
        self._held = held
        self._show(f"{account_of(own)}\n\nEnter holds this phone, Esc leaves.")

    def _show(self, text: str) -> None:
        self.query_one("#found", Static).update(Content(text))

    def action_leave(self) -> None:
        """Bring nothing."""
        self.dismiss(None)
