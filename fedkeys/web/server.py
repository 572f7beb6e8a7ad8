"""The server: textual-serve's, behind a secret address, and with an end to it."""

import asyncio
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe

from aiohttp import web
from textual_serve.server import Server

from fedkeys.web.guard import refuse_strangers, with_rules

_PAGE = Path(__file__).parent / "page"
HOST = "127.0.0.1"

_PATIENCE = 5.0  # seconds for screens to end; they take some tenths
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class ScreenServer(Server):
    """What answers a browser.

    Args:
        command: opens one screen; its parts.
        port: that it is asked on.
    """

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.authority = HOST if port == 80 else f"{HOST}:{port}"
        super().__init__(
            _shell_line(command),
            host=HOST,
            port=port,
            title="fedkeys",
            public_url=f"http://{self.authority}",
            templates_path=_PAGE,
        )
        self._secret = token_urlsafe(16)
        self._tabs: set[asyncio.Task[object]] = set()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"{self.public_url}/{self._secret}/"

    async def application(self) -> web.Application:
        """Give all that is answered, and to whom."""
        application = web.Application(middlewares=[refuse_strangers(self.authority)])
        application.on_response_prepare.append(with_rules(self.authority))
        # The script asks for files at the root; their keys are drawn anew for each.
        application.add_routes([web.get("/download/{key}", self.handle_download)])
        behind = await self._make_app()
        behind.add_routes([web.get("/focus.js", _focus)])
        application.add_subapp(f"/{self._secret}", behind)
        return application

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: who serves does."""

    async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002, as textual-serve calls it
        """End the screens; each is told to quit, and waited for."""
        for tab in self._tabs:
            tab.cancel()
        if self._tabs:
            await asyncio.wait(self._tabs, timeout=_PATIENCE)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run one screen, until its tab or the server ends."""
        tab = asyncio.current_task()
        assert tab is not None
        self._tabs.add(tab)
        try:
            return await super().handle_websocket(request)
        finally:
            self._tabs.discard(tab)


def serve(server: ScreenServer, listening: socket.socket, ready: Callable[[str], None]) -> int:
    """Serve until a signal ends it, then end all screens; tell which signal it was.

    Args:
        server: what answers.
        listening: the socket that it is asked on.
        ready: called with the address once it answers.
    """
    return asyncio.run(_serve(server, listening, ready))


async def _serve(server: ScreenServer, listening: socket.socket, ready: Callable[[str], None]) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    for name in _ENDING:
        with suppress(AttributeError, NotImplementedError):  # Windows: ctrl-C cancels what is awaited below
            loop.add_signal_handler(getattr(signal, name), end, getattr(signal, name))
    runner = web.AppRunner(await server.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        ready(server.address)
        return await ended
    finally:
        await runner.cleanup()


async def _focus(_: web.Request) -> web.FileResponse:
    return web.FileResponse(_PAGE / "focus.js")


def _shell_line(command: Sequence[str]) -> str:
    """Write a command as the shell reads it; the shell makes way for it, so that none is left over."""
    if sys.platform == "win32":
        return subprocess.list2cmdline(command)
    return f"exec {shlex.join(command)}"
