"""How good a binary classifier is: accuracy, balanced accuracy, AUC, calibration.

In: labels 0 and 1, and predicted probabilities. Out: figures as parts of 1. Law: a figure that the labels do
not allow, as AUC with one class only, is NaN, never a guess.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BINS = 10


class Figures(NamedTuple):
    """What a classifier reached on some samples.

    Attributes:
        samples: how many there were.
        accuracy: part predicted right at the threshold 0.5.
        balanced_accuracy: mean over the classes that occur of the part of each that was predicted right.
        auc: the chance that a random positive is ranked above a random negative; ties count half.
        calibration_error: expected calibration error over ten equal bins of predicted probability (Guo et al.
            2017, ICML, equation 3).
        brier: mean squared difference of probability and label.
    """

    samples: int
    accuracy: float
    balanced_accuracy: float
    auc: float
    calibration_error: float
    brier: float


def figures(labels: ArrayLike, probabilities: ArrayLike) -> Figures:
    """Score predicted probabilities of the label 1.

    >>> figures([0, 1, 1], [0.2, 0.9, 0.4])[:4]
    (3, 0.6666666666666666, 0.75, 1.0)
    """
    truth = np.asarray(labels).astype(int)
    chances = np.asarray(probabilities, float)
    right = (chances > 0.5) == (truth == 1)
    recalls = [float(right[truth == label].mean()) for label in (0, 1) if np.any(truth == label)]
    return Figures(
        samples=len(truth),
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean(recalls)),
        auc=_auc(truth, chances),
        calibration_error=_calibration_error(truth, chances),
        brier=float(np.mean((chances - truth) ** 2)),
    )


def _auc(truth: NDArray[np.int64], chances: NDArray[np.float64]) -> float:
    """Mann and Whitney's U over the number of pairs, with mean ranks for ties."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    _, places, counts = np.unique(chances, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _calibration_error(truth: NDArray[np.int64], chances: NDArray[np.float64]) -> float:
    bins = np.minimum((chances * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    gaps = np.bincount(bins, chances - truth, minlength=_BINS)
    return float(np.abs(gaps).sum() / max(1, counts.sum()))
