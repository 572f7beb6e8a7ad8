"""A situation: a context looked up in everyone's model and in its owner's, and what is known of each candidate.

In: a model, a personal model, the words before the cursor. Out: candidate words, and a row of features for each.
Law: a pure function of what it is given, so that what a phone trains its weights on is what its keyboard sees.

Features are numbers around -3 to 3, so that no statistics of anybody's text are needed to scale them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.model import Model, State
from fedkeys.phone.personal import ORDER, Memory, PersonalModel

# Of the priors of the personal orders, as in MacKay and Peto (1995); see `Situation.features`.
STRENGTHS = (8000.0, 40.0, 8.0, 4.0, 2.0)[:ORDER]
GLOBAL_ORDERS = 4

_LONG_AGO = 1e6
_FLOOR = 1e-9

FEATURES = GLOBAL_ORDERS + 6 * ORDER + 15


class Situation:
    """What is known at one place of a message.

    Args:
        model: everyone's.
        personal: its owner's.
        context: folded words before the cursor, since the start of the sentence, which a mark says.
        state: the same context looked up in the model.
        before: words of this message before the cursor.
    """

    def __init__(
        self,
        model: Model,
        personal: PersonalModel,
        context: Sequence[str],
        state: State,
        before: frozenset[str] = frozenset(),
    ) -> None:
        self.model = model
        self.personal = personal
        self.context = context
        self.state = state
        self.before = before
        self.memory = personal.recall(context)

    def candidates(self, prefix: str, from_everyone: int, from_owner: int) -> dict[str, int]:
        """Give words to choose from, each with its id in the model, 0 for none."""
        word = self.model.vocabulary.word
        found = {word(id_): id_ for id_, _ in self.model.rank(self.state, prefix, from_everyone)}
        for own in self.personal.candidates(self.memory, prefix, from_owner):
            if own not in found:
                found[own] = self.model.vocabulary.find(own) or 0
        return found

    def features(self, candidates: dict[str, int]) -> NDArray[np.float32]:
        """Tell what is known of each candidate: float32[n, FEATURES].

        In order: the logarithm of its probability by each order of everyone's model; for each order of the
        personal model the logarithm of p_n below, its share of what followed, whether it followed, and more
        than once, evidence for that, and how long ago it did; ...

            p_0(w) = p(w | context; everyone)
            p_n(w) = (count of w after the last n - 1 words + strength_n p_(n-1)(w)) / (all counts there + strength_n)
        """
        words = list(candidates)
        n = len(words)
        now = self.personal.now
        ids = np.fromiter(candidates.values(), np.int64, n)
        levels = self.model.levels(self.state, ids)
        followers, skipped = self.memory
        columns: list[list[float]] = []
        for after in followers:
            counts, last = after.counts, after.last
            columns.append([counts.get(word, 0) for word in words])
            columns.append([last.get(word, -_LONG_AGO) for word in words])
        if skipped is not None:
            columns.append([skipped.counts.get(word, 0) for word in words])
        for some in (self.before, *reversed(self.personal.messages)):
            columns.append([word in some for word in words])
        columns.append([len(word) for word in words])
        read = np.array(columns, np.float64)

        found = np.zeros((FEATURES, n), np.float32)
        orders = self.model.order
        np.log(np.maximum(levels, _FLOOR), out=levels)
        found[:orders] = levels
        found[orders:GLOBAL_ORDERS] = levels[-1]
        known = len(followers)
        counts_ = read[: 2 * known : 2]
        ago = now - read[1 : 2 * known : 2]
        totals = np.array([after.total for after in followers], np.float64)[:, None]
        at = GLOBAL_ORDERS + ORDER
        found[at : at + known] = np.log1p(20 * counts_ / (totals + 1))
        at += ORDER
        found[at : at + known] = counts_ > 0
        at += ORDER
        found[at : at + known] = counts_ > 1
        at += ORDER
        found[at : at + known] = (counts_ > 0) * np.log1p(totals) / 3
        at += ORDER
        found[at : at + known] = np.log(_LONG_AGO / (ago + 1)) / 4
        p = np.exp(levels[-1])
        for order in range(ORDER):
            if order < known:
                strength = STRENGTHS[order]
                p = (counts_[order] + strength * p) / (totals[order] + strength)
            found[GLOBAL_ORDERS + order] = np.log(np.maximum(p, _FLOOR))
        found[: GLOBAL_ORDERS + ORDER] += 6
        found[: GLOBAL_ORDERS + ORDER] /= 2
        at += ORDER
        found[at] = ago[0] < 20
        found[at + 1] = ago[0] < 100
        found[at + 2] = ago[0] < 500
        found[at + 3] = ids == 0
        at += 4
        row = 2 * known
        if skipped is not None:
            found[at] = np.log1p(20 * read[row] / (skipped.total + 1))
            found[at + 1] = read[row] > 0
            row += 1
        at += 2
        for column in read[row:-1]:
            found[at] = column
            at += 1
        at = FEATURES - 5
        found[at] = read[-1] / 6
        if self.context:
            found[at + 1] = [word == self.context[-1] for word in words]
        found[at + 2] = np.log1p(now) / 5
        found[at + 3] = known
        found[at + 4] = len(self.state.matches)
        return found.T
