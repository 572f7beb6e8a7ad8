"""Taking in a bucket: all deltas of some of the phones.

In: messages in the order of the inputs. Out: their sums over a vocabulary of their own, and what became of each.
Laws: what becomes of a message is what becomes of it on one machine, where its phone's others stand around it; a
bucket that is taken in again is what it was, or ends the merge.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from fedkeys.aggregator import MOST_NAMED, Aggregator, Enrolment, Merged
from fedkeys.aggregator.reasons import reason_of
from fedkeys.aggregator.sums import DEFAULT_MEMORY
from fedkeys.counts import Level, Vocabulary
from fedkeys.counts.ngrams import Rows
from fedkeys.delta import Bounds
from fedkeys.engines.dask.engine import bytes_in
from fedkeys.engines.dask.reading import Found, Share
from fedkeys.errors import FedkeysError

_TOGETHER = 1 << 12  # messages; fewer spend their time in calls


@dataclass(frozen=True, slots=True)
class Rules:
    """What the deltas of a merge are held to, as `Aggregator` says.

    Attributes:
        federation, memory, bounds, enrolment: as there.
        bases: the vocabularies that deltas may be written against, packed for a task.
    """

    federation: str
    bases: tuple[bytes, ...]
    memory: int
    bounds: Bounds | None
    enrolment: Enrolment | None

    @classmethod
    def of(
        cls,
        federation: str = "fedkeys",
        bases: Iterable[Vocabulary] = (),
        memory: int = DEFAULT_MEMORY,
        bounds: Bounds | None = None,
        enrolment: Enrolment | None = None,
    ) -> "Rules":
        """Give rules; the arguments are those of `Aggregator`."""
        packed = tuple(base.packed() for base in bases if len(base))
        return cls(federation, packed, memory, bounds, enrolment)

    def aggregator(self) -> Aggregator:
        """Make what takes a bucket in."""
        bases = map(Vocabulary.unpacked, self.bases)
        return Aggregator(self.federation, bases, self.memory, bounds=self.bounds, enrolment=self.enrolment)


@dataclass(slots=True)
class Account:
    """What became of the messages of a bucket.

    Attributes:
        merged, repeated: how many were merged, or had been before.
        refused: of the first that were set aside, the number of the message and a sentence; `MOST_NAMED` at most.
        reasons: how many were set aside for each kind of reason.
        phones, deltas: how many there are.
        sums: how much was merged.
    """

    merged: int = 0
    repeated: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    phones: int = 0
    deltas: int = 0
    sums: Merged = field(default_factory=Merged)

    def note(self, found: Found, result: bool | FedkeysError) -> None:
        """Note what became of a message."""
        if isinstance(result, FedkeysError):
            self.reasons[reason_of(result)] += 1
            if len(self.refused) < MOST_NAMED:
                if found.start >= 0:
                    result.place = result.place or f"byte {found.start}"
                self.refused.append((found.number, str(result.at(found.name))))
        elif result:
            self.merged += 1
        else:
            self.repeated += 1


@dataclass(frozen=True, slots=True)
class PartSums:
    """All that was merged of a bucket, in memory; as in `Totals`."""

    words: list[str]
    levels: tuple[Level, ...]
    forms: Level
    spelt: list[str]

    def __sizeof__(self) -> int:
        return bytes_in(self.words, self.levels, self.forms, self.spelt)


def take(
    rules: Rules, shares: Sequence[Share], digests: Sequence[bytes], firsts: Rows, starts: Rows
) -> tuple[Account, PartSums]:
    """Merge the messages of a bucket.

    Args:
        rules: what they are held to.
        shares: those of each task that read some, in order.
        digests: of each share, as it was read first: it may have been lost since, and read again.
        firsts: for each share the number of the first message of its task.
        starts: the number of each message that begins a group.

    Raises:
        FedkeysError: a share is not what it was.
    """
    if any(share.digest() != digest for share, digest in zip(shares, digests, strict=True)):
        raise FedkeysError(
            "inputs have changed while they were merged",
            remedy="merge again what nobody writes to: nothing was written",
        )
    account = Account()
    aggregator = rules.aggregator()
    try:
        for some in _together(_groups(shares, firsts, starts)):
            results = aggregator.add_messages([found.data for found in some])
            for found, result in zip(some, results, strict=True):
                account.note(found, result)
        account.phones, account.deltas = aggregator.phones, aggregator.deltas
        account.sums = aggregator.merged
        totals = aggregator.totals()
        levels = tuple(level[:] for level in totals.levels)
        return account, PartSums(list(totals.words), levels, totals.forms, list(totals.spelt))
    finally:
        aggregator.close()


def _groups(shares: Iterable[Share], firsts: Rows, starts: Rows) -> Iterator[list[Found]]:
    """The messages of the bucket, group by group, numbered among all."""

    def numbered() -> Iterator[tuple[int, Found]]:
        for share, first in zip(shares, firsts.tolist(), strict=True):
            groups = np.searchsorted(starts, np.array(share.numbers, np.int64) + first, "right").tolist()
            for group, found in zip(groups, share, strict=True):
                yield group, Found(found.number + first, found.phone, found.name, found.start, found.data)

    for _, group in groupby(numbered(), lambda item: item[0]):
        yield [found for _, found in group]


def _together(groups: Iterable[list[Found]]) -> Iterator[list[Found]]:
    """Join groups as long as no phone is in two of them: what becomes of its messages is then the same."""
    held: list[Found] = []
    phones: set[int] = set()
    for group in groups:
        own = {found.phone for found in group if found.phone}
        if held and (len(held) >= _TOGETHER or not phones.isdisjoint(own)):
            yield held
            held, phones = [], set()
        held = held + group
        phones |= own
    if held:
        yield held
