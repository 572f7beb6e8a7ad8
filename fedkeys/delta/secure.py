"""What phones and an aggregator say to each other when they add up vectors that nobody sees.

In: one step of one phone in one run. Out: one sealed msgpack message, and back. Law: decoding refuses whatever the
format does not allow, so that a message in hand is sound; what it means is for `fedkeys.phone.secure` and
`fedkeys.aggregator.secure`, which take the steps in this order.

Format, version 1
-----------------

One msgpack array of these seven entries:

    format      "fedkeys.secure"
    version     1
    step        whole number, see below
    run         16 bytes, random, and of one run only
    phone       whole number below 2^16: which phone sends it, or is to get it, by its place in the roster; 0 in
                step 0
    body        array, see below
    checksum    8 bytes: BLAKE2b with 8 bytes of digest over all bytes of the message before them

    step                    body
    0  keys                 [pseudonym, 16 bytes; the number of the delta that is added up; how many entries it
                            has, rounded up; public key for masks, public key for boxes, 32 bytes each]
    1  roster               [how many phones there are; how long vectors are; then of each neighbour in ascending
                            order its number, and both of its public keys]
    2  boxes                [of each neighbour in ascending order the box for it, of 82 bytes]
    3  boxes for one        [of each neighbour that has sent boxes, in ascending order: its number, the box]
    4  masked               [the vector: little-endian uint32]
    5  survivors            [a bit for each phone of the roster, the first in the lowest bit of the first byte,
                            set if its vector is in the sum]
    6  confirmations        [of each surviving neighbour in ascending order a tag of 16 bytes for it]
    7  confirmations of it  [of each surviving neighbour that has confirmed, in ascending order: its number, the
                            tag]
    8  shares               [of each neighbour of step 3, in ascending order, a share of 33 bytes: of the seed of
                            its own mask if it survives, of its key for masks if it does not]

*What secrets are for.* A secret is derived for a purpose: the ASCII letters "fedkeys ", the purpose's name, a zero
byte, the run's 16 bytes, and numbers of phones as big-endian uint32. Names are "own mask" of a seed, "mask" of
what two keys for masks agree on, and "box" and "tag" of what two keys for boxes agree on, with the numbers of
sender and receiver.

A vector has at most 2^26 numbers. Keys are those of X25519 (RFC 7748). A box holds a share of a key and one of a
seed, 33 bytes each, big-endian, and 16 bytes that vouch for it (`fedkeys.privacy.masks`). A tag is an empty box
about the survivors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgpack

from fedkeys.container.sealed import SEAL_SIZE, check_seal, seal, unpack_list
from fedkeys.errors import FormatError

SECURE_FORMAT = "fedkeys.secure"
SECURE_VERSION = 1
RUN_SIZE = 16
MOST_PHONES = 1 << 16
MOST_NUMBERS = 1 << 26  # of a vector: 256 MiB

BOX_SIZE = 82
TAG_SIZE = 16

_ENTRIES = ("format", "version", "step", "run", "phone", "body", "checksum")
_NUMBER, _KEY = "number", 32


class Step(IntEnum):
    """The steps of a run: even ones are said by phones, odd ones to them."""

    KEYS = 0
    ROSTER = 1
    BOXES = 2
    BOXES_FOR_ONE = 3
    MASKED = 4
    SURVIVORS = 5
    CONFIRMATIONS = 6
    CONFIRMATIONS_OF_IT = 7
    SHARES = 8


# What the entries of a body are, those that stand once and those that come again and again: a number, so many
# bytes, or any bytes.
_ONCE: dict[Step, tuple[Any, ...]] = {
    Step.KEYS: (16, _NUMBER, _NUMBER, _KEY, _KEY),
    Step.ROSTER: (_NUMBER, _NUMBER),
    Step.MASKED: (None,),
    Step.SURVIVORS: (None,),
}
_AGAIN: dict[Step, tuple[Any, ...]] = {
    Step.ROSTER: (_NUMBER, _KEY, _KEY),
    Step.BOXES: (BOX_SIZE,),
    Step.BOXES_FOR_ONE: (_NUMBER, BOX_SIZE),
    Step.CONFIRMATIONS: (TAG_SIZE,),
    Step.CONFIRMATIONS_OF_IT: (_NUMBER, TAG_SIZE),
    Step.SHARES: (33,),
}


@dataclass(frozen=True, slots=True)
class SecureMessage:
    """One message.

    Attributes:
        step: which step of the run it is.
        run: 16 bytes, which run.
        phone: of which phone, by its place in the roster.
        body: what it says.
    """

    step: Step
    run: bytes
    phone: int
    body: Sequence[Any]

    def to_bytes(self) -> bytes:
        """Give the message as bytes."""
        entries = [SECURE_FORMAT, SECURE_VERSION, int(self.step), self.run, self.phone, list(self.body)]
        return seal(msgpack.packb([*entries, bytes(SEAL_SIZE)])[:-SEAL_SIZE])

    @classmethod
    def from_bytes(cls, data: bytes) -> "SecureMessage":
        """Read a message.

        Raises:
            FormatError: the bytes are not a sound one (DamagedError: cut or changed; VersionError: newer).
        """
        check_seal(data)
        found = unpack_list(data, SECURE_FORMAT, SECURE_VERSION, _ENTRIES)
        step, run, phone, body = (found[name] for name in ("step", "run", "phone", "body"))
        if not _is_number(step) or step not in set(Step):
            raise FormatError(f"there is no step {step!r} of secure aggregation")
        if (
            not isinstance(run, bytes)
            or len(run) != RUN_SIZE
            or not _is_number(phone)
            or phone >= MOST_PHONES
        ):
            raise FormatError("a run has 16 bytes, and a phone is a number below 2^16")
        step = Step(step)
        _check_body(step, body)
        return cls(step, run, phone, body)


def purpose(name: bytes, run: bytes, *numbers: int) -> bytes:
    """Say what a secret is derived for."""
    return b"fedkeys " + name + b"\0" + run + b"".join(number.to_bytes(4) for number in numbers)


def survivors_of(alive: Iterable[int], phones: int) -> bytes:
    """Give the bits of step 5.

    >>> survivors_of([0, 3, 8], 10), sorted(survivors_in(survivors_of([0, 3, 8], 10), 10))
    (b'\\t\\x01', [0, 3, 8])
    """
    bits = sum(1 << number for number in alive)
    return bits.to_bytes((phones + 7) // 8, "little")


def survivors_in(bits: bytes, phones: int) -> set[int]:
    """Give the phones whose bits are set.

    Raises:
        FormatError: they are not as many bits as there are phones.
    """
    value = int.from_bytes(bits, "little")
    if len(bits) != (phones + 7) // 8 or value >> phones:
        raise FormatError(f"not the bits of {phones} phones")
    return {number for number in range(phones) if value >> number & 1}


def _check_body(step: Step, body: Any) -> None:
    once, again = _ONCE.get(step, ()), _AGAIN.get(step, ())
    if (
        not isinstance(body, list)
        or len(body) < len(once)
        or (again and (len(body) - len(once)) % len(again))
    ):
        raise FormatError(f"not what step {int(step)} of secure aggregation says")
    if not again and len(body) != len(once):
        raise FormatError(f"more than step {int(step)} of secure aggregation says")
    kinds = [*once, *(again * ((len(body) - len(once)) // len(again)) if again else ())]
    for entry, kind in zip(body, kinds, strict=True):
        if kind is _NUMBER:
            if not _is_number(entry) or entry >= 1 << 32:
                raise FormatError(f"a number of step {int(step)} is none, or too large")
        elif not isinstance(entry, bytes) or kind not in (None, len(entry)):
            raise FormatError(f"an entry of step {int(step)} is not as long as it should be")


def _is_number(entry: Any) -> bool:
    return isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0
