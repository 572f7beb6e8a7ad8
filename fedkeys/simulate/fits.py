"""Fits: a straight line, and a power law with the error of what it extrapolates.

In: a few measured points. Out: a value at any other, and a range. Laws: points that lie on a line, or on a power
law, are given back; the farther from what was measured, the wider the range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from fedkeys.errors import UsageError

# Student's t, two-sided, 95 %, by degrees of freedom from 1 up; beyond them it is about 2.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_BEYOND = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line.

    Attributes:
        fixed: its value at 0.
        each: what one more adds.
        error: the greatest distance of a measured point from it, as a part of the point.
    """

    fixed: float
    each: float
    error: float

    @classmethod
    def through(cls, at: Sequence[float], values: Sequence[float]) -> "Line":
        """Fit one by least squares; one that would begin below 0 begins at 0, and one that would fall is level.

        Raises:
            UsageError: there are fewer than two points.
        """
        _check(at, values)
        each, fixed = np.polyfit(at, values, 1).tolist()
        if fixed < 0:
            fixed, each = 0.0, float(np.dot(at, values) / np.dot(at, at))
        elif each < 0:  # a cost that does not grow, measured beside other load
            fixed, each = float(np.mean(values)), 0.0
        error = max(abs((fixed + each * x) / y - 1) for x, y in zip(at, values, strict=True))
        return cls(fixed, each, error)

    def at(self, x: float) -> float:
        """Give its value."""
        return self.fixed + self.each * x


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """factor * x^power: of words and n-grams Heaps' law (Heaps 1978, "Information retrieval", section 7.5).

    Attributes:
        factor, power: of the law.
        spread: the standard error of the logarithm of a point.
        centre, width: mean of the points' logarithms, and the sum of their squared distances from it.
        points: how many there were.
        first, last: the least and the greatest x that was measured.
    """

    factor: float
    power: float
    spread: float
    centre: float
    width: float
    points: int
    first: float
    last: float

    @classmethod
    def through(cls, at: Sequence[float], values: Sequence[float]) -> "PowerLaw":
        """Fit one by least squares of the logarithms.

        Raises:
            UsageError: there are fewer than two points, or one is not above 0.
        """
        _check(at, values)
        if min(*at, *values) <= 0:
            raise UsageError("a power law is fitted to points above 0")
        x, y = np.log(at), np.log(values)
        power, start = np.polyfit(x, y, 1).tolist()
        left = float(np.square(y - start - power * x).sum())
        spread = sqrt(left / (len(at) - 2)) if len(at) > 2 else 0.0
        width = float(np.square(x - x.mean()).sum())
        return cls(exp(start), power, spread, float(x.mean()), width, len(at), min(at), max(at))

    def at(self, x: float) -> float:
        """Give its value; 0 at 0."""
        return self.factor * x**self.power if x > 0 else 0.0

    def between(self, x: float) -> tuple[float, float]:
        """Give where a point is to be expected in 95 of 100 cases, if the law holds there too."""
        if x <= 0:
            return 0.0, 0.0
        free = self.points - 2
        times = _STUDENT[free - 1] if 0 < free <= len(_STUDENT) else _BEYOND
        apart = times * self.spread * sqrt(1 + 1 / self.points + (log(x) - self.centre) ** 2 / self.width)
        return self.at(x) * exp(-apart), self.at(x) * exp(apart)


def _check(at: Sequence[float], values: Sequence[float]) -> None:
    if len(at) != len(values) or len(set(at)) < 2:
        raise UsageError("a fit needs two different points or more")
