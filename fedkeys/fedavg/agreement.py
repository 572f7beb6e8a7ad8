"""What hospitals agree on about their tables: the roles of columns.

In: a summary of each hospital's table. Out: `Roles`. Law: a summary holds counts over all rows of a table that has
enough of them, and values, and kinds of outcome, that enough patients have; no row.

    outcome      a column of numbers; the label is whether it is above 0
    dropped      columns of which more than 3 in 10 values are missing over all hospitals
    categories   columns of 3 to 5 whole numbers: one column a value, without the first; a hospital with more
                 than 5 different values in a column tells only that. A value that too few patients of each
                 hospital have is no category, and counts as the first

Enough are 10 patients unless somebody says otherwise: a minimum frequency, as where statistics of health are
published (Hundepool et al. 2012, "Statistical Disclosure Control", chapter 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.tables import Table

_MOST_MISSING = 0.3
_CATEGORY_SIZES = range(3, 6)
LEAST_PATIENTS = 10  # of whom a hospital tells a sum, or a value


class Summary(NamedTuple):
    """What a hospital tells about its table.

    Attributes:
        name: the hospital's.
        columns: the header.
        outcome: the column that is to be predicted.
        rows: how many.
        missing: of each column, how many values.
        few: of each column whose values are few and whole those that enough patients have, ascending; None of a
            column of many, and of the outcome.
        kinds: whether enough patients have an outcome that is not above 0, and one that is.
    """

    name: str
    columns: tuple[str, ...]
    outcome: str
    rows: int
    missing: tuple[int, ...]
    few: tuple[tuple[float, ...] | None, ...]
    kinds: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class Roles:
    """What the hospitals agreed on.

    Attributes:
        outcome: the column that is predicted.
        features: the columns that predict, in order.
        categories: column -> its values, ascending, for those that become one column a value.
        dropped: columns with too many missing values.
    """

    outcome: str
    features: tuple[str, ...]
    categories: dict[str, tuple[float, ...]]
    dropped: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many columns the data have once each category but the first is one."""
        return sum(len(self.categories[name]) - 1 if name in self.categories else 1 for name in self.features)


def summary_of(table: Table, outcome: str | None = None, least: int = LEAST_PATIENTS) -> Summary:
    """Tell about a table.

    Args:
        table: a hospital's.
        outcome: the column that is to be predicted; the last one if none is named.
        least: nothing is told of fewer patients.

    Raises:
        UsageError: there is no such column, or the table has fewer rows.
    """
    name = table.columns[-1] if outcome is None else outcome
    if name not in table.columns:
        raise UsageError(
            f"no column is named {outcome!r}", remedy=f"choose one of {', '.join(table.columns)}"
        )
    check_enough(table.name, "rows", len(table.values), least)
    columns = dict(zip(table.columns, table.values.T, strict=True))
    known = columns[name][~np.isnan(columns[name])]
    return Summary(
        name=table.name,
        columns=table.columns,
        outcome=name,
        rows=len(table.values),
        missing=tuple(np.isnan(table.values).sum(0).tolist()),
        few=tuple(None if each == name else few_values(column, least) for each, column in columns.items()),
        kinds=(int((known <= 0).sum()) >= least, int((known > 0).sum()) >= least),
    )


def agree(summaries: Sequence[Summary]) -> Roles:
    """Let hospitals agree on the roles of the columns.

    Raises:
        UsageError: their columns or outcomes differ, or there is nothing to predict, or to predict it from.
    """
    first = summaries[0]
    for each in summaries:
        if (each.columns, each.outcome) != (first.columns, first.outcome):
            raise UsageError(
                f"{each.name} has other columns than {first.name}",
                remedy=f"expected {','.join(first.columns)}",
            )
    rows = sum(each.rows for each in summaries)
    missing = [sum(counts) for counts in zip(*(each.missing for each in summaries), strict=True)]
    dropped = [
        name for name, count in zip(first.columns, missing, strict=True) if count > _MOST_MISSING * rows
    ]
    features = tuple(name for name in first.columns if name != first.outcome and name not in dropped)
    if not features:
        raise UsageError("no column is left to predict from")
    if not all(any(kind) for kind in zip(*(each.kinds for each in summaries), strict=True)):
        raise UsageError(
            f"no hospital tells of rows of both kinds of {first.outcome!r}, above 0 and not",
            remedy="name another --outcome",
        )
    categories: dict[str, tuple[float, ...]] = {}
    for name in features:
        told = [each.few[first.columns.index(name)] for each in summaries]
        values = sorted({value for own in told if own is not None for value in own})
        if all(own is not None for own in told) and len(values) in _CATEGORY_SIZES:
            categories[name] = tuple(values)
    return Roles(first.outcome, features, categories, tuple(dropped))


def few_values(column: Array, least: int = LEAST_PATIENTS) -> tuple[float, ...] | None:
    """Give the values of a column that enough patients have, ascending; None if its values are many, or not whole.

    Args:
        column: float[rows], NaN where a value is missing.
        least: how many patients are enough.
    """
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    if len(values) > _CATEGORY_SIZES[-1] or np.any(values != np.rint(values)):
        return None
    return tuple(values[counts >= least].tolist())


def check_enough(name: str, what: str, there: int, least: int) -> None:
    """Refuse to tell anything of too few patients, nor how many there are.

    Raises:
        UsageError: there are fewer than the least.
    """
    if there < least:
        raise UsageError(
            f"{name} has too few {what}: nothing is told of fewer than {least} patients",
            remedy="leave it out, or set a lower least-patients where its patients' interests allow that",
        )
