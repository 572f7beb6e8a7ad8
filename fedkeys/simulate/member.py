"""`Member`: a simulated phone, how far its messages were typed, and the record that makes it again.

In: a phone's texts, round by round, and what became of its uploads. Out: uploads; a `Record`. Law: a member
made anew from its texts and its record sends what the one that was recorded would have sent.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fedkeys.counts import Vocabulary
from fedkeys.delta import Bounds
from fedkeys.delta.batch import digest_of
from fedkeys.errors import UsageError
from fedkeys.phone import Phone


class Sent(NamedTuple):
    """One delta.

    Attributes:
        messages: how many of the phone's messages it and those before it count.
        round: which asked for it.
        spent: whether it is in a sum that could not be read.
        rounds: over how many rounds its phone spread its votes then; 0 for as many as it does now.
        base: the digest of the words that it is written against; empty for none.
    """

    messages: int
    round: int
    spent: bool = False
    rounds: int = 0
    base: bytes = b""


class Record(NamedTuple):
    """What a phone has sent.

    Attributes:
        accepted: the deltas that it knows to be merged, or spent, in order.
        pending: the one whose fate it does not know, if there is one.
    """

    accepted: tuple[Sent, ...] = ()
    pending: Sent | None = None

    @classmethod
    def read(cls, accepted: Iterable[Iterable[Any]], pending: Iterable[Any] | None) -> "Record":
        """Read one whose deltas are lists of what they have, as a file holds them."""
        return cls(tuple(Sent(*sent) for sent in accepted), Sent(*pending) if pending else None)


class Member:
    """A phone of a simulated federation.

    Args:
        order, federation, pseudonym, bounds: as of `Phone`.
    """

    def __init__(
        self, order: int, federation: str, pseudonym: bytes, bounds: Bounds | None, rounds: int = 1
    ) -> None:
        self.phone = Phone(
            order=order, federation=federation, pseudonym=pseudonym, bounds=bounds, rounds=rounds
        )
        self.record = Record()
        self._typed = 0

    def resume(
        self,
        texts: Sequence[str],
        record: Record,
        base_of: Callable[[Sent], Vocabulary | None],
        merged: Mapping[int, bytes],
    ) -> None:
        """Do again what a record tells.

        Args:
            texts: all messages of the phone.
            record: of a phone with these messages.
            base_of: gives the vocabulary that a delta is written against.
            merged: the digests of the phone's deltas that are merged, by their numbers.

        Raises:
            UsageError: these are not the messages that were sent.
        """
        rounds = self.phone.rounds
        for number, sent in enumerate((*record.accepted, *filter(None, [record.pending]))):
            self.type_up_to(texts, sent.messages)
            self.phone.rounds = sent.rounds or rounds
            data = self.upload(base_of(sent), sent.round)[-1]
            self.phone.rounds = rounds
            known = merged.get(number)
            changed = known is None and sent != record.pending
            if sent.messages > len(texts) or changed or (known and known != digest_of(data)):
                raise UsageError(
                    "a phone's messages are not those that it has sent",
                    remedy="resume with the corpus that the rounds began with",
                )
            if sent.spent:
                self.spent()
            elif sent != record.pending:
                self.accepted()

    def type_up_to(self, texts: Sequence[str], end: int) -> None:
        """Type the first so many messages, those that are not typed yet."""
        self.phone.type(texts[self._typed : end])
        self._typed = max(self._typed, end)

    def upload(self, base: Vocabulary | None, number: int) -> list[bytes]:
        """Give what the phone sends when a round asks."""
        if self.record.pending is None:
            against = b"" if base is None else base.reference
            pending = Sent(self._typed, number, rounds=self.phone.rounds, base=against)
            self.record = self.record._replace(pending=pending)
        return self.phone.upload(base, number)

    @property
    def pending_messages(self) -> int:
        """How many messages the delta counts whose fate is not known."""
        accepted, pending = self.record
        return (pending.messages if pending else 0) - (accepted[-1].messages if accepted else 0)

    def accepted(self) -> None:
        """Its last delta is merged."""
        self.phone.accepted()
        self._settle(is_spent=False)

    def spent(self) -> None:
        """Its last delta is in a sum that could not be read: its messages are counted in none."""
        self.phone.spent()
        self._settle(is_spent=True)

    def _settle(self, is_spent: bool) -> None:
        accepted, pending = self.record
        assert pending is not None
        self.record = Record((*accepted, pending._replace(spent=is_spent)))

    def refused(self) -> None:
        """Its last delta will never be merged."""
        self.phone.refused()
        self.record = self.record._replace(pending=None)
