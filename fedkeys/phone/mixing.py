"""What a phone learns about the mix: which of the candidates its owner typed.

In: messages, in time order, that neither model has seen. Out: weights, after some steps of gradient descent on
what was chosen in them. Law: a message is learnt, if at all, after it was predicted; of what was typed only
weights leave, and they only through `fedkeys.fedavg`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from fedkeys.model import Model
from fedkeys.model.mix import Choices, Weights, loss_and_gradient
from fedkeys.phone.personal import PersonalModel
from fedkeys.phone.prior import Prior
from fedkeys.phone.situation import Situation
from fedkeys.words import at_cursor, fold
from fedkeys.words.tokens import normalise

# Candidates of everyone's model and of each context of the personal one: before the first letter, and after it.
# Twice as many take twice the memory of a phone that trains, and more time at each key; on ubuntu_irc half as many
# choices of twice as many candidates gave no more recall and the same keystroke savings (400 users).
NEXT_WORD = (15, 6)
COMPLETION = (8, 4)

MOST_CHOICES = 400  # of a phone, which has them in memory while it trains

_LETTERS = (0, 1, 2)  # typed of a word when the mix is asked in training
_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:'[^\W\d_]+)*(?!\w)")


class Local(Protocol):
    """How a client trains: what is needed of `fedkeys.fedavg.LocalTraining`."""

    @property
    def epochs(self) -> int:
        """Passes over its own choices in a round."""

    @property
    def batch_size(self) -> int | None:
        """Choices a step; None for all of them."""

    @property
    def proximal(self) -> float:
        """How strongly the server's weights pull."""

    def rate(self, round_: int) -> float:
        """The learning rate of a round."""


class OwnSteps(NamedTuple):
    """How a phone goes on training a mix of its own, after each message."""

    epochs: int = 1
    batch_size: int | None = None
    proximal: float = 0.0

    def rate(self, round_: int) -> float:
        """Small and always the same."""
        del round_
        return 0.02


def candidates_at(situation: Situation, prefix: str, more: int = 0) -> dict[str, int]:
    """Give the words that a keyboard chooses from, and from each source so many more."""
    of_everyone, of_owner = COMPLETION if prefix else NEXT_WORD
    return situation.candidates(prefix, of_everyone + more, of_owner + more)


class MixTrainer:
    """A phone that trains the mix on its own messages; a client of `fedkeys.fedavg`, by shape.

    Args:
        name: what tells it from the others.
        model: everyone's, made without these messages.
        personal: its owner's; it learns the messages, as many as are trained on.
        prior: what is public; None for none.
        messages: in time order.
        learns: whether the personal model learns them; else it stays as it is.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        personal: PersonalModel,
        prior: Prior | None,
        messages: Iterable[str],
        *,
        learns: bool = True,
    ) -> None:
        self.name = name
        found: list[tuple[NDArray[np.float32], int]] = []
        for message in messages:
            if len(found) == MOST_CHOICES:
                break
            found += islice(_choices(model, personal, prior, message), MOST_CHOICES - len(found))
            if learns:
                personal.learn(message)
        self._rows = [rows.astype(np.float16) for rows, _ in found]
        self._right = [right for _, right in found]

    @property
    def samples(self) -> int:
        """How many choices it trains on."""
        return len(self._rows)

    def train(
        self,
        model: object,
        weights: Weights,
        local: Local,
        round_: int,
        rng: np.random.Generator,
        correction: Weights | None = None,
    ) -> Weights:
        """Train from the server's weights; give its own: float32[P], as they come and go."""
        del model
        own = weights.astype(np.float32).astype(np.float64)
        rate = local.rate(round_)
        for _ in range(local.epochs):
            order = rng.permutation(self.samples)
            size = local.batch_size or self.samples
            for first in range(0, self.samples, size):
                _, gradient = loss_and_gradient(own, self._batch(order[first : first + size]))
                if local.proximal:
                    gradient += local.proximal * (own - weights)
                if correction is not None:
                    gradient += correction
                own -= rate * gradient
        return own.astype(np.float32)

    def loss(self, weights: Weights) -> float:
        """The mean of -log(chance of what was typed)."""
        return loss_and_gradient(weights, self._batch(np.arange(self.samples)))[0]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("what a phone trains on cannot be pickled or copied: it stays on its phone")

    def _batch(self, places: NDArray[np.int64]) -> Choices:
        return choices_of([self._rows[at] for at in places], [self._right[at] for at in places])


def choices_of(rows: list[NDArray[np.float16]], right: list[int]) -> Choices:
    """Put situations one after the other."""
    sizes = np.array([len(some) for some in rows])
    starts = np.cumsum(sizes) - sizes
    return Choices(np.concatenate(rows).astype(np.float32), starts, starts + np.array(right))


def _choices(
    model: Model, personal: PersonalModel, prior: Prior | None, message: str
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Type a message; give the rows at each key and which of them was right, the last one if none was."""
    situation: Situation | None = None
    message = normalise(message)  # so that "don’t" is one word here too
    for match in _WORD.finditer(message):
        word = fold(match.group())
        for letters in _LETTERS:
            if letters < len(word):
                cursor = at_cursor(message[: match.start() + letters])
                if cursor.prefix is None or cursor.typed != letters:
                    break
                if situation is None or not situation.is_at(cursor):
                    situation = Situation(model, personal, prior, cursor)
                found = candidates_at(situation, fold(cursor.prefix))
                found.pop(fold(cursor.prefix), None)
                right = list(found).index(word) if word in found else len(found)
                yield situation.features(found, letters), right
