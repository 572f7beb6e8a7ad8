"""Pauses: what stands between two words, beside white space, that is no end of a sentence.

In: a message as typed so far, up to where a word begins. Out: a `Pause`. Law: items do not depend on it, so what
phones count and send is the same with and without.

What follows a pause is more like the beginning of a message than like what follows the same word without one:
"tom: have you ..." begins where "have" does.
"""

from enum import IntEnum

from fedkeys.words.shapes import shape_of

_CLAUSE_ENDS = ",:;，：；、،؛"
_ADDRESS_ENDS = ",:，：،"


class Pause(IntEnum):
    """A kind of pause.

    Attributes:
        NONE: a word, the end of a sentence or nothing stands before.
        ADDRESS: the message began with one chunk that ends in a comma or a colon: "tom, ", "well, ", "b52: ".
        CLAUSE: any other comma, colon or semicolon.
        OTHER: any other character that is part of no word: a bracket, a quote, a dash.
    """

    NONE = 0
    ADDRESS = 1
    CLAUSE = 2
    OTHER = 3


def pause_after(text: str, whole: bool) -> Pause:
    """Tell what a text ends with.

    Args:
        text: what stands before a word.
        whole: whether the message begins where the text does.

    >>> [pause_after(text, True).name for text in ("see you ", "tom: ", "see you, ", "see (", "Done! ", ":")]
    ['NONE', 'ADDRESS', 'CLAUSE', 'OTHER', 'NONE', 'CLAUSE']
    """
    text = text.strip()
    if not text:
        return Pause.NONE
    if text[-1] in _CLAUSE_ENDS:
        first = whole and text[-1] in _ADDRESS_ENDS and len(text.split(maxsplit=1)) == 1
        return Pause.ADDRESS if first and any(map(str.isalnum, text)) else Pause.CLAUSE
    return Pause.NONE if shape_of(text[-1]) in "am0'.!erzj" else Pause.OTHER
