"""`Notice`: why there is no typing screen, for who sees nothing but the screen."""

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Middle
from textual.driver import Driver
from textual.widgets import Footer, Static


class Notice(App[None]):
    """One sentence, and what to do.

    Args:
        sentence: what is wrong.
        advice: what to do here.
        driver_class: what shows it; None for the terminal.
    """

    TITLE = "fedkeys"
    CSS = """
    Static { width: auto; max-width: 60; padding: 1 2; }
    #sentence { border: round $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="quit", tooltip="Leave fedkeys", priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, sentence: str, advice: str, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._sentence = sentence
        self._advice = advice

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        with Middle():
            yield Center(Static(self._sentence, id="sentence", markup=False))
            yield Center(Static(self._advice, markup=False))
        yield Footer(show_command_palette=False)
