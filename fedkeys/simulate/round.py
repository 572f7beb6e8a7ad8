"""`Round`: what happened in one round of a simulated federation.

In: counts. Out: an account. Law: of each phone that was asked it says what became of what it sent.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.model import Model


class Round(NamedTuple):
    """What happened in one round.

    Attributes:
        number: from 1.
        phones: how many there are; available: how many could be reached; sampled: how many were asked.
        lost: how many were lost on the way; late: how many came too late; known: how many had been merged
            before, their answer lost; refused: how many were refused; failed: how many were in a sum under
            masks that came to nothing; spent: how many were in one that was opened and could not be read, twice.
        failure: why a sum of this round came to nothing; None where none did.
        deltas: how many were merged; a phone with nothing new sends none.
        messages: how many messages they counted.
        bytes_up: bytes of each upload, whatever became of it, in the order in which they were sent.
        bytes_down: bytes of the released model.
        seconds: how long it took, by the wall clock.
        model: the release; the one before if the round did not start, and None before the first.
    """

    number: int
    phones: int
    available: int
    sampled: int
    lost: int
    late: int
    known: int
    refused: int
    failed: int
    spent: int
    failure: str | None
    deltas: int
    messages: int
    bytes_up: NDArray[np.int64]
    bytes_down: int
    seconds: float
    model: Model | None

    @property
    def started(self) -> bool:
        """Whether enough phones could be reached."""
        return self.sampled > 0
