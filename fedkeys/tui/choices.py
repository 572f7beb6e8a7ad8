"""Choices: a list over a screen, of which one is taken by typing a part of it.

In: names. Out: the one that was chosen, or None. Law: what lies below is as it was.
"""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

_MOST_SHOWN = 200


class Choices(ModalScreen[str | None]):
    """A list of names, and a field in which a part of one is typed.

    Args:
        title: what is chosen.
        names: what can be.
        current: the one that is chosen already.
        free: whether what is typed may be chosen though it is no name.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("down", "move(1)", "Down", show=False),
        Binding("up", "move(-1)", "Up", show=False),
    ]

    def __init__(self, title: str, names: Sequence[str], current: str = "", free: bool = False) -> None:
        super().__init__()
        self._title = title
        self._names = names
        self._current = current
        self._free = free

    def compose(self) -> ComposeResult:
        """Lay the list out."""
        with Vertical(id="choices"):
            yield Static(Content(self._title), classes="heading")
            yield Input(placeholder="a part of it; Enter takes, Esc leaves")
            yield OptionList()
            yield Static(id="more")

    def on_mount(self) -> None:
        """Begin with all names."""
        self.query_one(OptionList).can_focus = False
        self._fill("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the names that have a part."""
        self._fill(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the name that is marked."""
        options = self.query_one(OptionList)
        if options.highlighted is not None and options.option_count:
            self.dismiss(str(options.get_option_at_index(options.highlighted).prompt))
        elif self._free and event.value.strip():
            self.dismiss(event.value.strip())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the name that was clicked."""
        self.dismiss(str(event.option.prompt))

    def action_move(self, by: int) -> None:
        """Mark the next name."""
        options = self.query_one(OptionList)
        if options.option_count:
            options.highlighted = ((options.highlighted or 0) + by) % options.option_count

    def action_leave(self) -> None:
        """Choose nothing."""
        self.dismiss(None)

    def _fill(self, part: str) -> None:
        wanted = part.casefold()
        found = [name for name in self._names if wanted in name.casefold()]
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(Content(name)) for name in found[:_MOST_SHOWN])
        shown = found[:_MOST_SHOWN]
        if shown:
            options.highlighted = shown.index(self._current) if self._current in shown and not part else 0
        more = len(found) - len(shown)
        self.query_one("#more", Static).update(f"and {more:,} more" if more else "")
