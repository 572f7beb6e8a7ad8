"""`TypingApp`: the screens, and what they have in common.

In: a keyboard, and maybe the phone that it belongs to and a corpus of others. Out: the screens: typing, and those
that show what federated learning is. Law: one keyboard and one message, whichever screen is shown.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import Monochrome
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.theme import Theme

from fedkeys.errors import FedkeysError
from fedkeys.model import Model
from fedkeys.phone import Keyboard, Prior
from fedkeys.tui.desk import Desk
from fedkeys.tui.keys import Keys
from fedkeys.tui.message_box import MessageBox
from fedkeys.tui.monochrome import WithoutColour
from fedkeys.tui.nav import PLACES
from fedkeys.tui.settings import Settings
from fedkeys.tui.typing import WIDE, TypingScreen

_REMOTE_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


HIGH_CONTRAST = Theme(
    name="high-contrast",
    primary="#ffff00",
    secondary="#00ffff",
    warning="#ffaf00",
    error="#ff8787",
    success="#00ff00",
    accent="#ffffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#262626",
    dark=True,
)


def _federation() -> Screen[None]:
    from fedkeys.tui.federation import FederationScreen

    return FederationScreen()


def _leaves() -> Screen[None]:
    from fedkeys.tui.leaves import LeavesScreen

    return LeavesScreen()


def _compare() -> Screen[None]:
    from fedkeys.tui.compare import CompareScreen

    return CompareScreen()


def _hospitals() -> Screen[None]:
    from fedkeys.tui.hospitals import HospitalsScreen

    return HospitalsScreen()


class TypingApp(App[None]):
    """The typing demo.

    Args:
        keyboard: everyone's model with a personal one, or a desk that has one.
        phone, sent: whose phone is held, and what was sent from it, as of `Desk`.
        prior: gives public words for the keyboard, if it has none yet; called beside the screen, once that stands.
        clock: gives seconds that never go back.
        settings: what is remembered; nothing when not given.
        driver_class: what shows it; None for the terminal.

    Attributes:
        desk: the keyboard, and whose it is.
        typing: the typing screen, once it stands.
    """

    TITLE = "fedkeys"
    CSS_PATH = "typing.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012, declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (11, "-high"), (32, "-tall")]  # noqa: RUF012
    MODES = {  # noqa: RUF012
        "typing": TypingScreen,
        "federation": _federation,
        "leaves": _leaves,
        "compare": _compare,
        "hospitals": _hospitals,
    }
    DEFAULT_MODE = "typing"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+t", "light", "Light/dark", id="theme", tooltip="Another theme", show=False, priority=True
        ),
        Binding("f1", "help", "Help", id="help", tooltip="Keys of this screen", priority=True),
        *(
            Binding(p.key, f"go('{p.mode}')", p.name, id=p.mode, tooltip=p.what, show=False, priority=True)
            for p in PLACES
        ),
        Binding("ctrl+q", "quit", "Quit", id="quit", tooltip="Leave fedkeys", priority=True),
    ]

    @dataclass
    class PriorFound(Message):
        """Public words were read."""

        prior: Prior

    def __init__(
        self,
        keyboard: Keyboard | Desk,
        phone: str | None = None,
        sent: Sequence[str] = (),
        prior: Callable[[], Prior] | None = None,
        clock: Callable[[], float] = monotonic,
        settings: Settings | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class)
        self._filters = [WithoutColour() if isinstance(one, Monochrome) else one for one in self._filters]
        self.settings = settings or Settings()
        self.register_theme(HIGH_CONTRAST)
        self.desk = keyboard if isinstance(keyboard, Desk) else Desk(keyboard, phone, sent)
        self.clock = clock
        self.typing: TypingScreen | None = None
        self._prior = prior

    def action_go(self, mode: str) -> None:
        """Show another screen; each stays as it was left."""
        if not isinstance(self.screen, ModalScreen):
            self.switch_mode(mode)

    def action_help(self) -> None:
        """Show the keys of a screen over it."""
        if isinstance(self.screen, ModalScreen):
            if isinstance(self.screen, Keys):
                self.screen.action_leave()
            return
        own = [*self.screen.BINDINGS, *(MessageBox.BINDINGS if self.screen.query(MessageBox) else ())]
        bindings = [binding for binding in (*own, *self.BINDINGS) if isinstance(binding, Binding)]
        self.push_screen(Keys(bindings, self.settings.keys))

    def take_model(self, model: Model) -> None:
        """Have another model of everyone's on the keyboard; what is being typed stays."""
        self.desk.keyboard.take(model)
        if self.typing is not None:
            self.typing.show_model()

    def on_mount(self) -> None:
        """Be as it was left; read public words, once the screen stands."""
        if self.settings.theme in self.available_themes:
            self.theme = self.settings.theme
        self.set_keymap(self.settings.keys)
        self.watch(self, "theme", self._remember_theme, init=False)
        for problem in self.settings.problems:
            self.notify(problem, title="Settings", severity="warning", markup=False, timeout=15)
        if self._prior is not None:
            self.call_after_refresh(self._find_prior, self._prior)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Give what the command palette has: what every screen can do, and what this one can."""
        yield from super().get_system_commands(screen)
        for place in PLACES:
            yield SystemCommand(
                place.name, f"{place.key.upper()}: {place.what}", partial(self.action_go, place.mode)
            )
        yield SystemCommand("Light or dark", "Ctrl+T: another theme", self.action_light)
        for binding in screen.BINDINGS:
            if isinstance(binding, Binding) and binding.tooltip:
                yield SystemCommand(
                    binding.description,
                    f"{binding.key}: {binding.tooltip}",
                    partial(screen.run_action, binding.action),
                )

    def action_light(self) -> None:
        """Be light if dark, and dark if light."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def _remember_theme(self, theme: str) -> None:
        self.settings.theme = theme
        try:
            self.settings.save()
        except FedkeysError as error:
            self.notify(str(error), title="Not remembered", severity="warning", markup=False)

    @work(thread=True)
    def _find_prior(self, prior: Callable[[], Prior]) -> None:
        # A key may wait for the longest step of it, 0.1 s on a busy machine, and only where none were kept.
        try:
            self.post_message(self.PriorFound(prior()))
        except FedkeysError as error:
            self.notify(str(error), title="No public words", severity="warning", markup=False)

    def on_typing_app_prior_found(self, event: PriorFound) -> None:
        """Offer public words too, from the next key on: a strip does not change under its reader's eyes."""
        self.desk.keyboard.gain(event.prior)

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """Give the screen as SVG that fetches nothing: Textual's names fonts on a server."""
        return _REMOTE_FONTS.sub("", super().export_screenshot(title=title, simplify=simplify))
