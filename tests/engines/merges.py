"""The same merge by one process and by tasks, for tests that hold the two together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fedkeys.aggregator import Aggregator, Enrolment, Intake, delta_files, merge_files
from fedkeys.aggregator.releases import ReleaseRule
from fedkeys.counts import Vocabulary
from fedkeys.delta import Bounds
from fedkeys.engines.dask import Here, Rules, Scale, merge_deltas, sources_of


class Setting(NamedTuple):
    """What a merge and a release go by."""

    rule: ReleaseRule
    bounds: Bounds | None = None
    enrolment: Enrolment | None = None
    bases: tuple[Vocabulary, ...] = ()
    memory: int = 1 << 30


class Outcome(NamedTuple):
    """All that comes of a merge."""

    intake: Intake
    merged: tuple[int, int, int]
    phones: int
    deltas: int
    model: bytes


def by_one(inputs: Sequence[str | Path], setting: Setting) -> Outcome:
    """Merge in one process."""
    aggregator = Aggregator(
        bases=setting.bases, memory=setting.memory, bounds=setting.bounds, enrolment=setting.enrolment
    )
    intake = merge_files(aggregator, delta_files(map(Path, inputs)))
    rule = setting.rule
    model = aggregator.release(rule.min_phones, rule.blocked, rule.prune)
    merged = aggregator.merged
    aggregator.close()
    return Outcome(
        intake,
        (merged.deltas, merged.rows, merged.bytes),
        model.header["phones"],
        model.header["deltas"],
        model.to_bytes(),
    )


def by_tasks(
    inputs: Sequence[str | Path], setting: Setting, scale: Scale | None = None, engine: Any = None
) -> Outcome:
    """Merge in tasks, in this process where no engine is given."""
    rules = Rules.of(
        bases=setting.bases, memory=setting.memory, bounds=setting.bounds, enrolment=setting.enrolment
    )
    merge = merge_deltas(engine or Here(), sources_of(map(str, inputs)), rules, scale)
    merged = (merge.merged.deltas, merge.merged.rows, merge.merged.bytes)
    return Outcome(merge.intake, merged, merge.phones, merge.deltas, merge.release(setting.rule).to_bytes())
