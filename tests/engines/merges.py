"""The same merge by one process and by tasks, for tests that hold the two together."""

from collections.abc import Callable, Sequence
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


class Task(NamedTuple):
    """What `Forgetting` gives for the result of a task."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Forgetting:
    """Holds nothing: a result is made again each time it is needed, as if its worker had just been killed.

    Args:
        step: before which something happens, once.
        happen: does it.
    """

    workers = 1

    def __init__(self, step: str = "", happen: Callable[[], object] = lambda: None) -> None:
        self._left = {step: happen}

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Task:
        return Task(function, arguments)

    def gather(self, name: str, futures: Sequence[Task]) -> list[Any]:
        self._left.pop(name, lambda: None)()
        return list(map(_made, futures))


def _made(value: Any) -> Any:
    if isinstance(value, Task):
        return value.function(*map(_made, value.arguments))
    return list(map(_made, value)) if type(value) is list else value


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
