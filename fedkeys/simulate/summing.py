"""Summing up: a round in which the aggregator sees sums of phones, and of none alone.

In: simulated phones, and what chance has in store for them. Out: an answer to each, as
`fedkeys.aggregator.collect` gives one. Laws: phones and server meet in bytes; a phone that is lost at a step
takes none after it; of a sum that failed nothing is merged, and its phones send what they have when they are
next asked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedkeys.aggregator import Aggregator, Answer, Fate
from fedkeys.aggregator.cohorts import CohortSum
from fedkeys.counts import Vocabulary
from fedkeys.delta.secure import RUN_SIZE, Step
from fedkeys.errors import RefusedError
from fedkeys.phone.summed import SummedDelta
from fedkeys.simulate.member import Member

OnMessage = Callable[[bytes], None]

_MARGIN = 1.15  # more room than the last sum has needed

STEPS = (Step.KEYS, Step.BOXES, Step.MASKED, Step.CONFIRMATIONS, Step.SHARES)


@dataclass(slots=True)
class Participant:
    """A phone in a sum.

    Attributes:
        name: of the phone in its corpus.
        member: the phone.
        lost_at: the step that it does not take any more; None if it takes all.
        is_late: whether that is because it is too slow.
        sent: how many bytes.
    """

    name: str
    member: Member
    lost_at: Step | None = None
    is_late: bool = False
    sent: int = 0

    def takes(self, step: Step) -> bool:
        """Whether it is there for a step."""
        return self.lost_at is None or step < self.lost_at


class Summing:
    """Adds phones up, sum by sum.

    Args:
        aggregator: merges the sums.
        rng: names runs, and draws who is whose neighbour.
        on_message: told all that the first phone of each sum sends and is told.
    """

    def __init__(
        self, aggregator: Aggregator, rng: np.random.Generator, on_message: OnMessage = lambda _: None
    ) -> None:
        self._aggregator = aggregator
        self._rng = rng
        self._on_message = on_message
        self._part = 1.0

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
        for one in participants:
            phone = one.member.phone
            if one.member.record.pending is not None:  # of what became of that it is told when it is asked
                if phone.sequence in self._aggregator.merged_of(phone.pseudonym):
                    yield Answer(one.name, Fate.KNOWN)
                    continue
                one.member.refused()
            one.member.upload(base, number)
            taking_part[phone.pseudonym] = one
        merged, failure = self._merge(taking_part, base or Vocabulary([]))
        for pseudonym, one in taking_part.items():
            if pseudonym in merged:
                yield Answer(one.name, Fate.MERGED)
            elif one.is_late:
                yield Answer(one.name, Fate.LATE)
            elif failure is not None:
                yield Answer(one.name, Fate.FAILED, failure)

    def _merge(
        self, taking_part: Mapping[bytes, Participant], base: Vocabulary
    ) -> tuple[frozenset[bytes], RefusedError | None]:
        """Make a sum; and again, larger, if there was too little room in it."""
        only: Sequence[tuple[bytes, int]] | None = None
        asked = taking_part
        while True:
            run = self._rng.bytes(RUN_SIZE)
            cohort = CohortSum(self._aggregator, run, base, self._rng, self._part, only)
            deltas = {
                pseudonym: SummedDelta(one.member.phone.delta(), base, run)
                for pseudonym, one in asked.items()
            }
            try:
                _take_steps(cohort, asked, deltas, self._on_message)
                merged = frozenset(cohort.merge())
            except RefusedError as error:
                if not cohort.is_crowded or only is not None:
                    return frozenset(), error
                self._part, only = 1.0, cohort.survivors
                asked = {pseudonym: taking_part[pseudonym] for pseudonym, _ in only}
            else:
                self._part = min(1.0, _MARGIN * cohort.distinct)
                return merged, None


def _take_steps(
    cohort: CohortSum,
    taking_part: Mapping[bytes, Participant],
    deltas: Mapping[bytes, SummedDelta],
    on_message: OnMessage,
) -> None:
    first = next(iter(deltas), b"")
    told: dict[bytes, bytes] = dict.fromkeys(deltas, b"")
    for step in STEPS:
        for pseudonym, message in told.items():
            one = taking_part[pseudonym]
            if not one.takes(step):
                continue
            take = getattr(deltas[pseudonym], step.name.lower())
            said = take(message) if message else take()
            one.sent += len(said)
            if pseudonym == first:
                on_message(said)
            cohort.receive(said)
        if step is not Step.SHARES:
            told = {cohort.name(phone): message for phone, message in cohort.advance().items()}
            if first in told:
                on_message(told[first])
