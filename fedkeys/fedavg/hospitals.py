"""Hospitals: tables of patients that stay where they are.

In: one table a hospital. Out: what a hospital may tell: how many patients, sums for a common standardisation,
trained weights, figures. Law: no patient's row leaves a hospital; means and variances are put together from
counts, means and sums of squared deviations alone.
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
        means: float[d], mean of each.
        deviations: float[d], sums of squared deviations from that mean; 0 for a column of one value.
    """

    patients: int
    means: Array
    deviations: Array


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
    Moments(patients=2, means=array([2.]), deviations=array([2.]))
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
        for rows in self._raw:
            if rows.ndim != 2:
                raise UsageError(f"data of shape {rows.shape}", remedy="give data as (rows, features)")
        self._scale = scale or Scale(np.zeros(self._raw[0].shape[1]), np.ones(self._raw[0].shape[1]))
        own, tested = (self._standardised(rows) for rows in self._raw)
        super().__init__(own, labels, name, tested, test_labels)

    @property
    def test_samples(self) -> int:
        """How many patients it tests on."""
        return len(self._test)

    def moments(self) -> Moments:
        """Tell count, means and squared deviations of the training patients' columns, before standardisation."""
        rows = self._raw[0]
        # A column of one value has that mean, exactly: a rounded one would look like spread.
        means = np.where((rows == rows[0]).all(0), rows[0], rows.mean(0))
        return Moments(len(rows), means, ((rows - means) ** 2).sum(0))

    def standardised_by(self, scale: Scale) -> "Hospital":
        """The same hospital with another standardisation, applied on site."""
        return Hospital(self.name, self._raw[0], self._labels, self._raw[1], self._test_labels, scale)

    def _standardised(self, rows: Array) -> Array:
        return (rows - self._scale.mean) / self._scale.spread


def federated_scale(moments: Sequence[Moments]) -> Scale:
    """Mean and standard deviation of all hospitals' patients, from what each tells of its own.

    Deviations from each hospital's own mean are put together as Chan, Golub and LeVeque 1983 do ("Algorithms for
    Computing the Sample Variance", equation 2.1), which loses nothing where values are far from 0. A column
    without spread keeps its values.

    >>> north, south = Moments(1, np.array([1.0]), np.array([0.0])), Moments(1, np.array([3.0]), np.array([0.0]))
    >>> federated_scale([north, south])
    Scale(mean=array([2.]), spread=array([1.]))
    """
    if not moments:
        raise UsageError("there are no hospitals to standardise over")
    count = 0
    mean, deviations = np.zeros_like(moments[0].means), np.zeros_like(moments[0].deviations)
    for each in moments:
        apart = each.means - mean
        together = count + each.patients
        deviations = deviations + each.deviations + apart**2 * (count * each.patients / together)
        mean = each.means if not count else mean + apart * (each.patients / together)
        count = together
    spread = np.sqrt(deviations / count)
    return Scale(mean, np.where(spread > 0, spread, 1.0))
