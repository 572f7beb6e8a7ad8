"""`UnseenSums`: merging sums of deltas that were not seen one by one.

In: which deltas a sum is of, and what it says. Out: the sums of an aggregator, which have it. Laws: from when a
sum may be opened its deltas are merged in it or never; a delta that was merged, withdrawn or in another sum is in
none.
"""

from collections.abc import Sequence

from fedkeys.aggregator.enrolment import Enrolment, require_enrolment
from fedkeys.aggregator.groups import check_federation
from fedkeys.aggregator.merged import Merged
from fedkeys.aggregator.state import State
from fedkeys.aggregator.sums import Sums
from fedkeys.delta import Batch, Head
from fedkeys.errors import RefusedError, UsageError


class UnseenSums:
    """Takes sums into an aggregator.

    Args:
        federation: its name.
        state, sums, merged: the aggregator's.
        enrolment: the phones that may take part; None for whoever comes.

    Attributes:
        enrolment: as given.
    """

    def __init__(
        self,
        federation: str,
        state: State,
        sums: Sums,
        enrolment: Enrolment | None,
        merged: Merged,
    ) -> None:
        self._federation = federation
        self._state = state
        self._sums = sums
        self.enrolment = enrolment
        self._merged = merged

    def check(self, head: Head) -> None:
        """Refuse a sum of deltas before it is made.

        Raises:
            RefusedError: it is of another federation, or written against a vocabulary that is not known here.
            UsageError: the state takes only what enrolled phones signed, and they are not known.
        """
        require_enrolment(self._state, self.enrolment)
        check_federation(head, self._federation)
        self._sums.check(head)

    def begin(self, deltas: Sequence[tuple[bytes, int]], digest: bytes) -> None:
        """Note that a sum of deltas is about to be opened: from now on they are merged in it, or never.

        Args:
            deltas: pseudonym and number of each.
            digest: of the run.

        Raises:
            RefusedError: one of them is merged already, or may not be; nothing has changed.
        """
        for phone, number in deltas:
            self.check_is_new(phone, number)
        self._state.reserve([(phone, number, digest) for phone, number in deltas])

    def add(self, batch: Batch, deltas: Sequence[tuple[bytes, int]]) -> None:
        """Merge a sum of deltas that were not seen one by one.

        Nobody could hold their phones to bounds: they are taken to have kept those that are enforced here.

        Args:
            batch: one message that says what all of them say.
            deltas: pseudonym and number of each, as `begin` was told.

        Raises:
            RefusedError: the sum is of another federation or contradicts the vocabulary that it is written
                against; nothing has changed.
            UsageError: `begin` was not told of them.
        """
        (head,) = batch.heads
        self.check(head)
        for error in self._sums.contradictions(batch).values():
            raise error
        if self._state.count(deltas) != len(deltas):
            raise UsageError(
                "a sum of deltas that were not noted before it was opened", remedy="begin it first"
            )
        self._sums.add(batch)
        self._merged.deltas += len(deltas)
        self._merged.rows += len(batch.counts)

    def check_is_new(self, phone: bytes, number: int) -> None:
        """Refuse a delta that cannot be part of a sum.

        Raises:
            RefusedError: it is merged already, was withdrawn, or is in another sum.
        """
        if number in self._state.entries([phone]).get(phone, {}):
            raise RefusedError(
                "a sum with a delta that is merged already, was withdrawn, or was in a sum that could not be read"
            )

    def is_spent(self, phone: bytes, number: int) -> bool:
        """Tell whether a delta was in a sum that could not be read, or was taken back: it is never merged."""
        entry = self._state.entries([phone]).get(phone, {}).get(number)
        return entry is not None and entry.withdrawn
