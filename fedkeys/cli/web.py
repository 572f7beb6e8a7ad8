"""`fedkeys --web`: the typing screen in a browser."""

import logging
import os
import signal
import sys
import time
from contextlib import ExitStack, redirect_stdout
from typing import TYPE_CHECKING

from fedkeys.cli.console import narrate

if TYPE_CHECKING:
    from fedkeys.phone import PersonalStore

DEFAULT_PORT = 8000

# A tab that is loaded anew opens while its old screen still ends.
_PATIENCE = 3.0  # seconds


def serve_screens(port: int) -> None:
    """Serve the typing screen on 127.0.0.1, until ctrl-C.

    Raises:
        UsageError: the port is taken, or the extra `web` is not installed.
    """
    from fedkeys.errors import UsageError

    try:
        from fedkeys.web import HOST, ScreenServer, listening, serve
    except ImportError:
        raise UsageError(
            "screens are served by textual-serve", remedy="install it with: pip install 'fedkeys[web]'"
        ) from None

    with (
        listening(HOST, port) as socket,
        redirect_stdout(sys.stderr),
    ):  # textual-serve says there what screens say
        if "FEDKEYS_DEBUG" not in os.environ:
            logging.disable()  # its log is of tracebacks
        server = ScreenServer([sys.executable, "-m", "fedkeys"], socket.getsockname()[1])
        ended_by = serve(server, socket, _tell)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + ended_by)


def open_tab() -> None:
    """Open the typing screen in a tab; what stands in its way is said there, since nobody sees anything else."""
    from fedkeys.cli.demo import demo_model, open_screen
    from fedkeys.cli.public_words import kept_prior
    from fedkeys.errors import FedkeysError, TakenError
    from fedkeys.phone import Keyboard
    from fedkeys.sources import shipped_corpus
    from fedkeys.tui import Notice, TabDriver

    with ExitStack() as stack:
        try:
            personal = stack.enter_context(_own_store())
            keyboard = Keyboard(demo_model(), personal, kept_prior())
        except FedkeysError as error:
            sentence, advice = str(error), "Then load this page again."
            if isinstance(error, TakenError):
                sentence = (
                    "Another tab or terminal has your keyboard open, and one at a time learns what you type."
                )
                advice = "Close it, then load this page again."
            Notice(sentence, advice, TabDriver).run()
            return
        open_screen(keyboard, str(shipped_corpus()))


def _own_store() -> "PersonalStore":
    from fedkeys.cli.personal import open_store
    from fedkeys.errors import TakenError

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return open_store(None)
        except TakenError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _tell(address: str) -> None:
    narrate(f"Open {address} in a browser on this machine; ctrl-C here ends it.")
    narrate(
        "The address holds a secret: whoever has it can type on your keyboard and see what it has learnt, "
        "so pass it on to nobody."
    )
