"""`SummedDelta`: a delta that is added to others without anybody's seeing it.

In: a delta, and what the server passes on. Out: messages, one a step. Law: what leaves the phone says the
delta's length, rounded up, and its number; all else goes under masks.
"""

from fedkeys.counts import Vocabulary
from fedkeys.delta import Delta
from fedkeys.delta.table import entries_in, sketch_of_length, table_of
from fedkeys.phone.secure import SecurePhone
from fedkeys.privacy.neighbours import LEAST_PHONES, LOST, TREACHEROUS


class SummedDelta:
    """One phone's part in one run.

    Args:
        delta: what is added up.
        base: the vocabulary that it is written against.
        run: 16 bytes that name the run.
        least: the fewest phones that it is added up with.
        lost, treacherous: the parts of them that may be lost, and that may tell what they know, as agreed
            beforehand.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """

    def __init__(
        self,
        delta: Delta,
        base: Vocabulary,
        run: bytes,
        least: int = LEAST_PHONES,
        lost: float = LOST,
        treacherous: float = TREACHEROUS,
    ) -> None:
        self._delta = delta
        self._base = base
        self._run = run
        entries = entries_in(delta)
        self._phone = SecurePhone(delta.phone, delta.sequence, entries, run, least, lost, treacherous)

    def keys(self) -> bytes:
        """Give the first message, as `SecurePhone` does."""
        return self._phone.keys()

    def boxes(self, roster: bytes) -> bytes:
        """Share the secrets out, as `SecurePhone` does."""
        return self._phone.boxes(roster)

    def masked(self, boxes: bytes) -> bytes:
        """Give the delta as a sketch under masks, as `SecurePhone` does.

        Raises:
            RefusedError: as there; or vectors are to be of a length that no sketch has.
        """
        sketch = sketch_of_length(self._phone.length, self._run)
        return self._phone.masked(boxes, sketch.vector(*table_of(self._delta, self._base, sketch.salt)))

    def confirmations(self, survivors: bytes) -> bytes:
        """Confirm the survivors, as `SecurePhone` does."""
        return self._phone.confirmations(survivors)

    def shares(self, confirmations: bytes) -> bytes:
        """Give shares away, as `SecurePhone` does."""
        return self._phone.shares(confirmations)
