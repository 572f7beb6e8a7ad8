"""A screen in a tab of a browser."""

from textual.drivers.web_driver import WebDriver
from textual.messages import ExitApp


class TabDriver(WebDriver):
    """Textual's driver, but that its app ends with the server.

    Left alone it would wait forever for keys from a server that was killed, and keep the personal store from
    others.
    """

    def run_input_thread(self) -> None:
        """Read keys, and leave when no more can come."""
        super().run_input_thread()
        self._app.post_message(ExitApp())
