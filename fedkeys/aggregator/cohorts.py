"""`CohortSum`: merging deltas of which only the sum is seen.

In: the messages of one run. Out: their deltas, merged into an aggregator as one. Laws: what is merged is what
merging the same deltas one by one would give, or nothing is; a delta that was merged before takes no part; of a
run that failed nothing is known, and its phones may begin another.

How long vectors are is decided by how many entries phones have, all together: no sum of theirs has more keys,
so a sum that cannot be told apart is a matter of bad luck (1e-5, `fedkeys.privacy.sketch`) or of a phone that
spoils it.
"""

from hashlib import blake2b

import numpy as np

from fedkeys.aggregator.aggregator import Aggregator
from fedkeys.aggregator.secure import SecureSum
from fedkeys.counts import Vocabulary
from fedkeys.delta import Head
from fedkeys.delta.checks import DIGEST_SIZE
from fedkeys.delta.secure import SecureMessage, Step
from fedkeys.delta.table import Table, read_table, sketch_for, sketch_of_length
from fedkeys.privacy.neighbours import LOST, TREACHEROUS


class CohortSum:
    """One run.

    Args:
        aggregator: merges its sum.
        run: 16 bytes, random, that no other run has.
        base: the vocabulary that its deltas are written against, which the aggregator knows.
        rng: draws who is whose neighbour.
        lost, treacherous: the parts of the phones that may be lost, and that may tell what they know.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        run: bytes,
        base: Vocabulary,
        rng: np.random.Generator,
        lost: float = LOST,
        treacherous: float = TREACHEROUS,
    ) -> None:
        self._aggregator = aggregator
        self._run = run
        self._base = base
        self._sum = SecureSum(
            run, lambda entries: sketch_for(sum(entries), run).length, rng, lost, treacherous
        )

    @property
    def step(self) -> Step:
        """The step whose messages are due."""
        return self._sum.step

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
        if self._sum.step is Step.KEYS:
            message = SecureMessage.from_bytes(data)
            if message.step is Step.KEYS and message.body[1] in self._aggregator.merged_of(message.body[0]):
                return False
        self._sum.receive(data)
        return True

    def advance(self) -> dict[int, bytes]:
        """End a step, as `SecureSum.advance` does."""
        return self._sum.advance()

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
