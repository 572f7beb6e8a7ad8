"""`SecureSum`: the server's side of a sum that it does not see into.

In: messages of phones, in any order within a step; phones may be lost at any step. Out: messages for each of
them, and in the end the sum of the vectors of those who sent one. Laws: what it hears of a vector is under
masks; of fewer shares than the threshold nothing comes out but a refusal; a message that is unsound, of another
step or run, or a second one changes nothing.

The protocol is described in `fedkeys.phone.secure`. Whoever runs this and follows it, with as many treacherous
phones as were allowed for, learns the sum, who took part, and how long vectors are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor

import numpy as np

from fedkeys.aggregator.enrolment import Enrolment
from fedkeys.delta.secure import (
    MOST_NUMBERS,
    MOST_PHONES,
    SecureMessage,
    Step,
    Terms,
    deltas_of,
    keys_said,
    purpose,
    rest_said,
    survivors_of,
)
from fedkeys.errors import RefusedError, UsageError
from fedkeys.privacy.masks import SecretKey, Vector, add_mask, derived
from fedkeys.privacy.neighbours import Neighbourhood
from fedkeys.privacy.shares import joined


@dataclass(frozen=True, slots=True)
class _Phone:
    """What a phone has said of itself: its pseudonym, the number of its delta, and how many entries that has; its
    public keys for masks and for boxes, what commits it to its seed, and its signature."""

    pseudonym: bytes
    sequence: int
    entries: int
    masking: bytes
    boxing: bytes
    commitment: bytes
    signature: bytes

    @property
    def rest(self) -> bytes:
        """What it has signed besides its name and its keys."""
        return rest_said(self.sequence, self.entries, self.commitment)


class SecureSum:
    """One run.

    Args:
        terms: of the run.
        length: gives how long vectors are, of how many entries each phone has.
        rng: draws who is whose neighbour; from the operating system's source, unless a run is to be repeated.
        enrolment: the phones that may take part, each signing its keys; None for whoever comes.
        again: the name of the deltas that the sum is to be of, if it was opened before.
    """

    def __init__(
        self,
        terms: Terms,
        length: Callable[[Sequence[int]], int],
        rng: np.random.Generator,
        enrolment: Enrolment | None = None,
        again: bytes = b"",
    ) -> None:
        self._terms = terms
        self._run = terms.run
        self._length = length
        self._rng = rng
        self._enrolment = enrolment
        self._again = again
        self._step = Step.KEYS
        self._ended = False
        self._heard: dict[int, SecureMessage] = {}
        self._phones: list[_Phone] = []
        self._taken: set[bytes] = set()  # pseudonyms and public keys
        self._trial = SecretKey()  # with which it is tried whether others' keys are any
        self._around: list[list[int]] = []
        self._threshold = 0
        self._boxed: set[int] = set()
        self._alive: set[int] = set()
        self._confirmed: set[int] = set()
        self._sum: Vector = np.zeros(0, np.uint32)

    @property
    def step(self) -> Step:
        """The step whose messages are due."""
        return self._step

    @property
    def heard(self) -> int:
        """How many phones have taken it."""
        return len(self._heard)

    def name(self, phone: int) -> bytes:
        """Give the pseudonym of a phone by its number."""
        return self._phones[phone].pseudonym

    @property
    def survivors(self) -> list[tuple[bytes, int]]:
        """Pseudonym and number of each delta that is in the sum."""
        alive = [self._phones[number] for number in sorted(self._alive)]
        return [(phone.pseudonym, phone.sequence) for phone in alive]

    @property
    def entries(self) -> int:
        """How many entries the deltas in the sum have, together."""
        return sum(self._phones[number].entries for number in self._alive)

    def receive(self, data: bytes) -> None:
        """Take a message of a phone.

        Raises:
            FormatError: it is no sound message.
            RefusedError: it is of another step or run, of a phone that is none of this run or was lost, a
                second one, or not what the roster asks for; or a phone comes with keys that are none, are another
                one's, or are not signed though phones are enrolled.
        """
        message = SecureMessage.from_bytes(data)
        if (message.step, message.run) != (self._step, self._run) or self._ended:
            raise RefusedError(
                f"a message of step {int(message.step)} or of another run, where step {int(self._step)} is due"
            )
        if self._step is Step.KEYS:
            self._take_keys(message)
            return
        number = message.phone
        if number not in self._due:
            raise RefusedError("a message of a phone that is none of this run, or was lost before")
        if number in self._heard:
            raise RefusedError("a second message of one phone")
        wanted = self._entries_due(number)
        if wanted is not None and len(message.body) != wanted:
            raise RefusedError(f"{len(message.body)} entries of a phone that should send {wanted}")
        if self._step is Step.MASKED:
            self._add(message)
            message = SecureMessage(message.step, message.run, number, ())
        self._heard[number] = message

    def advance(self) -> dict[int, bytes]:
        """End a step: who has not taken it is lost.

        Returns:
            What each phone that is left is told next, by its number.

        Raises:
            RefusedError: too few phones are left; nothing comes of the run.
            UsageError: it has ended, or shares are due, of which `total` makes the sum.
        """
        if self._step is Step.KEYS:
            return self._to(Step.BOXES, self._rosters())
        if self._step is Step.BOXES:
            self._boxed = set(self._heard)
            self._check_enough(self._boxed, self._boxed)
            return self._to(Step.MASKED, self._boxes())
        if self._step is Step.MASKED:
            self._alive = set(self._heard)
            self._check_enough(self._alive, self._alive)
            body = [survivors_of(self._alive, len(self._phones)), deltas_of(self.survivors)]
            return self._to(
                Step.CONFIRMATIONS,
                {number: self._said(Step.SURVIVORS, number, body) for number in self._alive},
            )
        if self._step is Step.CONFIRMATIONS:
            return self._to(Step.SHARES, self._confirmations())
        raise UsageError("all steps of this run are taken", remedy="ask for its total")

    def total(self) -> Vector:
        """Take the masks off.

        Returns:
            uint32[n], the sum modulo 2^32 of the vectors of all survivors.

        Raises:
            RefusedError: too few phones have given their shares, or more than one a wrong one of the same
                secret; nothing comes of the run.
            UsageError: shares are not due yet, or this was asked before.
        """
        if self._step is not Step.SHARES or self._ended:
            raise UsageError("the masks cannot be taken off yet, or are off")
        lost = self._boxed - self._alive
        secrets = {number: self._secret(number) for number in sorted(self._boxed)}
        self._ended = True
        found = self._sum
        for number in sorted(self._alive):
            add_mask(found, derived(secrets[number], purpose(b"own mask", self._run)), subtract=True)
        for number in sorted(lost):
            key = SecretKey(secrets[number])
            for other in self._around[number]:
                if other in self._alive:
                    agreed = key.agreed(self._phones[other].masking)
                    # What the other one did to its vector, undone.
                    add_mask(found, derived(agreed, purpose(b"mask", self._run)), subtract=other < number)
        return found

    @property
    def _due(self) -> set[int]:
        """Who is to take this step."""
        if self._step is Step.BOXES:
            return set(range(len(self._phones)))
        if self._step is Step.MASKED:
            return self._boxed
        return self._confirmed if self._step is Step.SHARES else self._alive

    def _entries_due(self, number: int) -> int | None:
        around = self._around[number]
        if self._step is Step.BOXES:
            return len(around)
        if self._step is Step.MASKED:
            return None
        among = self._alive if self._step is Step.CONFIRMATIONS else self._boxed
        return len(among.intersection(around))

    def _take_keys(self, message: SecureMessage) -> None:
        phone = _Phone(*message.body)
        if phone.pseudonym in self._taken:
            raise RefusedError("a second message of one phone")
        if len(self._phones) == MOST_PHONES:
            raise RefusedError(f"one run has no more than {MOST_PHONES:,} phones")
        keys = {phone.masking, phone.boxing}
        if len(keys) < 2 or keys & self._taken:
            raise RefusedError("a public key that another phone has, or that is there for two purposes")
        if self._enrolment is not None:
            said = keys_said(self._run, phone.pseudonym, (phone.masking, phone.boxing), phone.rest)
            self._enrolment.check_said(phone.pseudonym, said, phone.signature)
        for key in keys:
            self._trial.agreed(key)
        self._taken |= {phone.pseudonym, *keys}
        self._phones.append(phone)
        self._heard[len(self._phones) - 1] = message

    def _rosters(self) -> dict[int, bytes]:
        if len(self._phones) < self._terms.least:
            raise RefusedError(
                f"a sum of {len(self._phones)} phones, of whom {self._terms.least} are needed",
                remedy="ask more phones",
            )
        hood = Neighbourhood.of(len(self._phones), self._terms.lost, self._terms.treacherous)
        length = self._length([phone.entries for phone in self._phones])
        if not 0 < length <= MOST_NUMBERS:
            raise RefusedError(
                f"vectors of {length:,} numbers, of which a sum has up to {MOST_NUMBERS:,}",
                remedy="sum fewer phones up, or bound what each may say",
            )
        self._sum = np.zeros(length, np.uint32)
        self._threshold = hood.threshold
        self._around = hood.tied(self._rng.permutation(len(self._phones)))
        rosters: dict[int, bytes] = {}
        for number, around in enumerate(self._around):
            entries = [
                entry
                for other in around
                for phone in [self._phones[other]]
                for entry in (
                    *(other, phone.pseudonym, phone.masking, phone.boxing),
                    *(phone.rest, phone.signature),
                )
            ]
            body = [len(self._phones), len(self._sum), self._again, *entries]
            rosters[number] = self._said(Step.ROSTER, number, body)
        return rosters

    def _boxes(self) -> dict[int, bytes]:
        boxes: dict[int, list[int | bytes]] = {number: [] for number in self._boxed}
        for number in sorted(self._boxed):
            for other, box in zip(self._around[number], self._heard[number].body, strict=True):
                if other in boxes:
                    boxes[other] += [number, box]
        return {number: self._said(Step.BOXES_FOR_ONE, number, body) for number, body in boxes.items()}

    def _confirmations(self) -> dict[int, bytes]:
        confirmed = sorted(self._heard)
        self._confirmed = set(confirmed)
        self._check_enough(self._boxed, set(confirmed))  # of all of these secrets are put together
        tags: dict[int, list[int | bytes]] = {number: [] for number in confirmed}
        for number in confirmed:
            others = [other for other in self._around[number] if other in self._alive]
            for other, tag in zip(others, self._heard[number].body, strict=True):
                if other in tags:
                    tags[other] += [number, tag]
        return {number: self._said(Step.CONFIRMATIONS_OF_IT, number, body) for number, body in tags.items()}

    def _add(self, message: SecureMessage) -> None:
        (vector,) = message.body
        if len(vector) != 4 * len(self._sum):
            raise RefusedError(
                f"a vector of {len(vector)} bytes, where {len(self._sum)} numbers are added up"
            )
        self._sum += np.frombuffer(vector, "<u4")

    def _secret(self, number: int) -> bytes:
        """Put together the secret of a phone: its seed if it survives, else its key for masks."""
        shares: dict[int, bytes] = {}
        for place, other in enumerate(self._around[number], 1):
            if other in self._heard and other != number:
                holders = [one for one in self._around[other] if one in self._boxed]
                shares[place] = self._heard[other].body[holders.index(number)]
        if len(shares) < self._threshold:
            raise RefusedError(
                f"{len(shares)} neighbours of a phone have given shares, of whom {self._threshold} are needed",
                remedy="let more phones take part, or fewer be lost; nothing was learnt of any",
            )
        return joined(shares, self._threshold, partial(self._is_secret, number))

    def _is_secret(self, number: int, secret: bytes) -> bool:
        """Tell whether 32 bytes are the secret of a phone, of which it has told what commits it."""
        phone = self._phones[number]
        if number in self._alive:
            return derived(secret, purpose(b"seed", self._run)) == phone.commitment
        return SecretKey(secret).public == phone.masking

    def _check_enough(self, phones: set[int], left: set[int]) -> None:
        """Refuse to go on where more are lost than may be, or one of some phones has too few neighbours left."""
        needed = len(self._phones) - floor(self._terms.lost * len(self._phones))
        needed = max(needed, self._terms.least)
        if self._step is not Step.CONFIRMATIONS and len(left) < needed:
            raise RefusedError(
                f"{len(left)} of {len(self._phones)} phones are left, of whom {needed} are needed",
                remedy="let more phones take part, or fewer be lost; nothing was learnt of any",
            )
        for number in phones:
            around = len(left.intersection(self._around[number]))
            if around < self._threshold:
                raise RefusedError(
                    f"a phone has {around} neighbours left, of whom {self._threshold} are needed",
                    remedy="let more phones take part, or fewer be lost; nothing was learnt of any",
                )

    def _to(self, step: Step, messages: dict[int, bytes]) -> dict[int, bytes]:
        self._step = step
        self._heard = {}
        return messages

    def _said(self, step: Step, number: int, body: Sequence[int | bytes]) -> bytes:
        return SecureMessage(step, self._run, number, body).to_bytes()
