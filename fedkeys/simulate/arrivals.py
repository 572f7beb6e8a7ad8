"""A day of rounds in a fleet of any size: who comes, who is lost or late, and what the server's queue does.

In: habits of phones, how rounds go, what an upload costs. Out: a `Day`. Laws: of the phones that are asked each is
merged, lost, late or in a sum that failed; the same seed gives the same day; with a later deadline no fewer are
merged, seed by seed (in sums: where no sum fails); without dropout and deadline everything that was asked for
arrives.

Assumptions, with where they are from
-------------------------------------

- A phone takes part when it is idle, charging and on an unmetered network (Hard et al. 2018, "Federated learning
  for mobile keyboard prediction", section 3). It checks in at random, an inhomogeneous Poisson process whose rate
  follows the hour of its time zone as a cosine, highest at 2 at night; four times as many come in the best hour as
  in the worst (Bonawitz et al. 2019, "Towards federated learning at scale: system design", section 9, of a
  population of one country).
- Of those that are asked 6 to 10 % are lost before their upload arrives (the same).
- Phones come on average once a day, but a quarter of them a quarter as often, and another twice as often; 24 time
  zones have the shares of `ZONES`. These are guesses: nobody has published them.
- From being asked to the upload's first byte takes a log-normal time with a median of 30 seconds, as in
  `fedkeys.simulate.federation`; upload bandwidth is log-normal with a median of 5 Mbit/s. Guesses too.

What is exact and what is sampled
---------------------------------

Phones of one time zone and one habit are alike, so they are numbers, not objects. How many check in, are asked,
are lost, and of them were heard before, are drawn from the exact binomial and hypergeometric distributions at
any size. How long uploads take is drawn from 2^18 equally likely times (4,096 of counting by 64 of bandwidth), by
the second. Of sums under masks at most `MOST_SUMS` of a size and round are drawn phone by phone, step by step; the
others of the round go as these did. The queue is `fedkeys.simulate.station`'s. What takes longer than `HORIZON`
seconds comes then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, pi
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator import RoundRule
from fedkeys.delta.secure import LEAST_TOGETHER, Step
from fedkeys.errors import UsageError
from fedkeys.privacy.neighbours import LOST
from fedkeys.simulate.station import Station
from fedkeys.simulate.steps import STEPS

DAY = 86_400
HORIZON = 21_600
MOST_SUMS = 128
MOST_PHONES = 500_000_000

# Parts of the fleet by time zone, from UTC-11 to UTC+12: clusters of America, Europe and Africa, India, East Asia.
ZONES = (0, 1, 1, 4, 3, 5, 7, 4, 4, 1, 0, 7, 9, 7, 5, 4, 12, 3, 4, 11, 5, 2, 0, 1)
_BEST_HOUR = 2.0
_PACES, _BANDWIDTHS = 4096, 64
_MOST_DAYS = 366
_TALLIED = ("available", "asked", "merged", "lost", "late", "failed", "sums")

Numbers = NDArray[np.int64]
Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Habits:
    """How phones come, and how long they take.

    Attributes:
        daily: how often one checks in a day, on average.
        swing: how many times as many check in in the best hour as in the worst.
        unlike: how often phones come, beside that average: as many parts of the fleet, of equal size.
        zones: parts of the fleet by time zone, from UTC-11 up.
        dropout: the chance that one that is asked is lost before its upload arrives.
        middling, spread: seconds from being asked to sending, at the median, and the standard deviation of their
            logarithm.
        bandwidth, bandwidth_spread: bytes a second of an upload, the same.
        slowness: how many times as long as the machine that measured a phone takes.
    """

    daily: float = 1.0
    swing: float = 4.0
    unlike: Sequence[float] = (0.25, 0.75, 1.0, 2.0)
    zones: Sequence[float] = ZONES
    dropout: float = 0.08
    middling: float = 30.0
    spread: float = 1.0
    bandwidth: float = 625_000.0
    bandwidth_spread: float = 1.0
    slowness: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1 or not self.daily > 0 or self.swing < 1:
            raise UsageError("dropout lies from 0 to below 1, check-ins above 0, and the swing from 1 up")

    def rates(self, begin: float, end: float) -> Draws:
        """How often a phone of each kind checks in between two times, in seconds of UTC, on average.

        Returns:
            float64[zones * unlike], which go through all of `unlike` for each time zone.
        """
        depth = (self.swing - 1) / (self.swing + 1)
        offsets = 3600.0 * (np.arange(len(self.zones)) - 11 - _BEST_HOUR)
        turns = 2 * pi / DAY
        # The integral of 1 + depth cos(turns t).
        waves = depth / turns * (np.sin(turns * (end + offsets)) - np.sin(turns * (begin + offsets)))
        by_zone = self.daily * (end - begin + waves) / DAY
        return np.outer(by_zone, self.unlike).ravel()

    def kinds(self, phones: int) -> Numbers:
        """How many phones there are of each kind, as `rates` orders them; they add up to all."""
        parts = np.repeat(np.array(self.zones, float), len(self.unlike)).cumsum()
        ends = np.round(phones * parts / parts[-1]).astype(np.int64)
        found: Numbers = np.diff(ends, prepend=0)
        return found


@dataclass(frozen=True, slots=True)
class Work:
    """What the server has to do.

    Attributes:
        seconds: of one core, for each upload that is merged; of a sum, where there are sums.
        release: seconds of a release, while nothing is merged; every: after how many rounds there is one.
        up_bytes, down_bytes: of a phone that takes part.
        cores: that merge.
        together: about how many phones are in one sum; None for deltas that are seen.
        busy_phone: seconds of a phone's core before it sends, for its masks.
    """

    seconds: float
    release: float
    up_bytes: float
    down_bytes: float
    cores: int = 1
    together: int | None = None
    busy_phone: float = 0.0
    every: int = 1


@dataclass(frozen=True, slots=True)
class Day:
    """What happened: an entry a round.

    Attributes:
        available: how many phones had checked in; asked: of them; 0 where the round did not start.
        merged, lost, late: what became of these; failed: how many were in sums that came to nothing.
        sums: how many began.
        bytes_in: float64[seconds], of each second.
        bytes_out: bytes a second while phones check in for a round, which then fetch the model.
        station: the server's queue.
    """

    available: Numbers
    asked: Numbers
    merged: Numbers
    lost: Numbers
    late: Numbers
    failed: Numbers
    sums: Numbers
    bytes_in: Draws
    bytes_out: Draws
    station: Station

    @property
    def utilisation(self) -> float:
        """The part of the day in which the server works; above 1 it does not keep up."""
        return self.station.busy / DAY


@dataclass(frozen=True, slots=True)
class _Fates:
    """What became of the phones of one round.

    Attributes:
        merged, lost, late, failed: how many.
        sums: how many began.
        uploads: int64[seconds], how many uploads arrive in each second of the round.
        jobs: int64[seconds], how many of them, or of sums, the server then has to do.
    """

    merged: int
    lost: int
    late: int
    failed: int
    sums: int
    uploads: Numbers
    jobs: Numbers


def day_of(
    phones: int, rule: RoundRule, rounds: int, habits: Habits, work: Work, rng: np.random.Generator
) -> Day:
    """Simulate one day.

    Args:
        phones: of the fleet.
        rule: of its rounds; those that can be reached are those that have checked in since the round before began.
        rounds: in a day, in equal distances.
        habits, work: of phones, and of the server.
        rng: draws everything.

    Raises:
        UsageError: there are too many phones, or rounds.
    """
    _check(phones, rounds)
    window = DAY / rounds
    kinds = habits.kinds(phones)
    tally = np.zeros((len(_TALLIED), rounds), np.int64)
    uploads, jobs = np.zeros((2, DAY + HORIZON + 1), np.int64)
    chances = _chances(habits, work)
    ends: list[float] = []
    for at, generator in enumerate(rng.spawn(rounds)):
        begin = int(at * window)
        coming, fate = generator.spawn(2)
        available, asked = _turnout(kinds, habits.rates(begin - window, begin), rule, coming)
        fates = _fates(int(asked.sum()), rule, habits, work, chances, fate)
        tally[:, at] = [
            int(available.sum()),
            int(asked.sum()),
            *(getattr(fates, name) for name in _TALLIED[2:]),
        ]
        uploads[begin : begin + HORIZON + 1] += fates.uploads
        jobs[begin : begin + HORIZON + 1] += fates.jobs
        if asked.any() and (at + 1) % work.every == 0:
            ends.append(begin + _end_of(fates, rule, work))
    available_, asked_, merged, lost, late, failed, sums = tally
    return Day(
        available_,
        asked_,
        merged,
        lost,
        late,
        failed,
        sums,
        bytes_in=uploads.astype(np.float64) * work.up_bytes,
        bytes_out=asked_.astype(np.float64) * work.down_bytes / window,
        station=_served(jobs, np.array(ends, float), work),
    )


def _end_of(fates: "_Fates", rule: RoundRule, work: Work) -> float:
    """When a round is over, in seconds since it began: at its deadline, or when the last one has answered."""
    if rule.deadline is not None and work.together is None:
        return min(rule.deadline, HORIZON)
    answered = np.flatnonzero(fates.uploads + fates.jobs)
    return float(answered[-1] + 1) if len(answered) else 0.0


def _served(jobs: Numbers, ends: Draws, work: Work) -> Station:
    """Have the server do what came in each second, and releases."""
    moments = np.flatnonzero(jobs)
    arrivals = np.concatenate([moments + 1.0, ends])
    sizes = np.concatenate([jobs[moments], np.zeros(len(ends), np.int64)])
    seconds = np.concatenate([jobs[moments] * (work.seconds / work.cores), np.full(len(ends), work.release)])
    order = np.argsort(arrivals, kind="stable")
    return Station.served(arrivals[order], sizes[order], seconds[order])


def days_until_heard(
    phones: int,
    rule: RoundRule,
    rounds: int,
    habits: Habits,
    merging: float,
    rng: np.random.Generator,
    parts: Sequence[float] = (0.5, 0.99, 1.0),
) -> list[float | None]:
    """Tell after how many days which parts of the fleet were merged once.

    Args:
        phones, rule, rounds, habits: as of `day_of`.
        merging: the chance that one that is asked is merged.
        rng: draws everything.
        parts: of the fleet, ascending, up to 1.

    Returns:
        For each part days, or None if it takes longer than a year.
    """
    _check(phones, rounds)
    window = DAY / rounds
    kinds = habits.kinds(phones)
    left = kinds.copy()
    found: list[float] = []
    for at in range(_MOST_DAYS * rounds):
        begin = at * window
        _, asked = _turnout(kinds, habits.rates(begin - window, begin), rule, rng)
        merged = rng.binomial(asked, merging)
        left -= rng.hypergeometric(left, kinds - left, merged)
        heard = phones - int(left.sum())
        while len(found) < len(parts) and heard >= parts[len(found)] * phones:
            found.append((begin + window) / DAY)
        if len(found) == len(parts):
            break
    return [*found, *[None] * (len(parts) - len(found))]


def _check(phones: int, rounds: int) -> None:
    if not 1 <= phones <= MOST_PHONES or not 1 <= rounds <= DAY // 60:
        raise UsageError(
            f"{phones:,} phones, {rounds:,} rounds a day",
            remedy=f"choose 1 to {MOST_PHONES:,} phones, and 1 to {DAY // 60:,} rounds a day",
        )


def _turnout(
    kinds: Numbers, rates: Draws, rule: RoundRule, rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """How many phones of each kind have checked in, and are asked, as `fedkeys.aggregator.select` chooses them."""
    available = rng.binomial(kinds, -np.expm1(-rates))
    in_all = int(available.sum())
    if in_all < rule.min_available:
        return available, np.zeros_like(available)
    if rule.cohort is None or rule.cohort >= in_all:
        return available, available
    return available, rng.multivariate_hypergeometric(available, rule.cohort, method="marginals")


def _quantiles(number: int) -> Draws:
    """Equally likely values of a normal variable."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((at + 0.5) / number) for at in range(number)])


def _chances(habits: Habits, work: Work) -> Draws:
    """How likely an upload arrives in each second since it was asked for, of equally likely times."""
    counting = habits.middling * np.exp(habits.spread * _quantiles(_PACES))
    sending = work.up_bytes / habits.bandwidth * np.exp(habits.bandwidth_spread * _quantiles(_BANDWIDTHS))
    times = np.minimum(np.add.outer(counting, sending).ravel(), HORIZON).astype(np.int64)
    found: Draws = np.bincount(times, minlength=HORIZON + 1) / len(times)
    return found


def _fates(
    asked: int, rule: RoundRule, habits: Habits, work: Work, chances: Draws, rng: np.random.Generator
) -> _Fates:
    if work.together is not None:
        return _fates_in_sums(asked, rule, habits, work, work.together, rng)
    lost = int(rng.binomial(asked, habits.dropout))
    uploads = rng.multinomial(asked - lost, chances)
    in_time = uploads.copy()
    if rule.deadline is not None:
        in_time[floor(rule.deadline) :] = 0
    merged = int(in_time.sum())
    return _Fates(merged, lost, asked - lost - merged, 0, 0, uploads, in_time)


def _fates_in_sums(
    asked: int, rule: RoundRule, habits: Habits, work: Work, together: int, rng: np.random.Generator
) -> _Fates:
    """The same, in sums of about as many phones: all begin at once, and take five steps in the same rhythm."""
    uploads, jobs = np.zeros((2, HORIZON + 1), np.int64)
    sums = max(1, asked // together)
    if asked // sums < LEAST_TOGETHER:
        return _Fates(0, 0, 0, asked, 0, uploads, jobs)
    tally = np.zeros(4, np.int64)
    larger = asked % sums
    for number, size in ((larger, asked // sums + 1), (sums - larger, asked // sums)):
        drawn = min(number, MOST_SUMS)
        if not drawn:
            continue
        stand_for = np.full(drawn, number // drawn) + (np.arange(drawn) < number % drawn)
        run = _sums(drawn, size, rule.deadline, habits, work, rng)
        tally += (stand_for[:, None] * run.fates).sum(0)
        np.add.at(uploads, run.moments, np.where(run.sent, stand_for[:, None], 0))
        np.add.at(jobs, run.ends, np.where(run.fates[:, 0] > 0, stand_for, 0))
    merged, lost, late, failed = tally.tolist()
    return _Fates(merged, lost, late, failed, sums, uploads, jobs)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Some sums of one size.

    Attributes:
        fates: int64[sums, 4], how many phones of each were merged, lost, late, or in it when it failed.
        moments: int64[sums, size], the second in which a vector arrives; sent: where there is one.
        ends: int64[sums], the second in which each ends.
    """

    fates: Numbers
    moments: Numbers
    sent: NDArray[np.bool_]
    ends: Numbers


def _sums(
    number: int, size: int, deadline: float | None, habits: Habits, work: Work, rng: np.random.Generator
) -> _Sums:
    """Draw some sums, phone by phone.

    A step ends when all who are left have taken it, or at a fifth of the deadline: who is lost does not say so.
    """
    steps = len(STEPS)
    losing, sending = rng.random((number, size)), rng.standard_normal((number, size))
    # Who is lost is lost at each step alike.
    lost_at = np.where(losing < habits.dropout, losing * steps / max(habits.dropout, 1e-300), steps).astype(
        int
    )
    most = HORIZON / steps if deadline is None else min(deadline, HORIZON) / steps
    alive = np.ones((number, size), bool)
    running = np.ones(number, bool)
    fates = np.zeros((number, 4), np.int64)
    now = np.zeros(number)
    needed = np.full(number, LEAST_TOGETHER)
    for at, step in enumerate(STEPS):
        times = habits.middling / steps * np.exp(habits.spread * rng.standard_normal((number, size)))
        gone = alive & (lost_at == at) & running[:, None]
        alive &= ~gone
        if step is Step.MASKED:
            times += work.up_bytes / habits.bandwidth * np.exp(habits.bandwidth_spread * sending)
            times += habits.slowness * work.busy_phone
            sent, moments = alive & running[:, None], now[:, None] + times
        slow = alive & (times > most) & running[:, None]
        alive &= ~slow
        if step <= Step.MASKED:
            fates[:, 1] += gone.sum(1)
            fates[:, 2] += slow.sum(1)
        waits = (gone | slow).any(1) if deadline is not None else np.zeros(number, bool)
        now += running * np.where(waits, most, np.where(alive, times, 0.0).max(1))
        left = alive.sum(1)
        if step is Step.KEYS:
            needed = np.maximum(needed, left - np.floor(LOST * left).astype(np.int64))
        if step <= Step.MASKED:
            fates[:, 0] = left
        running &= left >= needed
    fates[:, 3] = np.where(running, 0, size - fates[:, 1] - fates[:, 2])
    fates[~running, 0] = 0
    seconds = np.minimum(moments, HORIZON).astype(np.int64)
    return _Sums(fates, seconds, sent, np.minimum(now, HORIZON).astype(np.int64))
