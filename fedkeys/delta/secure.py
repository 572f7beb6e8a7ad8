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
                            has, rounded up; public key for masks, public key for boxes, 32 bytes each;
                            what commits it to its seed, 32 bytes; signature, 64 bytes or none]
    1  roster               [how many phones there are; how long vectors are; 16 bytes that name the deltas of
                            the sum, if one that was opened is made again, or none; then of each neighbour in
                            ascending order its number, its pseudonym, both of its public keys, 16 bytes of
                            what else it has signed, and its signature]
    2  boxes                [of each neighbour in ascending order the box for it, of 82 bytes]
    3  boxes for one        [of each neighbour that has sent boxes, in ascending order: its number, the box]
    4  masked               [the vector: little-endian uint32]
    5  survivors            [a bit for each phone of the roster, the first in the lowest bit of the first byte,
                            set if its vector is in the sum; of each of these phones, in ascending order, its
                            pseudonym and the number of its delta, 8 bytes big-endian]
    6  confirmations        [of each surviving neighbour in ascending order a tag of 16 bytes for it]
    7  confirmations of it  [of each surviving neighbour that has confirmed, in ascending order: its number, the
                            tag]
    8  shares               [of each neighbour of step 3, in ascending order, a share of 33 bytes: of the seed of
                            its own mask if it survives, of its key for masks if it does not]

A vector has at most 2^26 numbers; that of a delta is the sketch (`fedkeys.privacy.sketch`) of its table
(`fedkeys.delta.table`), whose salt is 8 bytes of BLAKE2b of the run's name, big-endian. How many neighbours each
phone has, and how many shares are needed, follows from how many phones there are (`fedkeys.privacy.neighbours`);
all sides work it out, and refuse what differs. The number of entries is rounded up to the next multiple of 64. A
phone draws two keys of X25519 (RFC 7748) for a run, and 32 bytes of seed.

*What is derived.* Two keys agree on HKDF-SHA256 (RFC 5869) with 32 bytes of output: its input is the result of
X25519, its salt both public keys, the lesser first, its info the letters "fedkeys". From that, and from a seed,
secrets are derived for a purpose, by HKDF's second half alone (HKDF-Expand, 32 bytes). Its info is the purpose:
the ASCII letters "fedkeys ", the purpose's name, a zero byte, the run's 16 bytes, and numbers of phones as
big-endian uint32.

    own mask        of a seed: the mask that its phone adds
    seed            of a seed: what commits its phone to it
    mask            of what two keys for masks agree on: the phone with the lesser number adds it, the other
                    subtracts it
    box, tag        of what two keys for boxes agree on, with the numbers of sender and receiver
    keys            no secret's: what a signature begins with

A mask is the key stream of AES-256 in counter mode from counter 0, as little-endian uint32, added modulo 2^32.

*Boxes* are ChaCha20-Poly1305 (RFC 8439) with a nonce of zeros, since a key seals one, about the run's 16 bytes.
One holds a share of its sender's key for masks and one of its seed, 33 bytes each, big-endian
(`fedkeys.privacy.shares`), for the neighbour's place among those of its sender. Places count from 1, in ascending
order of the neighbours' numbers: a share is the value at its place of a polynomial modulo 2^256 + 297 whose value
at 0 is the secret. A *tag* is an empty box about the
run's 16 bytes and the BLAKE2b, 64 bytes, of both entries of step 5.

*A signature* is Ed25519 (RFC 8032) over the purpose "keys", the pseudonym, both public keys, and 16 bytes of
BLAKE2b over the number of the delta, 8 bytes, how many entries it has, 4 bytes, both big-endian, and the
commitment. Deltas are *named* by 16 bytes of BLAKE2b over pseudonym and number, 8 bytes big-endian, of each, in
ascending order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Any

import msgpack

from fedkeys.container.sealed import SEAL_SIZE, check_seal, seal, unpack_list
from fedkeys.delta.checks import PHONE_SIZE
from fedkeys.delta.signed import SIGNATURE_SIZE
from fedkeys.errors import FormatError, UsageError
from fedkeys.privacy.neighbours import LEAST_PHONES, LOST, TREACHEROUS

LEAST_SUMMED = 10  # phones: among fewer, what is everybody's is too nearly anybody's
LEAST_TOGETHER = 15  # that begin a sum, so that a third of them may be lost

SECURE_FORMAT = "fedkeys.secure"
SECURE_VERSION = 1
RUN_SIZE = 16
_SEQUENCE_SIZE = 8
MOST_PHONES = 1 << 16
MOST_NUMBERS = 1 << 26  # of a vector: 256 MiB

BOX_SIZE = 82
TAG_SIZE = 16
NAME_SIZE = 16  # of the deltas that are in a sum
ROUNDED_TO = 64  # how many entries a phone has

_ENTRIES = ("format", "version", "step", "run", "phone", "body", "checksum")
_NUMBER, _KEY, _ANY, _SIGNATURE = "number", {32}, "any", {0, SIGNATURE_SIZE}


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


# What the entries of a body are, those that stand once and those that come again and again: a number, bytes of one
# of some lengths, or of any.
_ONCE: dict[Step, tuple[Any, ...]] = {
    Step.KEYS: ({PHONE_SIZE}, _NUMBER, _NUMBER, _KEY, _KEY, _KEY, _SIGNATURE),
    Step.ROSTER: (_NUMBER, _NUMBER, {0, NAME_SIZE}),
    Step.MASKED: (_ANY,),
    Step.SURVIVORS: (_ANY, _ANY),
}
_AGAIN: dict[Step, tuple[Any, ...]] = {
    Step.ROSTER: (_NUMBER, {PHONE_SIZE}, _KEY, _KEY, {NAME_SIZE}, _SIGNATURE),
    Step.BOXES: ({BOX_SIZE},),
    Step.BOXES_FOR_ONE: (_NUMBER, {BOX_SIZE}),
    Step.CONFIRMATIONS: ({TAG_SIZE},),
    Step.CONFIRMATIONS_OF_IT: (_NUMBER, {TAG_SIZE}),
    Step.SHARES: ({33},),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What all sides of a run know beforehand.

    Attributes:
        run: 16 bytes, random, that no other run has.
        least: the fewest phones of which a sum is made.
        lost: the part of the phones that may be lost on the way.
        treacherous: the part of them that may tell what it knows.

    Raises:
        UsageError: the run's name is not of this length, or the least too low.
    """

    run: bytes
    least: int = LEAST_SUMMED
    lost: float = LOST
    treacherous: float = TREACHEROUS

    def __post_init__(self) -> None:
        if len(self.run) != RUN_SIZE:
            raise UsageError(f"a run has a name of {RUN_SIZE} bytes")
        if self.least < LEAST_PHONES:
            raise UsageError(
                f"a sum of {self.least} phones hides nobody", remedy=f"choose {LEAST_PHONES} or more"
            )


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


def keys_said(run: bytes, pseudonym: bytes, keys: Sequence[bytes], rest: bytes) -> bytes:
    """Give the bytes that a phone's signature is made of.

    Args:
        run: in which.
        pseudonym: of the phone.
        keys: its public ones, for masks and for boxes.
        rest: of what else it says, as `rest_said` gives it.
    """
    return purpose(b"keys", run) + pseudonym + b"".join(keys) + rest


def rest_said(sequence: int, entries: int, commitment: bytes) -> bytes:
    """Give 16 bytes of what a phone says besides its name and its keys, and signs with them."""
    said = sequence.to_bytes(8) + entries.to_bytes(4) + commitment
    return blake2b(said, digest_size=NAME_SIZE).digest()


def name_of(deltas: Iterable[tuple[bytes, int]]) -> bytes:
    """Name the deltas of a sum, by their pseudonyms and numbers."""
    return blake2b(deltas_of(sorted(deltas)), digest_size=NAME_SIZE).digest()


def deltas_of(deltas: Iterable[tuple[bytes, int]]) -> bytes:
    """Give the second entry of step 5: pseudonym and number of each delta, as they stand."""
    return b"".join(phone + number.to_bytes(_SEQUENCE_SIZE) for phone, number in deltas)


def deltas_in(said: bytes, phones: int) -> list[tuple[bytes, int]]:
    """Give the deltas that the second entry of step 5 says.

    Raises:
        FormatError: it is not that of so many phones.
    """
    size = PHONE_SIZE + _SEQUENCE_SIZE
    if len(said) != size * phones:
        raise FormatError(f"not the deltas of {phones} phones")
    entries = [said[at : at + size] for at in range(0, len(said), size)]
    return [(entry[:PHONE_SIZE], int.from_bytes(entry[PHONE_SIZE:])) for entry in entries]


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
        elif not isinstance(entry, bytes) or (kind is not _ANY and len(entry) not in kind):
            raise FormatError(f"an entry of step {int(step)} is not as long as it should be")


def _is_number(entry: Any) -> bool:
    return isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0
