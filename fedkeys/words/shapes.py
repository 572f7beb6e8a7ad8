"""The class of each character, as one ASCII letter, so that rules are regular expressions over classes.

In: text. Out: its *shape*, a string of the same length:

    a  letter (L*)                     e  emoji (So in the emoji blocks)
    m  combining mark (M*), ZWNJ       r  regional indicator, half of a flag
    0  number (N*)                     j  ZWJ, which joins emoji into one
    '  apostrophe                      z  presentation selector, keycap: belongs to the emoji before
    .  full stop
    !  other sentence end: ! ? … 。 ！ ？
    G  the mark of something already dropped
    @ _ = \\ / # ~  themselves         -  anything else
"""

import unicodedata

_THEMSELVES = {ord(c): c for c in "'.@_=\\/#~"}
_ENDS = {ord(c): "!" for c in "!?…。！？"}
_GLUE = {0x200D: "j", 0xFE0E: "z", 0xFE0F: "z", 0x20E3: "z"}
_EMOJI_BLOCKS = ((0x1F000, 0x1FAFF), (0x2600, 0x27BF), (0x2B00, 0x2BFF), (0x231A, 0x23FF))


class _Shapes(dict[int, str]):
    """A table for `str.translate` that classifies a character the first time it meets it."""

    def __missing__(self, code: int) -> str:
        shape = self[code] = _classify(code)
        return shape


def _classify(code: int) -> str:
    if 0x1F1E6 <= code <= 0x1F1FF:
        return "r"
    if code == 0x200C:
        return "m"
    category = unicodedata.category(chr(code))
    if category[0] in "LMN":
        return {"L": "a", "M": "m", "N": "0"}[category[0]]
    if category == "So" and any(low <= code <= high for low, high in _EMOJI_BLOCKS):
        return "e"
    return "-"


_SHAPES = _Shapes({**_THEMSELVES, **_ENDS, **_GLUE, 0: "G"})


def shape_of(text: str) -> str:
    """Give the shape of a text, one class letter for each character.

    >>> shape_of("I'm 7. 👍")
    "a'a-0.-e"
    """
    return text.translate(_SHAPES)
