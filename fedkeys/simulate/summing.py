"""Summing up: a round in which the aggregator sees sums of phones, and of none alone.

In: simulated phones, and what chance has in store for them. Out: an answer to each, as
`fedkeys.aggregator.collect` gives one. Laws: of a sum that failed before shares were asked for nothing is merged,
and its phones send what they have when they are next asked; of one that failed afterwards, and again of the same
phones, it is spent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedkeys.aggregator import Aggregator, Answer, Fate
from fedkeys.aggregator.cohorts import CohortSum
from fedkeys.counts import Vocabulary
from fedkeys.delta.keys import PhoneKey, PublicKey
from fedkeys.delta.secure import RUN_SIZE, Step, Terms
from fedkeys.errors import FedkeysError, RefusedError
from fedkeys.phone.summed import summed
from fedkeys.simulate.member import Member
from fedkeys.simulate.steps import OnMessage, take_steps

_MARGIN = 1.15  # more room than the last sum has needed
_LEAST_PART = 0.1


@dataclass(slots=True)
class Participant:
    """A phone in a sum.

    Attributes:
        name: of the phone in its corpus.
        member: the phone.
        signer: what it signs with.
        lost_at: the step that it does not take any more; None if it takes all.
        is_late: whether that is because it is too slow.
        sent: how many bytes.
    """

    name: str
    member: Member
    signer: PhoneKey
    lost_at: Step | None = None
    is_late: bool = False
    sent: int = 0


class Summing:
    """Adds phones up, sum by sum.

    Args:
        aggregator: merges the sums.
        known: the public keys of all phones, by pseudonym.
        rng: names runs, and draws who is whose neighbour.
        on_message: told all that the first phone of each sum sends and is told.

    Attributes:
        on_sent: called after each message of a phone.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        known: Mapping[bytes, PublicKey],
        rng: np.random.Generator,
        on_message: OnMessage = lambda _: None,
    ) -> None:
        self._aggregator = aggregator
        self._known = known
        self._rng = rng
        self._on_message = on_message
        self.on_sent: Callable[[], None] = lambda: None
        self._part = 1.0
        self._refused: dict[bytes, FedkeysError] = {}

    def summed(
        self, participants: Sequence[Participant], base: Vocabulary | None, number: int
    ) -> Iterator[Answer[str]]:
        """Add the deltas of some phones up, and merge the sum.

        Args:
            participants: the phones; they are told what became of it by whoever asks.
            base: the vocabulary to write against.
            number: of the round.
        """
        taking_part: dict[bytes, Participant] = {}
        self._refused = {}
        for one in participants:
            phone = one.member.phone
            if one.member.record.pending is not None:  # of what became of that it is told when it is asked
                known = self._fate_of(one.member)
                if known is not None:
                    yield Answer(one.name, known)
                    continue
                one.member.refused()
            one.member.upload(base, number)
            taking_part[phone.pseudonym] = one
        fates, failure = self._merge(taking_part, base or Vocabulary([]))
        for pseudonym, one in taking_part.items():
            fate = fates.get(pseudonym)
            if fate is not None:
                yield Answer(one.name, fate, failure)
            elif one.is_late:
                yield Answer(one.name, Fate.LATE)
            elif failure is not None or pseudonym in self._refused:
                yield Answer(one.name, Fate.FAILED, failure or self._refused[pseudonym])

    def _fate_of(self, member: Member) -> Fate | None:
        """Tell what became of a phone's last delta; None if it may be part of another sum."""
        phone = member.phone
        if phone.sequence in self._aggregator.merged_of(phone.pseudonym):
            return Fate.KNOWN
        is_spent = phone.bound is not None or self._aggregator.unseen.is_spent(
            phone.pseudonym, phone.sequence
        )
        return Fate.SPENT if is_spent else None

    def _merge(
        self, taking_part: Mapping[bytes, Participant], base: Vocabulary
    ) -> tuple[dict[bytes, Fate], RefusedError | None]:
        """Make a sum, and again if it was opened and could not be read; give the fates of those in it."""
        cohort = CohortSum(self._aggregator, self._terms(), base, self._rng, self._part)
        failure = self._try(cohort, taking_part, base)
        if failure is not None and cohort.is_asked:
            same = {pseudonym: taking_part[pseudonym] for pseudonym, _ in cohort.survivors}
            cohort = cohort.again(self._terms())
            failure = self._try(cohort, same, base)
            if failure is not None:
                return dict.fromkeys(same, Fate.SPENT), failure
        if failure is not None:
            return {}, failure
        self._part = min(1.0, max(_LEAST_PART, _MARGIN * cohort.distinct))
        return {pseudonym: Fate.MERGED for pseudonym, _ in cohort.survivors}, None

    def _try(
        self, cohort: CohortSum, taking_part: Mapping[bytes, Participant], base: Vocabulary
    ) -> RefusedError | None:
        """Take all steps of a run, and merge its sum; give why that failed."""
        phones = {
            pseudonym: summed(one.member.phone, base, cohort.terms, one.signer, self._known)
            for pseudonym, one in taking_part.items()
        }
        lost_at = {name: one.lost_at for name, one in taking_part.items() if one.lost_at is not None}

        def on_sent(pseudonym: bytes, size: int) -> None:
            taking_part[pseudonym].sent += size
            self.on_sent()

        try:
            refused = take_steps(cohort, phones, lost_at, on_sent, on_message=self._on_message)
            cohort.merge()
        except RefusedError as error:
            return error
        self._refused |= refused
        return None

    def _terms(self) -> Terms:
        return Terms(self._rng.bytes(RUN_SIZE))
