"""A sum that nobody can see into: additive secret sharing.

In: each party's vector. Out: the sum of the vectors. Law: all shares of a vector but one are uniformly random
and independent of it, so whoever misses one share learns nothing; only sums are ever opened.

A number is written as a whole number of 2^-`FRACTION_BITS`, modulo 2^64. A vector is split into as many shares
as there are parties: all but one are drawn uniformly from the operating system's source, the last is the
vector less the others. Party p adds up the share p of every vector; these sums, added, are the sum of the
vectors, since addition modulo 2^64 commutes. (Additive sharing over a ring: Cramer, Damgard and Nielsen 2015,
"Secure Multiparty Computation and Secret Sharing", section 3.)
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkeys.errors import UsageError

FRACTION_BITS = 24
LARGEST = 2.0 ** (62 - FRACTION_BITS)  # of a sum's entry: leaves the sign and one bit to spare

Ring = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Share:
    """One share of one vector: random numbers to whoever holds only this.

    Attributes:
        values: uint64[n].
        parties: into how many shares the vector was split.
        holder: which party it is for, from 0.
    """

    values: Ring = field(repr=False)
    parties: int
    holder: int


def split(vector: ArrayLike, parties: int, random_bytes: Callable[[int], bytes] = os.urandom) -> list[Share]:
    """Split a vector into one share for each party.

    Args:
        vector: numbers of less than `LARGEST` / parties in size.
        parties: how many, 2 or more.
        random_bytes: gives so many random bytes; the operating system's source. Only a test gives another.

    Raises:
        UsageError: there is nothing to hide behind, or a number is too large or not finite.

    >>> shares = split([1.5, -2.0], parties=3)
    >>> open_sum([add([share]) for share in shares]).tolist()
    [1.5, -2.0]
    """
    if parties < 2:
        raise UsageError(f"{parties} party cannot share a secret", remedy="take part with 2 or more")
    whole = _to_ring(vector, LARGEST / parties)
    masks = [
        np.frombuffer(random_bytes(8 * whole.size), np.uint64).reshape(whole.shape)
        for _ in range(parties - 1)
    ]
    last = whole.copy()
    for mask in masks:
        last -= mask
    return [Share(values, parties, holder) for holder, values in enumerate([*masks, last])]


def add(shares: Sequence[Share]) -> Share:
    """Add up the shares that one party holds, one of each vector.

    Raises:
        UsageError: they are not for one party, or not of one shape.
    """
    if not shares:
        raise UsageError("there are no shares to add")
    first = shares[0]
    if any((share.parties, share.holder) != (first.parties, first.holder) for share in shares):
        raise UsageError("shares of different parties were added", remedy="each party adds only its own")
    if any(share.values.shape != first.values.shape for share in shares):
        raise UsageError("vectors of different length cannot be added")
    total = first.values.copy()
    for share in shares[1:]:
        total += share.values
    return Share(total, first.parties, first.holder)


def open_sum(sums: Sequence[Share]) -> NDArray[np.float64]:
    """Put the parties' sums together: the sum of the vectors, to within 2^-`FRACTION_BITS` a vector.

    Raises:
        UsageError: a party's sum is missing, or there twice.
    """
    if not sums or sorted(share.holder for share in sums) != list(range(sums[0].parties)):
        raise UsageError(
            f"{len(sums)} sums of the {sums[0].parties if sums else 'unknown number of'} parties",
            remedy="a sum can only be opened with every party's part, each once",
        )
    total = np.zeros_like(sums[0].values)
    for share in sums:
        if share.parties != len(sums) or share.values.shape != total.shape:
            raise UsageError("the parties' sums do not belong together")
        total += share.values
    return total.view(np.int64) / 2.0**FRACTION_BITS


def _to_ring(vector: ArrayLike, largest: float) -> Ring:
    numbers = np.asarray(vector, float)
    if numbers.ndim != 1:
        raise UsageError(f"a vector was expected, not an array of shape {numbers.shape}")
    if not np.isfinite(numbers).all() or np.any(np.abs(numbers) >= largest):
        raise UsageError(f"a number is not finite, or {largest:g} or more, and its sum could overflow")
    return np.rint(numbers * 2.0**FRACTION_BITS).astype(np.int64).view(np.uint64)
