"""Hospitals: tables of patients that stay where they are.

In: one table a hospital. Out: what a hospital may tell: how many patients, sums for a common standardisation,
trained weights, figures. Law: no patient's row leaves a hospital; means and variances are put together from
counts, sums and sums of squares alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fedkeys.errors import UsageError
from fedkeys.fedavg.clients import Device
from fedkeys.fedavg.models.base import Array


class Moments(NamedTuple):
    """What a hospital tells about its columns.

    Attributes:
        patients: how many it trains on.
        sums, squares: float[d], sums of the values and of their squares.
    """

    patients: int
    sums: Array
    squares: Array


class Scale(NamedTuple):
    """A standardisation: subtract `mean`, divide by `spread`; float[d] each."""

    mean: Array
    spread: Array


class Hospital(Device):
    """A hospital: its patients, some to train on and some to test on.

    Args:
        name: its name.
        data: float[n, d], patients to train on; labels: 0 or 1 each.
        test_data, test_labels: patients to test on.
        scale: the standardisation applied; None for the values as they are.

    >>> hospital = Hospital("north", [[1.0], [3.0]], [0, 1], [[2.0]], [1])
    >>> hospital.moments()
    Moments(patients=2, sums=array([4.]), squares=array([10.]))
    """

    def __init__(
        self,
        name: str,
        data: ArrayLike,
        labels: ArrayLike,
        test_data: ArrayLike,
        test_labels: ArrayLike,
        scale: Scale | None = None,
    ) -> None:
        self._raw = np.asarray(data, float), np.asarray(test_data, float)
        self._scale = scale or Scale(np.zeros(self._raw[0].shape[1]), np.ones(self._raw[0].shape[1]))
        own, tested = (self._standardised(rows) for rows in self._raw)
        super().__init__(own, labels, name, tested, test_labels)

    @property
    def test_samples(self) -> int:
        """How many patients it tests on."""
        return len(self._test)

    def moments(self) -> Moments:
        """Tell count, sums and sums of squares of the training patients' columns, before standardisation."""
        rows = self._raw[0]
        return Moments(len(rows), rows.sum(0), (rows**2).sum(0))

    def standardised_by(self, scale: Scale) -> "Hospital":
        """The same hospital with another standardisation, applied on site."""
        return Hospital(self.name, self._raw[0], self._labels, self._raw[1], self._test_labels, scale)

    def _standardised(self, rows: Array) -> Array:
        return (rows - self._scale.mean) / self._scale.spread


def federated_scale(moments: Sequence[Moments]) -> Scale:
    """Mean and standard deviation of all hospitals' patients, from what each tells of its own.

    A column without spread keeps its values.

    >>> north, south = Moments(1, np.array([1.0]), np.array([1.0])), Moments(1, np.array([3.0]), np.array([9.0]))
    >>> federated_scale([north, south])
    Scale(mean=array([2.]), spread=array([1.]))
    """
    if not moments:
        raise UsageError("there are no hospitals to standardise over")
    count = sum(each.patients for each in moments)
    mean = np.sum([each.sums for each in moments], axis=0) / count
    variance = np.sum([each.squares for each in moments], axis=0) / count - mean**2
    spread = np.sqrt(np.maximum(variance, 0.0))
    return Scale(mean, np.where(spread > 1e-12, spread, 1.0))
