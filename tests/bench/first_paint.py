"""How long the typing screen takes to stand: `python -m tests.bench.first_paint [--runs 5]`

Prints seconds of wall time, and of CPU time, from the start of the process to the first frame with suggestions in
a terminal of 80 x 24, beside an app of Textual's that shows a line and imports nothing of fedkeys, in turns: the
medians of all runs, and the ratio of CPU times, which other load does not touch.
"""

import argparse
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    BINDINGS = [("ctrl+q", "quit")]
    def compose(self):
        yield Static("Tab")
Bare().run()
"""
FEDKEYS = [sys.executable, "-m", "fedkeys"]
WARM = {
    "Textual alone": [sys.executable, "-c", BARE],
    "fedkeys": FEDKEYS,
    "fedkeys type --phone nurse": [*FEDKEYS, "type", "--phone", "nurse"],
}
COLD = {"fedkeys, public words not kept": "demo-*.model", "fedkeys, first run": "none"}
FRAME = b"Tab"  # stands below the first suggestion


def first_frame(command: Sequence[str], cache: Path, data: Path) -> tuple[float, float]:
    """Start a command in a terminal; give the seconds and CPU seconds until its first frame, and kill it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    began = time.perf_counter()
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=_env(cache, data), start_new_session=True
    )
    os.close(theirs)
    seen = b""
    while FRAME not in seen:
        seen += os.read(ours, 1 << 16)
    took = time.perf_counter() - began
    os.kill(child.pid, signal.SIGKILL)
    _, child.returncode, used = os.wait4(child.pid, 0)
    os.close(ours)
    return took, used.ru_utime + used.ru_stime


def _env(cache: Path, data: Path) -> dict[str, str]:
    own = {"TERM": "xterm-256color", "FEDKEYS_CACHE_DIR": str(cache), "FEDKEYS_DATA_DIR": str(data)}
    return {**os.environ, **own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in (*WARM, *COLD)}
    with tempfile.TemporaryDirectory() as directory:
        warm, data = Path(directory, "warm"), Path(directory, "data")
        subprocess.run([*FEDKEYS, "type", "--plain"], env=_env(warm, data), input=b"", check=True)
        for run in range(runs):
            for name, command in WARM.items():
                took[name].append(first_frame(command, warm, data))
            for name, kept in COLD.items():
                cache = Path(directory, f"{name} {run}")
                cache.mkdir()
                for file in warm.glob(kept):
                    shutil.copy(file, cache)
                took[name].append(first_frame(FEDKEYS, cache, data))
    least = median(used for _, used in took["Textual alone"])
    for name, times in took.items():
        seconds, used = (median(some) for some in zip(*times, strict=True))
        print(f"{name:32} {seconds:5.2f} s {used:5.2f} s of CPU   {used / least:4.1f} x")


if __name__ == "__main__":
    main()
