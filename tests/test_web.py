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
        tab.received.clear()
        await tab.call("Page.reload")
        await tab.until(lambda screen: "Type a message" in screen)
        await tab.type("see you ")  # at once, and no click before it
        await tab.until(lambda screen: "tomorrow" in screen)
        hosts = {urlsplit(url).netloc for url in tab.requested if not url.startswith(("data:", "about:"))}
        assert hosts == {serving.authority}
        assert serving.websocket in {url.partition("?")[0] for url in tab.requested}
    wait(lambda: (tmp_path / "data" / "personal" / "lock").exists())
    assert serving.end(signal.SIGINT) == 130
    wait(serving.nothing_is_left)
    assert serving.said.endswith("fedkeys: interrupted\n")


async def test_a_page_from_elsewhere_is_turned_away(serving: Serving) -> None:
    """Whatever it knows: the secret, or a name of its own that points here."""
    own = f"http://{serving.authority}"
    for headers, allowed in (
        ({"Origin": own}, True),
        ({"Origin": "https://attacker.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": f"https://{serving.authority}"}, False),
        ({"Origin": own.rpartition(":")[0]}, False),
        ({"Host": "attacker.example", "Origin": own}, False),
        ({"Host": f"attacker.example:{own.rpartition(':')[2]}"}, False),
        ({"Host": "127.0.0.1"}, False),
    ):
        async with ClientSession() as session:
            async with session.get(serving.address, headers=headers) as answer:
                assert answer.status == (200 if allowed else 403), headers
            if allowed:
                async with session.ws_connect(serving.websocket, headers=headers) as websocket:
                    await screen_of(websocket, lambda screen: "typing on" in screen)
                continue
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(serving.websocket, headers=headers)
            assert refused.value.status == 403


async def test_without_the_secret_nothing_is_there(serving: Serving) -> None:
    async with ClientSession() as session:
        for path in ("", "ws", "static/js/textual.js", "focus.js", "x" * 22 + "/", "download/0"):
            async with session.get(f"http://{serving.authority}/{path}") as answer:
                assert answer.status == 404, path
        with pytest.raises(WSServerHandshakeError):
            await session.ws_connect(f"ws://{serving.authority}/ws")


async def test_the_page_may_fetch_from_nowhere_else(serving: Serving) -> None:
    async with ClientSession() as session, session.get(serving.address) as answer:
        page, rules = await answer.text(), answer.headers
    assert {urlsplit(url).netloc for url in re.findall(r"\w+://[^\s\"'<]+", page)} == {serving.authority}
    assert "<noscript>" in page
    assert "prefers-color-scheme: dark" in page
    assert "default-src 'none'" in rules["Content-Security-Policy"]
    assert f"connect-src ws://{serving.authority};" in rules["Content-Security-Policy"]
    assert rules["Referrer-Policy"] == "no-referrer"


async def test_one_tab_at_a_time_learns(serving: Serving, fedkeys: Any) -> None:
    async with asyncio.timeout(SECONDS), ClientSession() as session:
        async with session.ws_connect(serving.websocket) as first:
            await screen_of(first, lambda screen: "typing on" in screen)
            async with session.ws_connect(serving.websocket) as second:
                told = await screen_of(second, lambda screen: "load this page again" in screen)
                assert "Another tab or terminal" in told
            await first.send_json(["focus"])
            await first.send_json(["stdin", "marmalade marmalade"])
            await first.send_json(["stdin", "\r"])
            await screen_of(first, lambda screen: "19 keys saved" in screen)
        # Loaded again at once, while the screen before it may still be ending.
        async with session.ws_connect(serving.websocket) as again:
            await screen_of(again, lambda screen: "your own phone" in screen)
    assert serving.end(signal.SIGTERM) == 128 + signal.SIGTERM
    wait(serving.nothing_is_left)
    assert "marmalade\t2" in fedkeys("personal", "learnt").stdout


async def test_what_stands_in_the_way_is_said_in_the_tab(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "personal").write_text("a file where a directory is to be")
    async with (
        asyncio.timeout(SECONDS),
        ClientSession() as session,
        session.ws_connect(serving.websocket) as websocket,
    ):
        told = await screen_of(websocket, lambda screen: "load this page again" in screen)
    # However it is broken into lines.
    assert "afileiswhereadirectoryistobe" in re.sub(r"\x1b\[[\d;]*\w|\W", "", told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_screens_end_with_their_server(serving: Serving, number: int) -> None:
    async with (
        asyncio.timeout(SECONDS),
        ClientSession() as session,
        session.ws_connect(serving.websocket) as websocket,
    ):
        await screen_of(websocket, lambda screen: "typing on" in screen)
        ending = asyncio.create_task(asyncio.to_thread(serving.end, number))
        while (await websocket.receive()).type is WSMsgType.BINARY:
            pass  # as a browser does, which answers when it is told that the connection ends
        assert await ending == (130 if number == signal.SIGINT else -number)
        await asyncio.to_thread(wait, serving.nothing_is_left)


def test_a_taken_port_is_named(fedkeys: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = fedkeys("--web", "--port", str(port))
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"fedkeys: port {port} of 127.0.0.1 is taken by another program; "
        "name another with --port, or let --port 0 take one that is free\n"
    )
