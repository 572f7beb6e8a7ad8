"""A headless Chromium, driven over its DevTools protocol: keys in, pictures and what it asked the network out."""

import asyncio
import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")

_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-extensions",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL, which draws the screen, without a graphics card
    # Whatever a page names, nothing leaves this machine; what it asked for is seen all the same.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=960,600",
)


class Tab:
    """A tab of a browser of its own, which ends with it; `async with Tab(directory) as tab`."""

    def __init__(self, directory: Path) -> None:
        self._profile = directory / "profile"
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requested: list[str] = []
        self.received = bytearray()  # over websockets

    async def __aenter__(self) -> Self:
        assert PROGRAM is not None
        root = ("--no-sandbox",) if os.getuid() == 0 else ()  # Chromium has none for root
        self._browser = await asyncio.create_subprocess_exec(
            PROGRAM, *_FLAGS, *root, f"--user-data-dir={self._profile}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self._session = ClientSession()
        try:
            self._socket = await self._connect()
            self._listener = asyncio.create_task(self._listen())
            for domain in ("Page", "Network", "Runtime"):
                await self.call(f"{domain}.enable")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._browser.returncode is None:
            self._browser.terminate()
        await self._browser.wait()
        if hasattr(self, "_listener"):
            await self._listener
        await self._session.close()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = len(self._replies)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        message = await reply
        assert "error" not in message, message
        return dict(message["result"])

    async def open(self, address: str) -> None:
        await self.call("Page.navigate", url=address)

    async def type(self, text: str) -> None:
        for character in text:
            key = {"text": character, "key": character}
            await self.call("Input.dispatchKeyEvent", type="keyDown", **key)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=character)

    async def evaluate(self, script: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def until(self, condition: Callable[[str], bool]) -> str:
        """What the page was sent to draw, once a condition holds for it."""
        while not condition(screen := self.received.decode(errors="ignore")):
            await asyncio.sleep(0.05)
        return screen

    async def _connect(self) -> ClientWebSocketResponse:
        told = self._profile / "DevToolsActivePort"
        while not told.exists() or "\n" not in (lines := told.read_text()):
            assert self._browser.returncode is None, "the browser did not start"
            await asyncio.sleep(0.05)
        root = f"http://127.0.0.1:{lines.split()[0]}"
        while True:
            async with self._session.get(f"{root}/json/list") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            if pages:
                return await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
            await asyncio.sleep(0.05)

    async def _listen(self) -> None:
        async for message in self._socket:
            event = message.json()
            parameters = event.get("params", {})
            if "id" in event:
                self._replies[event["id"]].set_result(event)
            elif event["method"] == "Network.requestWillBeSent":
                self.requested.append(parameters["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                self.requested.append(parameters["url"])
            elif event["method"] == "Network.webSocketFrameReceived":
                frame = parameters["response"]
                if frame["opcode"] == 2:
                    self.received += base64.b64decode(frame["payloadData"])
