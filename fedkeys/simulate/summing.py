"""Summing up: a round in which the aggregator sees sums of phones, and of none alone.

In: simulated phones, and what chance has in store for them. Out: an answer to each, as
`fedkeys.aggregator.collect` gives one. Laws: phones and server meet in bytes; a phone that is lost at a step
takes none after it; of a sum that failed nothing is merged, and its phones send what they have when they are
next asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedkeys.aggregator import Aggregator, Answer, Fate
from fedkeys.aggregator.cohorts import CohortSum
from fedkeys.counts import Vocabulary
from fedkeys.delta.secure import RUN_SIZE, Step
from fedkeys.errors import RefusedError
from fedkeys.phone.summed import SummedDelta
from fedkeys.simulate.member import Member

STEPS = (Step.KEYS, Step.BOXES, Step.MASKED, Step.CONFIRMATIONS, Step.SHARES)


@dataclass(slots=True)
class Participant:
    """A phone in a sum.

    Attributes:
        name: of the phone in its corpus; place: among all phones of it.
        member: the phone.
        lost_at: the step that it does not take any more; None if it takes all.
        is_late: whether that is because it is too slow.
        sent, got: how many bytes.
    """

    name: str
    place: int
    member: Member
    lost_at: Step | None = None
    is_late: bool = False
    sent: int = 0
    got: int = 0
    delta: SummedDelta | None = field(default=None, repr=False)

    def takes(self, step: Step) -> bool:
        """Whether it is there for a step."""
        return self.lost_at is None or step < self.lost_at


def summed(
    aggregator: Aggregator,
    participants: Sequence[Participant],
    base: Vocabulary | None,
    number: int,
    rng: np.random.Generator,
) -> Iterator[Answer[str]]:
    """Add the deltas of some phones up, and merge the sum.

    Args:
        aggregator: merges it.
        participants: the phones; they are told what became of it by whoever asks.
        base: the vocabulary to write against.
        number: of the round.
        rng: names the run, and draws who is whose neighbour.
    """
    vocabulary = base or Vocabulary([])
    taking_part: dict[bytes, Participant] = {}
    for one in participants:
        phone = one.member.phone
        if (
            one.member.record.pending is not None
        ):  # what it was not told of the last time, it learns when it is asked
            if phone.sequence in aggregator.merged_of(phone.pseudonym):
                yield Answer(one.name, Fate.KNOWN)
                continue
            one.member.refused()
        taking_part[phone.pseudonym] = one
    run = rng.bytes(RUN_SIZE)
    cohort = CohortSum(aggregator, run, vocabulary, rng)
    for one in taking_part.values():
        one.member.upload(base, number)
        one.delta = SummedDelta(one.member.phone.delta(), vocabulary, run)
    merged: set[bytes] = set()
    failure: RefusedError | None = None
    try:
        _take_steps(cohort, taking_part)
        merged.update(cohort.merge())
    except RefusedError as error:
        failure = error
    for pseudonym, one in taking_part.items():
        one.delta = None
        if pseudonym in merged:
            yield Answer(one.name, Fate.MERGED)
        elif one.is_late:
            yield Answer(one.name, Fate.LATE)
        elif failure is not None:
            yield Answer(one.name, Fate.FAILED, failure)


def _take_steps(cohort: CohortSum, taking_part: Mapping[bytes, Participant]) -> None:
    told: dict[bytes, bytes] = dict.fromkeys(taking_part, b"")
    for step in STEPS:
        for pseudonym, message in told.items():
            one = taking_part[pseudonym]
            if not one.takes(step) or one.delta is None:
                continue
            take = getattr(one.delta, step.name.lower())
            said = take(message) if message else take()
            one.sent += len(said)
            cohort.receive(said)
        if step is not Step.SHARES:
            told = {cohort.name(phone): message for phone, message in cohort.advance().items()}
            for pseudonym, message in told.items():
                taking_part[pseudonym].got += len(message) * taking_part[pseudonym].takes(step)
