"""`CohortSum`: merging deltas of which only the sum is seen.

In: the messages of one run. Out: their deltas, merged into an aggregator as one. Laws: what is merged is what
merging the same deltas one by one would give, or nothing is; a delta that was merged before takes no part; of a
run that failed nothing is known, and its phones may begin another.

How long vectors are is decided beforehand, by how many entries phones have. All together they have no more
distinct ones than that, but some are common: what part of them is distinct is known of earlier sums, and room
for more of them costs traffic. A sum that has too little cannot be told apart, which is seen, and nothing is
merged. It must not be made again but of exactly the same phones: two sums that differ by one phone tell all of
it.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil

import numpy as np

from fedkeys.aggregator.aggregator import Aggregator
from fedkeys.aggregator.secure import SecureSum
from fedkeys.counts import Vocabulary
from fedkeys.delta import Head
from fedkeys.delta.checks import DIGEST_SIZE
from fedkeys.delta.secure import SecureMessage, Step
from fedkeys.delta.table import Table, read_table, sketch_for, sketch_of_length
from fedkeys.errors import RefusedError
from fedkeys.privacy.neighbours import LOST, TREACHEROUS
from fedkeys.privacy.sketch import MOST_ADDED


class CohortSum:
    """One run.

    Args:
        aggregator: merges its sum.
        run: 16 bytes, random, that no other run has.
        base: the vocabulary that its deltas are written against, which the aggregator knows.
        rng: draws who is whose neighbour.
        part: what part of all entries is made room for.
        only: pseudonyms and numbers of the deltas of a sum that could not be told apart, of which alone this
            one may be; None for the first sum of its phones.
        lost, treacherous: the parts of the phones that may be lost, and that may tell what they know.

    Attributes:
        is_crowded: whether there was too little room.
        distinct: what part of all entries was distinct, once the sum is merged.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        run: bytes,
        base: Vocabulary,
        rng: np.random.Generator,
        part: float = 1.0,
        only: Sequence[tuple[bytes, int]] | None = None,
        lost: float = LOST,
        treacherous: float = TREACHEROUS,
    ) -> None:
        self._aggregator = aggregator
        self._run = run
        self._base = base
        self._part = part
        self._only = None if only is None else sorted(only)
        self._entries = 0
        self.is_crowded = False
        self.distinct = 0.0
        self._sum = SecureSum(run, self._length, rng, lost, treacherous)

    def name(self, phone: int) -> bytes:
        """Give the pseudonym of a phone by its number."""
        return self._sum.name(phone)

    def receive(self, data: bytes) -> bool:
        """Take a message of a phone.

        Returns:
            Whether it is taken; if not, its delta is merged already.

        Raises:
            FormatError, RefusedError: as of `SecureSum.receive`.
        """
        if self._sum.step is Step.KEYS and self._is_merged(SecureMessage.from_bytes(data)):
            return False
        self._sum.receive(data)
        return True

    def _is_merged(self, message: SecureMessage) -> bool:
        """Tell whether the delta that a phone begins with is merged already; refuse one that cannot take part."""
        if message.step is not Step.KEYS:
            return False
        phone, number, *_ = message.body
        if number in self._aggregator.merged_of(phone):
            return True
        self._aggregator.check_is_new(phone, number)
        if self._sum.heard == MOST_ADDED:
            raise RefusedError(f"a sum has no more than {MOST_ADDED:,} phones")
        return False

    def advance(self) -> dict[int, bytes]:
        """End a step, as `SecureSum.advance` does.

        Raises:
            RefusedError: as there; or a phone is missing without which this sum must not be made.
        """
        is_masked = self._sum.step is Step.MASKED
        messages = self._sum.advance()
        if is_masked and self._only is not None and sorted(self._sum.survivors) != self._only:
            raise RefusedError(
                "a phone is missing of a sum that is made again, and the difference would tell all of it"
            )
        return messages

    @property
    def survivors(self) -> list[tuple[bytes, int]]:
        """Pseudonym and number of each delta that is in the sum."""
        return self._sum.survivors

    def merge(self) -> list[bytes]:
        """Take the masks off, and merge what is below.

        Returns:
            The pseudonyms of the phones whose deltas are merged by that.

        Raises:
            RefusedError: too few shares came, or the sum cannot be read; nothing is merged.
        """
        vector = self._sum.total()
        sketch = sketch_of_length(len(vector), self._run)
        try:
            keys, times, numbers = sketch.decoded(vector)
        except RefusedError:
            self.is_crowded = True
            raise
        self.distinct = len(keys) / max(1, self._entries)
        base, bounds = self._base, self._aggregator.bounds
        head = Head(
            digest=blake2b(self._run, digest_size=DIGEST_SIZE).digest(),
            federation=self._aggregator.federation,
            phone=self._run,
            sequence=0,
            round=self._aggregator.round,
            base=base.digest if len(base) else b"",
            known=len(base),
            bounds=bounds.as_map() if bounds else None,
            words=(),
            forms=(),
            sizes=(),
            body=b"",
        )
        batch = read_table(Table(keys, numbers), times, base, sketch.salt, head)
        self._aggregator.add_sum(batch, self._sum.survivors)
        return [name for name, _ in self._sum.survivors]

    def _length(self, entries: Sequence[int]) -> int:
        self._entries = sum(entries)
        return sketch_for(ceil(self._part * self._entries), self._run).length
