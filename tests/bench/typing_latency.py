"""How long a key takes while a federation runs: `python -m tests.bench.typing_latency CORPUS [--phones 10000]`

The typing screen runs in a pseudo-terminal and types messages of the corpus, a key every 60 ms, first alone and
then while a federation of so many phones of the corpus runs beside it. A key's time is from writing it to reading
the letter back, by the wall clock, with all that the terminal's side costs.
"""

import argparse
import fcntl
import gzip
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_]|P[^\x1b]*\x1b\\)")
_EVERY = 0.06
_TEXT = "see you tomorrow at the station when i am on my way home from work and then we can go to the "


class Screen:
    """A process in a pseudo-terminal of 100 x 30."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self._file = pty.fork()
        if not self.pid:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execv(command[0], command)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def send(self, keys: bytes) -> None:
        os.write(self._file, keys)

    def read(self, seconds: float) -> bytes:
        """Give what is written next, or nothing if that takes longer."""
        ready, _, _ = select.select([self._file], [], [], seconds)
        return os.read(self._file, 1 << 16) if ready else b""

    def wait_for(self, text: bytes, seconds: float) -> None:
        seen, end = b"", time.monotonic() + seconds
        while text not in seen:
            if time.monotonic() > end:
                sys.exit(f"{text!r} is not on the screen after {seconds:g} s: {seen[-300:]!r}")
            seen += _ESCAPES.sub(b"", self.read(0.1))

    def timed(self, letter: bytes) -> float:
        """Type a letter; give the seconds until it is on the screen."""
        while self.read(0.0):
            pass
        began = time.perf_counter()
        self.send(letter)
        seen = b""
        while letter not in _ESCAPES.sub(b"", seen):
            if time.perf_counter() - began > 5:
                return 5.0
            seen += self.read(1.0)
        return time.perf_counter() - began

    def end(self) -> None:
        self.send(b"\x11")
        os.waitpid(self.pid, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=600)
    given = parser.parse_args()
    with TemporaryDirectory() as directory:
        part = Path(directory) / "part.jsonl"
        phones = _cut(Path(given.corpus), given.phones, part)
        screen = Screen([sys.executable, "-m", "fedkeys", "type", "--corpus", str(part)])
        screen.wait_for(b"Type a message", 60)
        _show("alone", _typed(screen, given.keys))
        screen.send(b"\x1b[17~")  # F6
        screen.wait_for(b"s takes one", 120)
        screen.send(b" ")
        time.sleep(2)
        screen.send(b"\x1b[15~")  # F5
        time.sleep(1)
        _show(f"beside a federation of {phones:,} phones", _typed(screen, given.keys))
        screen.send(b"\x1b[17~")
        time.sleep(1)
        seen = b""
        while chunk := screen.read(0.5):
            seen += chunk
        rounds = re.findall(r"Round (\d+)", _ESCAPES.sub(b"", seen).decode(errors="replace"))
        print(f"rounds that had begun by then: {rounds[-1] if rounds else 'none'}")
        screen.end()


def _cut(corpus: Path, phones: int, part: Path) -> int:
    """Write the messages of the first so many phones."""
    names: set[str] = set()
    with (
        gzip.open(corpus, "rt") if corpus.suffix == ".gz" else corpus.open() as lines,
        part.open("w") as out,
    ):
        for line in lines:
            name = json.loads(line)["user"]
            if name in names or len(names) < phones:
                names.add(name)
                out.write(line)
    return len(names)


def _typed(screen: Screen, keys: int) -> np.ndarray:
    """Type so many keys, a message of some 90 after the other; give the seconds of each letter."""
    times: list[float] = []
    for at in range(keys):
        letter = _TEXT[at % len(_TEXT)].encode()
        if at % len(_TEXT) == 0 and at:
            screen.send(b"\r")
            time.sleep(_EVERY)
        if letter == b" ":
            screen.send(letter)
        else:
            times.append(screen.timed(letter))
        time.sleep(_EVERY)
    return np.array(times)


def _show(what: str, seconds: np.ndarray) -> None:
    median, late, last = np.percentile(1000 * seconds, [50, 99, 100])
    print(f"{what}: median {median:.1f} ms, 99th percentile {late:.1f} ms, longest {last:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
