"""Figures of a system: of all words together, how sure they are, how users differ, how long an answer takes.

In: a system's score of each user. Out: parts of 1, microseconds. Law: a user is drawn whole, so intervals say how
sure a figure is for other people, not for other words.

Intervals are percentiles of bootstrap means (Efron and Tibshirani 1993, section 13.3), users drawn with
replacement, each with all words asked of that user.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.evaluate.replay import FIGURES, Score, figures

Scores = Mapping[str, Mapping[str, Score]]  # system -> user -> score

_RESAMPLES = 1000
_LEVEL = (2.5, 97.5)
_SPREAD = (10, 50, 90)
_LATENCY = (50, 90, 99)


def total(scores: Iterable[Score]) -> Score:
    """Add scores up."""
    added = Score()
    for score in scores:
        added.add(score)
    return added


def interval(scores: Iterable[Score], rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Give 95 % confidence intervals of users' figures, of all their words together."""
    return _within(figures(_resampled(_counts(scores), rng)))


def gain(
    scores: Mapping[str, Score], others: Mapping[str, Score], rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Give 95 % confidence intervals of by how much users' figures are better than with another system.

    Args:
        scores: user -> score.
        others: the same users with the other system, asked the same words.
        rng: draws users, with both of their scores.
    """
    both = np.hstack([_counts(scores.values()), _counts(others[user] for user in scores)])
    here, there = np.hsplit(_resampled(both, rng), 2)
    return _within(figures(here) - figures(there))


def spread(scores: Iterable[Score]) -> dict[str, dict[str, float]]:
    """Give the 10th, 50th and 90th percentile of the users' own figures."""
    found = np.percentile(by_user(scores), _SPREAD, axis=0)
    return {
        name: {f"p{part}": float(found[row, at]) for row, part in enumerate(_SPREAD)}
        for at, name in enumerate(FIGURES)
    }


def by_user(scores: Iterable[Score]) -> NDArray[np.float64]:
    """Give each user's own figures: float64[users, 3]."""
    return figures(_counts(scores))


def latency(score: Score) -> dict[str, dict[str, float]]:
    """Give percentiles of the CPU time of an answer, in microseconds."""
    return {"next": _percentiles(score.next_ns), "completion": _percentiles(score.completion_ns)}


def measured(scores: Iterable[Score], rng: np.random.Generator) -> dict[str, Any]:
    """Give the figures of all users' words together, and their intervals."""
    held = list(scores)
    return total(held).summary() | {"confidence_95": interval(held, rng)}


def _counts(scores: Iterable[Score]) -> NDArray[np.float64]:
    return np.array([score.counts for score in scores], np.float64)


def _resampled(counts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Give sums of rows, each of as many rows drawn with replacement."""
    draws = rng.integers(0, len(counts), (_RESAMPLES, len(counts)))
    times = np.stack([np.bincount(draw, minlength=len(counts)) for draw in draws])
    return times @ counts


def _within(drawn: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    low, high = np.percentile(drawn, _LEVEL, axis=0)
    return {name: (float(low[at]), float(high[at])) for at, name in enumerate(FIGURES)}


def _percentiles(nanoseconds: Sequence[int]) -> dict[str, float]:
    if not nanoseconds:
        return {}
    found = np.percentile(np.array(nanoseconds), _LATENCY) / 1000
    return dict(zip((f"p{part}" for part in _LATENCY), found.round(1).tolist(), strict=True))
