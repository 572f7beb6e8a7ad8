"""The typing demo in a real terminal: a simulated key proves the binding, only this proves the terminal."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A tmux server of its own, with one window of 80 x 24."""

    def __init__(self, directory: Path) -> None:
        # A name of its own: a server that was told to go may still answer for a moment.
        self._tmux = ["tmux", "-L", f"fedkeys-{os.getpid()}-{directory.name}", "-f", os.devnull]
        self._directory = directory

    def start(self, command: str) -> None:
        self._run("new-session", "-d", "-x", "80", "-y", "24", "-c", str(self._directory), command)
        self._run("set-option", "-g", "remain-on-exit", "on")

    def keys(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def wait_for(self, condition: Callable[[str], bool], seconds: float = 20) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = self.screen()
            if condition(screen):
                return screen
            time.sleep(0.05)
        pytest.fail(f"not within {seconds} s:\n{self.screen()}")

    def settled(self, seconds: float = 1.0) -> str:
        """The screen once it has not changed for some time: the strip follows the text a moment later."""
        before = ""
        while (screen := self.screen()) != before:
            before = screen
            time.sleep(seconds)
        return screen

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True)

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, check=True, encoding="utf-8"
        ).stdout


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("FEDKEYS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FEDKEYS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_typing_in_a_real_terminal(terminal: Terminal, tmp_path: Path) -> None:
    terminal.start(f"{sys.executable} -m fedkeys; echo exit $?; sleep 60")
    terminal.wait_for(lambda screen: "Type a message" in screen)
    terminal.keys("-l", "See you tom")
    terminal.wait_for(lambda screen: "tomorrow" in screen)
    # Without a pause: keys must be taken in the order of typing, whatever they are bound to.
    terminal.keys("Tab", "a", "t", "Space")
    terminal.wait_for(lambda screen: "tomorrow at" in screen)
    screen = terminal.settled()
    assert "Tab" in screen
    assert "F2" in screen
    second = screen.split("Tab", 1)[0].splitlines()[-2].split()[1]
    terminal.keys("F2")
    terminal.wait_for(lambda screen: f"tomorrow at {second}" in screen)
    terminal.keys("Enter")
    terminal.wait_for(lambda screen: "keys saved" in screen)
    terminal.keys("C-q")
    terminal.wait_for(lambda screen: "exit 0" in screen)
    assert list((tmp_path / "cache").glob("demo-*.model"))


def test_the_second_start_takes_the_model_from_the_cache(terminal: Terminal, tmp_path: Path) -> None:
    terminal.start(f"{sys.executable} -m fedkeys type --phone nurse; {sys.executable} -m fedkeys type")
    terminal.wait_for(lambda screen: "nurse's phone" in screen)
    (cached,) = (tmp_path / "cache").glob("demo-*.model")
    made = cached.stat().st_mtime_ns
    terminal.keys("C-q")
    terminal.wait_for(lambda screen: "a new phone" in screen)
    assert cached.stat().st_mtime_ns == made
    terminal.keys("C-q")


def test_all_screens_in_a_real_terminal(terminal: Terminal) -> None:
    terminal.start(f"{sys.executable} -m fedkeys type --phone nurse; echo exit $?; sleep 60")
    terminal.wait_for(lambda screen: "nurse's phone" in screen)
    terminal.keys("-l", "keep this")
    terminal.keys("F6")
    terminal.wait_for(lambda screen: "s takes one" in screen)
    terminal.keys("s")
    terminal.wait_for(lambda screen: "Round 1 is released" in screen)
    terminal.keys("F7")
    terminal.wait_for(lambda screen: "one delta with bounds" in screen)
    terminal.keys("F8")
    terminal.wait_for(lambda screen: "everyone's and yours" in screen)
    terminal.keys("F2")
    terminal.wait_for(lambda screen: "words offered" in screen)
    terminal.keys("F9")
    terminal.wait_for(lambda screen: "island" in screen)
    terminal.keys("F1")
    terminal.wait_for(lambda screen: "name in settings.json" in screen)
    terminal.keys("F1", "F5")
    terminal.wait_for(lambda screen: "keep this" in screen)
    terminal.keys("F4")
    terminal.wait_for(lambda screen: "Whose phone?" in screen)
    terminal.keys("-l", "porter")
    terminal.keys("Enter")
    terminal.wait_for(lambda screen: "porter's phone" in screen and "keep this" in screen)
    terminal.keys("C-q")
    terminal.wait_for(lambda screen: "exit 0" in screen)
