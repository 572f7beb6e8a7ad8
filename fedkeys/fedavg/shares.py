"""A sum that nobody can see into: additive secret sharing.

In: each party's vector. Out: the sum of the vectors. Laws: all shares of a vector but one are uniformly random
and independent of it, so whoever misses one share learns nothing; only the sum of the same two or more vectors,
added up by every party, opens.

A number is written as a whole number of 2^-`FRACTION_BITS`, modulo 2^64. A vector is split into as many shares
as there are parties: all but one are drawn uniformly from the operating system's source, the last is the
vector less the others. Party p adds up the share p of every vector; these sums, added, are the sum of the
vectors, since addition modulo 2^64 commutes. (Additive sharing over a ring: Cramer, Damgard and Nielsen 2015,
"Secure Multiparty Computation and Secret Sharing", section 3.)

What it does not protect against: whoever holds all shares of a vector can add them himself, so parties must not
send their shares on; and the sum itself may tell something, with two parties each the other's vector.
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
    """One share of one vector, or of the sum of several: random numbers to whoever holds only this.

    Attributes:
        values: uint64[n].
        parties: into how many shares each vector was split.
        holder: which party it is for, from 0.
        vectors: the random names of the vectors that are in it.
    """

    values: Ring = field(repr=False)
    parties: int
    holder: int
    vectors: frozenset[bytes] = field(repr=False)


def split(vector: ArrayLike, parties: int, random_bytes: Callable[[int], bytes] = os.urandom) -> list[Share]:
    """Split a vector into one share for each party.

    Args:
        vector: numbers of less than `LARGEST` / parties in size.
        parties: how many, 2 or more; each of them may give one vector to the sum.
        random_bytes: gives so many random bytes; the operating system's source. Only a test gives another.

    Raises:
        UsageError: there is nothing to hide behind, or a number is too large or not finite.

    >>> alice, bob = split([1.5, -2.0], parties=2), split([10.0, 20.0], parties=2)
    >>> open_sum([add([alice[0], bob[0]]), add([alice[1], bob[1]])]).tolist()
    [11.5, 18.0]
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
    vector_name = frozenset([random_bytes(16)])
    return [Share(values, parties, holder, vector_name) for holder, values in enumerate([*masks, last])]


def add(shares: Sequence[Share]) -> Share:
    """Add up the shares that one party holds, one of each vector.

    Raises:
        UsageError: they are not for one party, not of one shape, of one vector twice, or of more vectors than
            parties.
    """
    if not shares:
        raise UsageError("there are no shares to add")
    first = shares[0]
    if any((share.parties, share.holder) != (first.parties, first.holder) for share in shares):
        raise UsageError("shares of different parties were added", remedy="each party adds only its own")
    if any(share.values.shape != first.values.shape for share in shares):
        raise UsageError("vectors of different length cannot be added")
    vectors = frozenset[bytes]().union(*(share.vectors for share in shares))
    if len(vectors) != sum(len(share.vectors) for share in shares):
        raise UsageError("a vector was added twice", remedy="add one share of each vector")
    if len(vectors) > first.parties:
        raise UsageError(
            f"{len(vectors)} vectors among {first.parties} parties could overflow",
            remedy="let each party give one vector",
        )
    total = first.values.copy()
    for share in shares[1:]:
        total += share.values
    return Share(total, first.parties, first.holder, vectors)


def open_sum(sums: Sequence[Share]) -> NDArray[np.float64]:
    """Put the parties' sums together: the sum of the vectors, to within 2^-`FRACTION_BITS` a vector.

    Raises:
        UsageError: a party's sum is missing or there twice, the parties added different vectors, or only one.
    """
    if not sums or sorted(share.holder for share in sums) != list(range(sums[0].parties)):
        raise UsageError(
            f"{len(sums)} sums of the {sums[0].parties if sums else 'unknown number of'} parties",
            remedy="a sum can only be opened with every party's part, each once",
        )
    first = sums[0]
    if any(share.parties != first.parties or share.vectors != first.vectors for share in sums):
        raise UsageError(
            "the parties have added up different vectors", remedy="let every party add one share of each"
        )
    if len(first.vectors) < 2:
        raise UsageError(
            "this would open a single vector", remedy="only the sum of two vectors or more is opened"
        )
    total = np.zeros_like(first.values)
    for share in sums:
        total += share.values
    return total.view(np.int64) / 2.0**FRACTION_BITS


def _to_ring(vector: ArrayLike, largest: float) -> Ring:
    numbers = np.asarray(vector, float)
    if numbers.ndim != 1:
        raise UsageError(f"a vector was expected, not an array of shape {numbers.shape}")
    if not np.isfinite(numbers).all() or np.any(np.abs(numbers) >= largest):
        raise UsageError(f"a number is not finite, or {largest:g} or more, and its sum could overflow")
    return np.rint(numbers * 2.0**FRACTION_BITS).astype(np.int64).view(np.uint64)
