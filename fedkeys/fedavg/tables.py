"""Hospitals' tables: one CSV a hospital, read and prepared on site.

In: a directory of CSV files with one header line in common. Out: `Hospital`s. Laws: what hospitals agree on
(which columns to keep, which values a category has) comes from counts, and from the values of columns that have
few; never from rows. What is filled in comes from patients to train on. A cell that is no number is an error that
names file, line and column.

    outcome      a column of numbers; the label is whether it is above 0
    dropped      columns of which more than 3 in 10 values are missing over all hospitals
    categories   columns of 3 to 5 whole numbers: one column a value, without the first; a hospital with more
                 than 5 different values in a column tells only that
    missing      rows with a missing value are left out, or the value is the mean over all hospitals' patients to
                 train on (of a category: the part that has each value)
    split        two thirds train, one third tests, stratified where both classes have more than two rows
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fedkeys.errors import SourceError, UsageError
from fedkeys.fedavg.hospitals import Hospital
from fedkeys.fedavg.models.base import Array, Labels

_MOST_MISSING = 0.3
_CATEGORY_SIZES = range(3, 6)
_TEST_PART = 0.34
_SPLIT_SEED = 43  # of FLamby's split of the heart data (du Terrail et al. 2022), which this follows

Missing = Literal["drop", "mean"]


class Table(NamedTuple):
    """One hospital's table.

    Attributes:
        name: the file's name without its ending.
        columns: the header.
        values: float[rows, columns], NaN where a cell is empty.
    """

    name: str
    columns: tuple[str, ...]
    values: Array


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


def read_tables(directory: Path) -> list[Table]:
    """Read every `.csv` of a directory.

    Raises:
        SourceError: there are fewer than two, their headers differ, or a cell is no number.
    """
    files = sorted(directory.glob("*.csv")) if directory.is_dir() else []
    if len(files) < 2:
        raise SourceError(
            "fewer than two .csv files", file=directory, remedy="put one file for each hospital there"
        )
    tables = [_read(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        if table.columns != tables[0].columns:
            raise SourceError(
                f"its columns are not those of {files[0].name}",
                file=file,
                place="line 1",
                remedy=f"expected {','.join(tables[0].columns)}",
            )
    return tables


def agree(tables: Sequence[Table], outcome: str | None = None) -> Roles:
    """Let the hospitals agree on the roles of the columns.

    Raises:
        UsageError: there is no such outcome, or nothing to predict it from.
    """
    columns = tables[0].columns
    outcome = columns[-1] if outcome is None else outcome
    if outcome not in columns:
        raise UsageError(f"no column is named {outcome!r}", remedy=f"choose one of {', '.join(columns)}")
    rows = sum(len(table.values) for table in tables)
    missing = sum(np.isnan(table.values).sum(0) for table in tables)
    dropped = [name for name, count in zip(columns, missing, strict=True) if count > _MOST_MISSING * rows]
    features = tuple(name for name in columns if name != outcome and name not in dropped)
    if not features:
        raise UsageError("no column is left to predict from")
    labels = [_labels(table, outcome) for table in tables]
    if len(np.unique(np.concatenate(labels))) < 2:
        raise UsageError(
            f"no hospital has rows of both kinds of {outcome!r}, above 0 and not",
            remedy="name another --outcome",
        )
    categories: dict[str, tuple[float, ...]] = {}
    for name in features:
        told = [_few_values(table, name) for table in tables]
        values = sorted({value for own in told if own is not None for value in own})
        if all(own is not None for own in told) and len(values) in _CATEGORY_SIZES:
            categories[name] = tuple(values)
    return Roles(outcome, features, categories, tuple(dropped))


def hospitals_of(tables: Sequence[Table], roles: Roles, missing: Missing = "drop") -> list[Hospital]:
    """Prepare each table on site.

    Raises:
        UsageError: too few rows are left in a hospital.
    """
    prepared = [_prepared(table, roles, missing) for table in tables]
    sums = sum(np.nansum(each.data[each.train], axis=0) for each in prepared)
    counts = sum((~np.isnan(each.data[each.train])).sum(0) for each in prepared)
    means = np.asarray(sums) / np.maximum(counts, 1)
    hospitals = []
    for name, data, labels, train, test in prepared:
        filled = np.where(np.isnan(data), means, data)
        hospitals.append(Hospital(name, filled[train], labels[train], filled[test], labels[test]))
    return hospitals


def split(labels: Labels) -> tuple[Labels, Labels]:
    """Give the places of rows to train on and to test on.

    With scikit-learn's `train_test_split`, whose draw published baselines used, where that is installed; else
    with a stratified draw of our own.
    """
    places = np.arange(len(labels))
    counts = np.bincount(labels.astype(int), minlength=2)
    stratified = min(counts) > 2
    try:
        from sklearn.model_selection import train_test_split
    except ImportError:
        rng = np.random.default_rng(_SPLIT_SEED)
        groups = [np.flatnonzero(labels == label) for label in (0, 1)] if stratified else [places]
        test = np.concatenate([rng.permutation(g)[: -(-len(g) * 34 // 100)] for g in groups])
        return np.setdiff1d(places, test), np.sort(test)
    train, test = train_test_split(
        places,
        test_size=_TEST_PART,
        random_state=_SPLIT_SEED,
        shuffle=True,
        stratify=labels if stratified else None,
    )
    return train, test


def _read(file: Path) -> Table:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            columns = tuple(name.strip() for name in next(reader, []))
            rows = [_numbers(row, columns, file, reader.line_num) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"cannot be read as CSV ({error})", file=file) from None
    if not rows or len(set(columns)) != len(columns):
        raise SourceError("no rows below a header of distinct names", file=file)
    return Table(file.stem, columns, np.array(rows))


def _numbers(row: list[str], columns: Sequence[str], file: Path, line: int) -> list[float]:
    if len(row) != len(columns):
        raise SourceError(
            f"{len(row)} cells where {len(columns)} were expected", file=file, place=f"line {line}"
        )
    numbers: list[float] = []
    for name, cell in zip(columns, row, strict=True):
        try:
            number = float(cell) if cell.strip() else float("nan")
            if np.isinf(number):
                raise ValueError
        except ValueError:
            raise SourceError(
                f"{cell[:20]!r} is no number",
                file=file,
                place=f"line {line}, column {name}",
                remedy="leave the cell empty if the value is missing",
            ) from None
        numbers.append(number)
    return numbers


class _Prepared(NamedTuple):
    """A table as numbers: float[rows, d] with NaN where a value is to be filled in; labels, and the split."""

    name: str
    data: Array
    labels: Labels
    train: Labels
    test: Labels


def _labels(table: Table, outcome: str) -> Labels:
    """Whether the outcome is above 0, in rows that have one."""
    values = table.values[:, table.columns.index(outcome)]
    return np.asarray(values[~np.isnan(values)] > 0)


def _few_values(table: Table, name: str) -> set[float] | None:
    """The values of a column, if they are few and whole: all that a hospital tells about them."""
    column = table.values[:, table.columns.index(name)]
    values = np.unique(column[~np.isnan(column)])
    few = len(values) <= _CATEGORY_SIZES[-1] and bool(np.all(values == np.rint(values)))
    return set(values.tolist()) if few else None


def _prepared(table: Table, roles: Roles, missing: Missing) -> _Prepared:
    by_name = dict(zip(table.columns, table.values.T, strict=True))
    outcome = by_name[roles.outcome]
    columns: list[Array] = []
    for name in roles.features:
        values = by_name[name]
        unknown = np.where(np.isnan(values), np.nan, 0.0)
        if name in roles.categories:
            columns += [(values == category) + unknown for category in roles.categories[name][1:]]
        else:
            columns.append(values)
    data = np.column_stack(columns)
    usable = ~np.isnan(outcome)
    if missing == "drop":
        usable &= ~np.isnan(data).any(1)
    if np.count_nonzero(usable) < 3:
        raise UsageError(
            f"{table.name} has {np.count_nonzero(usable)} rows that can be used",
            remedy="try --missing mean" if missing == "drop" else "leave its file out",
        )
    labels = (outcome[usable] > 0).astype(int)
    return _Prepared(table.name, data[usable], labels, *split(labels))
