"""The strip of three slots above the message box, best first in reading order.

In: suggestions. Out: `Taken` when one is clicked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Button

from fedkeys.model import Suggestion

KEYS = ("Tab", "F2", "F3")


class SuggestionStrip(Horizontal):
    """Three buttons that never take the focus from the message box."""

    @dataclass
    class Taken(Message):
        """A suggestion was clicked."""

        slot: int

    def compose(self) -> ComposeResult:
        """Lay the slots out."""
        for slot in range(len(KEYS)):
            button = Button(" ", id=f"slot-{slot}", compact=True)
            button.can_focus = False
            yield button

    def show(self, suggestions: Sequence[Suggestion]) -> None:
        """Show the words, each with the key that takes it; a slot without a word is disabled."""
        for slot, (key, button) in enumerate(zip(KEYS, self.query(Button), strict=True)):
            word = suggestions[slot].word if slot < len(suggestions) else None
            button.label = Content.assemble(word or "·", "\n", (key if word else "", "$text-muted not bold"))
            button.disabled = word is None

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Tell which slot was clicked."""
        event.stop()
        self.post_message(self.Taken(int((event.button.id or "").removeprefix("slot-"))))
