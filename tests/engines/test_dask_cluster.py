"""Merging by processes: each may be killed at any time, and what comes out is what one process gives."""

import errno
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedkeys import aggregate
from fedkeys.aggregator.releases import ReleaseRule
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.engines.dask import Scale, dask_engine, reaching
from fedkeys.engines.dask import cluster as module
from fedkeys.errors import FedkeysError
from fedkeys.phone import Phone
from fedkeys.simulate import Fleet
from tests.engines.merges import Outcome, Setting, by_one, by_tasks

pytestmark = pytest.mark.engines

FLEET = Fleet(4000)
SETTING = Setting(ReleaseRule(2), DEFAULT_BOUNDS, bases=(FLEET.base,))
SCALE = Scale(1 << 18, 6, 3, 5)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "fleet.deltas"
    path.write_bytes(b"".join(data for batch in FLEET.deltas() for data in batch))
    return path


@pytest.fixture(scope="module")
def base(log: Path) -> Path:
    """A model that has the vocabulary of the fleet."""
    path = log.with_name("base.model")
    aggregate([Phone([" ".join(FLEET.base.words)]).delta()], 1).save(path)
    return path


@pytest.fixture(scope="module")
def expected(log: Path) -> Outcome:
    return by_one([log], SETTING)


class Killing:
    """Kills workers when a step has begun, and notes which.

    Args:
        step: its name.
        most: how many are killed.
        happen: does what happens meanwhile.
    """

    def __init__(self, step: str, most: int = 1, happen: Callable[[], object] = lambda: None) -> None:
        self.step = step
        self.most = most
        self.happen = happen
        self.killed: list[int] = []
        self.steps: list[str] = []
        self.engine: Any = None

    def show(self, name: str, _: float | None) -> None:
        if self.engine is not None and name == self.step and not self.killed:
            self.happen()
            for pid in list(self.engine._client.run(os.getpid).values())[: self.most]:
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)
        if name not in self.steps:
            self.steps.append(name)


@pytest.mark.parametrize("step", ["nothing", "reading", "merging", "adding up", "choosing", "writing"])
def test_a_worker_that_is_killed_loses_nothing(log: Path, expected: Outcome, step: str) -> None:
    killing = Killing(step)
    with dask_engine(None, killing.show) as engine:
        killing.engine = engine
        workers = set(engine._client.run(os.getpid).values())
        assert by_tasks([log], SETTING, SCALE, engine) == expected
    assert killing.steps == [
        "looking",
        "reading",
        "merging",
        "sorting words",
        "adding up",
        "choosing",
        "writing",
    ]
    assert workers >= set(killing.killed)
    assert len(killing.killed) == (step != "nothing")
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("step", ["merging", "sorting words", "adding up", "choosing"])
def test_inputs_that_change_before_workers_are_killed_end_the_merge(
    log: Path, tmp_path: Path, step: str
) -> None:
    changing = tmp_path / "fleet.deltas"
    changing.write_bytes(log.read_bytes())
    killing = Killing(step, os.cpu_count() or 1, lambda: changing.write_bytes(Fleet(9).batch(0)[0]))
    with (
        dask_engine(None, killing.show) as killing.engine,
        pytest.raises(FedkeysError, match=r"fleet\.deltas: is not what it was when the merge began"),
    ):
        by_tasks([changing], SETTING, SCALE, killing.engine)
    assert killing.killed


def test_the_command_gives_the_file_of_one_process(fedkeys: Callable[..., Any], tmp_path: Path) -> None:
    for number, text in enumerate(("hello world", "Hello there world", "see you there")):
        Phone([text], pseudonym=bytes([number] * 16), bounds=DEFAULT_BOUNDS).delta().save(
            tmp_path / "in" / f"{number}.delta"
        )
    options = ("in", "--min-phones", "1", "--prune", "9", "--json")
    alone = fedkeys("aggregate", *options, "--out", "one.model")
    assert alone.returncode == 0
    together = fedkeys("aggregate", *options, "--out", "many.model", "--engine", "dask")
    assert (together.returncode, "Traceback" in together.stderr) == (0, False), together.stderr
    reports = [json.loads(result.stdout) for result in (alone, together)]
    assert [report.pop("out") for report in reports] == ["one.model", "many.model"]
    assert reports[0] == reports[1]
    assert (tmp_path / "one.model").read_bytes() == (tmp_path / "many.model").read_bytes()
    (tmp_path / "in" / "bad.delta").write_bytes(b"junk")
    dry = fedkeys("aggregate", "in", "--dry-run", "--engine", "dask")
    assert dry.returncode == 3
    assert "set aside: in/bad.delta: not one msgpack array" in dry.stderr
    assert "dry run: nothing was written" in dry.stderr
    strict = fedkeys("aggregate", "in", "--out", "strict.model", "--strict", "--engine", "dask")
    assert (strict.returncode, (tmp_path / "strict.model").exists()) == (3, False)
    assert "nothing was written" in strict.stderr


# The command, which notes each step that it waits for.
NOTING = """import os
from pathlib import Path
from fedkeys.cli import main
from fedkeys.engines.dask import cluster
gather = cluster.DaskEngine.gather
def noted(self, name, futures):
    Path(os.environ["NOTED"], name).touch()
    return gather(self, name, futures)
cluster.DaskEngine.gather = noted
main()
"""


@pytest.mark.parametrize("step", ["starting", "reading", "merging", "choosing"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_all_that_was_started(
    log: Path, base: Path, tmp_path: Path, home: dict[str, str], step: str, number: int, status: int
) -> None:
    scratch, noted = tmp_path / "scratch", tmp_path / "noted"
    scratch.mkdir()
    noted.mkdir()
    options = (str(log), "--base", str(base), "--engine", "dask", "--dry-run")
    process = subprocess.Popen(
        [sys.executable, "-c", NOTING, "aggregate", *options],
        env={**home, "TMPDIR": str(scratch), "NOTED": str(noted)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=interruptible,
    )
    if step == "starting":
        wait_for(lambda: any(scratch.glob("*/dask-scratch-space/worker-*")))
    else:
        wait_for((noted / step).exists)
    if number == signal.SIGINT:  # as a terminal does: to all of them
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert "Traceback" not in said
    wait_for(lambda: not is_alive(process.pid))
    assert list(scratch.iterdir()) == []


def interruptible() -> None:
    """Heed interrupts, which are not heeded by what a shell has in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(what: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not what():
        assert time.monotonic() - begin < 60
        time.sleep(0.05)


def answer_to(port: int, context: ssl.SSLContext | None, said: bytes) -> bytes:
    """What a port says to anybody."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2) as plain,
            plain if context is None else context.wrap_socket(plain) as stream,
        ):
            stream.sendall(said)
            return stream.recv(1 << 10)
    except OSError:
        return b""


def test_no_other_account_of_the_machine_is_heard() -> None:
    psutil = pytest.importorskip("psutil")
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    asked = [
        f"GET {page} HTTP/1.0\r\n\r\n".encode()
        for page in ("/", "/health", "/info/main/workers.html", "/info/health", "/metrics")
    ]
    with dask_engine(None) as engine:
        assert engine._client.scheduler.address.startswith("tls://127.0.0.1:")
        engine.gather("counting", [engine.submit(abs, -1)])
        ours = psutil.Process()
        ports = {
            connection.laddr.port
            for process in (ours, *ours.children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert len(ports) > len(engine._client.nthreads())
        for port in ports:
            assert answer_to(port, anyone, b"") == b""
            answers = [answer_to(port, None, said) for said in asked]
            assert all(not answer or answer.startswith(b"HTTP/1.1 404 ") for answer in answers)


def test_two_merges_on_one_machine_are_not_in_each_others_way() -> None:
    with dask_engine(None) as one, dask_engine(None) as other:
        assert one.gather("counting", [one.submit(abs, -1)]) == other.gather(
            "counting", [other.submit(abs, 1)]
        )


class Cluster:
    """A scheduler and workers that somebody else has started, with more options of their own."""

    def __init__(self, directory: Path, workers: int, *more: str) -> None:
        self.address = ""
        self._directory = directory
        self.workers: list[subprocess.Popen[Any]] = []
        self._more = more
        address = directory / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address)
        )
        wait_for(address.exists)
        time.sleep(0.2)
        self.address = json.loads(address.read_text())["address"]
        for _ in range(workers):
            self.start_worker()

    def start_worker(self, **environment: str) -> None:
        directory = str(self._directory)
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", directory, "--host", "127.0.0.1")
        self.workers.append(self._start("worker", self.address, *options, **environment))

    def _start(self, what: str, *options: str, **environment: str) -> "subprocess.Popen[Any]":
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, *self._more]
        command += ["--no-dashboard"]
        return subprocess.Popen(
            command,
            cwd=self._directory,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path, 1)
    try:
        yield started
    finally:
        started.stop()


def test_a_cluster_that_is_there_merges(cluster: Cluster, log: Path, expected: Outcome) -> None:
    with dask_engine(cluster.address) as engine:
        assert by_tasks([log], SETTING, SCALE, engine) == expected
    assert cluster.workers[0].poll() is None


# A directory before all others on a path, from which on there is no fedkeys.
HIDING = """import sys
class Hiding:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, *others):
        return None if name.partition(".")[0] == "fedkeys" else self.finder.find_spec(name, *others)
sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def another_fedkeys(directory: Path, which: str) -> str:
    """Make a directory that puts another fedkeys, or none, before this one; gives the path."""
    place = directory / "another"
    if which == "none":
        place.mkdir()
        (place / "sitecustomize.py").write_text(HIDING)
    else:
        ours = Path(module.__file__).parents[2]
        shutil.copytree(ours, place / "fedkeys", ignore=shutil.ignore_patterns("__pycache__"))
        changed, without = (
            place / "fedkeys" / name for name in ("aggregator/release.py", "engines/dask/installed.py")
        )
        if which == "changed":
            changed.write_text(changed.read_text() + "\n# another rule\n")
        else:
            without.write_text("")
    return os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])


NO_FEDKEYS, FEDKEYS = "no fedkeys", r"fedkeys [\d.]+ \(source \w+\)"


@pytest.mark.parametrize(("which", "has"), [("none", NO_FEDKEYS), ("changed", FEDKEYS), ("older", FEDKEYS)])
def test_a_worker_with_another_fedkeys_is_refused(tmp_path: Path, which: str, has: str) -> None:
    started = Cluster(tmp_path, 0)
    try:
        started.start_worker(PYTHONPATH=another_fedkeys(tmp_path, which))
        with pytest.importorskip("distributed").Client(started.address, set_as_default=False) as client:
            client.wait_for_workers(1)
        why = rf"the worker at \S+ has {has}, and who asks has {FEDKEYS}; install the same"
        with pytest.raises(FedkeysError, match=why), dask_engine(started.address):
            raise AssertionError
    finally:
        started.stop()


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("none", r"no worker was left.* same fedkeys\[dask\]"),
        ("changed", f"a worker has {FEDKEYS}, and who asks has {FEDKEYS}; install the same"),
        ("older", r"no worker was left.* same fedkeys\[dask\]"),
    ],
)
def test_one_that_joins_late_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str, why: str
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 60.0 if which == "changed" else 10.0)
    ran = tmp_path / "ran"
    started = Cluster(tmp_path, 0)
    try:
        with dask_engine(started.address) as engine:
            started.start_worker(PYTHONPATH=another_fedkeys(tmp_path, which))
            with pytest.raises(FedkeysError, match=why):
                engine.gather("making", [engine.submit(os.mkdir, ran)])
            if which != "changed":  # it came, and ended when it was given a task
                assert started.workers[0].wait(60) is not None
    finally:
        started.stop()
    assert not ran.exists()


def test_a_cluster_with_certificates_merges(
    fedkeys: Callable[..., Any], home: dict[str, str], tmp_path: Path
) -> None:
    security = pytest.importorskip("distributed").Security.temporary()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(security.tls_ca_file)
    key.write_text(security.tls_client_key)
    Phone(["hello world"]).delta().save(tmp_path / "a.delta")
    names = ("--tls-ca-file", str(certificate), "--tls-cert", str(certificate), "--tls-key", str(key))
    started = Cluster(tmp_path, 1, "--protocol", "tls", *names)
    command = ("aggregate", "a.delta", "--dry-run", "--engine", "dask", "--scheduler", started.address)
    try:
        without = fedkeys(*command)
        assert (without.returncode, "wants certificates" in without.stderr) == (1, True)
        settings = {"CA_FILE": certificate, "CLIENT__CERT": certificate, "CLIENT__KEY": key}
        home |= {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in settings.items()}
        found = fedkeys(*command)
        assert (found.returncode, "1 delta of 1 phone merged" in found.stderr) == (0, True), found.stderr
    finally:
        started.stop()


@pytest.mark.parametrize("who", ["scheduler", "workers"])
def test_a_cluster_that_is_gone_is_told_of(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 2.0)
    with dask_engine(cluster.address) as engine:
        engine._client.wait_for_workers(1)
        dying = cluster.workers if who == "workers" else [cluster.scheduler]
        timer = threading.Timer(0.5, lambda: [process.kill() for process in dying])
        timer.start()
        why = "no worker was left" if who == "workers" else "the scheduler is gone"
        with pytest.raises(FedkeysError, match=why):
            engine.gather("sleeping", [engine.submit(time.sleep, 60)])
        timer.join()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:1", r"answers at tcp://127.0.0.1:1 \((Connection refused|no answer)\); start one"),
        ("nonsense://x", "no scheduler answers at nonsense://x .unknown address scheme"),
        ("tcp://", "no scheduler answers at tcp:// .missing port"),
        ("tls://127.0.0.1:1", "wants certificates; name certificates: DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
    ],
)
def test_an_address_where_no_scheduler_is(monkeypatch: pytest.MonkeyPatch, address: str, why: str) -> None:
    monkeypatch.setattr(reaching, "ANSWER", 1.0)
    with pytest.raises(FedkeysError, match=why), dask_engine(address):
        raise AssertionError


def test_what_answers_and_is_no_scheduler(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with dask_engine(cluster.address) as engine:
        engine._client.wait_for_workers(1)
        (worker,) = engine._client.nthreads()
    monkeypatch.setattr(reaching, "ANSWER", 5.0)
    with pytest.raises(FedkeysError, match="is a Dask worker; name the address"), dask_engine(worker):
        raise AssertionError
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(FedkeysError, match="no scheduler answers"), dask_engine(address):
            raise AssertionError


def test_the_command_tells_at_once_of_an_address_that_cannot_be(
    fedkeys: Callable[..., Any], tmp_path: Path
) -> None:
    Phone(["hello"]).delta().save(tmp_path / "a.delta")
    begin = time.monotonic()
    for address in ("nonsense://x", "tls://127.0.0.1:1"):
        options = ("--engine", "dask", "--scheduler", address, "--dry-run")
        result = fedkeys("aggregate", "a.delta", *options)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
    assert time.monotonic() - begin < 20  # seconds; a client that is dropped takes 30


def refusing() -> None:
    raise FedkeysError("a disk is full", file="sums", remedy="make room")


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "spill")


def ending() -> None:
    os._exit(1)


def test_a_large_vocabulary_is_sent_without_a_warning() -> None:
    with dask_engine(None) as engine:
        assert engine.gather("sending", [engine.submit(len, bytes(11 << 20))]) == [11 << 20]


def test_what_a_task_raises_is_raised_here() -> None:
    with dask_engine(None) as engine:
        with pytest.raises(FedkeysError, match="sums: a disk is full; make room"):
            engine.gather("failing", [engine.submit(refusing)])
        with pytest.raises(FedkeysError, match="spill: a worker could not go on"):
            engine.gather("failing", [engine.submit(full)])
        with pytest.raises(FedkeysError, match="workers ended, one after the other"):
            engine.gather("ending", [engine.submit(ending)])
