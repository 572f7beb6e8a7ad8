"""A whole federation on loopback, for trying it: a SuperLink, SuperNodes, and a run.

In: nodes, each with its own settings, and the settings of a run. Out: what the run keeps. Laws: all traffic is TLS
on 127.0.0.1; nodes are let in by their registered keys only; all that was started is stopped, whatever happens.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fedkeys.engines.endings import undisturbed
from fedkeys.engines.flower import APP, FAILURE_FILE
from fedkeys.engines.flower.accounts import rounds_in
from fedkeys.engines.flower.certificates import Certificates, make_certificates, make_node_key
from fedkeys.engines.flower.processes import (
    environment,
    failure,
    finished,
    free_ports,
    program,
    running,
    sweep,
    wait_for_port,
)
from fedkeys.errors import FedkeysError

_CONNECTION = "trial"
_BEGINS_WITHIN = 60.0  # seconds, of one program on a busy machine
_PAUSE = 0.2
_RAY_BELOW = "/tmp"  # where it is by itself: names of its sockets have no room for a longer one

Settings = Mapping[str, bool | int | float | str]


class Deployment:
    """A SuperLink and its SuperNodes; `deployed` makes one.

    Args:
        directory: for keys, certificates and logs.
        simulated: whether nodes are simulated, all in this one place.
        variables: more of the environment of all programs.
    """

    def __init__(self, directory: Path, simulated: bool, variables: Mapping[str, str]) -> None:
        self.directory = directory
        self._simulated = simulated
        self._stack = ExitStack()
        self._home = directory / "flower"
        if simulated:
            ray = self._stack.enter_context(TemporaryDirectory(prefix="fedkeys-ray-", dir=_RAY_BELOW))
            variables = {**variables, "RAY_TMPDIR": ray}
        self.variables = environment(self._home, variables)
        self._home.mkdir(parents=True)
        self.certificates: Certificates = make_certificates(directory)
        (self.port,) = free_ports(1)
        self.nodes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where the SuperLink listens."""
        return f"127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start the SuperLink.

        Raises:
            FedkeysError: it does not start.
        """
        server = self.certificates
        config = self._home / "config.toml"
        config.write_text(
            f'[superlink]\ndefault = "{_CONNECTION}"\n\n[superlink.{_CONNECTION}]\n'
            f'address = "{self.address}"\nroot-certificates = {json.dumps(str(server.authority))}\n'
        )
        log = self.log("superlink")
        arguments = [
            program("flower-superlink"),
            *("--ssl-certfile", str(server.server), "--ssl-keyfile", str(server.key)),
            *("--ssl-ca-certfile", str(server.authority)),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            "--disable-runtime-dependency-installation",
            "--simulation" if self._simulated else "--enable-supernode-auth",
        ]
        process = self._stack.enter_context(running(arguments, log, self.variables))
        wait_for_port(self.port, process, log, _BEGINS_WITHIN)

    def register(self, name: str) -> Path:
        """Make a key for a node and have the SuperLink let it in; gives the file of the private half."""
        key = self.directory / f"{name}.key"
        public = make_node_key(key)
        flwr = [program("flwr"), "supernode", "register", str(public), _CONNECTION]
        finished(flwr, self.log(f"register-{name}"), self.variables, _BEGINS_WITHIN)
        return key

    def add_node(self, name: str, key: Path, settings: Settings) -> "subprocess.Popen[bytes]":
        """Start a SuperNode.

        Args:
            name: of its log.
            key: its private key.
            settings: its own, as `fedkeys.engines.flower.node` has them.
        """
        (port,) = free_ports(1)
        arguments = [
            program("flower-supernode"),
            *("--superlink", self.address, "--root-certificates", str(self.certificates.authority)),
            *("--auth-supernode-private-key", str(key), "--host", "127.0.0.1", "--port", str(port)),
            *("--node-config", assigned(settings)),
        ]
        process = self._stack.enter_context(running(arguments, self.log(name), self.variables))
        self.nodes.append(process)
        return process

    def run(self, settings: Settings, nodes: int, on_wait: Callable[[], None] = lambda: None) -> None:
        """Run the app to its end, or until its server has left word that it failed.

        Args:
            settings: of the run, as `app/pyproject.toml` has them.
            nodes: how many there are, where they are simulated.
            on_wait: called time and again meanwhile.

        Raises:
            FedkeysError: it failed, and why.
        """
        keep, log = Path(str(settings["keep"])), self.log("run")
        (keep / FAILURE_FILE).unlink(missing_ok=True)
        simulated = [
            *("--federation-config", f"num-supernodes={nodes} client-resources-num-cpus=1"),
        ]
        arguments = [
            *(program("flwr"), "run", str(APP), _CONNECTION, "--stream"),
            *("--run-config", assigned(settings)),
            *(simulated if self._simulated else ()),
        ]
        with running(arguments, log, self.variables) as process:
            while process.poll() is None and not (keep / FAILURE_FILE).exists():
                on_wait()
                time.sleep(_PAUSE)
            on_wait()
        if (keep / FAILURE_FILE).exists():
            raise FedkeysError((keep / FAILURE_FILE).read_text())
        made = rounds_in(keep)
        if process.returncode or not made or made[-1]["round"] < settings["rounds"]:
            raise failure("the run ended before its rounds were made", log)

    def log(self, name: str) -> Path:
        """Where a program writes."""
        return self.directory / f"{name}.log"

    def close(self) -> None:
        """Stop everything."""
        with undisturbed(), self._stack:
            sweep(self._home)


@contextmanager
def deployed(
    directory: Path, simulated: bool = False, variables: Mapping[str, str] | None = None
) -> Iterator[Deployment]:
    """Have a SuperLink run for as long as this lasts.

    Raises:
        UsageError: the extra `flower` is not installed.
        FedkeysError: it does not start.
    """
    deployment = Deployment(directory, simulated, variables or {})
    try:
        deployment.begin()
        yield deployment
    finally:
        deployment.close()


def assigned(settings: Settings) -> str:
    """Write settings as Flower reads them: TOML assignments with spaces between them."""
    return " ".join(f"{name}={json.dumps(value)}" for name, value in settings.items())
