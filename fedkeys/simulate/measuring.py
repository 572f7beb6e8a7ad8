"""Measuring what phones and their aggregator cost, by running both on this machine.

In: a seed. Out: `Costs`. Laws: what runs is what a federation runs, on generated fleets and on the shipped
phones; seconds are CPU time of this process, and what grows is measured at several sizes, so that starting up is
in no slope.
"""

import os
import platform
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgpack
import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.delta import DEFAULT_BOUNDS, Delta
from fedkeys.errors import UsageError
from fedkeys.phone import Phone
from fedkeys.simulate.costs import MIN_PHONES, Costs, PlainCosts
from fedkeys.simulate.fits import Line, PowerLaw
from fedkeys.simulate.fleet import PHONES_PER_BATCH, Fleet
from fedkeys.simulate.measuring_sums import RUNS, measured_sums
from fedkeys.sources import open_corpus
from fedkeys.sources.shipped import shipped_corpus

NGRAMS = 300  # of a phone, as in `fedkeys bench aggregate`

_ORDER = 3  # that of a generated fleet
_FLEETS = tuple(PHONES_PER_BATCH * times for times in (1, 2, 4, 8, 16))
_TOGETHER = 256  # messages, as `fedkeys.aggregator.rounds` reads them
_LITTLE_MEMORY = 1 << 24  # so that sums go to disk
_UNPACKED = 256
_PARTS = (1 / 16, 1 / 4, 1 / 2, 1)  # of a shipped phone's messages

OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """At which sizes costs are measured.

    Attributes:
        ngrams: that a phone has, where one delta is timed; the one in the middle is the fleet's.
        fleets: phones, ascending, where what grows is measured: whole batches of a generated fleet.
        runs: of sums under masks: phones, n-grams of each, the part that is lost.
        repeats: how often what is short is timed; the least counts.
    """

    ngrams: tuple[int, int, int] = (100, NGRAMS, 900)
    fleets: Sequence[int] = _FLEETS
    runs: Sequence[tuple[int, int, float]] = RUNS
    repeats: int = 5

    def __post_init__(self) -> None:
        if len(self.fleets) < 2 or any(phones % PHONES_PER_BATCH for phones in self.fleets):
            raise UsageError(f"fleets are two or more, of whole batches of {PHONES_PER_BATCH:,} phones")


def measured(seed: int = 0, trial: Trial | None = None, on_step: OnStep = lambda *_: None) -> Costs:
    """Measure everything.

    Args:
        seed: what fleets follow from.
        trial: at which sizes.
        on_step: called with the name of a step and the part of it that is done.
    """
    trial = trial or Trial()
    with TemporaryDirectory(prefix="fedkeys-bench-") as scratch:
        plain, rows = _plain(seed, trial, Path(scratch), on_step)
    try:
        secure = measured_sums(seed, on_step, trial.runs, min(3, trial.repeats))
    except UsageError:  # the extra `privacy` is missing
        secure = None
    return Costs(_machine(), rows, plain, secure)


class _Grown(NamedTuple):
    """An aggregator after so many phones.

    Attributes:
        phones: how many; sent: n-grams that they sent; distinct: n-grams in the sums.
        merged: n-grams in the runs that were merged into one, and `settled`, how many seconds that took.
        ledger_bytes, run_bytes: on disk.
        releases: for each of `MIN_PHONES` the n-grams of a release, and its bytes.
        seconds: of the last release; memory: that it held at most.
    """

    phones: int
    sent: int
    distinct: int
    merged: int
    settled: float
    ledger_bytes: int
    run_bytes: int
    releases: Sequence[tuple[int, int]]
    seconds: float
    memory: int


def _plain(seed: int, trial: Trial, scratch: Path, on_step: OnStep) -> tuple[PlainCosts, float]:
    """Give the costs of deltas that are seen, and how many n-grams one of the fleet has."""
    sizes: list[float] = []
    rows: list[float] = []
    merging: list[float] = []
    unpacking: list[float] = []
    for done, ngrams in enumerate(trial.ngrams):
        on_step("reading and merging", done / len(trial.ngrams))
        fleet = Fleet(2 * PHONES_PER_BATCH, ngrams, seed)
        first, second = fleet.deltas()
        timed = [_merging(fleet, first, second) for _ in range(trial.repeats)]
        merging.append(min(seconds for seconds, _ in timed))
        rows.append(timed[0][1])
        sizes.append(median(map(len, second)))
        deltas = [Delta.from_bytes(data) for data in second[:_UNPACKED]]
        unpacking.append(_unpacking(deltas, fleet, trial.repeats))
    fleet = Fleet(max(trial.fleets), trial.ngrams[1], seed)
    grown = list(_growing(fleet, trial.fleets, scratch, on_step))
    phones, distinct = [point.phones for point in grown], [point.distinct for point in grown]
    releases = [release for point in grown for release in point.releases]
    sent = [point.sent for point in grown]
    released = [
        PowerLaw.through(sent, [point.releases[at][0] for point in grown]) for at in range(len(MIN_PHONES))
    ]
    costs = PlainCosts(
        delta_bytes=Line.through(rows, sizes),
        phone_seconds=_counting(trial.repeats),
        server_seconds=Line.through(rows, merging),
        unpack_seconds=unpacking[1],
        ledger_bytes=Line.through(phones, [point.ledger_bytes for point in grown]).each,
        row_bytes=grown[-1].run_bytes / grown[-1].distinct,
        settle_seconds=sum(point.settled for point in grown) / sum(point.merged for point in grown),
        release_seconds=Line.through(distinct, [point.seconds for point in grown]),
        release_bytes=Line.through(distinct, [point.memory for point in grown]),
        distinct=PowerLaw.through(sent, distinct),
        released_2=released[0],
        released_20=released[1],
        released_100=released[2],
        model_bytes=Line.through([ngrams for ngrams, _ in releases], [size for _, size in releases]),
    )
    return costs, rows[1]


def _merging(fleet: Fleet, first: Sequence[bytes], second: Sequence[bytes]) -> tuple[float, float]:
    """Seconds to read and add up one more delta, when as many are merged already; and its n-grams."""
    aggregator = Aggregator(fleet.federation, [fleet.base], bounds=fleet.bounds)
    _add(aggregator, first)
    aggregator.settle()
    before = aggregator.merged.rows
    begin = time.process_time()
    _add(aggregator, second)
    aggregator.settle()
    seconds = time.process_time() - begin
    return seconds / len(second), (aggregator.merged.rows - before) / len(second)


def _add(aggregator: Aggregator, messages: Sequence[bytes]) -> None:
    for start in range(0, len(messages), _TOGETHER):
        aggregator.add_messages(messages[start : start + _TOGETHER])


def _unpacking(deltas: Sequence[Delta], fleet: Fleet, repeats: int) -> float:
    """The baseline: seconds to unpack a map of n-grams to counts, and add it up in a dictionary."""
    packed = [msgpack.packb(_as_map(delta, fleet)) for delta in deltas]
    taken: list[float] = []
    for _ in range(repeats):
        sums: dict[str, int] = {}
        begin = time.process_time()
        for data in packed:
            for ngram, count in msgpack.unpackb(data).items():
                sums[ngram] = sums.get(ngram, 0) + count
        taken.append((time.process_time() - begin) / len(packed))
    return min(taken)


def _as_map(delta: Delta, fleet: Fleet) -> dict[str, int]:
    names = ["", "\n", *fleet.base.words, *delta.words]  # both marks first
    words = [names[id_] for id_ in delta.ids.tolist()]
    found: dict[str, int] = {}
    above = [""]
    for level in delta.counts.levels:
        above = [
            f"{above[parent]} {words[word]}"
            for parent, word in zip(level.parents.tolist(), level.words.tolist(), strict=True)
        ]
        found |= zip(above, level.counts.tolist(), strict=True)
    return found


def _counting(repeats: int) -> Line:
    """Seconds of a phone to count, bound and write what it has typed, by n-grams: shipped phones."""
    phones = [texts.texts for texts in open_corpus(str(shipped_corpus())).phones()]
    Phone(phones[0], order=_ORDER, bounds=DEFAULT_BOUNDS).delta()  # tables are made at the first word
    ngrams: list[float] = []
    seconds: list[float] = []
    for part in _PARTS:
        found = [_counted(texts[: max(1, round(part * len(texts)))], repeats) for texts in phones]
        ngrams.append(float(np.mean([one[0] for one in found])))
        seconds.append(float(np.mean([one[1] for one in found])))
    return Line.through(ngrams, seconds)


def _counted(texts: Sequence[str], repeats: int) -> tuple[int, float]:
    """How many n-grams a phone's delta has, and seconds until it is written."""
    taken: list[float] = []
    for _ in range(repeats):
        begin = time.process_time()
        delta = Phone(texts, order=_ORDER, bounds=DEFAULT_BOUNDS).delta()
        taken.append(time.process_time() - begin)
    return len(delta.counts), min(taken)


def _growing(fleet: Fleet, fleets: Sequence[int], scratch: Path, on_step: OnStep) -> Iterator[_Grown]:
    """Merge a fleet on disk, as one that no memory has room for; look at it at some sizes."""
    state = scratch / "state"
    aggregator = Aggregator(fleet.federation, [fleet.base], _LITTLE_MEMORY, state, bounds=fleet.bounds)
    for number, messages in enumerate(fleet.deltas(), 1):
        on_step("growing", number / fleet.batches)
        _add(aggregator, messages)
        if number * PHONES_PER_BATCH in fleets:
            yield _looked_at(aggregator, state, number * PHONES_PER_BATCH)
    aggregator.close()


def _looked_at(aggregator: Aggregator, state: Path, phones: int) -> _Grown:
    aggregator.commit()  # all of it is on disk
    merged, sent = aggregator.status()["ngrams"], aggregator.merged.rows
    begin = time.process_time()
    aggregator.settle()
    settled = time.process_time() - begin
    aggregator.commit()
    releases: list[tuple[int, int]] = []
    for min_phones in MIN_PHONES:
        begin = time.process_time()
        model = aggregator.release(min_phones)
        seconds = time.process_time() - begin
        releases.append((sum(model.ngrams), len(model.to_bytes())))
    tracemalloc.start()
    try:
        aggregator.release(MIN_PHONES[-1])
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    ledger = (state / "state.sqlite").stat().st_size
    status = aggregator.status()
    return _Grown(
        phones=phones,
        sent=sent,
        distinct=status["ngrams"],
        merged=merged,
        settled=settled,
        ledger_bytes=ledger,
        run_bytes=status["bytes"] - ledger,
        releases=releases,
        seconds=seconds,
        memory=memory,
    )


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{cores} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
