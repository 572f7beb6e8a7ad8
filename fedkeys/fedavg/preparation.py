"""A hospital's table, prepared on site.

In: a table, and what the hospitals agreed on. Out: a `Hospital`. Laws: what is filled in comes from patients to
train on; of a missing value the hospitals tell sums and counts alone; each sum is over enough patients, or is
not told. (What is summed may be the 1 of a single one: that three in fifty have a value is told.)

    missing      rows with a missing value are left out, or the value is the mean over all hospitals' patients to
                 train on (of a category: the part that has each value); a column of which a hospital knows too
                 few of these is unknown there as a whole
    split        two thirds train, one third tests, stratified where both classes have more than two rows
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.fedavg.agreement import LEAST_PATIENTS, Roles, check_enough
from fedkeys.fedavg.hospitals import Hospital
from fedkeys.fedavg.models.base import Array, Labels
from fedkeys.fedavg.tables import Table

_TEST_PART = 0.34
_SPLIT_SEED = 43  # of FLamby's split of the heart data (du Terrail et al. 2022), which this follows

Missing = Literal["drop", "mean"]


class Totals(NamedTuple):
    """What a hospital tells so that missing values can be filled in.

    Attributes:
        sums: float[d], of each column's values of patients to train on.
        counts: int[d], how many values these are.
    """

    sums: Array
    counts: Labels


class Prepared(NamedTuple):
    """A table as numbers.

    Attributes:
        name: the hospital's.
        data: float[rows, d], with NaN where a value is to be filled in.
        labels: int[rows].
        train, test: places of rows.
    """

    name: str
    data: Array
    labels: Labels
    train: Labels
    test: Labels

    def totals(self) -> Totals:
        """Tell sums and counts of what is known of patients to train on."""
        rows = self.data[self.train]
        return Totals(np.nansum(rows, axis=0), (~np.isnan(rows)).sum(0))

    def filled(self, means: Array) -> Hospital:
        """Fill in what is missing: float[d]."""
        data = np.where(np.isnan(self.data), means, self.data)
        train, test = self.train, self.test
        return Hospital(self.name, data[train], self.labels[train], data[test], self.labels[test])


def means_of(totals: Sequence[Totals]) -> Array:
    """Give the mean of each column over all hospitals: float[d]; 0 where nobody knows a value."""
    sums = np.asarray(sum(each.sums for each in totals))
    return np.asarray(sums / np.maximum(np.asarray(sum(each.counts for each in totals)), 1))


def hospitals_of(
    tables: Sequence[Table], roles: Roles, missing: Missing = "drop", least: int = LEAST_PATIENTS
) -> list[Hospital]:
    """Prepare each table on site.

    Raises:
        UsageError: too few rows are left in a hospital.
    """
    prepared = [prepare(table, roles, missing, least) for table in tables]
    means = means_of([each.totals() for each in prepared])
    return [each.filled(means) for each in prepared]


def prepare(table: Table, roles: Roles, missing: Missing, least: int = LEAST_PATIENTS) -> Prepared:
    """Make numbers of a table; what is missing is NaN, or its row is left out.

    Args:
        table: a hospital's.
        roles: what the hospitals agreed on.
        missing: what becomes of missing values.
        least: of fewer patients to train on, or to test on, nothing is told; a column that is known of fewer is
            unknown.

    Raises:
        UsageError: too few rows are left.
    """
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
            f"{table.name} has too few rows that can be used",
            remedy="try --missing mean" if missing == "drop" else "leave its file out",
        )
    data, labels = data[usable], (outcome[usable] > 0).astype(int)
    train, test = split(labels)
    check_enough(table.name, "patients to train on", len(train), least)
    check_enough(table.name, "patients to test on", len(test), least)
    known = (~np.isnan(data[train])).sum(0)
    data[:, known < least] = np.nan
    return Prepared(table.name, data, labels, train, test)


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
