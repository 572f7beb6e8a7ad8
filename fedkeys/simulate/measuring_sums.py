"""Measuring sums under masks: what a phone and the server pay, by phones in a sum and length of vectors.

In: a seed. Out: `SecureCosts`. Laws: each run is a whole one, whose sum the aggregator merges; both sides are
timed message by message, in this process's CPU time; seconds are fitted, without negative ones, to what the
protocol says of their growth (`fedkeys.phone.secure`).
"""

import time
import tracemalloc
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from statistics import median
from typing import NamedTuple, TypeVar

import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.aggregator.cohorts import CohortSum
from fedkeys.delta import Delta
from fedkeys.delta.secure import ROUNDED_TO, RUN_SIZE, Step, Terms
from fedkeys.delta.table import entries_in, sketch_of_length, table_of
from fedkeys.errors import UsageError
from fedkeys.phone.secure import SecurePhone
from fedkeys.privacy.masks import SEED_SIZE, Vector, add_mask
from fedkeys.privacy.neighbours import Neighbourhood
from fedkeys.simulate.costs import SecureCosts
from fedkeys.simulate.fits import Line, PowerLaw
from fedkeys.simulate.fleet import Fleet
from fedkeys.simulate.steps import take_steps

# Phones, n-grams of each, and the part that is lost before it sends its vector.
RUNS = (
    (20, 100, 0.0),
    (20, 900, 0.0),
    (40, 100, 0.0),
    (40, 300, 0.25),
    (80, 100, 0.25),
    (80, 200, 0.0),
    (120, 100, 0.1),
    (160, 50, 0.0),
)
_TRACED = 4  # runs whose memory is measured: tracing takes its time
REPEATS = 3
_MASKED, _MASKS = 1 << 20, 9  # numbers of a mask, and how often it is timed
_TOGETHER = (20, 50, 100, 200, 400)  # phones whose distinct entries are counted
_NGRAMS = 300  # of each of them

_PACKAGES = ("cryptography", "scipy", "shamirs")  # of the extra `privacy`, without which there are no sums

OnStep = Callable[[str, float], None]
Result = TypeVar("Result")


class _Run(NamedTuple):
    """What one run took.

    Attributes:
        phones, neighbours, numbers: n, k and L; lost: how many were lost before they sent their vector.
        entries, ngrams: of a phone.
        up, down: bytes of a phone, without its vector, on average of those in the sum.
        of_phone: seconds of such a phone; of_messages: of the server, to take and give messages; of_merge: to
            take masks off, tell the sum apart and merge it.
        memory: bytes that the server held at most.
    """

    phones: int
    neighbours: int
    numbers: int
    lost: int
    entries: float
    ngrams: float
    up: float
    down: float
    of_phone: float
    of_messages: float
    of_merge: float
    memory: int

    @property
    def alive(self) -> int:
        return self.phones - self.lost


def check_installed(otherwise: str = "") -> None:
    """Refuse sums under masks where what they take is not installed.

    Args:
        otherwise: what else can be done about it, such as "or add --plain".

    Raises:
        UsageError: a package of the extra `privacy` is missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        remedy = "install it with: pip install 'fedkeys[privacy]'"
        raise UsageError(
            f"sums under masks want the extra privacy, of which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing",
            remedy=f"{remedy}, {otherwise}" if otherwise else remedy,
        )


def measured_sums(
    seed: int,
    on_step: OnStep = lambda *_: None,
    runs: Sequence[tuple[int, int, float]] = RUNS,
    repeats: int = REPEATS,
) -> SecureCosts:
    """Measure some runs, and fit what they cost.

    Args:
        seed: what fleets, and who is lost, follow from.
        on_step: called with the name of a step and the part of it that is done.
        runs: of each phones, n-grams of one, and the part that is lost.
        repeats: how often each is timed; the least counts.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """
    check_installed()
    found: list[_Run] = []
    for done, (phones, ngrams, lost) in enumerate(runs):
        on_step("sums under masks", done / len(runs))
        found.append(_run(phones, ngrams, lost, seed, repeats, done < _TRACED))
    mask = _mask()
    neighbours = [run.neighbours for run in found]
    of_lost = [run.alive * run.neighbours * run.lost / run.phones for run in found]
    phone, phone_error = _fitted(
        [neighbours, [run.numbers for run in found]],
        [run.of_phone for run in found],
        [mask * run.numbers * (run.neighbours + 1) for run in found],
    )
    merge, merge_error = _fitted(
        [
            of_lost,
            [run.numbers for run in found],
            [run.phones * run.neighbours for run in found],
            [1.0 for _ in found],
        ],
        [run.of_merge for run in found],
        [mask * run.numbers * (run.alive + masks) for run, masks in zip(found, of_lost, strict=True)],
    )
    messages, messages_error = _fitted(
        [[run.numbers * run.alive for run in found], [run.phones * run.neighbours for run in found]],
        [run.of_messages for run in found],
    )
    traced = found[:_TRACED]
    memory, memory_error = _fitted(
        [
            [run.numbers for run in traced],
            [run.phones * run.neighbours for run in traced],
            [1.0 for _ in traced],
        ],
        [run.memory for run in traced],
    )
    return SecureCosts(
        entries=Line.through([run.ngrams for run in found], [run.entries for run in found]),
        distinct=_distinct(seed),
        up_bytes=Line.through(neighbours, [run.up for run in found]),
        down_bytes=Line.through(neighbours, [run.down for run in found]),
        mask=mask,
        phone_neighbour=phone[0],
        phone_number=phone[1],
        phone_error=phone_error,
        merge_agreement=merge[0],
        merge_number=merge[1],
        merge_share=merge[2],
        merge_sum=merge[3],
        merge_error=merge_error,
        message_number=messages[0],
        message_share=messages[1],
        message_error=messages_error,
        memory_number=memory[0],
        memory_share=memory[1],
        memory_sum=memory[2],
        memory_error=memory_error,
    )


def _mask() -> float:
    """Seconds to add one number of a mask, which phones do as the server does."""
    vector = np.zeros(_MASKED, np.uint32)
    taken: list[float] = []
    for _ in range(_MASKS):
        begin = time.process_time()
        add_mask(vector, bytes(SEED_SIZE))
        taken.append((time.process_time() - begin) / _MASKED)
    return median(taken)


def _fitted(
    features: Sequence[Sequence[float]], values: Sequence[float], known: Sequence[float] = ()
) -> tuple[list[float], float]:
    """Fit what each of some features costs, so that relative errors are least.

    Args:
        features: how much of each there is in a run.
        values: what the runs cost.
        known: what of that is known already.

    Returns:
        What each costs, and the greatest relative error of a run.
    """
    from scipy.optimize import nnls

    whole = np.array(values, float)
    before = np.array(known, float) / whole if len(known) else np.zeros(len(whole))
    parts = np.array(features, float).T / whole[:, None]
    scale = np.where(parts.max(0) > 0, parts.max(0), 1.0)
    found = nnls(parts / scale, 1 - before)[0] / scale
    return found.tolist(), float(np.abs(before + parts @ found - 1).max())


def _distinct(seed: int) -> PowerLaw:
    """How many distinct entries sums have, by how many their phones have, rounded up as they say it."""
    fleet = Fleet(max(_TOGETHER), _NGRAMS, seed)
    deltas = [Delta.from_bytes(data) for batch in fleet.deltas() for data in batch]
    tables = [table_of(delta, fleet.base, seed).keys for delta in deltas]
    entries = np.cumsum([_rounded(delta) for delta in deltas])
    distinct = [len(np.unique(np.concatenate(tables[:phones]), axis=0)) for phones in _TOGETHER]
    return PowerLaw.through([float(entries[phones - 1]) for phones in _TOGETHER], distinct)


def _rounded(delta: Delta) -> int:
    return -(-entries_in(delta) // ROUNDED_TO) * ROUNDED_TO


def _run(phones: int, ngrams: int, lost: float, seed: int, repeats: int, traced: bool) -> _Run:
    """Take one run from its keys to a merged sum; once more for its memory, if that is traced."""
    fleet = Fleet(phones, ngrams, seed)
    deltas = [Delta.from_bytes(data) for batch in fleet.deltas() for data in batch]
    Neighbourhood.of(phones)  # found once, and remembered
    runs = [_taken(fleet, deltas, lost, seed) for _ in range(repeats)]
    timed = runs[0]._replace(
        of_phone=min(run.of_phone for run in runs),
        of_messages=min(run.of_messages for run in runs),
        of_merge=min(run.of_merge for run in runs),
    )
    if not traced:
        return timed
    tracemalloc.start()
    try:
        return timed._replace(memory=_taken(fleet, deltas, lost, seed).memory)
    finally:
        tracemalloc.stop()


def _taken(fleet: Fleet, deltas: Sequence[Delta], lost: float, seed: int) -> _Run:
    rng = np.random.default_rng([seed, len(deltas)])
    terms = Terms(rng.bytes(RUN_SIZE))
    aggregator = Aggregator(fleet.federation, [fleet.base], bounds=fleet.bounds)
    server = _TimedSum(CohortSum(aggregator, terms, fleet.base, rng))
    phones = {delta.phone: _TimedPhone(delta, fleet, terms) for delta in deltas}
    gone = dict.fromkeys(list(phones)[: round(lost * len(phones))], Step.MASKED)
    up = dict.fromkeys(phones, 0)
    down = dict.fromkeys(phones, 0)

    def on_sent(name: bytes, size: int) -> None:
        up[name] += size

    def on_told(name: bytes, size: int) -> None:
        down[name] += size

    take_steps(server, phones, gone, on_sent, on_told)
    server.merge()
    left = [phone for name, phone in phones.items() if name not in gone]
    numbers = left[0].numbers
    return _Run(
        phones=len(phones),
        neighbours=Neighbourhood.of(len(phones)).neighbours,
        numbers=numbers,
        lost=len(gone),
        entries=float(np.mean([entries_in(delta) for delta in deltas])),
        ngrams=float(np.mean([len(delta.counts) for delta in deltas])),
        up=float(np.mean([up[name] for name in phones if name not in gone])) - 4 * numbers,
        down=float(np.mean([down[name] for name in phones if name not in gone])),
        of_phone=float(np.mean([phone.seconds for phone in left])),
        of_messages=server.seconds - server.merging,
        of_merge=server.merging,
        memory=server.memory,
    )


class _TimedSum:
    """The server's side, and what it takes.

    Attributes:
        timed: itself.
        seconds: CPU seconds; merging: of these, of merging the sum.
        memory: bytes that it held at most, while `tracemalloc` traces: what is left of each call, and what the
            greatest one took beside.
    """

    def __init__(self, timed: CohortSum) -> None:
        self.timed = timed
        self.seconds = self.merging = 0.0
        self.memory = self._held = 0

    def receive(self, data: bytes) -> object:
        return self._counted(lambda: self.timed.receive(data))

    def advance(self) -> dict[int, bytes]:
        return self._counted(self.timed.advance)

    def name(self, phone: int) -> bytes:
        return self.timed.name(phone)

    def merge(self) -> None:
        before = self.seconds
        self._counted(self.timed.merge)
        self.merging = self.seconds - before

    def _counted(self, work: Callable[[], Result]) -> Result:
        before, _ = tracemalloc.get_traced_memory()
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        begin = time.process_time()
        try:
            return work()
        finally:
            self.seconds += time.process_time() - begin
            after, most = tracemalloc.get_traced_memory()
            self.memory = max(self.memory, self._held + most - before)
            self._held += after - before


class _TimedPhone(SecurePhone):
    """A phone, and what it takes; the vector is the sketch of a delta's table, as of `fedkeys.phone.summed`.

    Attributes:
        seconds: CPU seconds.
        numbers: how long the vector is.
    """

    def __init__(self, delta: Delta, fleet: Fleet, terms: Terms) -> None:
        self.numbers = 0
        begin = time.process_time()

        def vector(length: int) -> Vector:
            self.numbers = length
            sketch = sketch_of_length(length, terms.run)
            return sketch.vector(*table_of(delta, fleet.base, sketch.salt))

        super().__init__(terms, delta.phone, delta.sequence, entries_in(delta), vector)
        self.seconds = time.process_time() - begin

    def keys(self) -> bytes:
        return self._counted(super().keys)

    def boxes(self, roster: bytes) -> bytes:
        return self._counted(lambda: SecurePhone.boxes(self, roster))

    def masked(self, boxes: bytes) -> bytes:
        return self._counted(lambda: SecurePhone.masked(self, boxes))

    def confirmations(self, survivors: bytes) -> bytes:
        return self._counted(lambda: SecurePhone.confirmations(self, survivors))

    def shares(self, confirmations: bytes) -> bytes:
        return self._counted(lambda: SecurePhone.shares(self, confirmations))

    def _counted(self, work: Callable[[], bytes]) -> bytes:
        begin = time.process_time()
        try:
            return work()
        finally:
            self.seconds += time.process_time() - begin
