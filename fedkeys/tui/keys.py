"""The keys of a screen, and what each is called in the settings.

In: bindings. Out: a list over the screen. Law: it has what fedkeys has added, and leaves what every text field
does.
"""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class Keys(ModalScreen[None]):
    """A list of keys.

    Args:
        bindings: of the screen that it is laid over, and of all.
        remapped: what a binding is called -> the keys that it has instead.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,enter", "leave", "Back")]

    def __init__(self, bindings: Iterable[Binding], remapped: dict[str, str]) -> None:
        super().__init__()
        self._bindings_shown = list(bindings)
        self._remapped = remapped

    def compose(self) -> ComposeResult:
        """Lay the list out."""
        with VerticalScroll(id="keys"):
            yield Static("[b]Keys[/b]: what they do, and (in brackets) their name in settings.json")
            yield Static(_listed(self._bindings_shown, self._remapped))
            yield Static("Text is edited as anywhere: arrows, ctrl+Z, ctrl+X, ctrl+V. Esc closes this.")

    def action_leave(self) -> None:
        """Close the list."""
        self.dismiss(None)


def _listed(bindings: Iterable[Binding], remapped: dict[str, str]) -> Content:
    parts: list[str | tuple[str, str]] = []
    for binding in bindings:
        if binding.id is None:
            continue
        keys = remapped.get(binding.id, binding.key).replace(",", " or ")
        parts += [
            (f"{keys:>10}", "bold"),
            f"  {binding.tooltip or binding.description} ",
            (f"({binding.id})\n", "$text-muted"),
        ]
    return Content.assemble(*parts)
