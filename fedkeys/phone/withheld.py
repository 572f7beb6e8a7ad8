"""What a delta leaves out, for the eyes of its phone's owner.

In: how often the phone's messages, and how often its delta, have each n-gram and written form. Out: what the
delta does not have, or has too few times. Law: it is counted again from the messages, on the phone; nothing of
it is in the delta.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fedkeys.delta import Delta
from fedkeys.phone.device import Phone
from fedkeys.phone.entries import Entry, entries
from fedkeys.words import GAP, tokens


class Missing(NamedTuple):
    """An n-gram or a written form that was typed more often than it is sent.

    Attributes:
        text: what it reads.
        times: how often it was typed.
        sent: how often it is sent.
    """

    text: str
    times: int
    sent: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """What the messages say and the delta does not; of each order, and last of the forms, the largest first.

    Attributes:
        left_out: what the delta does not have.
        clipped: what it has, with a lower count.
        foreign: how many n-grams and forms the delta has more often than the messages do.
    """

    left_out: tuple[tuple[Missing, ...], ...]
    clipped: tuple[tuple[Missing, ...], ...]
    foreign: int

    @classmethod
    def between(cls, typed: Sequence[Mapping[str, int]], sent: Sequence[Mapping[str, int]]) -> "Withheld":
        """Compare counts: a mapping for each order, and one for the written forms.

        >>> withheld = Withheld.between([{"hello": 20, "you": 3, "see": 3}], [{"hello": 16, "see": 3}])
        >>> withheld.left_out, withheld.clipped
        (((Missing(text='you', times=3, sent=0),),), ((Missing(text='hello', times=20, sent=16),),))
        """
        pairs = list(zip(typed, sent, strict=True))
        missing = [
            sorted(
                (Missing(text, times, ours.get(text, 0)) for text, times in theirs.items()),
                key=lambda row: (row.sent - row.times, row.text),
            )
            for theirs, ours in pairs
        ]
        return cls(
            tuple(
                tuple(row for row in rows if row.text not in ours)
                for rows, (_, ours) in zip(missing, pairs, strict=True)
            ),
            tuple(
                tuple(row for row in rows if row.text in ours and row.sent < row.times)
                for rows, (_, ours) in zip(missing, pairs, strict=True)
            ),
            sum(times > theirs.get(text, 0) for theirs, ours in pairs for text, times in ours.items()),
        )


def withheld_from(texts: Sequence[str], delta: Delta, known: Sequence[str] | None = None) -> Withheld:
    """Compare a delta with messages.

    Args:
        texts: all messages of its phone.
        delta: the delta.
        known: words of the vocabulary that it was written against, if it was against one.
    """
    alone = Phone(texts, order=delta.counts.order).delta()
    return Withheld.between(_counted(entries(alone, None)), _counted(entries(delta, known)))


def _counted(levels: Sequence[Sequence[Entry]]) -> list[dict[str, int]]:
    return [{entry.text: entry.times for entry in level} for level in levels]


def dropped(texts: Sequence[str]) -> int:
    """Tell how many pieces of messages the filter drops before anything is counted.

    >>> dropped(["see you", "call 07700 900123 or mail tom@example.org"])
    2
    """
    return sum(tokens(text).count(GAP) for text in texts)
