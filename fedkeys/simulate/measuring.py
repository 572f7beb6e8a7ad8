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
from fedkeys.simulate.costs import Costs, PlainCosts
from fedkeys.simulate.fits import Line, PowerLaw
from fedkeys.simulate.fleet import PHONES_PER_BATCH, Fleet
from fedkeys.simulate.measuring_sums import measured_sums
from fedkeys.sources import open_corpus
from fedkeys.sources.shipped import shipped_corpus

NGRAMS = 300  # of a phone, as in `fedkeys bench aggregate`

_SIZES = (100, NGRAMS, 900)
_ORDER = 3  # that of a generated fleet
_FLEETS = tuple(PHONES_PER_BATCH * times for times in (1, 2, 4, 8, 16))
_MIN_PHONES = (2, 5, 20)
_TOGETHER = 256  # messages, as `fedkeys.aggregator.rounds` reads them
_LITTLE_MEMORY = 1 << 24  # so that sums go to disk
_UNPACKED = 256
_REPEATS = 3

OnStep = Callable[[str, float], None]


def measured(
    seed: int = 0,
    fleets: Sequence[int] = _FLEETS,
    on_step: OnStep = lambda *_: None,
) -> Costs:
    """Measure everything.

    Args:
        seed: what fleets follow from.
        fleets: at how many phones what grows is measured, ascending: whole batches of a fleet.
        on_step: called with the name of a step and the part of it that is done.
    """
    if len(fleets) < 2 or any(phones % PHONES_PER_BATCH for phones in fleets):
        raise UsageError(f"fleets are two or more, of whole batches of {PHONES_PER_BATCH:,} phones")
    with TemporaryDirectory(prefix="fedkeys-bench-") as scratch:
        plain, rows = _plain(seed, fleets, Path(scratch), on_step)
    try:
        secure = measured_sums(seed, on_step)
    except UsageError:  # the extra `privacy` is missing
        secure = None
    return Costs(_machine(), rows, plain, secure)


class _Grown(NamedTuple):
    """An aggregator after so many phones.

    Attributes:
        phones: how many; sent: n-grams that they sent; distinct: n-grams in the sums.
        merged: n-grams in the runs that were merged into one, and `settled`, how many seconds that took.
        ledger_bytes, run_bytes: on disk.
        releases: of each release n-grams sent for each phone that one must have, n-grams told, bytes.
        seconds: of the last release; memory: that it held at most.
    """

    phones: int
    sent: int
    distinct: int
    merged: int
    settled: float
    ledger_bytes: int
    run_bytes: int
    releases: Sequence[tuple[float, int, int]]
    seconds: float
    memory: int


def _plain(seed: int, fleets: Sequence[int], scratch: Path, on_step: OnStep) -> tuple[PlainCosts, float]:
    sizes: list[float] = []
    rows: list[float] = []
    merging: list[float] = []
    unpacking: list[float] = []
    for done, ngrams in enumerate(_SIZES):
        on_step("reading and merging", done / len(_SIZES))
        fleet = Fleet(2 * PHONES_PER_BATCH, ngrams, seed)
        first, second = fleet.deltas()
        merging.append(min(_merging(fleet, first, second) for _ in range(_REPEATS)))
        deltas = [Delta.from_bytes(data) for data in second]
        rows.append(float(np.mean([len(delta.counts) for delta in deltas])))
        sizes.append(median(map(len, second)))
        unpacking.append(_unpacking(deltas[:_UNPACKED], fleet))
    grown = list(_growing(Fleet(max(fleets), NGRAMS, seed), fleets, scratch, on_step))
    phones, distinct = [point.phones for point in grown], [point.distinct for point in grown]
    releases = [release for point in grown for release in point.releases]
    costs = PlainCosts(
        delta_bytes=Line.through(rows, sizes),
        phone_seconds=_counting(),
        server_seconds=Line.through(rows, merging),
        unpack_seconds=Line.through(rows, unpacking),
        ledger_bytes=Line.through(phones, [point.ledger_bytes for point in grown]).each,
        row_bytes=grown[-1].run_bytes / grown[-1].distinct,
        settle_seconds=sum(point.settled for point in grown) / sum(point.merged for point in grown),
        release_seconds=Line.through(distinct, [point.seconds for point in grown]),
        release_bytes=Line.through(distinct, [point.memory for point in grown]),
        distinct=PowerLaw.through([point.sent for point in grown], distinct),
        released=PowerLaw.through([one[0] for one in releases], [one[1] for one in releases]),
        model_bytes=Line.through([one[1] for one in releases], [one[2] for one in releases]),
    )
    return costs, rows[_SIZES.index(NGRAMS)]


def _merging(fleet: Fleet, first: Sequence[bytes], second: Sequence[bytes]) -> float:
    """Seconds to read and add up one more delta, when as many are merged already."""
    aggregator = Aggregator(fleet.federation, [fleet.base], bounds=fleet.bounds)
    _add(aggregator, first)
    aggregator.settle()
    begin = time.process_time()
    _add(aggregator, second)
    aggregator.settle()
    return (time.process_time() - begin) / len(second)


def _add(aggregator: Aggregator, messages: Sequence[bytes]) -> None:
    for start in range(0, len(messages), _TOGETHER):
        aggregator.add_messages(messages[start : start + _TOGETHER])


def _unpacking(deltas: Sequence[Delta], fleet: Fleet) -> float:
    """The baseline: seconds to unpack a map of n-grams to counts, and add it up in a dictionary."""
    packed = [msgpack.packb(_as_map(delta, fleet)) for delta in deltas]
    taken: list[float] = []
    for _ in range(_REPEATS):
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


def _counting() -> Line:
    """Seconds of a phone to count, bound and write what it has typed, by n-grams: shipped phones."""
    ngrams: list[int] = []
    seconds: list[float] = []
    for texts in open_corpus(str(shipped_corpus())).phones():
        for part in (len(texts.texts) // 2, len(texts.texts)):
            taken: list[float] = []
            for _ in range(_REPEATS):
                begin = time.process_time()
                delta = Phone(texts.texts[:part], order=_ORDER, bounds=DEFAULT_BOUNDS).delta()
                taken.append(time.process_time() - begin)
            ngrams.append(len(delta.counts))
            seconds.append(min(taken))
    return Line.through(ngrams, seconds)


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
    releases: list[tuple[float, int, int]] = []
    for min_phones in _MIN_PHONES:
        begin = time.process_time()
        model = aggregator.release(min_phones)
        seconds = time.process_time() - begin
        releases.append((sent / min_phones, sum(model.ngrams), len(model.to_bytes())))
    tracemalloc.start()
    try:
        aggregator.release(_MIN_PHONES[-1])
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
