"""A situation: a place in a message, and what is known there of each word that may come.

In: everyone's model, its owner's, maybe a public prior, and what stands before the cursor. Out: candidates, and a
row of features for each. Law: a pure function of what it is given, so what a phone trains its mix on is what its
keyboard sees.

A row has `FEATURES` numbers, most of them from -3 to 3 whatever the text, so nobody's text is needed to scale
them:

    the logarithm of the word's probability by each order of everyone's model
    the logarithm of p_n below, for each order of the personal model
    the logarithm of its probability by the prior
    for each order of the personal model, where the word came after what it knows of the context:
        1; whether it came more than once; the logarithms of its share of what came there, of how much that was,
        and of how long ago it last came
    the logarithm of its share of what came two words after the word before the last, and whether it came there
    whether it was typed among the last 20, 100, 500 words
    whether it was said in this message, and in each of the three before it
    whether everyone's model lacks it, its length, and whether it is the word before the cursor
    the part of its owner's uses of it that began a message
    after a pause, where a message may as well begin: the logarithms of its probabilities by everyone's model at
        the start of a message and of a further sentence; of its share of what its owner began messages with, and
        whether it is among that; else 0
    the same for all words: how many letters are typed, how much was typed ever, how long a context everyone's
        model and the owner's know, whether there is a prior, which pause there is, whether a message begins, or a
        further sentence, or nothing is known of what came before, how many words were said, and whether just one
    1 in the last row, which stands for all words that are no candidates, and is else 0

where the orders of the personal model are mixed as Dirichlet priors of one another (MacKay and Peto 1995):

    p_0(w) = p(w | context; everyone)
    p_n(w) = (count of w after the last n - 1 words + strength_n p_(n-1)(w)) / (all counts there + strength_n)
"""

from collections.abc import Mapping
from itertools import accumulate, pairwise, starmap
from math import log, log1p

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD
from fedkeys.model import Model, State
from fedkeys.phone.contents import ORDER, Memory
from fedkeys.phone.personal import PersonalModel
from fedkeys.phone.prior import Prior
from fedkeys.words import MESSAGE_START, SENTENCE_START, Cursor, Pause, fold

# Tuned for top-1 plus top-3 recall of 60 users of ubuntu_irc with 300 words or more.
STRENGTHS = (8000.0, 40.0, 8.0, 4.0)

_GLOBAL_ORDERS = 4
_RECENT = (20, 100, 500)
_MESSAGES = 4  # the one being typed and the three before it
_STARTS = (MESSAGE_START, SENTENCE_START)
_PAUSES = (Pause.ADDRESS, Pause.CLAUSE, Pause.OTHER)
_OF_START = 3  # of what is offered before, one part in so many is offered as well after a pause
_LONG = 12  # words of a message, from where on it is just long


def _places(*heights: int) -> list[slice]:
    """Stack blocks of features of these heights."""
    ends = [0, *accumulate(heights)]
    return list(starmap(slice, pairwise(ends)))


# Where each block is that the module's docstring lists, from top to bottom.
(
    _EVERYONE,
    _MIXED,
    _PRIOR,
    _SEEN,
    _AGAIN,
    _SHARE,
    _TOTAL,
    _AGO,
    _SKIPPED,
    _AFTER_SKIPPED,
    _LATELY,
    _SAID,
    _UNKNOWN,
    _LENGTH,
    _REPEATED,
    _BEGAN,
    _AT_START,
    _OWN_START,
    _STARTED,
    _ALIKE,
    _OTHERS,
) = _places(
    *(_GLOBAL_ORDERS, ORDER, 1, *[ORDER] * 5, 1, 1, len(_RECENT), _MESSAGES, 1, 1, 1),
    *(1, len(_STARTS), 1, 1, 5 + len(_PAUSES) + 5, 1),
)
FEATURES = _OTHERS.stop

FEATURES_VERSION = 3  # of what the features are; weights go with it
HAND_MIXED_FEATURE = _MIXED.stop - 1  # half the logarithm of p_n, n the highest order, plus 3

_LONG_AGO = 1e6
_FLOOR = 1e-9
_NO_PRIOR = np.exp(-10)  # comes to 0
_LATE = np.log(_LONG_AGO / (np.array(_RECENT)[:, None] + 0.5)) / 4
_CENTRES = np.array([[3.0]] * _MIXED.stop + [[5.0]])  # of half the logarithms

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
        self._place = cursor.items, cursor.said, cursor.pause, personal.version
        self.context = tuple(map(fold, cursor.items))
        self._said = frozenset(map(fold, cursor.said))
        self._model = model
        self._personal = personal
        self._prior = prior
        self._state = model.state(self.context)
        self._memory = personal.recall(self.context)
        followers = self._memory.followers
        self._left = [
            strength / (after.total + strength) for strength, after in zip(STRENGTHS, followers, strict=False)
        ]
        self._began = personal.after((MESSAGE_START,))
        # What may begin after a pause, beside what goes on.
        self._starts: list[State] = []
        if cursor.pause in (Pause.ADDRESS, Pause.CLAUSE):
            self._starts = [model.state((mark,)) for mark in _STARTS]
        words = len(cursor.said)
        letters = 0.0  # each key brings its own
        alike = (
            *(letters, log1p(personal.now) / 5, len(followers), len(self._state.matches), prior is not None),
            *(cursor.pause == pause for pause in _PAUSES),
            *(self.context[-1:] == (mark,) for mark in _STARTS),
            *(not self.context, min(words, _LONG) / 6, words == 1),
        )
        self._alike = np.array(alike, np.float64)[:, None]

    def is_at(self, cursor: Cursor) -> bool:
        """Tell whether a cursor is at the same place, whatever was typed of the word, and nothing was learnt."""
        return self._place == (cursor.items, cursor.said, cursor.pause, self._personal.version)

    def candidates(self, prefix: str, of_everyone: int, of_owner: int) -> dict[str, int]:
        """Give words to choose from, each with its id in everyone's model, 0 for none.

        Args:
            prefix: folded, what they begin with; the prefix itself may be one of them.
            of_everyone: how many of everyone's model.
            of_owner: how many after each context of the personal one.
        """
        words = self._model.vocabulary.words
        found = {
            words[id_ - FIRST_WORD]: id_ for id_, _ in self._model.rank(self._state, prefix, of_everyone)
        }
        for start in self._starts:
            for id_, _ in self._model.rank(start, prefix, of_everyone // _OF_START):
                found[words[id_ - FIRST_WORD]] = id_
        memory = self._memory
        if self._starts and self._began is not None:
            memory = Memory([*memory.followers, self._began], memory.skipped)
        for own in self._personal.candidates(memory, prefix, of_owner):
            if own not in found:
                found[own] = self._model.vocabulary.find(own) or 0
        return found

    def everyone(self, prefix: str, k: int) -> list[tuple[str, float]]:
        """Give everyone's k most probable words that begin with a prefix."""
        word = self._model.vocabulary.word
        return [(word(id_), p) for id_, p in self._model.rank(self._state, prefix, k)]

    def own(self, prefix: str, k: int) -> list[tuple[str, float]]:
        """Give the k words that begin with a prefix and their owner typed most, and what each is of all of p_1."""
        anywhere = self._memory.followers[0]
        found = self._personal.candidates(Memory([anywhere], None), prefix, k)
        return [(word, anywhere.counts[word] / (anywhere.total + STRENGTHS[0])) for word in found]

    def features(self, candidates: Mapping[str, int], letters: int) -> NDArray[np.float32]:
        """Tell what is known of each candidate, in the last row of all others: float32[n + 1, FEATURES].

        Args:
            candidates: words and their ids, as above.
            letters: how many letters are typed.
        """
        words = list(candidates)
        n = len(words)
        ids = np.fromiter(candidates.values(), np.int64, n)
        # By feature, since some are filled for all candidates in one go.
        found = np.zeros((FEATURES, n + 1))
        rows = found[:, :n]
        self._fill_words(found, candidates, dict(zip(words, range(n), strict=True)))
        levels = self._model.levels(self._state, ids)
        self._fill_probabilities(rows, levels)
        rows[_PRIOR] = _NO_PRIOR if self._prior is None else self._prior.probabilities(self._last_word, words)
        logarithms = rows[: _PRIOR.stop]
        np.log(logarithms, out=logarithms)
        logarithms /= 2
        logarithms += _CENTRES
        rows[_LENGTH] = [len(word) / 6 for word in words]
        for row, start in enumerate(self._starts, _AT_START.start):
            at_start = self._model.levels(start, ids)[1]
            rows[row] = np.log(np.maximum(at_start, _FLOOR)) / 2 + 3
        self._alike[0] = min(letters, 4) / 2
        found[_ALIKE] = self._alike
        found[_OTHERS, n] = 1
        return found.T.astype(np.float32)

    def _fill_words(self, found: Array, candidates: Mapping[str, int], at: Mapping[str, int]) -> None:
        """Fill in what is known of words that were typed before; leave in the block of p_n what its counts add.

        Args:
            found: where to.
            candidates: words and their ids.
            at: which of the columns is whose.

        Few words came after a context of two words, so one by one is faster than all at once.
        """
        width = found.shape[1]
        places = [width * _UNKNOWN.start + at[word] for word, id_ in candidates.items() if not id_]
        values: list[float] = [1] * len(places)
        blocks = _MIXED, _SEEN, _AGAIN, _SHARE, _TOTAL, _AGO
        now = self._personal.now + 1
        followers, skipped = self._memory
        for order, after in enumerate(followers):
            p, seen, again, share, total, last = (width * (block.start + order) for block in blocks)
            strength, much = STRENGTHS[order] + after.total, log1p(after.total) / 3
            for word in at.keys() & after.counts.keys():
                to, count, ago = at[word], after.counts[word], now - after.last[word]
                part = log1p(20 * count / (after.total + 1))
                places += (p + to, seen + to, again + to, share + to, total + to, last + to)
                values += (count / strength, 1, count > 1, part, much, log(_LONG_AGO / ago) / 4)
        if skipped is not None:
            for word in at.keys() & skipped.counts.keys():
                places += (width * _SKIPPED.start + at[word], width * _AFTER_SKIPPED.start + at[word])
                values += (log1p(20 * skipped.counts[word] / (skipped.total + 1)), 1)
        for row, said in enumerate((self._said, *reversed(self._personal.messages)), _SAID.start):
            for word in at.keys() & said:
                places.append(width * row + at[word])
                values.append(1)
        if self._began is not None:
            of_word = followers[0].counts
            for word in at.keys() & self._began.counts.keys():
                count, to = self._began.counts[word], at[word]
                places.append(width * _BEGAN.start + to)
                values.append(count / of_word[word])
                if self._starts:
                    places += (width * _OWN_START.start + to, width * _STARTED.start + to)
                    values += (log1p(20 * count / (self._began.total + 1)), 1)
        if self._last_word is not None and self._last_word in at:
            places.append(width * _REPEATED.start + at[self._last_word])
            values.append(1)
        found.reshape(-1)[places] = values
        np.greater_equal(found[_AGO.start], _LATE, out=found[_LATELY])

    def _fill_probabilities(self, rows: Array, levels: Array) -> None:
        """Fill in probabilities by everyone's model, and add them to the owner's."""
        everyone = rows[_EVERYONE]
        everyone[: len(levels)] = levels
        if len(levels) < _GLOBAL_ORDERS:
            everyone[len(levels) :] = levels[-1]
        mixed, p = rows[_MIXED], levels[-1]
        for own, left in zip(mixed, self._left, strict=False):
            own += left * p
            p = own
        mixed[len(self._left) :] = p
        probabilities = rows[: _MIXED.stop]
        np.maximum(probabilities, _FLOOR, out=probabilities)

    @property
    def _last_word(self) -> str | None:
        return self.context[-1] if self.context else None
