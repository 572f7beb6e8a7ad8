"""The aggregator's side of a round: whom it asks, and what it takes from whom until when.

In: the phones that can be reached; their uploads, as they come. Out: a cohort; an answer to each upload.
Laws: with fewer phones than the minimum a round does not start, and nothing changes; what comes past the
deadline is not merged, and not lost either: the phone learns so, and sends it again when it is next asked; an
upload that comes again because its answer was lost is answered, and counts once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from fedkeys.aggregator.aggregator import Aggregator
from fedkeys.errors import FedkeysError, UsageError

_READ_TOGETHER = 256  # uploads; the aggregator reads that many at once faster than one by one

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class RoundRule:
    """How the aggregator goes about a round.

    Attributes:
        cohort: how many phones it asks; None for all that can be reached.
        min_available: the round does not start with fewer that can be reached.
        deadline: seconds after which it takes nothing more; None to wait for all.

    Raises:
        UsageError: a number is below 1, or the deadline is not above 0.
    """

    cohort: int | None = None
    min_available: int = 1
    deadline: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("cohort", self.cohort), ("min_available", self.min_available)):
            if value is not None and not 1 <= value < 1 << 32:
                raise UsageError(f"{name} is {value}", remedy="choose 1 or more, below 2^32")
        if self.deadline is not None and not self.deadline > 0:
            raise UsageError(f"deadline is {self.deadline}", remedy="choose seconds above 0")


def select(available: Sequence[Name], rule: RoundRule, rng: np.random.Generator) -> list[Name] | None:
    """Choose the phones of a round, each as likely as another; None if it cannot start.

    Args:
        available: the phones that can be reached.
        rule: how many are asked, and how many there must be.
        rng: what chooses.
    """
    if len(available) < rule.min_available:
        return None
    if rule.cohort is None or rule.cohort >= len(available):
        return list(available)
    places = rng.choice(len(available), rule.cohort, replace=False)
    return [available[place] for place in np.sort(places).tolist()]


class Fate(Enum):
    """What became of an upload."""

    MERGED = "merged"
    KNOWN = "known"  # merged before: the answer was lost
    LATE = "late"
    REFUSED = "refused"
    FAILED = "failed"  # the sum that it was to be part of came to nothing
    SPENT = "spent"  # the sum that it is part of was opened and could not be read: it is never merged


class Upload(NamedTuple, Generic[Name]):
    """What one phone sent.

    Attributes:
        name: who sent it, for the answer.
        seconds: when it came, since the round began.
        messages: its new delta, last, and before it those that it shows again.
    """

    name: Name
    seconds: float
    messages: Sequence[bytes]


class Answer(NamedTuple, Generic[Name]):
    """What a phone is told.

    Attributes:
        name: which phone.
        fate: of its new delta.
        reason: why it was refused; None if it was not.
    """

    name: Name
    fate: Fate
    reason: FedkeysError | None = None


def collect(
    aggregator: Aggregator, uploads: Iterable[Upload[Name]], rule: RoundRule
) -> Iterator[Answer[Name]]:
    """Merge what comes in time; give an answer to each upload, if not at once."""
    waiting: list[Upload[Name]] = []
    for upload in uploads:
        if rule.deadline is not None and upload.seconds > rule.deadline:
            yield Answer(upload.name, Fate.LATE)
            continue
        waiting.append(upload)
        if len(waiting) == _READ_TOGETHER:
            yield from _merged(aggregator, waiting)
            waiting = []
    yield from _merged(aggregator, waiting)


def _merged(aggregator: Aggregator, uploads: Sequence[Upload[Name]]) -> Iterator[Answer[Name]]:
    results = iter(aggregator.add_messages([data for upload in uploads for data in upload.messages]))
    for upload in uploads:
        for result in [next(results) for _ in upload.messages][-1:]:
            if isinstance(result, FedkeysError):
                yield Answer(upload.name, Fate.REFUSED, result)
            else:
                yield Answer(upload.name, Fate.MERGED if result else Fate.KNOWN)
