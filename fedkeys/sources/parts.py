"""Cutting one phone's messages in two: those that everyone's model is made of, and those held back from it.

In: messages, oldest first. Out: the first ones and the last ones, in their order. Law: what is held back is newer
than all that is not, so a keyboard that is tried on it knows no more than it would have known.
"""

from collections.abc import Sequence

FIRST_PART = 0.8
LEAST_MESSAGES = 10  # of a phone that holds some back


def parts(texts: Sequence[str], split: float = FIRST_PART) -> tuple[Sequence[str], Sequence[str]]:
    """Cut one phone's messages into the first part of them and the rest, maybe none."""
    first = count_first(len(texts), split)
    return texts[:first], texts[first:]


def count_first(messages: int, split: float = FIRST_PART) -> int:
    """How many of a phone's messages come first: all where they are few."""
    return int(messages * split) if messages >= LEAST_MESSAGES else messages
