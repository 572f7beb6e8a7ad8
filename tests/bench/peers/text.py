"""What every engine is given: the same words to learn, and the same questions.

In: a corpus. Out: a `Text`. Rules: those of `fedkeys.evaluate.replay` for what a word is; a sentence ends at
. ! ? or a new line; each user's first 80 % of messages are learnt by all engines, the last 20 % of some sampled
users are asked at every key: before the first letter, and after each letter but the last.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fedkeys.errors import UsageError
from fedkeys.sources import Corpus
from fedkeys.sources.parts import LEAST_MESSAGES, parts
from fedkeys.words import MESSAGE_START, SENTENCE_START

SPLIT = 0.8

Sentence = tuple[str, ...]
Message = tuple[Sentence, ...]

_CURLY = str.maketrans("’‘", "''")
_END = re.compile(r"[.!?\n]+")
_WORD = re.compile(r"(?<!\w)(?<!\w')[a-z]+(?:'[a-z]+)*(?!\w)")


class Question(NamedTuple):
    """One key.

    Attributes:
        text: the message as typed so far.
        start: which mark stands before the sentence, for an engine that tells them apart.
        words: those of the sentence before the one being typed.
        prefix: its letters so far; "" for the next word.
        wanted: the word that was typed.
    """

    text: str
    start: str
    words: Sentence
    prefix: str
    wanted: str


class User(NamedTuple):
    """One user who is replayed: what a personal model has learnt, and the messages that are asked."""

    learnt: Sequence[Message]
    asked: Sequence[Message]


class Text(NamedTuple):
    """What all engines learn, and who is asked."""

    learnt: Sequence[Message]
    users: Sequence[User]


def read(corpus: Corpus, users: int, rng: np.random.Generator) -> Text:
    """Read a corpus, and draw the users to ask of those who have 10 messages or more.

    Raises:
        UsageError: there is nobody to ask.
    """
    learnt: list[Message] = []
    able: list[User] = []
    for phone in corpus.phones():
        first, last = (list(filter(None, map(message, texts))) for texts in parts(phone.texts, SPLIT))
        learnt += first
        if last:
            able.append(User(first, last))
    if not able or users < 1:
        raise UsageError(
            f"{users} of {len(able)} users with {LEAST_MESSAGES} messages were to be asked",
            remedy="ask 1 or more, or bring a larger corpus",
        )
    chosen = np.sort(rng.permutation(len(able))[:users]).tolist()
    return Text(learnt, [able[at] for at in chosen])


def message(text: str) -> Message:
    """Give the sentences of a message, as words in lower case.

    >>> message("Hi Tom! I don't know 10.04, sorry")
    (('hi', 'tom'), ('i', "don't", 'know'), ('sorry',))
    """
    sentences = _END.split(text.translate(_CURLY).lower())
    return tuple(filter(None, (tuple(_WORD.findall(sentence)) for sentence in sentences)))


def written(message: Message) -> str:
    """Write a message for an engine that reads text.

    >>> written(message("Hi Tom! I don't know"))
    "hi tom. i don't know"
    """
    return ". ".join(map(" ".join, message))


def questions(message: Message) -> Iterator[Question]:
    """Ask every key of a message.

    >>> [(question.text, question.prefix) for question in questions((("hi", "tom"), ("ok",)))]
    [('', ''), ('h', 'h'), ('hi ', ''), ('hi t', 't'), ('hi to', 'to'), ('hi tom. ', ''), ('hi tom. o', 'o')]
    """
    for number, sentence in enumerate(message):
        start = SENTENCE_START if number else MESSAGE_START
        for at, word in enumerate(sentence):
            before = written((*message[:number], sentence[:at])) + (" " if at else "")
            for typed in range(len(word)):
                yield Question(before + word[:typed], start, sentence[:at], word[:typed], word)
