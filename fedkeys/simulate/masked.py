"""`masked_sum`: vectors of numbers, added up under masks by phones and a server in one process.

In: vectors. Out: their sum, and how many bytes it took. Law: phones and server meet in bytes; what the server is
sent of a vector is under masks.
"""

from collections.abc import Callable, Sequence

import numpy as np

from fedkeys.aggregator.secure import SecureSum
from fedkeys.delta.checks import PHONE_SIZE
from fedkeys.delta.secure import RUN_SIZE, Terms
from fedkeys.errors import RefusedError
from fedkeys.fedavg.secure import Summed, Whole
from fedkeys.phone.secure import SecurePhone
from fedkeys.privacy.neighbours import LEAST_PHONES
from fedkeys.simulate.steps import STEPS, take_steps


def masked_sum(vectors: Sequence[Whole | None], rng: np.random.Generator) -> Summed:
    """Add vectors up, as `fedkeys.fedavg.secure.Summing`: those that are None are lost before they send theirs.

    There is no sum of fewer than four, or where more than a third of those who have begun is lost.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """
    terms = Terms(rng.bytes(RUN_SIZE), least=LEAST_PHONES)
    length = next((len(vector) for vector in vectors if vector is not None), 1)
    server = SecureSum(terms, lambda _: length, rng)
    # Before their keys, their boxes, or their vectors are sent.
    steps = rng.integers(0, 3, len(vectors)).tolist()
    lost_at = {
        _named(at): STEPS[step]
        for at, (vector, step) in enumerate(zip(vectors, steps, strict=True))
        if vector is None
    }
    nothing = np.zeros(length, np.uint32)

    def giving(vector: Whole | None) -> Callable[[int], Whole]:
        return lambda _: nothing if vector is None else vector

    phones = {
        _named(at): SecurePhone(terms, _named(at), 0, length, giving(vector))
        for at, vector in enumerate(vectors)
    }
    sent = told = 0

    def on_sent(_: bytes, size: int) -> None:
        nonlocal sent
        sent += size

    def on_told(_: bytes, size: int) -> None:
        nonlocal told
        told += size

    try:
        take_steps(server, phones, lost_at, on_sent, on_told)
        return Summed(server.total(), sent, told)
    except RefusedError as error:
        return Summed(None, sent, told, str(error))


def _named(at: int) -> bytes:
    return at.to_bytes(PHONE_SIZE)
