"""`Station`: a server that works through a queue, first come, first served.

In: jobs, by when they come and how long each takes. Out: when each is done, and what follows. Laws: it is never
idle while something waits; busy time is the sum of the jobs' times; over a time in which the queue begins and ends
empty, its mean length is arrivals a second times the mean time from coming to being done (Little 1961).

An aggregator reads uploads in groups, a share of each group in every process (`fedkeys.aggregator.helpers`). So a
job is what came in one second, and all cores work on it. That is exact for the order and the work; how long one
upload waits within its second is not asked.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError

Times = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Station:
    """What became of the jobs.

    Attributes:
        arrivals: float64[n], seconds, ascending.
        sizes: int64[n], how many uploads each job is; 0 for other work, such as a release.
        seconds: float64[n], how long each takes.
        done: float64[n], when each is done.
    """

    arrivals: Times
    sizes: Numbers
    seconds: Times
    done: Times

    @classmethod
    def served(cls, arrivals: Times, sizes: Numbers, seconds: Times) -> "Station":
        """Serve jobs.

        Raises:
            UsageError: they are not in the order in which they come, or take less than no time.
        """
        if (np.diff(arrivals) < 0).any() or (seconds < 0).any():
            raise UsageError("jobs come one after the other, and take some time")
        # Lindley's recursion, done(i) = max(arrival(i), done(i - 1)) + seconds(i), in one pass.
        worked = np.cumsum(seconds)
        begun = arrivals - (worked - seconds)
        done = worked + np.maximum.accumulate(begun) if len(arrivals) else worked
        return cls(arrivals, sizes, seconds, done)

    @property
    def busy(self) -> float:
        """Seconds in which it works."""
        return float(self.seconds.sum())

    @property
    def end(self) -> float:
        """When all is done."""
        return float(self.done[-1]) if len(self.done) else 0.0

    @property
    def uploads(self) -> int:
        """How many there were."""
        return int(self.sizes.sum())

    @property
    def mean_stay(self) -> float:
        """Seconds from an upload's coming to its being done, on average."""
        stays = float((self.sizes * (self.done - self.arrivals)).sum())
        return stays / self.uploads if self.uploads else 0.0

    @property
    def longest_stay(self) -> float:
        """The same, of the one that stays longest."""
        stays = (self.done - self.arrivals)[self.sizes > 0]
        return float(stays.max()) if len(stays) else 0.0

    def length_at(self, times: Times) -> Numbers:
        """How many uploads have come and are not done."""
        come, gone = (
            self._summed[np.searchsorted(moments, times, "right")] for moments in (self.arrivals, self.done)
        )
        return come - gone

    @property
    def longest(self) -> int:
        """The most uploads that were there at once: just after some came."""
        return int(self.length_at(self.arrivals).max()) if len(self.arrivals) else 0

    @cached_property
    def _summed(self) -> Numbers:
        return np.concatenate([[0], np.cumsum(self.sizes)])
