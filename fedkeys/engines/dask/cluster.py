"""Dask: a cluster that runs the tasks.

In: the address of a scheduler, or nothing for processes of this machine. Out: an engine. Laws: what a task raises
is raised here; where nobody is left to run tasks, that is said; what was started for a merge ends with it.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

from fedkeys.engines.dask.engine import Future
from fedkeys.engines.dask.installed import OWN, check_all, run_if_same
from fedkeys.engines.dask.local import local_cluster
from fedkeys.engines.dask.reaching import ANSWER, reach
from fedkeys.errors import FedkeysError, UsageError

Show = Callable[[str, float | None], None]

_PATIENCE = 30.0  # seconds without any worker
_LOOK, _LOOK_FOR_WORKERS = 0.1, 1.0  # seconds between looks at how far tasks are, and who is there
_SETTINGS = {
    "distributed.comm.timeouts.connect": f"{ANSWER}s",
    # Vocabularies that deltas may be written against are large, and sent once, in a task that the others ask.
    "distributed.admin.large-graph-warning-threshold": "1 TiB",
}
_RETRIES = 2  # of a task whose worker could not do it


def require_dask() -> None:
    """Refuse to go on without Dask.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError("--engine dask needs Dask", remedy="pip install 'fedkeys[dask]'") from None


@contextmanager
def dask_engine(scheduler: str | None, show: Show = lambda *_: None) -> Iterator["DaskEngine"]:
    """Give what runs tasks on a cluster.

    Args:
        scheduler: its address; None for one process a core of this machine, which end with the block.
        show: told the step under way, and how much of it is done.

    Raises:
        UsageError: Dask is not installed.
        FedkeysError: there is no scheduler, or it is gone, or another fedkeys is there.
    """
    require_dask()
    import dask
    import distributed

    with dask.config.set(_SETTINGS), _quiet(), ExitStack() as stack:
        if scheduler is None:
            cluster = stack.enter_context(local_cluster())
        else:
            reach(scheduler)
            cluster = scheduler
        with _lost_is_told():
            client = stack.enter_context(distributed.Client(cluster, set_as_default=False, timeout=ANSWER))
            check_all(client)
        yield DaskEngine(client, show)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from writing tracebacks of what is told in a sentence."""
    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in ("asyncio", "distributed", "tornado")
    ]
    loggers = [logger for logger in map(logging.getLogger, names) if not logger.disabled]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False


class DaskEngine:
    """Runs tasks on a cluster.

    Args:
        client: of it.
        show: told the step under way, and how much of it is done.
    """

    def __init__(self, client: Any, show: Show) -> None:
        self._client = client
        self._show = show

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        with _lost_is_told():
            threads: list[int] = list(self._client.nthreads().values())
        return max(1, sum(threads))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a function called; what it gives is made again wherever it is lost."""
        # Named after what it does: by that, Dask learns how long such tasks take.
        key = f"{function.__name__}-{uuid4().hex}"
        return self._client.submit(run_if_same, OWN, function, *arguments, key=key, retries=_RETRIES)

    def gather(self, name: str, futures: Sequence[Future]) -> list[Any]:
        """Wait for results.

        Raises:
            FedkeysError: a task raised it, or nobody is left to run the tasks.
        """
        with _lost_is_told():
            self._wait(name, futures)
            return list(self._client.gather(list(futures)))

    def _wait(self, name: str, futures: Sequence[Future]) -> None:
        seen = looked = time.monotonic()
        while True:
            statuses = [future.status for future in futures]
            self._show(name, statuses.count("finished") / max(1, len(statuses)))
            if "pending" not in statuses or {"error", "cancelled", "lost"} & set(statuses):
                return
            if self._client.status != "running":
                raise _gone()
            now = time.monotonic()
            if now - looked > _LOOK_FOR_WORKERS:
                looked = now
                seen = now if self._client.nthreads() else seen
            if now - seen > _PATIENCE:
                raise FedkeysError(
                    f"no worker was left to merge, for {_PATIENCE:.0f} seconds",
                    remedy="start workers that have the same fedkeys[dask], and merge again: nothing was written",
                )
            time.sleep(_LOOK)


@contextmanager
def _lost_is_told() -> Iterator[None]:
    """Say what can be done about a cluster that is gone, or cannot run what it is given."""
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    try:
        yield
    except KilledWorker:
        raise FedkeysError(
            "workers ended, one after the other, over the same part of the merge",
            remedy="give them more memory, or the merge less with --memory, and see that all have the same "
            "fedkeys[dask]: nothing was written",
        ) from None
    except CancelledError:
        raise _gone() from None
    except OSError as error:
        if error.strerror is None:  # Dask's own, of a connection
            raise _gone() from None
        raise FedkeysError(
            f"a worker could not go on ({error.strerror})",
            file=error.filename,
            remedy="mend that where workers run, and merge again: nothing was written",
        ) from None
    except ModuleNotFoundError as error:
        raise FedkeysError(
            f"a worker does not find {error.name}",
            remedy="install what fedkeys[dask] brings, of the same versions, where workers run",
        ) from None


def _gone() -> FedkeysError:
    return FedkeysError("the scheduler is gone", remedy="start it, and merge again: nothing was written")
