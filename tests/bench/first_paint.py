"""How long the typing screen takes to stand: `python -m tests.bench.first_paint [--runs 5]`

Prints seconds of wall time from the start of the process to the first frame in a terminal of 80 x 24, beside an
app of Textual's that shows a line and imports nothing of fedkeys, in turns: the median of all runs, and the ratio.
"""

import argparse
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    BINDINGS = [("ctrl+q", "quit")]
    def compose(self):
        yield Static("Type a message")
Bare().run()
"""
FEDKEYS = [sys.executable, "-m", "fedkeys"]
CASES = {
    "Textual alone": [sys.executable, "-c", BARE],
    "fedkeys": FEDKEYS,
    "fedkeys type --phone nurse": [*FEDKEYS, "type", "--phone", "nurse"],
    "fedkeys, public words not kept": FEDKEYS,
    "fedkeys, first run": FEDKEYS,
}
FRAME = b"Type a message"
QUIT = b"\x11"


def seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Start a command in a terminal; give how long its first frame took, then quit it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as child:
        os.close(theirs)
        seen = b""
        while FRAME not in seen:
            seen += os.read(ours, 1 << 16)
        took = time.perf_counter() - began
        os.write(ours, QUIT)
        with suppress(OSError):  # what Linux says at the end of a terminal
            while child.poll() is None:
                if select.select([ours], [], [], 0.1)[0]:
                    os.read(ours, 1 << 16)
    os.close(ours)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as directory:
        cache, data = Path(directory, "cache"), Path(directory, "data")
        env = {**os.environ, "TERM": "xterm-256color", "FEDKEYS_CACHE_DIR": str(cache)}
        env["FEDKEYS_DATA_DIR"] = str(data)
        seconds(FEDKEYS, env)
        took: dict[str, list[float]] = {name: [] for name in CASES}
        for _ in range(runs):
            for name, command in CASES.items():
                if "not kept" in name or "first run" in name:
                    for file in cache.glob("*" if "first run" in name else "fedkeys-prior-*"):
                        file.unlink()
                took[name].append(seconds(command, env))
    least = median(took["Textual alone"])
    for name, times in took.items():
        print(f"{name:32} {median(times):5.2f} s   {median(times) / least:4.1f} x")


if __name__ == "__main__":
    main()
