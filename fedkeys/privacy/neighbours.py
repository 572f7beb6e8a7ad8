"""Neighbours: who masks with whom, and how few of them suffice to take a mask off.

In: how many phones there are, how many of them may be lost, and how many may tell the server all that they
know. Out: each phone's number of neighbours, and the threshold of their shares. Laws: being a neighbour is
mutual; where the parameters hold, the server learns one sum or none but with a chance of 2^-40, and none for
want of shares with a chance of no more than 2^-20.

Bell et al. 2020, "Secure single-server aggregation with (poly)logarithmic overhead", sections 3.1 and 3.2: a
Harary graph over the phones in random order, of which each is tied to the nearest ones on both sides. Lost and
treacherous phones are then random in it, and what may go wrong is bounded for each phone, and added up:

    a phone has as many treacherous neighbours as shares are needed         hypergeometric tail, 2^-41
    those who are neither lost nor treacherous fall in two parts            n (lost + treacherous)^(k/2), 2^-41
    a phone has fewer neighbours left than shares are needed                hypergeometric tail, 2^-20

The last one costs a round and no secret. Of what keeps to it the greatest threshold is taken: it also keeps out
more treachery than was feared. In a small cohort all phones are neighbours of all, and nothing is left to
chance: the treacherous ones are fewer than the threshold, and those who are left are no fewer.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import floor

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import UsageError

LOST, TREACHEROUS = 1 / 3, 0.1

LEAST_PHONES = 4  # of three, one of whom is lost, each share would be a whole secret

SECRECY_BITS = 41  # of each of the two
SUCCESS_BITS = 20


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Who masks with whom.

    Attributes:
        phones: n, how many there are.
        neighbours: k, how many each has: an even number, or all others.
        threshold: how many of them must give their shares.
    """

    phones: int
    neighbours: int
    threshold: int

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, phones: int, lost: float = LOST, treacherous: float = TREACHEROUS) -> "Neighbourhood":
        """Choose the fewest neighbours.

        Args:
            phones: how many there are.
            lost: the part of them that may be lost on the way.
            treacherous: the part that may tell the server what it knows.

        Raises:
            UsageError: there are too few phones, the parts leave nobody to trust, or the extra `privacy` is not
                installed.
        """
        if phones < LEAST_PHONES:
            raise UsageError(
                f"a sum of {phones} phones hides nobody", remedy=f"add up {LEAST_PHONES} phones or more"
            )
        if not (0 <= lost < 1 and treacherous >= 0 and lost + treacherous < 1):
            raise UsageError(
                f"of the phones {lost:g} may be lost and {treacherous:g} treacherous",
                remedy="leave more than half of the others",
            )
        gone, against = floor(lost * phones), floor(treacherous * phones)
        for neighbours in range(2, phones - 1, 2):
            if phones * (lost + treacherous) ** (neighbours / 2) > 2.0**-SECRECY_BITS:
                continue
            threshold = _greatest_threshold(phones, neighbours, gone)
            if _betrayed(phones, neighbours, threshold, against) <= 2.0**-SECRECY_BITS:
                return cls(phones, neighbours, threshold)
        threshold = phones - 1 - gone
        if threshold <= against:
            raise UsageError(
                f"of {phones} phones {gone} may be lost and {against} treacherous, which leaves too few",
                remedy="sum up more phones, or fear less",
            )
        return cls(phones, phones - 1, threshold)

    def tied(self, order: NDArray[np.int64]) -> list[list[int]]:
        """Tell each phone's neighbours.

        Args:
            order: int64[n], the phones in random order.

        Returns:
            For each phone its neighbours, in ascending order.
        """
        places = np.empty(self.phones, np.int64)
        places[order] = np.arange(self.phones)
        if self.neighbours == self.phones - 1:
            steps = np.arange(1, self.phones)
        else:
            half = np.arange(1, self.neighbours // 2 + 1)
            steps = np.concatenate([-half, half])
        around: list[list[int]] = np.sort(order[(places[:, None] + steps) % self.phones], axis=1).tolist()
        return around


def _greatest_threshold(phones: int, neighbours: int, lost: int) -> int:
    """The most shares of which hardly any phone's neighbours that are left have fewer; 0 for none."""
    from scipy.stats import hypergeom

    thresholds = np.arange(1, neighbours + 1)
    missing = phones * hypergeom.cdf(thresholds - 1, phones - 1, phones - 1 - lost, neighbours)
    return int(np.count_nonzero(missing <= 2.0**-SUCCESS_BITS))


def _betrayed(phones: int, neighbours: int, threshold: int, treacherous: int) -> float:
    """The chance that some phone has as many treacherous neighbours as shares are needed."""
    from scipy.stats import hypergeom

    return phones * float(hypergeom.sf(threshold - 1, phones - 1, treacherous, neighbours))
