"""Whose messages train, and who is replayed.

In: a corpus. Out: the corpus of messages that train, and the names of users to replay. Laws: users with fewer than
10 messages only train; the first part of each other user's messages trains, the last part is replayed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.evaluate.replay import asked_words
from fedkeys.sources import Corpus, PhoneTexts
from fedkeys.sources.corpus import OnProgress
from fedkeys.sources.parts import LEAST_MESSAGES, parts


class Some:
    """A corpus cut down to some of its users.

    Args:
        corpus: users and their messages.
        without: users who are left out.
        only: users who are not; None for everybody.
    """

    def __init__(
        self, corpus: Corpus, without: frozenset[str] = frozenset(), only: frozenset[str] | None = None
    ) -> None:
        self._corpus = corpus
        self._without = without
        self._only = only

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give the names of the users."""
        return [name for name in self._corpus.names(on_progress) if self._holds(name)]

    def phones(self) -> Iterator[PhoneTexts]:
        """Give the users and their messages."""
        return (phone for phone in self._corpus.phones() if self._holds(phone.name))

    def _holds(self, name: str) -> bool:
        return name not in self._without and (self._only is None or name in self._only)


class FirstParts:
    """A corpus cut down to the messages that train.

    Args:
        corpus: users and their messages.
        split: the part of each user's messages that trains.
    """

    def __init__(self, corpus: Corpus, split: float) -> None:
        self._corpus = corpus
        self._split = split

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        """Give the names of the users."""
        return self._corpus.names(on_progress)

    def phones(self) -> Iterator[PhoneTexts]:
        """Give the users and their first messages."""
        for phone in self._corpus.phones():
            yield PhoneTexts(phone.name, parts(phone.texts, self._split)[0])


class Chosen(NamedTuple):
    """Users to replay.

    Attributes:
        known: whose first messages the model is made of too; new: of whom it sees nothing.
    """

    known: Sequence[str]
    new: Sequence[str]

    @property
    def all(self) -> list[str]:
        """All of them, the known ones first."""
        return [*self.known, *self.new]


def able_users(
    corpus: Corpus, split: float, min_words: int, on_progress: OnProgress = lambda _: None
) -> dict[str, int]:
    """Give the users who can be replayed, and the number of words asked of each.

    Args:
        corpus: users and their messages.
        split: the part of each user's messages that trains.
        min_words: how many words they have at least.
        on_progress: told what part of the users is looked at.
    """
    able: dict[str, int] = {}
    users = len(corpus.names())
    for number, phone in enumerate(corpus.phones(), 1):
        on_progress(number / users)
        asked = sum(map(asked_words, parts(phone.texts, split)[1]))
        if asked and sum(map(asked_words, phone.texts)) >= min_words:
            able[phone.name] = asked
    return able


def refuse_nobody(corpus: Corpus, split: float, min_words: int) -> NoReturn:
    """Say why nobody can be replayed.

    Raises:
        UsageError: always.
    """
    longest = [phone.texts for phone in corpus.phones() if len(phone.texts) >= LEAST_MESSAGES]
    if not longest:
        raise UsageError(f"no user has {LEAST_MESSAGES} messages", remedy="bring a larger corpus")
    words = [
        sum(map(asked_words, texts)) for texts in longest if any(map(asked_words, parts(texts, split)[1]))
    ]
    if not words:
        raise UsageError(
            "no user's last messages have a word of the letters a to z",
            remedy="bring a corpus in a language that is written with them",
        )
    raise UsageError(
        f"no user has {LEAST_MESSAGES} messages and {min_words:,} words",
        remedy=f"lower --min-words: the most that a user has are {max(words):,}",
    )


def choose(able: Mapping[str, int], users: int | None, new_users: int, rng: np.random.Generator) -> Chosen:
    """Draw the users to replay.

    Args:
        able: those who can be.
        users: how many that the model knows; None for all.
        new_users: how many that it does not.
        rng: draws them.

    Raises:
        UsageError: there are not so many, or nobody would be left whom the model knows.
    """
    names = sorted(able)
    if new_users >= len(names):
        raise UsageError(f"{new_users} new users of {len(names)} who can be replayed", remedy="choose fewer")
    if users is not None and new_users and users + new_users > len(names):
        raise UsageError(
            f"{users:,} users and {new_users:,} new ones, of {len(names):,} who can be replayed",
            remedy=f"with {new_users:,} new ones choose at most {len(names) - new_users:,} others",
        )
    if users is not None and users < len(names):
        known = [names[at] for at in rng.choice(len(names), users, replace=False).tolist()]
    else:
        known = names
    if not new_users:
        return Chosen(known, [])
    others = sorted(set(names) - set(known)) or names
    drawn = rng.choice(len(others), new_users, replace=False)
    new = [others[at] for at in drawn.tolist()]
    return Chosen([name for name in known if name not in new], new)
