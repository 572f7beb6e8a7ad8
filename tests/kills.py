"""Killing an aggregator at random instants: `python -m tests.kills --times 200 [--cores 2]`

A process merges the deltas of a generated fleet into a state, in little memory so that it commits often, and is
killed without warning some time after it began. Each time the state must open, and release exactly what the deltas
in its ledger give when they are merged from nothing; the next process begins where that one was stopped. When all
deltas are in, the release must be that of a fleet that nobody killed.
"""

import argparse
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fedkeys.aggregator import Aggregator, merge_files
from fedkeys.delta import Head
from fedkeys.simulate import Fleet

MEMORY = 1 << 20

_CHILD = """
import sys
from pathlib import Path
from fedkeys.simulate import Fleet
from fedkeys.aggregator import Aggregator, merge_files
import fedkeys.aggregator.aggregator as aggregating
import fedkeys.aggregator.intake as intake
aggregating.ENOUGH_BYTES = 1
intake._GROUP_SIZE = 16
log, state, phones, memory, cores = sys.argv[1:]
base = Fleet(int(phones)).base
print("ready", flush=True)
sys.stdin.readline()
aggregator = Aggregator(bases=[base], memory=int(memory), state=Path(state), cores=int(cores))
merge_files(aggregator, [Path(log)])
aggregator.commit()
aggregator.release(2)
"""


@dataclass
class Outcome:
    """What became of a series of kills.

    Attributes:
        kills: how many processes were killed while they worked.
        finished: how many were done before their time came.
        between: after how many kills the state held some deltas, but not all.
    """

    kills: int = 0
    finished: int = 0
    between: int = 0


def kill_often(scratch: Path, phones: int, times: int, seed: int, cores: int = 1) -> Outcome:
    """Kill so many aggregators; raises AssertionError if anything was lost or counted twice."""
    chance = random.Random(seed)
    fleet = Fleet(phones)
    deltas = [delta for batch in fleet.deltas() for delta in batch]
    log = scratch / "fleet.deltas"
    log.write_bytes(b"".join(deltas))
    by_digest = {Head.of(delta).digest: delta for delta in deltas}
    whole = _released(fleet, deltas)
    outcome, number, seconds = Outcome(), 0, 1.0 if cores == 1 else 4.0  # helpers take their time to begin
    while outcome.kills < times:
        state, held = scratch / f"state {number}", 0
        number += 1
        while held < phones and outcome.kills < times:
            arguments = [sys.executable, "-c", _CHILD, log, state, str(phones), str(MEMORY), str(cores)]
            with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
                assert child.stdout
                assert child.stdin
                child.stdout.readline()
                child.stdin.write(b"\n")
                begin = time.monotonic()
                child.stdin.flush()
                try:
                    child.wait(chance.uniform(0.0, seconds))
                    assert child.returncode == 0
                    outcome.finished += 1
                    seconds = time.monotonic() - begin
                except subprocess.TimeoutExpired:
                    child.send_signal(signal.SIGKILL)
                    outcome.kills += 1
            before, held = held, _check(fleet, state, by_digest)
            assert held >= before, "what was committed is gone"
            outcome.between += 0 < held < phones
        again = Aggregator(bases=[fleet.base], state=state)
        merge_files(again, [log])
        assert again.release(2).to_bytes() == whole
        again.close()
    return outcome


def _check(fleet: Fleet, state: Path, by_digest: dict[bytes, bytes]) -> int:
    """Hold a state against its own ledger; gives how many deltas it has."""
    aggregator = Aggregator(bases=[fleet.base], state=state, all_or_nothing=True)
    digests = [row[0] for row in aggregator._state._connection.execute("SELECT digest FROM ledger")]
    assert aggregator.release(2).to_bytes() == _released(fleet, [by_digest[digest] for digest in digests])
    aggregator.close()
    return len(digests)


def _released(fleet: Fleet, deltas: list[bytes]) -> bytes:
    aggregator = Aggregator(bases=[fleet.base])
    assert all(result is True for result in aggregator.add_messages(deltas))
    return aggregator.release(2).to_bytes()


def main() -> None:
    """Kill and tell."""
    parser = argparse.ArgumentParser(description="Kill aggregators at random instants.")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--phones", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cores", type=int, default=1, help="processes that merge, each of which loses its helpers"
    )
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        outcome = kill_often(Path(scratch), given.phones, given.times, given.seed, given.cores)
    print(
        f"{outcome.kills} aggregators killed, {outcome.finished} finished first; after {outcome.between} of them "
        "the state held some deltas but not all; nothing was lost or counted twice"
    )


if __name__ == "__main__":
    main()
