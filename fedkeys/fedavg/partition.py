"""Data that is not alike on every client, made from data that is.

In: labels or a number of samples. Out: for each client the places of its samples. Law: every sample goes to
exactly one client, and every client gets at least one.

Label skew by a Dirichlet distribution, small alpha for strong skew, comes in the two forms in use: `label_mix`
draws each client's mix of labels, at equal sizes (Hsu, Qi and Brown 2019, "Measuring the Effects of Non-Identical
Data Distribution", section 3); `label_skew` deals each label out over the clients, so that their sizes differ too
(Yurochkin et al. 2019, ICML, section 4).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.errors import UsageError
from fedkeys.fedavg.models.base import Array

Places = NDArray[np.int64]


def even(samples: int, clients: int, rng: np.random.Generator) -> list[Places]:
    """Shuffle and deal out evenly: what federated learning is *not* like.

    >>> [len(places) for places in even(10, 3, np.random.default_rng(0))]
    [4, 3, 3]
    """
    _check(samples, clients)
    return [np.sort(part) for part in np.array_split(rng.permutation(samples), clients)]


def label_skew(labels: ArrayLike, clients: int, alpha: float, rng: np.random.Generator) -> list[Places]:
    """Give clients different mixes of labels: each label is dealt out in Dirichlet(alpha) parts.

    Args:
        labels: [n].
        clients: how many.
        alpha: 100 is nearly even, 1 is skewed, 0.1 gives most clients one or two labels.
        rng: draws the parts.
    """
    known = np.asarray(labels)
    _check(len(known), clients)
    _check_alpha(alpha)
    parts: list[list[Places]] = [[] for _ in range(clients)]
    for label in np.unique(known):
        places = rng.permutation(np.flatnonzero(known == label))
        ends = np.cumsum(rng.dirichlet(np.full(clients, alpha)) * len(places))[:-1].round().astype(int)
        for part, own in zip(parts, np.split(places, ends), strict=True):
            part.append(own)
    return _nobody_empty([np.sort(np.concatenate(part)) for part in parts])


def label_mix(labels: ArrayLike, clients: int, alpha: float, rng: np.random.Generator) -> list[Places]:
    """Give clients of equal size a mix of labels each, drawn from Dirichlet(alpha times how often labels occur).

    A client whose label has run out draws from its mix of those that are left.

    Args:
        labels: [n].
        clients: how many.
        alpha: large is alike, 0.1 gives most clients one or two labels; the sum of the Dirichlet's parameters.
        rng: draws the mixes and the samples.
    """
    known = np.asarray(labels)
    _check(len(known), clients)
    _check_alpha(alpha)
    values, counts = np.unique(known, return_counts=True)
    left = [rng.permutation(np.flatnonzero(known == value)) for value in values]
    mixes = rng.dirichlet(alpha * counts / counts.sum(), clients)
    parts = []
    for client, mix in enumerate(mixes):
        size = len(known) // clients + (client < len(known) % clients)
        own: list[Places] = []
        while size:
            stock = np.array([len(places) for places in left])
            chances = np.where(stock > 0, mix, 0.0)
            # A mix whose labels have all run out, or that underflows, falls back to what is left.
            chances = chances / chances.sum() if chances.sum() > 0 else stock / stock.sum()
            taken = np.minimum(rng.multinomial(size, chances), stock)
            own += [places[:n] for places, n in zip(left, taken.tolist(), strict=True)]
            left = [places[n:] for places, n in zip(left, taken.tolist(), strict=True)]
            size -= int(taken.sum())
        parts.append(np.sort(np.concatenate(own)))
    return parts


def quantity_skew(samples: int, clients: int, alpha: float, rng: np.random.Generator) -> list[Places]:
    """Give clients different numbers of samples, in Dirichlet(alpha) parts."""
    _check(samples, clients)
    _check_alpha(alpha)
    ends = np.cumsum(rng.dirichlet(np.full(clients, alpha)) * samples)[:-1].round().astype(int)
    return _nobody_empty([np.sort(part) for part in np.split(rng.permutation(samples), ends)])


def feature_shift(
    data: Array, parts: Sequence[Places], scale: float, rng: np.random.Generator
) -> list[Array]:
    """Give each client its samples with an offset of its own, as an instrument that measures differently.

    Args:
        data: float[n, d].
        parts: the places of each client's samples.
        scale: standard deviation of the offsets, in standard deviations of each column.
        rng: draws the offsets.
    """
    spread = data.std(0)
    return [data[places] + rng.normal(0.0, scale, data.shape[1]) * spread for places in parts]


def label_table(labels: ArrayLike, parts: Sequence[Places]) -> NDArray[np.int64]:
    """Count labels: int[clients, labels], for a table or a plot of the skew."""
    known = np.asarray(labels)
    values: NDArray[Any] = np.unique(known)
    return np.array([[np.count_nonzero(known[places] == value) for value in values] for places in parts])


def _nobody_empty(parts: list[Places]) -> list[Places]:
    """Move one sample from the largest client to each empty one."""
    for at, part in enumerate(parts):
        if not len(part):
            largest = max(range(len(parts)), key=lambda other: len(parts[other]))
            parts[at], parts[largest] = parts[largest][:1], parts[largest][1:]
    return parts


def _check(samples: int, clients: int) -> None:
    if not 1 <= clients <= samples:
        raise UsageError(f"{samples} samples cannot go to {clients} clients", remedy="one each, at the least")


def _check_alpha(alpha: float) -> None:
    if not alpha > 0:
        raise UsageError(f"alpha is {alpha}", remedy="choose a number above 0")
