"""`fedkeys --web`: typing in a real browser, and who is turned away."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

if find_spec("textual_serve") is None:
    pytest.skip("the extra web is not installed", allow_module_level=True)

from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from tests.chromium import PROGRAM, Tab

SECONDS = 60
in_a_browser = pytest.mark.skipif(PROGRAM is None, reason="neither chromium nor google-chrome is installed")


class Serving:
    """A `fedkeys --web` in a process group of its own, as is what it starts."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._said = directory / "said"
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fedkeys", "--web", "--port", "0"],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        wait(lambda: "pass it on" in self.said or self._process.poll() is not None)
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+/", self.said)
        assert found, self.said
        self.address = found.group()
        self.authority = urlsplit(self.address).netloc
        self.websocket = f"ws://{self.authority}{urlsplit(self.address).path}ws"

    @property
    def said(self) -> str:
        return self._said.read_text()

    def end(self, number: int) -> int:
        self._process.send_signal(number)
        return self._process.wait(timeout=20)

    def nothing_is_left(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        if not self.nothing_is_left():
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not within 20 s"
        time.sleep(0.05)


@pytest.fixture
def serving(tmp_path: Path, home: dict[str, str]) -> Iterator[Serving]:
    served = Serving(tmp_path, home)
    yield served
    served.close()


async def screen_of(websocket: Any, condition: Callable[[str], bool]) -> str:
    """What a screen is told to draw, once a condition holds."""
    drawn = ""
    while not condition(drawn):
        message = await websocket.receive()
        assert message.type in (WSMsgType.BINARY, WSMsgType.TEXT), f"{message}\n{drawn}"
        if message.type == WSMsgType.BINARY:
            drawn += message.data.decode(errors="ignore")
    return drawn


@in_a_browser
async def test_typing_in_a_browser(serving: Serving, tmp_path: Path) -> None:
    async with asyncio.timeout(SECONDS), Tab(tmp_path) as tab:
        await tab.open(serving.address)
        await tab.until(lambda screen: "Type a message" in screen)
        await asyncio.sleep(0.5)
        before = await tab.picture()
        assert "tomorrow" not in tab.received.decode(errors="ignore")
        await tab.type("see you ")
        await tab.until(lambda screen: "tomorrow" in screen)
        await asyncio.sleep(0.5)  # until it is drawn
        picture = await tab.picture()
        if kept := os.environ.get("FEDKEYS_TEST_PICTURE"):
            Path(kept).write_bytes(picture)
        assert picture.startswith(b"\x89PNG")
        assert picture != before
        assert await tab.evaluate("document.title") == "fedkeys"
        hosts = {urlsplit(url).netloc for url in tab.requested if not url.startswith(("data:", "about:"))}
        assert hosts == {serving.authority}
        assert serving.websocket in {url.partition("?")[0] for url in tab.requested}
    wait(lambda: (tmp_path / "data" / "personal" / "lock").exists())
    assert serving.end(signal.SIGINT) == 130
    wait(serving.nothing_is_left)
    assert serving.said.endswith("fedkeys: interrupted\n")
