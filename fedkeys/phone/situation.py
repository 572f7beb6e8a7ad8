"""A situation: a place in a message, and what is known there of each word that may come.

In: everyone's model, its owner's, maybe a public prior, and what stands before the cursor. Out: candidates, and a
row of features for each. Law: a pure function of what it is given, so what a phone trains its mix on is what its
keyboard sees.

A row has `FEATURES` numbers, most of them from -3 to 3 whatever the text, so nobody's text is needed to scale
them:

    the logarithm of the word's probability by each order of everyone's model
    for each order of the personal model, those that know the context:
        the logarithm of p_n below
        its share of what came there, and whether it came, more than once, after how much in all, and how long ago
    whether it was typed among the last 20, 100, 500 words, and whether everyone's model lacks it
    its share of what came two words after the word before the last, and whether it came
    whether it was said in this message, and in each of the three before it
    its length, and whether it is the word before the cursor
    the logarithm of its probability by the prior
    the same for all words: how much was typed ever, how long a context everyone's model and the owner's know, how
        many letters are typed, whether there is a prior
    1 in the last row, which stands for all words that are no candidates, and is else 0

where the orders of the personal model are mixed as Dirichlet priors of one another (MacKay and Peto 1995):

    p_0(w) = p(w | context; everyone)
    p_n(w) = (count of w after the last n - 1 words + strength_n p_(n-1)(w)) / (all counts there + strength_n)
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedkeys.model import Model
from fedkeys.phone.personal import ORDER, PersonalModel
from fedkeys.phone.prior import Prior
from fedkeys.words import Cursor, fold

GLOBAL_ORDERS = 4

# Tuned for top-1 plus top-3 recall of 60 users of ubuntu_irc with 300 words or more.
STRENGTHS = (8000.0, 40.0, 8.0, 4.0)

_RECENT = np.array([[20], [100], [500]])
_MESSAGES = 4  # the one being typed and the three before it
_ALIKE = 5  # features that say the same of all candidates

FEATURES = GLOBAL_ORDERS + 6 * ORDER + 3 + 1 + 2 + _MESSAGES + 2 + 1 + _ALIKE + 1

FEATURES_VERSION = 1  # of what the features are; weights go with it
HAND_MIXED_FEATURE = GLOBAL_ORDERS + ORDER - 1  # half the logarithm of p_n, n the highest order, plus 3

_LONG_AGO = 1e6
_FLOOR = 1e-9

Array = NDArray[np.float64]


class Situation:
    """What is known at one place of a message.

    Args:
        model: everyone's.
        personal: its owner's.
        prior: what is public; None for none.
        cursor: where the message stands; its prefix does not matter.
    """

    def __init__(self, model: Model, personal: PersonalModel, prior: Prior | None, cursor: Cursor) -> None:
        self._place = cursor.items, cursor.said, personal.version
        self.context = tuple(map(fold, cursor.items))
        self._said = frozenset(map(fold, cursor.said))
        self._model = model
        self._personal = personal
        self._prior = prior
        self._state = model.state(self.context)
        self._memory = personal.recall(self.context)

    def is_at(self, cursor: Cursor) -> bool:
        """Tell whether a cursor is at the same place, whatever was typed of the word, and nothing was learnt."""
        return self._place == (cursor.items, cursor.said, self._personal.version)

    def candidates(self, prefix: str, of_everyone: int, of_owner: int) -> dict[str, int]:
        """Give words to choose from, each with its id in everyone's model, 0 for none.

        Args:
            prefix: folded, what they begin with; the prefix itself may be one of them.
            of_everyone: how many of everyone's model.
            of_owner: how many after each context of the personal one.
        """
        word = self._model.vocabulary.word
        found = {word(id_): id_ for id_, _ in self._model.rank(self._state, prefix, of_everyone)}
        for own in self._personal.candidates(self._memory, prefix, of_owner):
            if own not in found:
                found[own] = self._model.vocabulary.find(own) or 0
        return found

    def everyone(self, prefix: str, k: int) -> list[tuple[str, float]]:
        """Give everyone's k most probable words that begin with a prefix."""
        word = self._model.vocabulary.word
        return [(word(id_), p) for id_, p in self._model.rank(self._state, prefix, k)]

    def features(self, candidates: Mapping[str, int], letters: int) -> NDArray[np.float32]:
        """Tell what is known of each candidate, in the last row of all others: float32[n + 1, FEATURES].

        Args:
            candidates: words and their ids, as above.
            letters: how many letters are typed.
        """
        words = list(candidates)
        n, now = len(words), self._personal.now
        followers, skipped = self._memory
        ids = np.fromiter(candidates.values(), np.int64, n)
        levels = self._model.levels(self._state, ids)
        counts, last, of_skipped, flags = self._typed(words)
        totals = np.array([after.total for after in followers], np.float64)[:, None]
        seen = counts > 0
        ago = now - last
        after_skipped = np.array(
            [np.log1p(20 * of_skipped / (skipped.total + 1 if skipped else 1)), of_skipped > 0]
        )
        prior = np.zeros(n) if self._prior is None else self._prior.logp(self._last_word, words) / 2 + 5
        alike = (
            np.log1p(now) / 5,
            len(followers),
            len(self._state.matches),
            min(letters, 4) / 2,
            self._prior is not None,
        )

        found = np.zeros((FEATURES, n + 1), np.float32)
        at = 0
        for block, height in (
            (_scaled(levels), GLOBAL_ORDERS),
            (_scaled(_mixed(levels[-1], counts, totals)), ORDER),
            (np.log1p(20 * counts / (totals + 1)), ORDER),
            (seen, ORDER),
            (counts > 1, ORDER),
            (seen * (np.log1p(totals) / 3), ORDER),
            (np.log(_LONG_AGO / (ago + 1)) / 4, ORDER),
            (ago[0] < _RECENT, len(_RECENT)),
            (ids == 0, 1),
            (after_skipped, 2),
            (flags, _MESSAGES + 2),
            (prior, 1),
        ):
            found[at : at + (len(block) if block.ndim == 2 else 1), :n] = block
            at += height
        found[GLOBAL_ORDERS - 1, :n] = found[len(levels) - 1, :n]
        found[at : at + len(alike)] = np.array(alike)[:, None]
        found[-1, n] = 1
        return found.T

    def _typed(self, words: list[str]) -> tuple[Array, Array, Array, Array]:
        """What the personal model holds of words.

        Returns:
            float64[orders that know the context, n], how often each came there; the same, when it did last;
            float64[n], how often it came two words later; float64[messages + 2, n], whether it was said in each
            message, its length and whether it is the last word.
        """
        followers, skipped = self._memory
        columns: list[list[float]] = [[after.counts.get(word, 0) for word in words] for after in followers]
        columns += [[after.last.get(word, -_LONG_AGO) for word in words] for after in followers]
        columns.append([skipped.counts.get(word, 0) for word in words] if skipped else [0] * len(words))
        messages = [self._said, *reversed(self._personal.messages)]
        for at in range(_MESSAGES):
            said = messages[at] if at < len(messages) else ()
            columns.append([word in said for word in words])
        columns.append([len(word) / 6 for word in words])
        columns.append([word == self._last_word for word in words])
        read = np.array(columns, np.float64).reshape(len(columns), len(words))
        orders = len(followers)
        return read[:orders], read[orders : 2 * orders], read[2 * orders], read[2 * orders + 1 :]

    @property
    def _last_word(self) -> str | None:
        return self.context[-1] if self.context else None


def _mixed(prior: Array, counts: Array, totals: Array) -> Array:
    """p_1 to p_n of words after the contexts that the personal model knows, and p_n again for longer ones."""
    found = np.empty((ORDER, len(prior)))
    p = prior
    for order in range(ORDER):
        if order < len(counts):
            strength = STRENGTHS[order]
            p = (counts[order] + strength * p) / (totals[order] + strength)
        found[order] = p
    return found


def _scaled(probabilities: Array) -> Array:
    return np.log(np.maximum(probabilities, _FLOOR)) / 2 + 3
