"""A merge from beginning to end, and releases of it.

In: sources, rules, and who runs the tasks. Out: an account of what was merged, and models. Law: neither depends on
who runs the tasks, nor on how many buckets, ranges and partitions there are.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedkeys.aggregator import MOST_NAMED, Intake, Merged
from fedkeys.aggregator.blocklist import blocked_word
from fedkeys.aggregator.releases import ReleaseRule
from fedkeys.counts.ngrams import Rows
from fedkeys.engines.dask.engine import Engine, Future
from fedkeys.engines.dask.inputs import Source, Span, planned, scan
from fedkeys.engines.dask.reading import About, first_numbers, group_starts, read
from fedkeys.engines.dask.selecting import Scale, select
from fedkeys.engines.dask.taking import Account, Rules, take
from fedkeys.model import Model

_LEAST_BYTES, _PART_OF_MEMORY = 1 << 20, 64  # of deltas, which are deflated, in what a task reads or merges


@dataclass(frozen=True, slots=True)
class Merge:
    """What was merged, in the hands of whoever runs the tasks.

    Attributes:
        intake: what became of the messages.
        phones, deltas: how many there are.
        merged: how much was merged.
    """

    intake: Intake
    phones: int
    deltas: int
    merged: Merged
    _engine: Engine
    _rules: Rules
    _scale: Scale
    _sums: tuple[Future, ...]

    def release(self, rule: ReleaseRule) -> Model:
        """Make a model, as `Aggregator.release` does without a budget.

        Raises:
            UsageError: what is blocked is no single word.
        """
        blocked = frozenset(map(blocked_word, rule.blocked))
        selection = select(
            self._engine, self._sums, self._scale, self._rules.memory, rule.min_phones, blocked
        )
        return selection.model(self._how_counts_came(), rule.min_phones, blocked, rule.prune)

    def _how_counts_came(self) -> dict[str, Any]:
        bounds = self._rules.bounds
        return {
            "federation": self._rules.federation,
            "bounds": bounds.as_map() if bounds and self.deltas else None,
            "rounds": 1,
            "phones": self.phones,
            "deltas": self.deltas,
        }


def merge_deltas(
    engine: Engine, sources: Sequence[Source], rules: Rules, scale: Scale | None = None
) -> Merge:
    """Merge every sound delta of some sources exactly once.

    Args:
        engine: runs the tasks.
        sources: in the order in which they count: of two deltas under one identity the first is merged.
        rules: what deltas are held to.
        scale: into how many pieces it is cut.

    Raises:
        FedkeysError: nobody is left to run the tasks.
    """
    scale = scale or Scale()
    # The same for both, since each task that reads has a share for each bucket.
    at_once = max(_LEAST_BYTES, rules.memory // _PART_OF_MEMORY)
    read_bytes = scale.read_bytes or at_once

    def scanned(logs: Sequence[Source]) -> list[list[Span]]:
        return engine.gather("looking", [engine.submit(scan, log, read_bytes) for log in logs])

    tasks = planned(sources, read_bytes, scanned)
    bytes_ = sum(span.size for spans in tasks for span in spans)
    buckets = scale.buckets or max(engine.workers, -(-bytes_ // at_once))
    read_ = [engine.submit(read, spans, buckets) for spans in tasks]
    abouts: list[About] = engine.gather("reading", [engine.submit(_pick, found, 0) for found in read_])
    firsts, starts = first_numbers(abouts), group_starts(abouts)
    # What all tasks need is a task itself: what is only sent to a worker is lost with it.
    shared = engine.submit(_same, rules)
    taken = [
        engine.submit(
            take,
            shared,
            [engine.submit(_pick, found, 1, bucket) for found in read_],
            [about.digests[bucket] for about in abouts],
            firsts,
            starts,
        )
        for bucket in range(buckets)
    ]
    accounts: list[Account] = engine.gather("merging", [engine.submit(_pick, found, 0) for found in taken])
    merged = Merged()
    for account in accounts:
        merged.add(account.sums)
    return Merge(
        _intake(abouts, firsts, starts, accounts),
        sum(account.phones for account in accounts),
        sum(account.deltas for account in accounts),
        merged,
        engine,
        rules,
        scale,
        tuple(engine.submit(_pick, found, 1) for found in taken),
    )


def _intake(abouts: Sequence[About], firsts: Rows, starts: Rows, accounts: Sequence[Account]) -> Intake:
    """Give the account as one machine gives it: of a group what could not be read comes first."""

    def group_of(number: int) -> int:
        return int(np.searchsorted(starts, number, "right"))

    told: list[tuple[tuple[int, bool, int], str]] = []
    reasons: Counter[str] = Counter()
    for first, about in zip(firsts.tolist(), abouts, strict=True):
        for unread in about.unread:
            told.append(((group_of(first + unread.before - 1), False, len(told)), unread.sentence))
            reasons[unread.reason] += 1
    for account in accounts:
        told += [((group_of(number), True, number), sentence) for number, sentence in account.refused]
        reasons += account.reasons
    named: list[str] = []
    for (_, is_message, _), sentence in sorted(told):
        if len(named) < MOST_NAMED or not is_message:
            named.append(sentence)
    merged, repeated = sum(one.merged for one in accounts), sum(one.repeated for one in accounts)
    return Intake(merged, repeated, tuple(named), reasons.total() - len(named), dict(reasons))


def _pick(value: Any, *places: int) -> Any:
    """Give a part of what a task gave, so that no more is sent than is asked for."""
    for place in places:
        value = value[place]
    return value


def _same(value: Any) -> Any:
    return value
