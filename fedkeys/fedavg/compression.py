"""Sending less: rounding, stochastic quantisation, and the largest entries with error feedback.

In: an update, float[P]. Out: msgpack bytes, and the update that the server reads from them. Laws: what is
decoded has the shape of what was encoded; stochastic quantisation is right on average; with error feedback
nothing is lost, only late.

Each message is a msgpack array of the codec's name, the number of entries, and what the codec needs.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import msgpack
import numpy as np

from fedkeys.errors import FormatError, UsageError
from fedkeys.fedavg.models.base import Array


class Codec(Protocol):
    """Encodes updates."""

    @property
    def feeds_back(self) -> bool:
        """Whether what was lost is to be added to the client's next update."""

    def encode(self, update: Array, rng: np.random.Generator) -> bytes:
        """Write an update."""


@dataclass(frozen=True, slots=True)
class Exact:
    """All 64 bits of every entry."""

    feeds_back: bool = False

    def encode(self, update: Array, rng: np.random.Generator) -> bytes:
        """Write the entries as they are."""
        del rng
        return _packed("exact", len(update), update.astype("<f8").tobytes())


@dataclass(frozen=True, slots=True)
class Decimals:
    """Rounding to some decimals; whole numbers of one size.

    Attributes:
        decimals: how many.
    """

    decimals: int = 4
    feeds_back: bool = False

    def encode(self, update: Array, rng: np.random.Generator) -> bytes:
        """Write the rounded entries as the smallest whole numbers that hold them."""
        del rng
        whole = np.rint(update * 10.0**self.decimals)
        most = float(np.abs(whole).max(initial=0.0))
        if not most < 2**63:
            raise UsageError(
                f"an update of {most / 10**self.decimals:g} cannot be kept to {self.decimals} decimals"
            )
        dtype = next(
            kind
            for kind, limit in (("i1", 2**7), ("<i2", 2**15), ("<i4", 2**31), ("<i8", 2**63))
            if most < limit
        )
        return _packed("decimals", len(update), self.decimals, dtype, whole.astype(dtype).tobytes())


@dataclass(frozen=True, slots=True)
class Quantised:
    """Stochastic uniform quantisation (Alistarh et al. 2017, QSGD; with the range of each update).

    Attributes:
        bits: 1, 4 or 8 an entry.
    """

    bits: int = 8
    feeds_back: bool = False

    def __post_init__(self) -> None:
        if self.bits not in (1, 4, 8):
            raise UsageError(f"bits is {self.bits}", remedy="choose 1, 4 or 8")

    def encode(self, update: Array, rng: np.random.Generator) -> bytes:
        """Round every entry up or down to a level, in proportion to its distance."""
        low, high = (float(update.min()), float(update.max())) if len(update) else (0.0, 0.0)
        levels = 2**self.bits - 1
        exact = (update - low) / (high - low) * levels if high > low else np.zeros(len(update))
        below = np.floor(exact)
        whole = (below + (rng.random(len(update)) < exact - below)).astype(np.uint8)
        return _packed("quantised", len(update), self.bits, low, high, _pack_bits(whole, self.bits))


@dataclass(frozen=True, slots=True)
class TopK:
    """The entries that are largest by size (Stich et al. 2018, "Sparsified SGD with memory").

    Attributes:
        part: of the entries, at least one.
        feeds_back: keep what was left out for the client's next update; without it much is never sent.
    """

    part: float = 0.01
    feeds_back: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.part <= 1:
            raise UsageError(f"part is {self.part}", remedy="choose above 0 and up to 1")

    def encode(self, update: Array, rng: np.random.Generator) -> bytes:
        """Write places and values of the largest entries."""
        del rng
        keep = max(1, round(self.part * len(update)))
        places = np.sort(np.argpartition(-np.abs(update), keep - 1)[:keep])
        values = update[places].astype("<f4")
        return _packed("topk", len(update), places.astype("<u4").tobytes(), values.tobytes())


def decode(data: bytes, size: int) -> Array:
    """Read an encoded update.

    Args:
        data: the bytes of a codec's `encode`.
        size: P, how many entries it must have.

    Raises:
        FormatError: the bytes are not such an update.
    """
    try:
        message = msgpack.unpackb(data)
        update = _decoded(message)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise FormatError(f"not an encoded update ({type(error).__name__}: {str(error)[:80]})") from None
    if update.shape != (size,) or not np.isfinite(update).all():
        raise FormatError(f"an update of shape {update.shape} where {size} finite numbers were expected")
    return update


def _decoded(message: Any) -> Array:
    match message:
        case ["exact", int(), bytes(values)]:
            return np.frombuffer(values, "<f8").astype(float)
        case ["decimals", int(), int(decimals), ("i1" | "<i2" | "<i4" | "<i8") as dtype, bytes(values)]:
            return np.asarray(np.frombuffer(values, dtype) / 10.0**decimals)
        case ["quantised", int(count), (1 | 4 | 8) as bits, float(low), float(high), bytes(values)]:
            whole = _unpack_bits(values, bits, count)
            return np.asarray(low + whole / (2**bits - 1) * (high - low))
        case ["topk", int(count), bytes(places), bytes(values)] if 0 <= count <= 1 << 28:
            update = np.zeros(count)
            at = np.frombuffer(places, "<u4")
            if len(at) and int(at.max()) >= count:
                raise ValueError("a place lies outside the update")
            update[at] = np.frombuffer(values, "<f4")
            return update
    raise ValueError("no codec wrote this")


def _packed(*fields: Any) -> bytes:
    return bytes(msgpack.packb(fields))


def _pack_bits(whole: np.ndarray[Any, np.dtype[np.uint8]], bits: int) -> bytes:
    if bits == 8:
        return whole.tobytes()
    single = np.unpackbits(whole[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(single).tobytes()


def _unpack_bits(data: bytes, bits: int, count: int) -> Array:
    if count < 0 or len(data) != -(-count * bits // 8):
        raise ValueError(f"{len(data)} bytes do not hold {count} entries of {bits} bits")
    single = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits).reshape(count, bits)
    return np.asarray(single @ (1 << np.arange(bits)[::-1]), float)
