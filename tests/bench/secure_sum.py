"""What a sum that nobody sees into costs: `python -m tests.bench.secure_sum [--phones 1000] [--length 500000]`

Phones with random vectors of uint32 take part in one run, of whom a third is lost at one step. CPU time of the
server, and of all phones together; bytes of one phone, beside its vector in the clear.
"""

import argparse
import time

import numpy as np

from fedkeys.aggregator.secure import SecureSum
from fedkeys.delta.secure import Step, Terms
from fedkeys.phone.secure import SecurePhone

_STEPS = {
    "boxes": Step.BOXES,
    "masked": Step.MASKED,
    "confirmations": Step.CONFIRMATIONS,
    "shares": Step.SHARES,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--phones", type=int, default=1000)
    parser.add_argument("--length", type=int, default=500_000)
    parser.add_argument("--lost-at", choices=_STEPS, default="masked")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    terms = Terms(rng.bytes(16))
    names = [rng.bytes(16) for _ in range(given.phones)]
    lost = {names[at] for at in rng.choice(given.phones, given.phones // 3, replace=False).tolist()}
    clock = _Clock()
    server = clock.server(SecureSum, terms, lambda _: given.length, rng)

    def drawn(at: int) -> np.ndarray:
        return np.random.default_rng([0, at]).integers(0, 1 << 16, given.length, dtype=np.uint32)

    phones = {
        name: clock.phones(SecurePhone, terms, name, 0, given.length, lambda _, at=at: drawn(at))
        for at, name in enumerate(names)
    }
    sent: dict[bytes, int] = dict.fromkeys(names, 0)
    wanted = np.zeros(given.length, np.uint32)
    messages = dict.fromkeys(names, b"")
    for step in (Step.KEYS, *_STEPS.values()):
        if step is _STEPS[given.lost_at]:
            messages = {name: message for name, message in messages.items() if name not in lost}
        for name, message in messages.items():
            phone = phones[name]
            if step is Step.MASKED:
                wanted += drawn(names.index(name))
            if step is Step.KEYS:
                said = clock.phones(phone.keys)
            else:
                said = clock.phones(getattr(phone, step.name.lower()), message)
            sent[name] += len(message) + len(said)
            clock.server(server.receive, said)
        if step is not Step.SHARES:
            messages = {server.name(at): one for at, one in clock.server(server.advance).items()}
    total = clock.server(server.total)
    assert np.array_equal(total, wanted)
    survivors = [sent[name] for name, _ in server.survivors]
    vector_bytes = 4 * given.length
    print(
        f"{given.phones:,} phones, vectors of {given.length:,} numbers, {len(lost):,} lost before "
        f"{given.lost_at}: the sum of {len(survivors):,} is exact"
    )
    print(f"server {clock.of_server:.1f} s, all phones {clock.of_phones:.1f} s")
    print(
        f"a phone sends and gets {np.median(survivors):,.0f} bytes, {np.median(survivors) / vector_bytes:.3f} x "
        f"the {vector_bytes:,} of its vector"
    )


class _Clock:
    """CPU time of each side."""

    def __init__(self) -> None:
        self.of_server = self.of_phones = 0.0

    def server(self, work, *arguments):
        begin = time.thread_time()
        try:
            return work(*arguments)
        finally:
            self.of_server += time.thread_time() - begin

    def phones(self, work, *arguments):
        begin = time.thread_time()
        try:
            return work(*arguments)
        finally:
            self.of_phones += time.thread_time() - begin


if __name__ == "__main__":
    main()
