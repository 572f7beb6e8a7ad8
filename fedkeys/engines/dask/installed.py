"""Which fedkeys a process has: all that take part in a merge need the same.

In: a client of a cluster. Out: nothing, or a sentence. Law: no task is run by a fedkeys whose source is another
than that of who asks: one that has another rule would keep no promise, and say nothing. A worker that joins late
and does not find `run_if_same` ends when it is given a task.
"""

import sys
from collections.abc import Callable
from typing import Any

from fedkeys.errors import FedkeysError


def installed() -> tuple[str, str] | None:
    """Give the version of the fedkeys that this process has, and a digest of its source; None if it has none.

    It is sent as it is to processes that may have none, so it needs nothing that stands around it.
    """
    from hashlib import blake2b
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec
    from pathlib import Path

    found = find_spec("fedkeys")
    try:
        told = version("fedkeys")
    except PackageNotFoundError:
        return None
    if found is None or found.origin is None:
        return None
    directory = Path(found.origin).parent
    seen = blake2b(digest_size=4)
    paths = sorted(directory.rglob("*.py"))
    if not paths:  # in a form that nothing can be said of
        return None
    for path in paths:
        seen.update(path.relative_to(directory).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return told, seen.hexdigest()


OWN = installed()  # when this was imported: source that is replaced later is not what runs


def check_all(client: Any) -> None:
    """Refuse a cluster of which anyone has another fedkeys.

    Raises:
        FedkeysError: the scheduler has, or a worker.
    """
    import cloudpickle

    this = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(this)
    try:
        of_scheduler, of_workers = (
            client.run_on_scheduler(installed),
            client.run(installed, on_error="return"),
        )
    finally:
        cloudpickle.unregister_pickle_by_value(this)
    if of_scheduler != OWN:
        raise _another("the scheduler", of_scheduler)
    for address, theirs in of_workers.items():
        if theirs != OWN:
            raise _another(f"the worker at {address}", theirs)


def run_if_same(asks: tuple[str, str] | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function, where who asks has this fedkeys.

    Args:
        asks: what `OWN` is there.
        function: what to call.
        arguments: of it.

    Raises:
        FedkeysError: it has another.
    """
    if asks != OWN:
        raise _another("a worker", OWN, asks)
    return function(*arguments)


def _another(
    who: str, theirs: tuple[str, str] | BaseException | None, asks: tuple[str, str] | None = OWN
) -> FedkeysError:
    return FedkeysError(
        f"{who} has {_named(theirs)}, and who asks has {_named(asks)}",
        remedy="install the same fedkeys[dask] where the scheduler and the workers run, and start them again",
    )


def _named(found: tuple[str, str] | BaseException | None) -> str:
    if isinstance(found, BaseException):
        return f"none that could be asked for ({type(found).__name__})"
    return "no fedkeys" if found is None else "fedkeys {} (source {})".format(*found)
