"""`CohortSum`: merging deltas of which only the sum is seen.

In: the messages of one run. Out: their deltas, merged into an aggregator as one. Laws: what is merged is what
merging the same deltas one by one would give, or nothing is; a delta that was merged before takes no part; of a
run that failed before shares were asked for nothing is known, and its phones may begin another; from then on they
are in this sum, or in none.

How long vectors are is decided beforehand, by how many entries phones have. All together they have no more
distinct ones than that, but some are common: what part of them is distinct is known of earlier sums, and room
for more of them costs traffic. A sum that has too little cannot be told apart, which is seen, and nothing is
merged. It is made again of exactly the same phones, for two sums that differ by one phone tell all of it; where
that fails too, what they have counted is spent.
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
from fedkeys.delta.secure import MOST_NUMBERS, ROUNDED_TO, SecureMessage, Step, Terms, name_of
from fedkeys.delta.table import Table, known_hashes, read_table, salt_of, sketch_for, sketch_of_length
from fedkeys.errors import RefusedError, UsageError
from fedkeys.privacy.sketch import MOST_ADDED

MOST_ENTRIES = 300_000  # of one phone: some fifteen of them fill the largest sum


class CohortSum:
    """One run.

    Args:
        aggregator: merges its sum.
        terms: of the run.
        base: the vocabulary that its deltas are written against, which the aggregator knows.
        rng: draws who is whose neighbour.
        part: what part of all entries is made room for.
        only: pseudonyms and numbers of the deltas of a sum that could not be read, of which alone this one may be;
            None for the first sum of its phones.

    Attributes:
        terms: of the run.
        distinct: what part of all entries was distinct, once the sum is merged.
        is_asked: whether shares were asked for.

    Raises:
        RefusedError: the aggregator does not know the vocabulary, or two of its words have one hash.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        terms: Terms,
        base: Vocabulary,
        rng: np.random.Generator,
        part: float = 1.0,
        only: Sequence[tuple[bytes, int]] | None = None,
    ) -> None:
        self.terms = terms
        self._aggregator = aggregator
        self._run = terms.run
        self._base = base
        self._rng = rng
        self._part = part
        self._only = None if only is None else set(only)
        self._entries = 0
        self.distinct = 0.0
        self.is_asked = False
        self._head = self._head_of_sum()
        aggregator.unseen.check(self._head)
        known_hashes(base, salt_of(terms.run))
        again = name_of(only) if only else b""
        self._sum = SecureSum(terms, self._length, rng, aggregator.unseen.enrolment, again)

    def again(self, terms: Terms) -> "CohortSum":
        """Give a run for the same sum, which could not be read; it has room for all entries.

        Raises:
            UsageError: shares were never asked for: its phones may take part in any other.
        """
        only = self.survivors if self._only is None else self._only
        if self._only is None and not self.is_asked:
            raise UsageError("a sum that was never opened is not made again", remedy="begin another")
        return CohortSum(self._aggregator, terms, self._base, self._rng, only=sorted(only))

    def name(self, phone: int) -> bytes:
        """Give the pseudonym of a phone by its number."""
        return self._sum.name(phone)

    def receive(self, data: bytes) -> bool:
        """Take a message of a phone.

        Returns:
            Whether it is taken; if not, its delta is merged already.

        Raises:
            FormatError, RefusedError: as of `SecureSum.receive`; or its delta may be in no sum, or not in this
                one, or has more entries than a phone may.
        """
        if self._sum.step is not Step.KEYS:
            self._sum.receive(data)
            return True
        message = SecureMessage.from_bytes(data)
        if self._is_merged(message):
            return False
        self._sum.receive(data)
        self._entries += message.body[2]
        return True

    def _is_merged(self, message: SecureMessage) -> bool:
        """Tell whether the delta that a phone begins with is merged already; refuse one that cannot take part."""
        if message.step is not Step.KEYS:
            return False
        phone, number, entries, *_ = message.body
        if number in self._aggregator.merged_of(phone):
            return True
        if self._only is None:
            self._aggregator.unseen.check_is_new(phone, number)
        elif (phone, number) not in self._only:
            raise RefusedError("a phone that was not in the sum that is made again")
        if self._sum.heard == MOST_ADDED:
            raise RefusedError(f"a sum has no more than {MOST_ADDED:,} phones")
        bounds = self._aggregator.bounds
        if bounds and number >= bounds.max_deltas:
            raise RefusedError(f"delta number {number:,} of a phone that may send {bounds.max_deltas:,}")
        if entries > MOST_ENTRIES:
            raise RefusedError(
                f"a delta of {entries:,} entries, where a sum takes {MOST_ENTRIES:,} of one phone"
            )
        # A name of n bytes takes n + 1 of a delta's, and no more than half of them in entries.
        if bounds and entries > bounds.max_ngrams + bounds.max_bytes // 2 + ROUNDED_TO:
            raise RefusedError(f"a delta of {entries:,} entries, more than its bounds allow")
        if sketch_for(self._entries + entries, self._run).length > MOST_NUMBERS:  # as it may be made again
            raise RefusedError("a sum that is full", remedy="sum fewer phones up, or bound what each may say")
        return False

    def advance(self) -> dict[int, bytes]:
        """End a step, as `SecureSum.advance` does.

        Raises:
            RefusedError: as there; or a phone is missing without which this sum must not be made, or one was
                merged meanwhile.
        """
        step = self._sum.step
        messages = self._sum.advance()
        if step is Step.MASKED and self._only not in (None, set(self._sum.survivors)):
            raise RefusedError(
                "a phone is missing of a sum that is made again, and the difference would tell all of it"
            )
        if step is Step.CONFIRMATIONS:
            if self._only is None:
                self._aggregator.begin_sum(self._sum.survivors, self._head.digest)
            self.is_asked = True
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
        keys, times, numbers = sketch.decoded(vector)
        self.distinct = len(keys) / max(1, self._sum.entries)
        deltas = self._sum.survivors
        table = Table(keys, numbers)
        batch = read_table(table, times, self._base, sketch.salt, self._head, len(deltas))
        self._aggregator.add_sum(batch, deltas)
        return [name for name, _ in deltas]

    def _head_of_sum(self) -> Head:
        base, bounds = self._base, self._aggregator.bounds
        return Head(
            digest=blake2b(self._run, digest_size=DIGEST_SIZE).digest(),
            federation=self._aggregator.federation,
            phone=self._run,
            sequence=0,
            round=self._aggregator.round,
            base=base.reference,
            known=len(base),
            bounds=bounds.as_map() if bounds else None,
            words=(),
            forms=(),
            sizes=(),
            body=b"",
        )

    def _length(self, entries: Sequence[int]) -> int:
        return sketch_for(ceil(self._part * sum(entries)), self._run).length
