"""`predict_next_word`: the textbook question, asked of a model."""

from fedkeys.model.model import Model
from fedkeys.words import MESSAGE_START, tokens


def predict_next_word(word: str, model: Model) -> str | None:
    """Give the word that came most often after `word`, by raw bigram count; ties are alphabetical.

    Args:
        word: one word in any written form; of several, the last one counts.
        model: the model to ask.

    Returns:
        The next word in its usual written form; None if `word` is unknown, or nothing followed it.
    """
    last = tokens(word)[-1]
    return None if last == MESSAGE_START else model.most_frequent_after(last)
