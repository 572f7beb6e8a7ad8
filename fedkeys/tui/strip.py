"""The strip of three slots above the message box, best first in reading order.

In: suggestions, and who knows them. Out: `Taken` when one is clicked.

The best word stands first and not in the middle, as phones have it for the thumb: here it is taken with Tab and
read from the left, next to where the keys' names stand. Who knows a word is told by a mark, not by colour.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Button

from fedkeys.model import Suggestion
from fedkeys.phone import Source

KEYS = ("Tab", "F2", "F3")
MARKS = {Source.EVERYONE: "∴", Source.OWN: "•", Source.BOTH: "∷", Source.PUBLIC: "∘"}
LEGEND = "\n".join(f"{MARKS[source]} {source.value}" for source in Source).replace("public", "public words")

_LEAST_PERCENT = 0.005


class SuggestionStrip(Horizontal):
    """Three buttons that never take the focus from the message box.

    Args:
        keys: that take each slot, as people read them.
    """

    @dataclass
    class Taken(Message):
        """A suggestion was clicked."""

        slot: int

    def __init__(self, keys: Sequence[str] = KEYS, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay the slots out."""
        for slot in range(len(self._keys)):
            button = Button(" ", id=f"slot-{slot}", compact=True)
            button.can_focus = False
            yield button

    def show(self, suggestions: Sequence[Suggestion], source: Callable[[str], Source]) -> None:
        """Show words, each with its key, who knows it and how probable it is; a slot without one is disabled."""
        for slot, (key, button) in enumerate(zip(self._keys, self.query(Button), strict=True)):
            if slot < len(suggestions):
                word, chance = suggestions[slot]
                below: list[str | tuple[str, str]] = [
                    (key, "$text-muted not bold"),
                    f" {MARKS[source(word)]}",
                ]
                if chance:
                    percent = f"{100 * chance:.0f}" if chance >= _LEAST_PERCENT else "<1"
                    below.append((f" {percent} %", "$text-muted not bold"))
                button.label = Content.assemble(word, "\n", *below)
            else:
                button.label = Content.assemble("·", "\n")
            button.disabled = slot >= len(suggestions)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Tell which slot was clicked."""
        event.stop()
        self.post_message(self.Taken(int((event.button.id or "").removeprefix("slot-"))))
