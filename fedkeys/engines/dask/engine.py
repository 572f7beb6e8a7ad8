"""Who runs the tasks.

In: pure functions, and arguments, among them what other tasks will give. Out: what they give. Law: what comes out
does not depend on who runs them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

Future = Any  # what stands for the result of a task


class Engine(Protocol):
    """Runs tasks."""

    @property
    def workers(self) -> int:
        """How many tasks it runs at a time."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a function called; gives what stands for its result, alone or in a list among arguments."""

    def gather(self, name: str, futures: Sequence[Future]) -> list[Any]:
        """Wait for results.

        Args:
            name: of the step, for whoever watches.
            futures: what `submit` gave.

        Raises:
            FedkeysError: a task raised it, or nobody is left to run the tasks.
        """


class Here:
    """Runs each task in this process, at once."""

    workers = 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function."""
        return function(*arguments)

    def gather(self, _: str, futures: Sequence[Future]) -> list[Any]:
        """Give the results."""
        return list(futures)


def bytes_in(*values: Any) -> int:
    """Tell about how many bytes values hold, by which a worker knows when to put some on disk."""
    found = 0
    for value in values:
        if isinstance(value, np.ndarray):
            found += value.nbytes
        elif isinstance(value, bytes):
            found += len(value)
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
            found += sum(map(len, value)) + 57 * len(value)
        elif isinstance(value, (list, tuple)):
            found += bytes_in(*value)
        elif hasattr(value, "levels"):
            found += bytes_in(*value.levels)
        elif hasattr(value, "keys"):
            found += bytes_in(value.keys, value.counts, value.phones)
    return found
