"""The words that slips of the finger lead to, ranked together.

In: slips, and a log probability for each word. Out: the k best words. Law: the score of a word is its log
probability and the least penalty with which it is reached.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedkeys.words.slips import Slip

_MOST_RANGES = 3  # that one word is in: the prefixes that begin it differ in length, by one letter or two


def most_probable(slips: Sequence[Slip], logp: NDArray[np.floating], k: int) -> list[tuple[int, float]]:
    """Rank the words that slips lead to.

    Args:
        slips: as `fedkeys.words.slips.reached` finds them among n words.
        logp: floating[n], the natural log probability of each of these words, whatever comes before.
        k: how many words to give.

    Returns:
        Places of words and their scores (log probability and penalty), best first; of equal ones the first place.
    """
    if not slips or k < 1:
        return []
    _, lows, highs, penalties = zip(*slips, strict=True)
    low, size = np.array(lows), np.array(highs) - np.array(lows)
    places = np.arange(size.sum()) + np.repeat(low - size.cumsum() + size, size)
    scores = logp[places] + np.repeat(penalties, size)
    if len(places) > _MOST_RANGES * k:
        worst = np.partition(scores, -_MOST_RANGES * k)[-_MOST_RANGES * k]
        places, scores = places[scores >= worst], scores[scores >= worst]
    best: dict[int, float] = {}
    for at in np.lexsort((places, -scores)).tolist():
        best.setdefault(int(places[at]), float(scores[at]))
    return list(best.items())[:k]
