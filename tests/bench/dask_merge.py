"""What a merge by Dask costs beside one machine without it: `python -m tests.bench.dask_merge [--phones 50000]`

The same generated fleet, in one log, merged and released by `fedkeys aggregate` as it is, on one core and on all,
and with `--engine dask` on as many processes as there are cores. CPU seconds of all processes from start to end,
wall time, and memory, the sum of what each process held at most; and each as a multiple of the first line.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from fedkeys import Phone, aggregate
from fedkeys.simulate import Fleet

_LOOK = 0.05  # seconds between looks at the processes
_WORDS = 50  # in a message of the phone whose model has the fleet's vocabulary


class Cost(NamedTuple):
    """Of one command."""

    cpu: float
    seconds: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--phones", type=int, default=50_000)
    parser.add_argument("--min-phones", type=int, default=2)
    given = parser.parse_args()
    fleet = Fleet(given.phones)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        rows = fleet.write(directory / "fleet.deltas")
        words = fleet.base.words
        texts = [" ".join(words[at : at + _WORDS]) for at in range(0, len(words), _WORDS)]
        aggregate([Phone(texts).delta()], 1).save(directory / "base.model")
        command = [sys.executable, "-m", "fedkeys", "aggregate", "fleet.deltas", "--base", "base.model"]
        command += ["--min-phones", str(given.min_phones)]
        first_core = str(min(os.sched_getaffinity(0)))
        costs = {
            "one process": cost(["taskset", "-c", first_core, *command, "--out", "one.model"], directory),
            "... on all cores": cost([*command, "--out", "all.model"], directory),
            "--engine dask": cost([*command, "--out", "dask.model", "--engine", "dask"], directory),
        }
        models = {path.read_bytes() for path in directory.glob("*.model") if path.stem != "base"}
        assert len(models) == 1, "not the same model"
    print(
        f"{given.phones:,} phones, {rows:,} n-grams, {len(os.sched_getaffinity(0))} cores; the same file from all"
    )
    one = costs["one process"]
    for name, found in costs.items():
        ratios = [mine / first for mine, first in zip(found, one, strict=True)]
        print(
            f"{name:20} {found.cpu:7.1f} s CPU {found.seconds:7.1f} s {found.memory / 1e6:8.0f} MB"
            f"   x {ratios[0]:.2f}, {ratios[1]:.2f}, {ratios[2]:.2f}"
        )


def cost(command: list[str], directory: Path) -> Cost:
    """Run a command, and look at all its processes meanwhile."""
    held: dict[int, int] = {}
    before, begin = _cpu(), time.perf_counter()
    process = subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, start_new_session=True)
    while process.poll() is None:
        for pid in _session(process.pid):
            held[pid] = max(held.get(pid, 0), _most_held(pid))
        time.sleep(_LOOK)
    assert process.stderr is not None
    assert process.returncode == 0, process.stderr.read().decode()
    return Cost(_cpu() - before, time.perf_counter() - begin, sum(held.values()))


def _cpu() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _session(leader: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(path.name)) == leader:
                found.append(int(path.name))
        except OSError:
            continue
    return found


def _most_held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
