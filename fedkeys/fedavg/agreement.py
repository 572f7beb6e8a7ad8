"""What hospitals agree on about their tables: the roles of columns.

In: a summary of each hospital's table. Out: `Roles`. Law: a summary holds counts, and the values of columns that
have few; no row.

    outcome      a column of numbers; the label is whether it is above 0
    dropped      columns of which more than 3 in 10 values are missing over all hospitals
    categories   columns of 3 to 5 whole numbers: one column a value, without the first; a hospital with more
                 than 5 different values in a column tells only that
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


class Summary(NamedTuple):
    """What a hospital tells about its table.

    Attributes:
        name: the hospital's.
        columns: the header.
        outcome: the column that is to be predicted.
        rows: how many.
        missing: of each column, how many values.
        few: the values of each column, ascending, where they are few and whole; None where they are not, and of
            the outcome.
        kinds: whether it has rows whose outcome is not above 0, and is.
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


def summary_of(table: Table, outcome: str | None = None) -> Summary:
    """Tell about a table.

    Args:
        table: a hospital's.
        outcome: the column that is to be predicted; the last one if none is named.

    Raises:
        UsageError: there is no such column.
    """
    name = table.columns[-1] if outcome is None else outcome
    if name not in table.columns:
        raise UsageError(
            f"no column is named {outcome!r}", remedy=f"choose one of {', '.join(table.columns)}"
        )
    columns = dict(zip(table.columns, table.values.T, strict=True))
    known = columns[name][~np.isnan(columns[name])]
    return Summary(
        name=table.name,
        columns=table.columns,
        outcome=name,
        rows=len(table.values),
        missing=tuple(np.isnan(table.values).sum(0).tolist()),
        few=tuple(None if each == name else _few_values(column) for each, column in columns.items()),
        kinds=(bool(np.any(known <= 0)), bool(np.any(known > 0))),
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
            f"no hospital has rows of both kinds of {first.outcome!r}, above 0 and not",
            remedy="name another --outcome",
        )
    categories: dict[str, tuple[float, ...]] = {}
    for name in features:
        told = [each.few[first.columns.index(name)] for each in summaries]
        values = sorted({value for own in told if own is not None for value in own})
        if all(own is not None for own in told) and len(values) in _CATEGORY_SIZES:
            categories[name] = tuple(values)
    return Roles(first.outcome, features, categories, tuple(dropped))


def _few_values(column: Array) -> tuple[float, ...] | None:
    """The values of a column, if they are few and whole: all that a hospital tells about them."""
    values = np.unique(column[~np.isnan(column)])
    few = len(values) <= _CATEGORY_SIZES[-1] and bool(np.all(values == np.rint(values)))
    return tuple(values.tolist()) if few else None
