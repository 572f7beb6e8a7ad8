"""Flower's own programs, started and stopped.

In: arguments. Out: processes, and what they wrote. Laws: they are of this environment, tell nobody that they run,
and install nothing; all that was started ends with whoever started it, also what these have started themselves, in
sessions of their own too where the system tells whose environment is whose (Linux).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fedkeys.errors import FedkeysError, UsageError

_PAUSE = 0.1
_PATIENCE = 5.0  # seconds that a process has to end by itself
_LINES_TOLD = 12  # of a log, where something went wrong

_HOME = "FLWR_HOME"

REMEDY = "pip install 'fedkeys[flower]'"


def program(name: str) -> str:
    """Give the path of a program of this environment.

    Raises:
        UsageError: it is not there.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise UsageError(f"the program {name} is not installed", remedy=REMEDY)
    return str(path)


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of Flower's programs.

    Args:
        home: where they keep their own things, instead of in the user's home.
        more: to be added.
    """
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        _HOME: str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        **(more or {}),
    }


@contextmanager
def running(
    arguments: Sequence[str], log: Path, variables: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a program run for as long as this lasts; it and all that it started end then.

    Args:
        arguments: program and arguments.
        log: file for what it writes.
        variables: its environment.
    """
    with log.open("wb") as file:
        # A session of its own: what it has started itself is in its group, and ctrl-C is for the one who waits.
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(variables),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its group, by asking first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            continue
        if number == signal.SIGTERM:
            time.sleep(_PAUSE)
    process.wait()


def sweep(home: Path) -> None:
    """End all that was started with a home of Flower's, and all of the sessions of these, by asking first.

    The SuperLink starts its SuperExec in a session of its own, in which a simulation then has its Ray.
    """
    sessions: set[int] = set()
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + _PATIENCE
        told: set[int] = set()
        while (left := _at_home(home, sessions)) and time.monotonic() < end:
            for process in left - told:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, number)
            told |= left
            time.sleep(_PAUSE)


def _at_home(home: Path, sessions: set[int]) -> set[int]:
    """Give the processes that have a home of Flower's, and all of sessions that one of them has begun.

    Ray's programs write their titles over their environment, so sessions that were seen are remembered. What has a
    terminal is somebody's who looks at that home, and so is a session whose leader has another. None are found
    where there is no /proc.

    Args:
        home: which.
        sessions: those that are known; more are added.
    """
    variable = os.fsencode(f"{_HOME}={home}")
    session_of: dict[int, int] = {}
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, _, session, terminal, *_ = (process / "stat").read_bytes().rpartition(b")")[2].split()
            if state == b"Z" or int(terminal):
                continue
            session_of[int(process.name)] = int(session)
            if variable in (process / "environ").read_bytes().split(b"\0"):
                found.add(int(process.name))
    found.discard(os.getpid())
    others = session_of.keys() - found
    sessions |= {session_of[process] for process in found} - others  # their leader has that home, or is gone
    sessions.discard(os.getsid(0))
    return found | {process for process, session in session_of.items() if session in sessions}


def finished(arguments: Sequence[str], log: Path, variables: Mapping[str, str], seconds: float) -> None:
    """Run a program to its end.

    Raises:
        FedkeysError: it failed, or took longer.
    """
    with running(arguments, log, variables) as process:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -1
    if status:
        raise failure(f"{Path(arguments[0]).name} {arguments[1]} failed", log)


def free_ports(number: int) -> list[int]:
    """Give ports of 127.0.0.1 that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path, seconds: float) -> None:
    """Wait until somebody listens on a port of 127.0.0.1.

    Raises:
        FedkeysError: the process has ended, or it takes too long.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            time.sleep(_PAUSE)
    raise failure(f"{Path(str(process.args[0])).name} did not begin", log)  # type: ignore[index]


def failure(what: str, log: Path) -> FedkeysError:
    """Say what went wrong, with the last lines that a program wrote."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = " | ".join(line.strip() for line in lines[-_LINES_TOLD:] if line.strip())
    return FedkeysError(f"{what}: {said}" if said else what)
