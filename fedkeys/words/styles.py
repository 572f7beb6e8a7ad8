"""The ways to write a word: most are its identity with a capital or two.

In: a word and a written form of it. Out: a *style*, a small number; `OTHER` where the form must be spelt out
("iPhone"). Law: `styled(word, style_of(form, word)) == form` for every style below `OTHER`.
"""

CAPITALISED = 0
UPPER = 1
OTHER = 2


def style_of(form: str, word: str) -> int:
    """Give the style of a written form.

    >>> [style_of(form, form.lower()) for form in ("London", "I", "LOL", "iPhone")]
    [0, 0, 1, 2]
    """
    for style in (CAPITALISED, UPPER):
        if styled(word, style) == form:
            return style
    return OTHER


def styled(word: str, style: int) -> str:
    """Write a word in the style `CAPITALISED` (first letter) or `UPPER` (all letters)."""
    return word[:1].upper() + word[1:] if style == CAPITALISED else word.upper()
