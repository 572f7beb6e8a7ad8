"""What an evaluation found.

In: each system's score of each user. Out: figures of each system, for a table and for `--json`. Law: systems
that stand together were asked the same words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.evaluate.curves import Curves
from fedkeys.evaluate.figures import Scores, latency, measured, spread, total
from fedkeys.evaluate.replay import Score
from fedkeys.model import Model


@dataclass(frozen=True, slots=True)
class Report:
    """What came out.

    Attributes:
        model: the model that was used.
        scores: system -> user -> score; "keyboard" is the system that a user has.
        new: users of whom the model has seen nothing, who are reported apart.
        bytes_up: bytes of each upload of the last round, where a model was federated.
        sampled: the same as `scores`, of the messages alone that slow baselines were asked too; none if none was.
        missing: baseline that could not be asked -> a sentence that says why.
        curves: recall against phones and messages, if asked for.
        left_out: how many users of another corpus to train on were left out of it, since they are replayed.
        mix_phones: how many phones trained the mix of a user, the fewest of any; 0 where what is known is weighed
            by hand, None where the mix is that of a model made elsewhere, or the one that comes with fedkeys.
    """

    model: Model
    scores: Scores
    new: frozenset[str]
    bytes_up: NDArray[np.int64] | None = None
    sampled: Scores = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    curves: Curves | None = None
    left_out: int = 0
    mix_phones: int | None = None

    @property
    def known(self) -> list[str]:
        """The users who are not reported apart."""
        return [user for user in self.scores["keyboard"] if user not in self.new]

    def total(self, system: str, users: Iterable[str] | None = None) -> Score:
        """Add up a system's scores of some users, those that the model knows when not given."""
        return total(self.scores[system][user] for user in (self.known if users is None else users))

    def of_known(self, system: str) -> list[Score]:
        """Give a system's scores, one a user that the model knows."""
        return [self.scores[system][user] for user in self.known]

    def as_dict(self, rng: np.random.Generator) -> dict[str, Any]:
        """Give the report for `--json`: figures as parts of 1, latency in microseconds of CPU time.

        The keys, where a system has those marked with a star, and the keyboard has them at the top:

            users, words             how many were replayed, without new ones, and how many words they were asked
            mix_phones               as the attribute; null for None
            top1, top3               * recall
            keystroke_savings        * 1 - keys / characters
            confidence_95            * figure -> its interval, low and high
            by_user                  * figure -> p10, p50, p90 of the users' own
            latency_us               * next, completion -> p50, p90, p99 of an answer; none if it gave none
            baselines                system -> *
            missing                  baseline that could not be asked -> a sentence; only if there are some
            left_out                 as the attribute; only if not 0
            new_users                users, words, and system -> its figures and confidence_95; only if asked for
            sampled                  users, words, systems: system -> *, of the sample; only with `baselines`
            curves                   phones, messages -> a list of points, each with at (phones, or messages typed
                                     before), users, words, mix_phones, system -> its figures and confidence_95;
                                     only if asked for

        Args:
            rng: draws the users of each bootstrap sample.
        """
        found = {
            "users": len(self.known),
            "words": self.total("keyboard").words,
            "mix_phones": self.mix_phones,
            **self._system("keyboard", rng),
            "baselines": {name: self._system(name, rng) for name in self.scores if name != "keyboard"},
        }
        if self.missing:
            found["missing"] = dict(self.missing)
        if self.left_out:
            found["left_out"] = self.left_out
        if self.new:
            asked = sum(self.scores["keyboard"][user].words for user in self.new)
            found["new_users"] = {
                "users": len(self.new),
                "words": asked,
                **{
                    name: measured([scores[user] for user in sorted(self.new)], rng)
                    for name, scores in self.scores.items()
                },
            }
        if self.sampled:
            found["sampled"] = {
                "users": len(self.sampled["keyboard"]),
                "words": total(self.sampled["keyboard"].values()).words,
                "systems": {name: _figures(scores, rng) for name, scores in self.sampled.items()},
            }
        if self.curves:
            found["curves"] = self.curves.as_dict(rng)
        return found

    def _system(self, name: str, rng: np.random.Generator) -> dict[str, Any]:
        return _figures({user: self.scores[name][user] for user in self.known}, rng)


def _figures(scores: Mapping[str, Score], rng: np.random.Generator) -> dict[str, Any]:
    held = scores.values()
    return measured(held, rng) | {"by_user": spread(held), "latency_us": latency(total(held))}
