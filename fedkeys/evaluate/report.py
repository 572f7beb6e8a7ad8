"""What an evaluation found.

In: each system's score of each user. Out: figures: means over words, their confidence intervals, and how users
differ. Law: a user is drawn whole, so intervals say how sure a figure is for other people, not for other words.

Intervals are percentiles of bootstrap means (Efron and Tibshirani 1993, section 13.3), users drawn with
replacement, each with all words asked of that user.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.evaluate.replay import Score
from fedkeys.model import Model

_RESAMPLES = 1000
_LEVEL = (2.5, 97.5)
_SPREAD = (10, 50, 90)
_FIGURES = ("top1", "top3", "keystroke_savings")


@dataclass(frozen=True, slots=True)
class Report:
    """What came out.

    Attributes:
        model: the model that was used.
        scores: system -> user -> score; "keyboard" is the system that a user has.
        new: users of whom the model has seen nothing.
        seconds: how long replaying took, all systems together.
        bytes_up: bytes of each upload of the last round, where a model was federated.
    """

    model: Model
    scores: Mapping[str, Mapping[str, Score]]
    new: frozenset[str]
    seconds: float
    bytes_up: NDArray[np.int64] | None = None

    @property
    def known(self) -> list[str]:
        """The users whose first messages the model has seen."""
        return [user for user in self.scores["keyboard"] if user not in self.new]

    def total(self, system: str, users: Iterable[str] | None = None) -> Score:
        """Add up a system's scores of some users, those that the model knows when not given."""
        total = Score()
        for user in self.known if users is None else users:
            total.add(self.scores[system][user])
        return total

    def interval(self, system: str, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
        """Give 95 % confidence intervals of a system's figures."""
        counts = self._counts(system)
        draws = rng.integers(0, len(counts), (_RESAMPLES, len(counts)))
        sums = np.stack([np.bincount(draw, minlength=len(counts)) for draw in draws]) @ counts
        low, high = np.percentile(_figures(sums), _LEVEL, axis=0)
        return {name: (low[at], high[at]) for at, name in enumerate(_FIGURES)}

    def spread(self, system: str) -> dict[str, dict[str, float]]:
        """Give the 10th, 50th and 90th percentile of the users' own figures."""
        found = np.percentile(_figures(self._counts(system)), _SPREAD, axis=0)
        return {
            name: {f"p{part}": float(found[row, at]) for row, part in enumerate(_SPREAD)}
            for at, name in enumerate(_FIGURES)
        }

    def as_dict(self, rng: np.random.Generator) -> dict[str, Any]:
        """Give the report for `--json`: figures as parts of 1, latency in microseconds of CPU time.

        Args:
            rng: draws the users of each bootstrap sample.
        """
        keyboard = self.total("keyboard")
        found = {
            "users": len(self.known),
            "words": keyboard.words,
            **keyboard.summary(),
            "confidence_95": self.interval("keyboard", rng),
            "by_user": self.spread("keyboard"),
            "latency_us": {
                "next": _percentiles(keyboard.next_ns),
                "completion": _percentiles(keyboard.completion_ns),
            },
            "baselines": {
                name: self.total(name).summary() | {"confidence_95": self.interval(name, rng)}
                for name in self.scores
                if name != "keyboard"
            },
        }
        if self.new:
            asked = sum(self.scores["keyboard"][user].words for user in self.new)
            found["new_users"] = {
                "users": len(self.new),
                "words": asked,
                **{name: self.total(name, self.new).summary() for name in self.scores},
            }
        return found

    def _counts(self, system: str) -> NDArray[np.float64]:
        """Words, hits, hits, keys and characters of each user: float64[users, 5]."""
        rows = [self.scores[system][user] for user in self.known]
        return np.array([(s.words, s.top1, s.top3, s.keys, s.characters) for s in rows], np.float64)


def _figures(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Top-1, top-3 and keystroke savings of each row: float64[n, 3]."""
    words, top1, top3, keys, characters = counts.T
    return np.stack([top1 / words, top3 / words, 1 - keys / characters], axis=1)


def _percentiles(nanoseconds: Sequence[int]) -> dict[str, float]:
    if not nanoseconds:
        return {}
    found = np.percentile(np.array(nanoseconds), [50, 90, 99]) / 1000
    return dict(zip(("p50", "p90", "p99"), found.round(1).tolist(), strict=True))
