"""The entries of a delta in words that a person can read.

In: a delta, and the words of the vocabulary that it was written against, if they are known. Out: its n-grams
and written forms, in the order in which they stand there.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedkeys.counts import FIRST_WORD
from fedkeys.delta import Delta
from fedkeys.words import CAPITALISED, OTHER, styled

MARKS = ("⟨message⟩", "⟨sentence⟩")  # the beginning of one


class Entry(NamedTuple):
    """An n-gram or a written form.

    Attributes:
        text: what it reads; an unknown word as # and its number.
        times: how often it is counted.
        first_time: whether the phone sends it for the first time.
    """

    text: str
    times: int
    first_time: bool


def entries(delta: Delta, known: Sequence[str] | None) -> list[list[Entry]]:
    """Give the n-grams of each order, and last the written forms."""
    names = _names(delta, known)
    return [
        *(list(_ngrams(delta, order, names)) for order in range(1, delta.counts.order + 1)),
        list(_forms(delta, names)),
    ]


def _names(delta: Delta, known: Sequence[str] | None) -> list[str]:
    """A name for each local id: a mark, a word, or the number of a known word."""
    names: list[str] = []
    for id_ in delta.ids.tolist():
        place = id_ - FIRST_WORD
        if place < 0:
            names.append(MARKS[id_])
        elif place < delta.known:
            names.append(known[place] if known else f"#{place}")
        else:
            names.append(delta.words[place - delta.known])
    return names


def _ngrams(delta: Delta, order: int, names: Sequence[str]) -> Iterator[Entry]:
    level = delta.counts.levels[order - 1]
    columns = (delta.counts.ngrams(order).tolist(), level.counts.tolist(), level.phones.tolist())
    for ids, count, mark in zip(*columns, strict=True):
        yield Entry(" ".join(names[id_] for id_ in ids), count, bool(mark))


def _forms(delta: Delta, names: Sequence[str]) -> Iterator[Entry]:
    forms = delta.forms
    columns = (forms.parents.tolist(), forms.words.tolist(), forms.counts.tolist(), forms.phones.tolist())
    for row, style, count, mark in zip(*columns, strict=True):
        if style >= OTHER:
            form = delta.other_forms[style - OTHER]
        elif names[row].startswith("#"):
            form = f"{names[row]} {'with a capital' if style == CAPITALISED else 'in capitals'}"
        else:
            form = styled(names[row], style)
        yield Entry(form, count, bool(mark))
