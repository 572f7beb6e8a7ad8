"""Processes of this machine, one a core, that run tasks and end with the merge.

In: nothing. Out: a cluster. Laws: no other account of the machine learns anything of them, or can make
them run anything, since they speak to who has the key of this merge alone; what was started ends with the block,
however that ends.
"""

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fedkeys.aggregator.helpers import interrupts_held
from fedkeys.engines.endings import undisturbed

# By HTTP, which has no key, nothing is told.
# Dask has workers give each freed array back to the system at once, and looks 100 times a second at what they do:
# together a quarter of the CPU time of merging 40,000 generated phones (`python -m tests.bench.dask_merge`).
_SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
    "distributed.scheduler.http.routes": [],
    "distributed.nanny.pre-spawn-environ": {
        "MALLOC_ARENA_MAX": 1,
        "MALLOC_TRIM_THRESHOLD_": 256 << 20,
        "MALLOC_MMAP_THRESHOLD_": 32 << 20,
        "OMP_NUM_THREADS": 1,
        "OPENBLAS_NUM_THREADS": 1,
    },
}


@contextmanager
def local_cluster() -> Iterator[Any]:
    """Start processes, and end them after."""
    import dask
    from distributed import LocalCluster, Security

    with ExitStack() as stack:
        scratch = tempfile.TemporaryDirectory(prefix="fedkeys-dask-", ignore_cleanup_errors=True)
        directory = stack.enter_context(scratch)
        stack.enter_context(dask.config.set({**_SETTINGS, "temporary-directory": directory}))
        with _endings_held(), interrupts_held():  # also by the thread that starts a worker again
            cluster = LocalCluster(
                n_workers=_cores(),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls://",
                security=Security.temporary(),
                dashboard_address=None,
                scheduler_kwargs={
                    "dashboard_address": "127.0.0.1:0"
                },  # else a port that another merge may have
                local_directory=directory,
                env={"TMPDIR": directory},  # sums that a killed worker has left go with the rest
                silence_logs=logging.CRITICAL,
            )
            closing = ExitStack()
            closing.enter_context(cluster)
            stack.callback(_close, closing)
        yield cluster


def _close(closing: ExitStack) -> None:
    with undisturbed():
        closing.close()


@contextmanager
def _endings_held() -> Iterator[None]:
    """Let what ends this process wait until what is being started can be ended with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
