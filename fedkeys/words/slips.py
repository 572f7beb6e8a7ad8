"""What was meant by letters typed with one slip of the finger.

In: letters typed of a word, and words in alphabetical order. Out: the prefixes that may have been meant and that
some word begins with, each with its range of words and a penalty. Law: each is one slip, as defined here, from the
letters typed; all that some word begins with are there, and none that begins with the letters typed, since those
are completions.

The slips, with t for the letters typed:

    wrong     a letter for another: t with one letter replaced, the first only by a key that touches its own
    missing   a letter left out: t with a letter put in, not before the first nor after the last
    extra     a letter too many: t without one, neither the first nor the last
    swapped   two letters in the wrong order: t with two neighbours exchanged, not the first two

The first letter is taken to be right, as it mostly is: of the slips counted below, a word having seven letters or
so, 13 % of the wrong letters but only 7 % of the missing ones and 5 % of the exchanges are at the first. A finger
that comes down between two keys is the exception. Words that begin quite differently also look like no answer to
what was typed. That the last letter is one too many is the same as that it is a wrong one.

A penalty is the natural log of how often that slip is made where it can be made, so a word's log probability and
the penalty together rank what may have been meant. They were counted in ubuntu_irc, people at QWERTY keyboards:
unknown words that are one slip away from exactly one known and much more frequent word. Slips that were put right
before sending are not among them, so all are more frequent by a factor. As in the transcription typing reviewed by
Salthouse (1986), Psychological Bulletin 99(3), many wrong letters are keys that touch; here keys side by side are
taken for each other nearly four times as often as keys above and below.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedkeys.words.tokens import MAX_WORD_LENGTH

FEWEST_LETTERS = 3  # of two letters nearly any word is one slip away

# Of half of the people of ubuntu_irc. `python -m tests.bench.measure_slips CORPUS` counts again, and tries them on
# the other half.
PENALTIES = {
    "wrong beside": -9.8,  # for one certain key
    "wrong above or below": -11.1,
    "wrong elsewhere": -11.4,
    "missing apostrophe": -1.3,
    "missing": -7.6,
    "extra doubled": -9.1,
    "extra touching": -10.9,  # a key that touches one of the keys before and after it; for one certain key
    "extra elsewhere": -11.5,
    "swapped": -8.1,
}

_ROWS = ((0.0, "qwertyuiop"), (0.25, "asdfghjkl"), (0.75, "zxcvbnm"))  # how far right a row begins, in keys
_PLACES = {key: (x + shift, y) for y, (shift, row) in enumerate(_ROWS) for x, key in enumerate(row)}
_AFTER_EVERY_LETTER = "\U0010ffff"


def _keys(key: str, rows: int, reach: float) -> frozenset[str]:
    """The keys that many rows away whose middle is no farther left or right."""
    x, y = _PLACES[key]
    return frozenset(
        other
        for other, (other_x, other_y) in _PLACES.items()
        if other != key and abs(other_y - y) == rows and abs(other_x - x) <= reach
    )


_BESIDE = {key: _keys(key, rows=0, reach=1.0) for key in _PLACES}
_ABOVE_OR_BELOW = {key: _keys(key, rows=1, reach=0.75) for key in _PLACES}
TOUCHING = {key: _BESIDE[key] | _ABOVE_OR_BELOW[key] for key in _PLACES}
_NONE: frozenset[str] = frozenset()


class Slip(NamedTuple):
    """What may have been meant.

    Attributes:
        prefix: instead of the letters typed.
        low, high: the places of the words that begin with it, half-open.
        penalty: natural log of the probability of the slip.
    """

    prefix: str
    low: int
    high: int
    penalty: float


def reached(typed: str, words: Sequence[str]) -> list[Slip]:
    """Find what may have been meant by letters typed with one slip.

    Args:
        typed: a folded prefix; of fewer than `FEWEST_LETTERS` letters, or more than a word has, nothing is found.
        words: distinct folded words, in alphabetical order.

    Returns:
        The least penalty first. A word may be in three ranges; words that begin with what was typed are in one
        where its last letter is doubled.

    >>> [(slip.prefix, slip.low, slip.high) for slip in reached("teh", ["taught", "ten", "the", "them"])]
    [('the', 2, 4), ('ten', 1, 2), ('th', 2, 4)]
    """
    if not FEWEST_LETTERS <= len(typed) <= MAX_WORD_LENGTH + 1:
        return []
    found: dict[str, Slip] = {}
    for prefix, penalty, low, high in _walk(typed, words):
        first = bisect_left(words, prefix, low, high)
        if first < high and words[first].startswith(prefix):
            known = found.get(prefix)
            if known is None:
                last = bisect_left(words, prefix + _AFTER_EVERY_LETTER, first, high)
                found[prefix] = Slip(prefix, first, last, penalty)
            elif known.penalty < penalty:
                found[prefix] = known._replace(penalty=penalty)
    return sorted(found.values(), key=lambda slip: (-slip.penalty, slip.prefix))


def kind_of_wrong(meant: str, typed: str) -> str:
    """Name the slip of one letter for another, as in `PENALTIES`."""
    if typed in _BESIDE.get(meant, _NONE):
        return "wrong beside"
    return "wrong above or below" if typed in _ABOVE_OR_BELOW.get(meant, _NONE) else "wrong elsewhere"


def kind_of_missing(letter: str) -> str:
    """Name the slip that a letter was left out, as in `PENALTIES`."""
    return "missing apostrophe" if letter == "'" else "missing"


def kind_of_extra(before: str, letter: str, after: str) -> str:
    """Name the slip that a letter is too many between two others, as in `PENALTIES`."""
    if letter in (before, after):
        return "extra doubled"
    touching = letter in TOUCHING.get(before, _NONE) or letter in TOUCHING.get(after, _NONE)
    return "extra touching" if touching else "extra elsewhere"


def _walk(typed: str, words: Sequence[str]) -> Iterator[tuple[str, float, int, int]]:
    """Give prefixes to look up: each with its penalty and the places to look between; a few come twice.

    Goes down the words along the letters typed, and looks to the sides only where some word goes. Where no word
    begins with the letters so far, no later slip can have been made, and most walks end early.
    """
    for key in TOUCHING.get(typed[0], _NONE):
        yield key + typed[1:], PENALTIES[kind_of_wrong(key, typed[0])], 0, len(words)
    low = bisect_left(words, typed[0])
    high = bisect_left(words, typed[0] + _AFTER_EVERY_LETTER, low)
    for at in range(1, len(typed)):
        head, letter, tail = typed[:at], typed[at], typed[at + 1 :]
        if tail:
            yield head + tail, PENALTIES[kind_of_extra(typed[at - 1], letter, tail[0])], low, high
            if tail[0] != letter:
                yield head + tail[0] + letter + tail[1:], PENALTIES["swapped"], low, high
        own = high, high
        for other, first, last in _branches(words, at, low, high):
            if other != letter:
                yield head + other + tail, PENALTIES[kind_of_wrong(other, letter)], first, last
            else:
                own = first, last
            if other != letter or tail.strip(letter):
                yield head + other + letter + tail, PENALTIES[kind_of_missing(other)], first, last
        low, high = own
        if low == high:
            return


def _branches(words: Sequence[str], at: int, low: int, high: int) -> Iterator[tuple[str, int, int]]:
    """Give each letter at a place in words that are the same before it, with the places of its words."""
    while low < high:
        word = words[low]
        if len(word) == at:
            low += 1
            continue
        last = bisect_left(words, word[: at + 1] + _AFTER_EVERY_LETTER, low + 1, high)
        yield word[at], low, last
        low = last
