"""Where the cursor stands: the items before the word being typed, and its letters so far.

In: a message as typed so far. Out: a `Cursor`. Law: its items are those that `tokens` would give for the
text before the word, so a keyboard looks up the very contexts that phones counted. Only the end of the text
is read, so a long document costs no more than a short one.
"""

import re
from dataclasses import dataclass

from fedkeys.words.shapes import shape_of
from fedkeys.words.tokens import GAP, MESSAGE_START, SENTENCE_START, normalise, tokens

# Enough for the items of the longest context, and for a long number before them.
_TAIL = 256

_BEING_TYPED = re.compile(r"a[am]*(?:'a[am]*)*'?$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What stands before the cursor.

    Attributes:
        items: the items before the word being typed, the last one nearest; marks only where one counts.
        prefix: its letters so far, as typed; "" between words; None where no suggestion is wanted (an
            address, a number or a code is being typed).
    """

    items: tuple[str, ...]
    prefix: str | None


def at_cursor(text: str) -> Cursor:
    """Read the end of a message as typed so far, the cursor being at its end.

    >>> at_cursor("see you tom")
    Cursor(items=('\\x02', 'see', 'you'), prefix='tom')
    >>> at_cursor("Done! ")
    Cursor(items=('\\x03',), prefix='')
    >>> at_cursor("write to me@exam").prefix is None
    True
    """
    tail, whole = _tail(text)
    chunk_start = _start_of_last_chunk(tail)
    before, prefix = _split_chunk(tail[chunk_start:])
    items = tokens(tail[:chunk_start] + before)
    if tail[:chunk_start].rstrip(" \t") != tail[:chunk_start].rstrip() and not before:
        items.append(SENTENCE_START)
    if not whole:
        items[0] = GAP
    return Cursor(_since_last_break(items), prefix)


def _tail(text: str) -> tuple[str, bool]:
    """Cut all but the end of a long text off, at white space; tell whether nothing was cut."""
    if len(text) <= _TAIL:
        return text, True
    tail = text[-_TAIL:]
    cut = next((at for at, character in enumerate(tail) if character.isspace()), 0)
    return tail[cut:], False


def _start_of_last_chunk(text: str) -> int:
    return next((at + 1 for at in range(len(text) - 1, -1, -1) if text[at].isspace()), 0)


def _split_chunk(chunk: str) -> tuple[str, str | None]:
    """Split the chunk at the cursor into what is finished and the letters being typed."""
    plain = normalise(chunk)
    if not plain:
        return "", ""
    if GAP in tokens(plain):
        return plain, None
    shape = shape_of(plain)
    typed = _BEING_TYPED.search(shape)
    if typed is None:
        return plain, "" if shape[-1] in ".!-'erzj" else None
    return plain[: typed.start()], plain[typed.start() :]


def _since_last_break(items: list[str]) -> tuple[str, ...]:
    """Keep what an n-gram may reach: back to the last gap, or to the start of the last sentence."""
    start = len(items)
    while start and items[start - 1] != GAP:
        start -= 1
        if items[start] in (MESSAGE_START, SENTENCE_START):
            return (_mark(items, start), *items[start + 1 :])
    return tuple(items[start:])


def _mark(items: list[str], at: int) -> str:
    """Of several marks in a row, the start of the message is the one that counts."""
    while at and items[at] == SENTENCE_START and items[at - 1] in (MESSAGE_START, SENTENCE_START):
        at -= 1
    return items[at]
