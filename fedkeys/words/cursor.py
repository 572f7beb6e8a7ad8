"""Where the cursor stands: the items before the word being typed, and its letters so far.

In: a message as typed so far. Out: a `Cursor`. Law: its items are those that `tokens` would give for the
text before the word, so a keyboard looks up the very contexts that phones counted. Only the end of the text
is read, so a long document costs no more than a short one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from fedkeys.words.pauses import Pause, pause_after
from fedkeys.words.shapes import shape_of
from fedkeys.words.tokens import GAP, MESSAGE_START, SENTENCE_START, normalise, one_mark, tokens

# Enough for the items of the longest context, and for a long number before them.
_TAIL = 256
READ = (
    _TAIL + 1
)  # characters before the cursor that decide what stands there; the first tells that there are more

_CACHED = 24  # letters of a chunk

_MARKS = (MESSAGE_START, SENTENCE_START, GAP)

_BEING_TYPED = re.compile(r"a[am]*(?:'a[am]*)*'?$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What stands before the cursor.

    Attributes:
        items: the items before the word being typed, the last one nearest; marks only where one counts.
        prefix: its letters so far, as `tokens` would read them; "" between words; None where no suggestion is
            wanted (an address, a number or a code is being typed).
        typed: how many characters at the end of the text these letters are.
        said: the words before, of this sentence and earlier ones, as far back as the text is read.
        pause: what stands between the last of these and the word being typed.
    """

    items: tuple[str, ...]
    prefix: str | None
    typed: int
    said: tuple[str, ...] = ()
    pause: Pause = Pause.NONE

    @property
    def begins_sentence(self) -> bool:
        """Whether the word being typed, or the next one, is the first of its sentence."""
        return self.items[-1:] in ((MESSAGE_START,), (SENTENCE_START,))


def at_cursor(text: str) -> Cursor:
    """Read the end of a message as typed so far, the cursor being at its end.

    >>> at_cursor("see you tom")
    Cursor(items=('\\x02', 'see', 'you'), prefix='tom', typed=3, said=('see', 'you'), pause=<Pause.NONE: 0>)
    >>> at_cursor("Done! ")
    Cursor(items=('\\x03',), prefix='', typed=0, said=('Done',), pause=<Pause.NONE: 0>)
    >>> at_cursor("write to me@exam").prefix is None
    True
    """
    tail, whole = _tail(text)
    if tail is None:
        return Cursor((), None, 0)
    start = _start_of_last_chunk(tail)
    chunk = tail[start:]
    before, prefix, typed = _split_short(chunk) if len(chunk) <= _CACHED else _split_chunk(chunk)
    new_line = not before and _ends_a_line(tail[:start])
    items, said, pause = _finished(tail[:start] + before, new_line, whole)
    return Cursor(items, prefix, typed, said, pause)


def rest_of_word(before: str, after: str) -> int:
    """How many characters after the cursor go on with the word being typed; none between words.

    Args:
        before: a message up to the cursor.
        after: what stands after it.

    >>> rest_of_word("see y", "ou, now"), rest_of_word("see ", "you"), rest_of_word("'do", "g' he said")
    (2, 0, 1)
    """
    cursor = at_cursor(before)
    rest = 0
    if cursor.typed:
        for size in range(1, len(after) + 1):
            longer = at_cursor(before + after[:size])
            if longer.typed != cursor.typed + size:
                break
            if longer.prefix and not longer.prefix.endswith("'"):
                rest = size
    return rest


@lru_cache(maxsize=1)  # it is the same from the first letter of a word to the last
def _finished(text: str, new_line: bool, whole: bool) -> tuple[tuple[str, ...], tuple[str, ...], Pause]:
    """Give the items before the word being typed that an n-gram may reach, all words before it, and the pause."""
    items = tokens(text)
    if new_line:
        items.append(SENTENCE_START)
    if not whole:
        items[0] = GAP
    said = tuple(item for item in items if item not in _MARKS)
    pause = Pause.NONE if new_line else pause_after(text, whole)
    return _since_last_break(one_mark(items)), said, pause


def _tail(text: str) -> tuple[str | None, bool]:
    """Cut all but the end of a long text off, at white space; tell whether nothing was cut.

    None if the end is inside one chunk: that may be an address, by what stands at its beginning.
    """
    if len(text) <= _TAIL:
        return text, True
    tail = text[-_TAIL:]
    cut = next((at for at, character in enumerate(tail) if character.isspace()), None)
    return None if cut is None else tail[cut:], False


def _start_of_last_chunk(text: str) -> int:
    if not text or text[-1].isspace():
        return len(text)
    return len(text) - len(text.rsplit(maxsplit=1)[-1])


@lru_cache(maxsize=1 << 12)
def _split_short(chunk: str) -> tuple[str, str | None, int]:
    """Split a short chunk. What words begin with repeats as they do, hence the cache."""
    return _split_chunk(chunk)


def _split_chunk(chunk: str) -> tuple[str, str | None, int]:
    """Split the chunk at the cursor into what is finished and the letters being typed; tell how many these are."""
    plain = normalise(chunk)
    if not plain:
        return "", "", 0
    if GAP in tokens(plain):
        return plain, None, 0
    shape = shape_of(plain)
    typed = _BEING_TYPED.search(shape)
    if typed is None:
        return plain, "" if shape[-1] in ".!-'erzj" else None, 0
    before, prefix = plain[: typed.start()], plain[typed.start() :]
    return before, prefix, _typed(chunk, prefix)


def _typed(chunk: str, prefix: str) -> int:
    """How many characters at the end of a chunk read as the prefix; more than it has if some are combined."""
    return next(
        (
            size
            for size in range(len(prefix), len(chunk) + 1)
            if normalise(chunk[len(chunk) - size :]) == prefix
        ),
        0,
    )


def _ends_a_line(text: str) -> bool:
    return bool(text) and len((text[-1] + "x").splitlines()) > 1


def _since_last_break(items: list[str]) -> tuple[str, ...]:
    """Keep what an n-gram may reach: back to the last gap, or to the start of the last sentence."""
    start = len(items)
    while start and items[start - 1] != GAP:
        start -= 1
        if items[start] in (MESSAGE_START, SENTENCE_START):
            break
    return tuple(items[start:])
