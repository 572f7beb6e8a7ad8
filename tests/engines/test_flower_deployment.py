"""Flower itself, on loopback: TLS, registered keys, processes that are killed. A round takes some ten seconds."""

import os
import re
import shutil
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

from fedkeys.engines.flower import APP  # noqa: E402
from fedkeys.engines.flower.accounts import rounds_in  # noqa: E402
from fedkeys.engines.flower.certificates import make_node_key  # noqa: E402
from fedkeys.engines.flower.deployment import Deployment, assigned, deployed  # noqa: E402
from fedkeys.engines.flower.processes import finished, program, sweep  # noqa: E402
from fedkeys.errors import FedkeysError  # noqa: E402
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
    """Start a node until it is let in, which a killed one is when it has missed heartbeats for a minute."""
    end = time.monotonic() + 150
    while time.monotonic() < end:
        name = f"again-{int(end - time.monotonic())}"
        process = deployment.add_node(name, key, own)
        while process.poll() is None:
            if "SuperNode ID" in deployment.log(name).read_text():
                return
            time.sleep(0.5)
    pytest.fail("the node was never let in again")


def test_a_server_that_fails_is_heard_at_once(tmp_path: Path, deployment: Deployment) -> None:
    server = tmp_path / "server"
    with pytest.raises(FedkeysError, match="order is 5; choose 2, 3 or 4"):
        deployment.run({"order": 5, "keep": str(server)}, PHONES)
    assert time.time() - (server / "failure").stat().st_mtime < 10


def test_the_stream_of_a_run_that_fails_says_why(tmp_path: Path, deployment: Deployment) -> None:
    """Also to who has no eye on the directory that the server keeps, and before a minute has passed."""
    settings = {"order": 5, "keep": str(tmp_path / "server")}
    arguments = [program("flwr"), "run", str(APP), "--stream", "--run-config", assigned(settings)]
    finished(arguments, deployment.log("stream"), deployment.variables, 45)
    assert "order is 5; choose 2, 3 or 4" in deployment.log("stream").read_text()


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


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("last", "simulation"),
    [(b"flower-supernode", []), (b"ray::ClientApp", ["--simulation"])],
    ids=["deployment", "simulation"],  # not what is looked for, since pytest has it in the environment
)
def test_whoever_ends_the_command_ends_all_that_it_has_started(
    tmp_path: Path, corpus: Path, last: bytes, simulation: list[str], ending: signal.Signals
) -> None:
    """By ctrl-C, which goes to the whole group, more than once, or by a signal to the command alone."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*_fedkeys(), "flower", "keyboard", str(corpus), *simulation],
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
        preexec_fn=interruptible,
    )
    end = time.monotonic() + 90
    started: list[bytes] = []
    while not any(last in said for said in started) and time.monotonic() < end:
        time.sleep(0.2)
        started = _left(temporary)
    if ending == signal.SIGINT:
        for _ in range(3):
            os.killpg(process.pid, ending)
            time.sleep(0.2)  # not when all is over: then Python heeds none
    else:
        process.send_signal(ending)
    _, said = process.communicate(timeout=60)
    assert any(last in one for one in started)
    assert process.returncode == 128 + ending
    assert said.strip().endswith("fedkeys: interrupted") is (ending == signal.SIGINT)
    rays = {ray for one in started for ray in re.findall(rb"RAY_TMPDIR=([^\0]+)", one)}
    assert len(rays) == len(simulation)
    for _ in range(2):  # what is still alive would make its directory anew
        assert not _left(temporary)
        assert list(temporary.iterdir()) == []
        assert not any(Path(os.fsdecode(ray)).exists() for ray in rays)
        time.sleep(2)


def interruptible() -> None:
    """Heed interrupts, which are not heeded by what a shell has in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _fedkeys() -> list[str]:
    return [sys.executable, "-m", "fedkeys"]


def _left(place: Path) -> list[bytes]:
    """Processes that still run whose arguments, or environment, name a directory: both, for each."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if os.fsencode(place) in said and int(process.name) != os.getpid():
                found.append(said)
    return found


def test_what_somebody_else_has_started_is_not_swept_away(tmp_path: Path) -> None:
    """Of ours a whole session ends; of one whose leader has another home, what has that home alone."""
    odd = tmp_path / os.fsdecode(b"caf\xe9")  # no text can be made of its name
    odd.symlink_to(str(shutil.which("sleep")))
    home = {**os.environ, "FLWR_HOME": str(tmp_path)}
    scripts = ("env -u FLWR_HOME sleep 60; :", f"FLWR_HOME={tmp_path} {odd} 60; sleep 60; :")
    ours, foreign = (
        subprocess.Popen(["sh", "-c", script], env=own, start_new_session=True)
        for script, own in zip(scripts, (home, os.environ), strict=True)
    )
    try:
        end = time.monotonic() + 30
        while min(map(len, map(_of_session, (ours.pid, foreign.pid)))) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        sweep(tmp_path)
        assert ours.wait(10) is not None
        assert _of_session(ours.pid) == set()
        assert foreign.poll() is None
    finally:
        for process in (ours, foreign):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _of_session(session: int) -> set[int]:
    """Processes of a session that have not ended."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, _, own, *_ = (process / "stat").read_bytes().rpartition(b")")[2].split()
            if int(own) == session and state != b"Z":
                found.add(int(process.name))
    return found
