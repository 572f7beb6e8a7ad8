"""What comes back from clients that were asked to train.

In: weights of some clients at a time, or why there are none. Out: blocks of them. Law: blocks are the same however
clients were grouped.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

import numpy as np

from fedkeys.fedavg.models.base import Array

# Numbers trained, or added up, in one go: what stays in a core's cache (tests/bench/test_fedavg.py).
TOGETHER = 1 << 17


class Missing(Enum):
    """Why a client that was asked gave nothing.

    Attributes:
        DROPPED: it never answered, or failed.
        LATE: it did not answer in time.
    """

    DROPPED = "dropped"
    LATE = "late"


# Places in a turnout's `answering`, and the weights of each, float[C, P], or why there are none.
Answer = tuple[Sequence[int], Array | Missing]


def blocks(answers: Iterable[Answer], size: int) -> Iterator[tuple[Sequence[int], Array | Missing | None]]:
    """Put weights together into blocks, so that taking them costs little each; None for what is none.

    A block has a fixed number of rows, or the last bits of a sum would tell how clients were grouped.
    """
    most = max(1, TOGETHER // max(1, size))
    places: list[int] = []
    rows: list[Array] = []
    for members, own in answers:
        if isinstance(own, Missing):
            yield members, own
            continue
        if own.shape != (len(members), size) or own.dtype.kind not in "fiu":
            yield members, None
            continue
        places += members
        rows.append(own)
        if len(places) < most:
            continue
        joined = np.concatenate(rows)
        whole = len(places) - len(places) % most
        for begin in range(0, whole, most):
            yield places[begin : begin + most], joined[begin : begin + most]
        places, rows = places[whole:], [joined[whole:]]
    if places:
        yield places, np.concatenate(rows)
