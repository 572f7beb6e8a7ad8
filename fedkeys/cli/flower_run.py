"""What the commands of `fedkeys flower` share: where things are kept, and runs of a federation on loopback."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli.console import narrate

if TYPE_CHECKING:
    from fedkeys.cli.progress import Step

SimulationOption = Annotated[
    bool,
    typer.Option("--simulation", help="Flower's simulation engine, instead of a process for each node."),
]
KeepOption = Annotated[
    Path | None,
    typer.Option(
        "--keep",
        help="Directory for all that server and nodes keep, and the logs; the same command goes on with it.",
    ),
]

Settings = Mapping[str, bool | int | float | str]


def rounds_made(
    place: Path,
    nodes: Sequence[Settings],
    simulated: Mapping[str, str] | None,
    settings: Settings,
    step: "Step",
) -> list[dict[str, Any]]:
    """Have a federation on loopback make its rounds, and give the account of them.

    Args:
        place: directory for what the server keeps, and for logs.
        nodes: the settings of each; its number is added.
        simulated: variables that stand for these settings where nodes are simulated; None where they are not.
        settings: of the run.
        step: shows how far it is.

    Raises:
        FedkeysError: it fails; the logs are then in the directory.
    """
    from fedkeys.engines.flower.accounts import rounds_in
    from fedkeys.engines.flower.deployment import deployed
    from fedkeys.engines.flower.purpose import check_purpose

    server = place / "server"
    check_purpose(server, {"app": settings.get("app", "keyboard")})
    before, told = rounds_in(server), 0

    def made() -> list[dict[str, Any]]:
        return [account for account in rounds_in(server) if account not in before]

    with (
        TemporaryDirectory(prefix="flower-", dir=place) as scratch,
        _logs_kept(Path(scratch), place / "logs"),
    ):
        step("starting the server", None)
        with deployed(Path(scratch), simulated is not None, simulated or {}) as deployment:
            for at, own in enumerate(nodes if simulated is None else ()):
                step("starting nodes", at / len(nodes))
                key = deployment.register(f"node-{at}")
                deployment.add_node(f"node-{at}", key, {"partition-id": at, **own})

            def on_wait() -> None:
                nonlocal told
                done = made()
                for account in done[told:]:
                    tell_of_round(account)
                told = len(done)
                number = (done or before or [{"round": 0}])[-1]["round"] + 1
                step(f"round {number}" if number <= int(settings["rounds"]) else "ending", None)

            deployment.run({**settings, "keep": str(server)}, len(nodes), on_wait)
    return made()


def tell_of_round(account: Mapping[str, Any]) -> None:
    """Say on stderr that a round is over, where no line of progress shows it."""
    if not sys.stderr.isatty():
        narrate(f"round {account['round']} took {account['seconds']:.1f} s")


@contextmanager
def _logs_kept(scratch: Path, logs: Path) -> Iterator[None]:
    """Keep the logs of what fails."""
    from fedkeys.errors import FedkeysError

    try:
        yield
    except FedkeysError:
        logs.mkdir(exist_ok=True)
        for log in scratch.glob("*.log"):
            (logs / log.name).write_bytes(log.read_bytes())
        raise


@contextmanager
def place_of(keep: Path | None) -> Iterator[Path]:
    """Give a directory that stays, or one that does not.

    Raises:
        UsageError: nothing can be written in the one that is to stay.
        TakenError: another run works in it.
    """
    from fedkeys.errors import UsageError
    from fedkeys.phone.lock import FileLock

    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=keep).close()
        except OSError as error:
            raise UsageError(
                f"cannot be written ({error.strerror})", file=keep, remedy="name a directory elsewhere"
            ) from None
        lock = FileLock(keep / "lock", "another run works in it", "wait for that, or name another directory")
        try:
            yield keep.resolve()
        finally:
            lock.release()
        return
    with TemporaryDirectory(prefix="fedkeys-flower-") as scratch:
        yield Path(scratch)
