"""`SecurePhone`: a phone's side of a sum that nobody sees into.

In: a vector, and what the server passes on. Out: messages, one a step. Laws: the vector leaves the phone under
masks only, one of its own and one with each neighbour; of a neighbour it never gives both shares away, nor any
before as many neighbours as the threshold have said that they see the same survivors; each step is taken once,
in its order.

The protocol is that of Bell et al. 2020, "Secure single-server aggregation with (poly)logarithmic overhead"
(algorithm 2), with the confirmations of Bonawitz et al. 2017, "Practical secure aggregation for
privacy-preserving machine learning" (figure 4, round 3), between neighbours. The messages are specified in
`fedkeys.delta.secure`.
"""

import secrets
from collections.abc import Sequence
from hashlib import blake2b
from math import floor

import numpy as np

from fedkeys.delta.secure import (
    MOST_NUMBERS,
    MOST_PHONES,
    RUN_SIZE,
    SecureMessage,
    Step,
    purpose,
    survivors_in,
)
from fedkeys.errors import FormatError, RefusedError, UsageError
from fedkeys.privacy.masks import SEED_SIZE, SecretKey, Vector, add_mask, derived, opened_box, sealed_box
from fedkeys.privacy.neighbours import LEAST_PHONES, LOST, TREACHEROUS, Neighbourhood
from fedkeys.privacy.shares import SHARE_SIZE, split

_ROUNDED = 64


class SecurePhone:
    """One phone in one run.

    Args:
        pseudonym: 16 bytes that name it in its federation.
        sequence: the number of its delta, or of whatever else is added up.
        entries: how many there are of what decides how long vectors are; told rounded up.
        run: 16 bytes that name the run.
        least: the fewest phones that it lets its vector be summed up with.
        lost, treacherous: the parts of them that may be lost, and that may tell what they know, as agreed
            beforehand.

    Attributes:
        length: how long vectors are, once the roster has said so.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """

    def __init__(
        self,
        pseudonym: bytes,
        sequence: int,
        entries: int,
        run: bytes,
        least: int = LEAST_PHONES,
        lost: float = LOST,
        treacherous: float = TREACHEROUS,
    ) -> None:
        if len(run) != RUN_SIZE:
            raise FormatError(f"a run has a name of {RUN_SIZE} bytes")
        self._pseudonym = pseudonym
        self._sequence = sequence
        self._entries = -(-entries // _ROUNDED) * _ROUNDED
        self._run = run
        self._least = least
        self._parts = lost, treacherous
        self._next = int(Step.KEYS)
        self._masking = SecretKey()
        self._boxing = SecretKey()
        self._seed = secrets.token_bytes(SEED_SIZE)
        self._number = 0
        self._threshold = 0
        self._phones = 0
        self.length = 0
        self._keys: dict[int, tuple[bytes, bytes]] = {}  # neighbour -> public keys for masks and for boxes
        self._agreed: dict[int, bytes] = {}  # neighbour -> what boxes and tags are made of
        self._held: dict[int, tuple[bytes, bytes]] = {}  # neighbour -> shares of its key and of its seed
        self._survivors = b""
        self._alive: set[int] = set()

    def keys(self) -> bytes:
        """Give the first message: the phone's public keys."""
        self._take(Step.KEYS)
        return self._said(
            Step.KEYS,
            [self._pseudonym, self._sequence, self._entries, self._masking.public, self._boxing.public],
        )

    def boxes(self, roster: bytes) -> bytes:
        """Share the secrets out to the neighbours of a roster.

        Raises:
            RefusedError: the roster is not one that keeps a secret.
        """
        message = self._heard(Step.ROSTER, roster)
        phones, length, *entries = message.body
        is_sum = self._least <= phones <= MOST_PHONES
        hood = Neighbourhood.of(phones, *self._parts) if is_sum else None
        numbers = entries[::3]
        if not 0 < length <= MOST_NUMBERS:
            raise RefusedError(f"vectors of {length:,} numbers, where a phone takes up to {MOST_NUMBERS:,}")
        if hood is None or len(numbers) != hood.neighbours:
            raise RefusedError(
                f"a roster of {phones} phones, and {len(numbers)} neighbours, hides too little"
            )
        if (
            numbers != sorted(set(numbers))
            or message.phone in numbers
            or max(*numbers, message.phone) >= phones
        ):
            raise RefusedError("a roster that names a phone twice, or one that is not in it")
        self._keys = dict(zip(numbers, zip(entries[1::3], entries[2::3], strict=True), strict=True))
        if (
            len({key for keys in self._keys.values() for key in keys} | self._own_keys)
            != 2 * len(numbers) + 2
        ):
            raise RefusedError("a roster that has a key twice")
        self._number, self._phones, self._threshold = message.phone, phones, hood.threshold
        self.length = length
        self._take(Step.BOXES)
        of_key = split(self._masking.raw, len(numbers), hood.threshold)
        of_seed = split(self._seed, len(numbers), hood.threshold)
        made: list[bytes] = []
        for number, *shares in zip(numbers, of_key, of_seed, strict=True):
            self._agreed[number] = self._boxing.agreed(self._keys[number][1])
            key = derived(self._agreed[number], purpose(b"box", self._run, self._number, number))
            made.append(sealed_box(key, b"".join(shares), self._run))
        return self._said(Step.BOXES, made)

    def masked(self, boxes: bytes, vector: Vector) -> bytes:
        """Give the vector under masks.

        Args:
            boxes: those of the neighbours that have sent some.
            vector: uint32[n].

        Raises:
            RefusedError: a box is not from whom it is said to be, or so few neighbours have sent one that the
                vector could not be hidden, or never be found again.
        """
        message = self._heard(Step.BOXES_FOR_ONE, boxes)
        numbers = message.body[::2]
        self._check_neighbours(numbers)
        for number, box in zip(numbers, message.body[1::2], strict=True):
            key = derived(self._agreed[number], purpose(b"box", self._run, number, self._number))
            shares = opened_box(key, box, self._run)
            self._held[number] = shares[:SHARE_SIZE], shares[SHARE_SIZE:]
        if vector.shape != (self.length,):
            raise UsageError(f"a vector of {len(vector):,} numbers, where {self.length:,} are added up")
        self._take(Step.MASKED)
        sent = vector.astype(np.uint32)
        add_mask(sent, derived(self._seed, purpose(b"own mask", self._run)))
        for number in numbers:
            agreed = self._masking.agreed(self._keys[number][0])
            add_mask(sent, derived(agreed, purpose(b"mask", self._run)), subtract=self._number > number)
        return self._said(Step.MASKED, [sent.astype("<u4").tobytes()])

    def confirmations(self, survivors: bytes) -> bytes:
        """Tell surviving neighbours which survivors this phone sees.

        Raises:
            RefusedError: it is not among them itself, or too few neighbours are.
        """
        message = self._heard(Step.SURVIVORS, survivors)
        (bits,) = message.body
        alive = survivors_in(bits, self._phones)
        most_lost = floor(self._parts[0] * self._phones)
        if self._number not in alive or len(alive) < max(self._least, self._phones - most_lost):
            raise RefusedError(
                f"a sum of {len(alive)} phones without this one, or of too few, is not asked for"
            )
        self._alive = alive & set(self._held)
        if len(self._alive) < self._threshold:
            raise RefusedError(
                f"{len(self._alive)} neighbours are left, of whom {self._threshold} are needed to take masks off"
            )
        self._take(Step.CONFIRMATIONS)
        self._survivors = bits
        tags = [
            sealed_box(self._key_of_tag(self._number, number), b"", self._about)
            for number in sorted(self._alive)
        ]
        return self._said(Step.CONFIRMATIONS, tags)

    def shares(self, confirmations: bytes) -> bytes:
        """Give away one share of each neighbour's: of the seed if it survives, of the key for masks if not.

        Raises:
            RefusedError: too few neighbours confirm the survivors, or one says others.
        """
        message = self._heard(Step.CONFIRMATIONS_OF_IT, confirmations)
        numbers = message.body[::2]
        if (
            numbers != sorted(set(numbers))
            or not set(numbers) <= self._alive
            or len(numbers) < self._threshold
        ):
            raise RefusedError(
                f"{len(numbers)} neighbours confirm the survivors, of whom {self._threshold} are needed"
            )
        for number, tag in zip(numbers, message.body[1::2], strict=True):
            opened_box(self._key_of_tag(number, self._number), tag, self._about)
        given = [self._held[number][number in self._alive] for number in sorted(self._held)]
        self._take(Step.SHARES)
        self._held.clear()
        return self._said(Step.SHARES, given)

    def _check_neighbours(self, numbers: Sequence[int]) -> None:
        if list(numbers) != sorted(set(numbers)) or not set(numbers) <= set(self._keys):
            raise RefusedError("a box from a phone that is no neighbour, or a second one")
        if len(numbers) < self._threshold:
            raise RefusedError(f"{len(numbers)} neighbours are left, of whom {self._threshold} are needed")

    @property
    def _own_keys(self) -> set[bytes]:
        return {self._masking.public, self._boxing.public}

    def _key_of_tag(self, sender: int, receiver: int) -> bytes:
        other = receiver if sender == self._number else sender
        return derived(self._agreed[other], purpose(b"tag", self._run, sender, receiver))

    @property
    def _about(self) -> bytes:
        """What a tag vouches for."""
        return self._run + blake2b(self._survivors).digest()

    def _said(self, step: Step, body: Sequence[object]) -> bytes:
        return SecureMessage(step, self._run, self._number, body).to_bytes()

    def _heard(self, step: Step, data: bytes) -> SecureMessage:
        """Read a message that must be of a step of this run, for this phone, and the next that is due."""
        message = SecureMessage.from_bytes(data)
        is_for_it = step is Step.ROSTER or message.phone == self._number
        if (message.step, message.run) != (step, self._run) or not is_for_it or self._next != step + 1:
            raise RefusedError(
                f"a message of step {int(message.step)}, of another run, of another phone, or that came before"
            )
        return message

    def _take(self, step: Step) -> None:
        """Take a step, once and in its order."""
        if step != self._next:
            raise RefusedError(f"step {int(step)} was taken, or is not due")
        self._next = step + 2
