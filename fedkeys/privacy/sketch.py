"""The sketch: sums over keys that nobody knows beforehand, in a vector of fixed length.

In: keys, each with a few numbers to add up. Out: a vector; and of the sum of such vectors all keys and their
sums. Laws: the sketch of two tables together is the sum of their sketches, modulo 2^32; what is decoded is
exactly what was added up, or is refused.

An invertible Bloom lookup table (Goodrich and Mitzenmacher 2011, "Invertible Bloom lookup tables") whose cells
add up, so that tables of many phones add under masks (Gascon et al. 2023, "Federated heavy hitters analytics":
the server decodes from the sum alone). Every key is added to four cells, one in each quarter. A cell holds how
often keys were added to it, their sum, the sum of their checks, and the sums of their numbers. One with a
single key gives that key: its sum divided by how often it was added. That key is then taken out of its other
cells, and so on, until all are empty. Of n keys, 1.4 n + 512 cells are hardly ever too few: the limit is 1.295
n (Walzer 2021, "Peeling close to the orientability threshold", table 1), and all keys of some hundred share no
four cells but with a chance of 1e-5.

The vector is the cells one after the other, of each in this order: times, the limbs of the key, its check, its
numbers. With SplitMix64's step mix(x) = scramble(x + G), G = 0x9E3779B97F4A7C15, the hash of a key begins with the
salt and takes each limb, the first one first: h = mix(h xor limb). Its cell in quarter i of Q cells, i from 0, is
i Q + (mix(h + i G) mod Q), and its check the upper 32 bits of mix(h + 4 G), all modulo 2^64.

A key has limbs of 20 bits, so that sums of 4,096 times a key stay below 2^32 and can be divided exactly. That a
cell has one key is held to be so if all limbs divide, give a key that belongs there, and its check, 32 bits,
agrees; and at last every cell must be empty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import RefusedError, UsageError
from fedkeys.privacy.masks import Vector

LIMB_BITS = 20
MOST_ADDED = 1 << 12  # times of one key

_PLACES = 4
_LEAST_CELLS = 512
_CELLS_A_KEY = 1.4
_ODD = np.uint64(0x9E3779B97F4A7C15)  # of SplitMix64 (Steele, Lea and Flood 2014), as are the two below
_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Keys = NDArray[np.uint32]
Numbers = NDArray[np.uint32]
Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Sketch:
    """The form of a sketch, which all who add up must have in common.

    Attributes:
        cells: how many, a multiple of 4.
        limbs: of a key; numbers: that are added up for each.
        salt: below 2^64, drawn for one run.
    """

    cells: int
    limbs: int
    numbers: int
    salt: int

    @classmethod
    def of(cls, keys: int, limbs: int, numbers: int, salt: int) -> "Sketch":
        """Give the sketch that has room for so many distinct keys."""
        cells = int(_CELLS_A_KEY * keys) + _LEAST_CELLS
        return cls(-(-cells // _PLACES) * _PLACES, limbs, numbers, salt)

    @classmethod
    def of_length(cls, length: int, limbs: int, numbers: int, salt: int) -> "Sketch":
        """Give the sketch whose vectors are so long.

        Raises:
            RefusedError: there is none.
        """
        cells, rest = divmod(length, 2 + limbs + numbers)
        if rest or cells % _PLACES or not cells:
            raise RefusedError(f"no sketch has vectors of {length:,} numbers")
        return cls(cells, limbs, numbers, salt)

    @property
    def length(self) -> int:
        """How many numbers the vector has."""
        return self.cells * (2 + self.limbs + self.numbers)

    def vector(self, keys: Keys, numbers: Numbers) -> Vector:
        """Sketch a table.

        Args:
            keys: uint32[n, limbs], distinct, each limb below 2^20.
            numbers: uint32[n, numbers].

        Returns:
            uint32[length].
        """
        if keys.shape[1:] != (self.limbs,) or numbers.shape != (len(keys), self.numbers):
            raise UsageError("keys and numbers are not of the form of this sketch")
        columns = np.column_stack([np.ones(len(keys), np.uint32), keys, _check(self._hashes(keys)), numbers])
        found = np.zeros((self.cells, columns.shape[1]), np.uint32)
        for places in self._places(keys):
            np.add.at(found, places, columns)
        return found.reshape(-1)

    def decoded(self, vector: Vector) -> tuple[Keys, NDArray[np.int64], Numbers]:
        """Give all that was added up.

        Args:
            vector: uint32[length], a sum of such vectors.

        Returns:
            uint32[n, limbs], the keys, distinct; int64[n], how often each was added; uint32[n, numbers], sums
            modulo 2^32.

        Raises:
            RefusedError: it cannot all be told apart: there are more keys than there is room for, or the vector
                is no sum of sketches. Nothing is given then.
        """
        if vector.shape != (self.length,):
            raise UsageError("a vector that is not as long as this sketch")
        cells = vector.reshape(self.cells, -1).copy()
        rows: list[NDArray[np.uint32]] = []
        keys: list[Keys] = []
        asked = np.flatnonzero(cells[:, 0])
        while len(asked):
            of_single, single = self._single(cells, asked)
            if not len(single):
                break
            rows.append(of_single)
            keys.append(single)
            places = self._places(single)
            for some in places:
                np.subtract.at(cells, some, of_single)
            touched = np.unique(np.concatenate(places))
            asked = touched[cells[touched, 0] > 0]
        if cells.any():
            left = int(np.count_nonzero(cells.any(axis=1)))
            raise RefusedError(
                f"{left:,} of {self.cells:,} cells of a sum cannot be told apart",
                remedy="sum up again, with room for more n-grams",
            )
        if not keys:
            none = np.zeros(0, np.uint32)
            return none.reshape(0, self.limbs), none.astype(np.int64), none.reshape(0, self.numbers)
        in_all, found = np.concatenate(rows), np.concatenate(keys)
        order = np.lexsort(found.T[::-1])
        return found[order], in_all[order, 0].astype(np.int64), in_all[order, 2 + self.limbs :]

    def _single(self, cells: NDArray[np.uint32], asked: NDArray[np.int64]) -> tuple[NDArray[np.uint32], Keys]:
        """Give what cells hold that have one key each, and the keys; every key once."""
        times = cells[asked, 0]
        within = (times > 0) & (times <= MOST_ADDED)
        asked, times = asked[within], times[within]
        sums = cells[asked, 1 : 1 + self.limbs]
        keys = sums // times[:, None]
        single = ((keys * times[:, None] == sums) & (keys < 1 << LIMB_BITS)).all(axis=1)
        asked, times, keys = asked[single], times[single], keys[single]
        hashes = self._hashes(keys)
        single = _check(hashes) * times == cells[asked, 1 + self.limbs]
        single &= np.any([places == asked for places in self._places_of(hashes)], axis=0)
        asked, keys = asked[single], keys[single]
        first = np.unique(hashes[single], return_index=True)[1]
        return cells[asked[first]], keys[first]

    def _places(self, keys: Keys) -> list[NDArray[np.int64]]:
        """The cells of each key, one in each quarter."""
        return self._places_of(self._hashes(keys))

    def _places_of(self, hashes: Words) -> list[NDArray[np.int64]]:
        quarter = self.cells // _PLACES
        return [
            (_after(hashes, number) % np.uint64(quarter)).astype(np.int64) + number * quarter
            for number in range(_PLACES)
        ]

    def _hashes(self, keys: Keys) -> Words:
        found = np.full(len(keys), self.salt, np.uint64)
        for limb in range(self.limbs):
            found = mixed(found ^ keys[:, limb])
        return found


def _check(hashes: Words) -> NDArray[np.uint32]:
    return (_after(hashes, _PLACES) >> np.uint64(32)).astype(np.uint32)


def _after(hashes: Words, number: int) -> Words:
    """One of several numbers of each hash, none of which tells another."""
    return mixed(hashes + np.uint64((number * int(_ODD)) % (1 << 64)))


def mixed(words: Words) -> Words:
    """Give numbers that look random of numbers that do not: uint64[n], each a permutation's image of one."""
    words = words + _ODD
    words = (words ^ (words >> np.uint64(30))) * _MIX[0]
    words = (words ^ (words >> np.uint64(27))) * _MIX[1]
    return words ^ (words >> np.uint64(31))
