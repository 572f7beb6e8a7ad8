"""A screen in a tab of a browser."""

from textual.drivers.web_driver import WebDriver
from textual.events import AppFocus
from textual.messages import ExitApp


class TabDriver(WebDriver):
    """Textual's driver, but that its app begins with the focus and ends with the server.

    Textual begins without, and a page that takes the focus at once may say so too early to be heard: then no key
    is. And without its server an app would wait forever for keys, and keep the personal store from others.
    """

    def start_application_mode(self) -> None:
        """Begin, with the focus once all that begins without has been said."""
        super().start_application_mode()
        self._app.call_later(self._app.post_message, AppFocus())

    def run_input_thread(self) -> None:
        """Read keys, and leave when no more can come."""
        super().run_input_thread()
        self._app.post_message(ExitApp())
