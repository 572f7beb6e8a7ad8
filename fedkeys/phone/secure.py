"""`SecurePhone`: a phone's side of a sum that nobody sees into.

In: a vector, and what the server passes on. Out: messages, one a step. Laws: the vector leaves the phone under
masks only, one of its own and one with each neighbour; of a neighbour it never gives both shares away, nor any
before as many neighbours as the threshold have said that they see the same survivors; each step is taken once,
in its order; who knows the keys of its federation masks with no others; once shares of a sum were given away,
what is in it is never part of another.

The protocol is that of Bell et al. 2020, "Secure single-server aggregation with (poly)logarithmic overhead"
(algorithm 2), with the confirmations of Bonawitz et al. 2017, "Practical secure aggregation for
privacy-preserving machine learning" (figure 4, round 3), between neighbours. The messages are specified in
`fedkeys.delta.secure`.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from math import floor
from typing import NamedTuple

import msgpack
import numpy as np

from fedkeys.delta.keys import PhoneKey, PublicKey
from fedkeys.delta.secure import (
    MOST_NUMBERS,
    MOST_PHONES,
    ROUNDED_TO,
    SecureMessage,
    Step,
    Terms,
    deltas_in,
    keys_said,
    name_of,
    purpose,
    rest_said,
    survivors_in,
)
from fedkeys.errors import RefusedError, UsageError
from fedkeys.privacy.masks import SEED_SIZE, SecretKey, Vector, add_mask, derived, opened_box, sealed_box
from fedkeys.privacy.neighbours import Neighbourhood
from fedkeys.privacy.shares import SHARE_SIZE, split


class _Agreed(NamedTuple):
    """What a phone and a neighbour alone can make: of their keys for masks, and for boxes."""

    masks: bytes
    boxes: bytes


class SecurePhone:
    """One phone in one run.

    Args:
        terms: of the run.
        pseudonym: 16 bytes that name it in its federation.
        sequence: the number of its delta, or of whatever else is added up.
        entries: how many there are of what decides how long vectors are; told rounded up.
        vector: gives uint32[n], what is added up, of the n that the run asks for; it may refuse.
        signer: signs its keys, where phones are enrolled.
        known: the public keys of the phones of its federation, by pseudonym; then it masks with none whose keys
            none of them has signed. Without it whoever passes keys on is believed.
        bound: gives the name of the deltas of the sum of which shares were given away with what is added up, if
            there is one: it takes part in no other.
        may_share: asked before any share is given away, with the name of the deltas in the sum; refuses, by
            RefusedError, if what is added up is in another sum of which shares were given away.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """

    def __init__(
        self,
        terms: Terms,
        pseudonym: bytes,
        sequence: int,
        entries: int,
        vector: Callable[[int], Vector],
        *,
        signer: PhoneKey | None = None,
        known: Mapping[bytes, PublicKey] | None = None,
        bound: Callable[[], bytes | None] = lambda: None,
        may_share: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._terms = terms
        self._run = terms.run
        self._pseudonym = pseudonym
        self._sequence = sequence
        self._entries = -(-entries // ROUNDED_TO) * ROUNDED_TO
        self._vector = vector
        self._signer = signer
        self._known = known
        self._bound = bound
        self._may_share = may_share
        self._again = b""  # the name of the deltas that the sum is to be of, where it is made again
        self._next = int(Step.KEYS)
        self._masking = SecretKey()
        self._boxing = SecretKey()
        self._seed = secrets.token_bytes(SEED_SIZE)
        self._number = 0
        self._threshold = 0
        self._phones = 0
        self._length = 0
        self._agreed: dict[int, _Agreed] = {}  # by neighbour
        self._named: dict[int, bytes] = {}  # pseudonyms, by neighbour
        self._held: dict[int, tuple[bytes, bytes]] = {}  # neighbour -> shares of its key and of its seed
        self._name = b""  # of the deltas in the sum
        self._about = b""  # what a tag vouches for
        self._alive: set[int] = set()

    def kept(self) -> bytes:
        """Give all that this run has come to, for a device that forgets between two steps.

        There are secrets in it: it stays in the phone's own memory, and goes when the run ends.
        """
        numbers = [self._entries, self._next, self._number, self._threshold, self._phones, self._length]
        texts = [self._again, self._name, self._about]
        secrets_ = [self._masking.raw, self._boxing.raw, self._seed]
        state = [*numbers, *texts, *secrets_, self._agreed, self._named, self._held, sorted(self._alive)]
        packed: bytes = msgpack.packb(state)
        return packed

    def take_up(self, kept: bytes) -> None:
        """Go on with what `kept` gave of the same run of the same phone."""
        *state, agreed, named, held, alive = msgpack.unpackb(kept, strict_map_key=False)
        numbers, texts, secrets_ = state[:6], state[6:9], state[9:]
        self._entries, self._next, self._number, self._threshold, self._phones, self._length = numbers
        self._again, self._name, self._about = texts
        self._masking, self._boxing = map(SecretKey, secrets_[:2])
        self._seed = secrets_[2]
        self._agreed = {number: _Agreed(*pair) for number, pair in agreed.items()}
        self._named = named
        self._held = {number: (of_key, of_seed) for number, (of_key, of_seed) in held.items()}
        self._alive = set(alive)

    def keys(self) -> bytes:
        """Give the first message: the phone's public keys."""
        self._take(Step.KEYS)
        keys = self._masking.public, self._boxing.public
        commitment = derived(self._seed, purpose(b"seed", self._run))
        rest = rest_said(self._sequence, self._entries, commitment)
        said = keys_said(self._run, self._pseudonym, keys, rest)
        signature = self._signer.signature(said) if self._signer else b""
        body = [self._pseudonym, self._sequence, self._entries, *keys, commitment, signature]
        return self._said(Step.KEYS, body)

    def boxes(self, roster: bytes) -> bytes:
        """Share the secrets out to the neighbours of a roster.

        Raises:
            RefusedError: the roster is not one that keeps a secret, or names a phone that is not known, or has
                not signed its keys; or shares were given away of another sum with what this phone adds up.
        """
        message = self._heard(Step.ROSTER, roster)
        phones, length, again, *entries = message.body
        bound = self._bound()
        if bound not in (None, again):
            raise RefusedError("another sum of what was summed up before, and the difference would tell")
        is_sum = self._terms.least <= phones <= MOST_PHONES
        hood = Neighbourhood.of(phones, self._terms.lost, self._terms.treacherous) if is_sum else None
        around = [entries[at : at + 6] for at in range(0, len(entries), 6)]
        numbers = [number for number, *_ in around]
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
        if len({self._pseudonym, *(pseudonym for _, pseudonym, *_ in around)}) != len(around) + 1:
            raise RefusedError("a roster in which a phone is its own neighbour, or is there twice")
        public = [key for _, _, *keys, _, _ in around for key in keys]
        if len({*public, self._masking.public, self._boxing.public}) != len(public) + 2:
            raise RefusedError("a roster that has a key twice")
        agreed: dict[int, _Agreed] = {}
        for number, pseudonym, masking, boxing, rest, signature in around:
            self._check_known(pseudonym, (masking, boxing), rest, signature)
            agreed[number] = _Agreed(self._masking.agreed(masking), self._boxing.agreed(boxing))
        self._agreed = agreed
        self._named = {number: pseudonym for number, pseudonym, *_ in around}
        self._number, self._phones, self._threshold = message.phone, phones, hood.threshold
        self._length = length
        self._again = again
        self._take(Step.BOXES)
        of_key = split(self._masking.raw, len(numbers), hood.threshold)
        of_seed = split(self._seed, len(numbers), hood.threshold)
        made: list[bytes] = []
        for number, *shares in zip(numbers, of_key, of_seed, strict=True):
            key = derived(self._agreed[number].boxes, purpose(b"box", self._run, self._number, number))
            made.append(sealed_box(key, b"".join(shares), self._run))
        return self._said(Step.BOXES, made)

    def masked(self, boxes: bytes) -> bytes:
        """Give the vector under masks.

        Args:
            boxes: those of the neighbours that have sent some.

        Raises:
            RefusedError: a box is not from whom it is said to be, or so few neighbours have sent one that the
                vector could not be hidden, or never be found again; or there is no vector of this length.
        """
        message = self._heard(Step.BOXES_FOR_ONE, boxes)
        numbers = message.body[::2]
        self._check_neighbours(numbers)
        held: dict[int, tuple[bytes, bytes]] = {}
        for number, box in zip(numbers, message.body[1::2], strict=True):
            key = derived(self._agreed[number].boxes, purpose(b"box", self._run, number, self._number))
            shares = opened_box(key, box, self._run)
            held[number] = shares[:SHARE_SIZE], shares[SHARE_SIZE:]
        vector = self._vector(self._length)
        if vector.shape != (self._length,):
            raise UsageError(f"a vector of {len(vector):,} numbers, where {self._length:,} are added up")
        self._take(Step.MASKED)
        self._held = held
        sent = vector.astype(np.uint32)
        add_mask(sent, derived(self._seed, purpose(b"own mask", self._run)))
        for number in numbers:
            seed = derived(self._agreed[number].masks, purpose(b"mask", self._run))
            add_mask(sent, seed, subtract=self._number > number)
        return self._said(Step.MASKED, [sent.astype("<u4").tobytes()])

    def confirmations(self, survivors: bytes) -> bytes:
        """Tell surviving neighbours which survivors this phone sees.

        Raises:
            RefusedError: it is not among them itself, or too few neighbours are, or one of them is said to be
                another phone; or it is not the sum that was to be made again.
        """
        message = self._heard(Step.SURVIVORS, survivors)
        bits, said = message.body
        alive = survivors_in(bits, self._phones)
        deltas = deltas_in(said, len(alive))
        most_lost = floor(self._terms.lost * self._phones)
        if self._number not in alive or len(alive) < max(self._terms.least, self._phones - most_lost):
            raise RefusedError(
                f"a sum of {len(alive)} phones without this one, or of too few, is not asked for"
            )
        name = name_of(deltas)
        if self._again not in (b"", name):
            raise RefusedError("another sum than was to be made again")
        self._check_are(dict(zip(sorted(alive), deltas, strict=True)))
        self._alive = alive & set(self._held)
        if len(self._alive) < self._threshold:
            raise RefusedError(
                f"{len(self._alive)} neighbours are left, of whom {self._threshold} are needed to take masks off"
            )
        self._take(Step.CONFIRMATIONS)
        self._name = name
        self._about = self._run + blake2b(bits + said).digest()
        tags = [
            sealed_box(self._key_of_tag(self._number, number), b"", self._about)
            for number in sorted(self._alive)
        ]
        return self._said(Step.CONFIRMATIONS, tags)

    def shares(self, confirmations: bytes) -> bytes:
        """Give away one share of each neighbour's: of the seed if it survives, of the key for masks if not.

        Raises:
            RefusedError: too few neighbours confirm the survivors, or one says others, or shares were given of
                another sum with what this phone adds up.
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
        self._may_share(self._name)
        self._take(Step.SHARES)
        self._held.clear()
        return self._said(Step.SHARES, given)

    def _check_neighbours(self, numbers: Sequence[int]) -> None:
        if list(numbers) != sorted(set(numbers)) or not set(numbers) <= set(self._agreed):
            raise RefusedError("a box from a phone that is no neighbour, or a second one")
        if len(numbers) < self._threshold:
            raise RefusedError(f"{len(numbers)} neighbours are left, of whom {self._threshold} are needed")

    def _check_are(self, deltas: Mapping[int, tuple[bytes, int]]) -> None:
        """Refuse survivors of whom this phone, or a neighbour, is said to be another, or that are there twice.

        So a name is that of the deltas that are in the sum: who is said to be in it and is not, or is another,
        would have to be so for its neighbours, who then give no shares of it.
        """
        own = deltas[self._number] == (self._pseudonym, self._sequence)
        around = all(deltas[other][0] == name for other, name in self._named.items() if other in deltas)
        if not own or not around or len({phone for phone, _ in deltas.values()}) != len(deltas):
            raise RefusedError("survivors of whom one is said to be another phone, or is there twice")

    def _check_known(self, pseudonym: bytes, keys: Sequence[bytes], rest: bytes, signature: bytes) -> None:
        """Refuse keys that no phone of the federation has signed, where those are known."""
        if self._known is None:
            return
        key = self._known.get(pseudonym)
        if key is None or not key.has_signed(keys_said(self._run, pseudonym, keys, rest), signature):
            raise RefusedError(
                f"a roster with keys that the phone {pseudonym.hex()[:8]} has not signed, or that is not known"
            )

    def _key_of_tag(self, sender: int, receiver: int) -> bytes:
        other = receiver if sender == self._number else sender
        return derived(self._agreed[other].boxes, purpose(b"tag", self._run, sender, receiver))

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
