"""Flower itself, on loopback: TLS, registered keys, processes that are killed. A round takes some ten seconds."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr")
pytestmark = pytest.mark.engines

from fedkeys.engines.flower.accounts import rounds_in  # noqa: E402
from fedkeys.engines.flower.certificates import make_node_key  # noqa: E402
from fedkeys.engines.flower.deployment import Deployment, deployed  # noqa: E402
from fedkeys.simulate import Federation, Plan  # noqa: E402
from fedkeys.sources import open_corpus, shipped_corpus  # noqa: E402

PHONES = 3


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    directory = tmp_path / "corpus"
    directory.mkdir()
    for file in sorted(shipped_corpus().glob("*.txt"))[:PHONES]:
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    place = tmp_path / "deployment"
    place.mkdir()
    with deployed(place) as found:
        yield found
    assert not _left(place)


def test_killed_nodes_lose_nothing_and_unknown_ones_are_not_let_in(
    tmp_path: Path, corpus: Path, deployment: Deployment
) -> None:
    """A SuperNode is killed while a round runs, and started again with its key; in the end all is counted once."""
    server = tmp_path / "server"
    keys = [deployment.register(f"node-{at}") for at in range(PHONES)]
    own = [
        {
            "corpus": str(corpus),
            "partition-id": at,
            "keep": str(tmp_path / "nodes" / str(at)),
            "unbounded": True,
            "spread": True,
            "least-messages": 1,
        }
        for at in range(PHONES)
    ]
    for at in range(PHONES):
        deployment.add_node(f"node-{at}", keys[at], own[at])
    stranger = tmp_path / "deployment" / "stranger.key"
    make_node_key(stranger)
    unknown = deployment.add_node("stranger", stranger, own[0])
    killed: list[int] = []

    def kill_once() -> None:
        if len(rounds_in(server)) == 1 and not killed:
            killed.append(deployment.nodes[0].pid)
            os.killpg(killed[0], signal.SIGKILL)

    settings: dict[str, Any] = {"rounds": 2, "min-available": PHONES, "deadline": 25.0, "keep": str(server)}
    settings |= {"bounded": False}
    deployment.run(settings, PHONES, kill_once)
    assert killed
    first, second = (account["merged"] for account in rounds_in(server))
    assert first == PHONES > second
    _let_in_again(deployment, keys[0], own[0])
    deployment.run({**settings, "rounds": 3, "deadline": 60.0}, PHONES)
    accounts = rounds_in(server)
    assert accounts[-1]["failed"] == accounts[-1]["lost"] == 0
    federation = Federation(open_corpus(corpus), Plan(), np.random.default_rng(0))
    (whole,) = federation.run()
    federation.aggregator.close()
    assert whole.model is not None
    assert accounts[-1]["payload"] == whole.model.payload_digest.hex()
    assert unknown.wait(30) != 0
    assert "Failed to activate SuperNode" in deployment.log("stranger").read_text()
    assert not (tmp_path / "deployment" / "nodes").exists()


def _let_in_again(deployment: Deployment, key: Path, own: dict[str, Any]) -> None:
    """Start a node until it stays: a killed one is let in again when it has missed heartbeats for a minute."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        process = deployment.add_node(f"again-{int(end - time.monotonic())}", key, own)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            continue
        return
    pytest.fail("the node was never let in again")


@pytest.mark.parametrize("simulation", [[], ["--simulation"]])
def test_one_command_runs_it_all_and_stops_it(tmp_path: Path, corpus: Path, simulation: list[str]) -> None:
    out = tmp_path / "out.model"
    command = [
        *_fedkeys(),
        "flower",
        "keyboard",
        str(corpus),
        "--rounds",
        "2",
        "--out",
        str(out),
        *simulation,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "3 nodes on Flower" in done.stdout
    same = tmp_path / "same.model"
    subprocess.run(
        [*_fedkeys(), "simulate", str(corpus), "--rounds", "2", "--out", str(same)], check=True, timeout=60
    )
    payloads = [
        re.search(
            r"payload\s+(\w+)",
            subprocess.run([*_fedkeys(), "inspect", str(path)], capture_output=True, text=True).stdout,
        )
        for path in (out, same)
    ]
    assert payloads[0] is not None
    assert payloads[1] is not None
    assert payloads[0][1] == payloads[1][1]
    assert not _left(tmp_path)


def test_an_interrupt_stops_everything(tmp_path: Path, corpus: Path) -> None:
    keep = tmp_path / "keep"
    command = [*_fedkeys(), "flower", "keyboard", str(corpus), "--keep", str(keep)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, preexec_fn=interruptible
    )
    end = time.monotonic() + 60
    while not list(keep.glob("flower-*/node-1.log")) and time.monotonic() < end:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip().endswith("fedkeys: interrupted")
    assert not _left(keep)


def interruptible() -> None:
    """Heed interrupts, which are not heeded by what a shell has in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _fedkeys() -> list[str]:
    return [sys.executable, "-m", "fedkeys"]


def _left(place: Path) -> list[str]:
    """Processes that still run whose arguments, or environment, name a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(place).encode() in said and int(process.name) != os.getpid():
                found.append(said.decode(errors="replace"))
    return found
