"""A person's own words: what one sender wrote, out of whatever it lies in.

In: a corpus, as `open_corpus` takes it, and whose words are meant. Out: those, and how much else was left. Law:
what others wrote is counted and never given.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from fedkeys.errors import UsageError
from fedkeys.sources.corpus import Corpus, OnProgress, open_corpus

_MOST_LISTED = 20


class Own(NamedTuple):
    """What one person wrote.

    Attributes:
        name: the sender's name in the corpus.
        texts: their messages, oldest first.
        kind: what it was read from, for people to read.
        others: how many messages of others were left.
        dropped: for each reason, how much of the whole corpus was no message.
    """

    name: str
    texts: Sequence[str]
    kind: str
    others: int
    dropped: Mapping[str, int]


def own_messages(spec: str | Path, who: str | None = None, on_progress: OnProgress = lambda _: None) -> Own:
    """Read what one person wrote.

    Args:
        spec: a corpus; see `open_corpus`.
        who: the sender's name, or a part of it that no other has, in any case; without it, the one whose export it
            is, or the only one there is.
        on_progress: told the part done.

    Raises:
        UsageError: there is no such corpus, or it does not say who is meant.
        SourceError: it cannot be read.
    """
    from fedkeys.sources.chats import Chat

    corpus = open_corpus(spec)
    corpus.names(on_progress)
    counts = {name: len(texts) for name, texts in corpus.phones()}
    chat = corpus if isinstance(corpus, Chat) else None
    name = _chosen(counts, who, chat.owner if chat else None, spec)
    if not counts[name]:
        raise UsageError("there is no message in it", file=spec, remedy="name a file with what you wrote")
    return Own(
        name,
        next(texts for sender, texts in corpus.phones() if sender == name),
        chat.kind if chat else _kind(corpus),
        sum(counts.values()) - counts[name],
        chat.dropped if chat else {},
    )


def account_of(own: Own) -> str:
    """Say what was read of a chat, and what was not.

    >>> print(account_of(Own("Anna", ["hi", "you"], "WhatsApp", 3, {"media": 2})))
    WhatsApp: 2 messages by Anna, 3 by others are left out; dropped in all: 2 media
    """
    dropped = ", ".join(f"{times:,} {reason}" for reason, times in own.dropped.items())
    return (
        f"{own.kind}: {len(own.texts):,} messages by {own.name}, {own.others:,} by others are left out; "
        f"dropped in all: {dropped or 'nothing'}"
    )


def _chosen(counts: Mapping[str, int], who: str | None, owner: str | None, spec: str | Path) -> str:
    """The sender who is meant."""
    if who is not None:
        if who in counts:
            return who
        for alike in (
            [name for name in counts if name.casefold() == who.casefold()],
            [name for name in counts if who.casefold() in name.casefold()],
        ):
            if len(alike) == 1:
                return alike[0]
        _refuse(f"no sender is called {who!r}", counts, spec)
    if owner is not None:
        return owner if owner in counts else _refuse(f"no message by its owner, {owner}", counts, spec)
    return next(iter(counts)) if len(counts) == 1 else _refuse("several senders", counts, spec)


def _refuse(what: str, counts: Mapping[str, int], spec: str | Path) -> NoReturn:
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name} ({count})" for name, count in most_first[:_MOST_LISTED])
    more = f", and {len(counts) - _MOST_LISTED} more" if len(counts) > _MOST_LISTED else ""
    raise UsageError(what, file=spec, remedy=f"name yourself with --as: {listed}{more}")


def _kind(corpus: Corpus) -> str:
    return {"JsonLines": "JSON Lines", "NltkCorpus": "NLTK"}.get(type(corpus).__name__, "plain text")
