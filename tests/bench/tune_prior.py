"""How much pairs weigh in the public prior: `python -m tests.bench.tune_prior CORPUS...`

Prints, for each corpus, the perplexity of the words that the prior has, by single words alone and at each weight,
with the contractions as the lists count them and as `mended` does.
"""

import sys
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD
from fedkeys.phone.adult import cleaned
from fedkeys.phone.prior import Prior
from fedkeys.phone.prior_lists import MIX, laid_out, mended, read_lists
from fedkeys.sources import open_corpus
from fedkeys.words import fold, tokens

MESSAGES = 20_000
WEIGHTS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)


def parts(prior: Prior, items: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each word that the prior has: p of it alone, and of it among the pairs (negative without a row)."""
    alone, paired = [], []
    some = np.arange(2, dtype=np.uint32) + FIRST_WORD
    for previous, word in pairwise(items):
        if word in prior.vocabulary.ids:
            one = prior.ids([word])
            unigram = prior.probabilities_of(None, one)[0]
            known = prior.probabilities_of(previous, some) - prior.probabilities_of(None, some)
            alone.append(unigram)
            paired.append(
                (prior.probabilities_of(previous, one)[0] - (1 - MIX) * unigram) / MIX if known.any() else -1
            )
    return np.array(alone), np.array(paired)


def main() -> None:
    """Print the table."""
    lists = cleaned(read_lists())
    for name in sys.argv[1:]:
        messages = [text for _, texts in open_corpus(name).phones() for text in texts][:MESSAGES]
        items = [fold(item) for text in messages for item in tokens(text)]
        for title, prior in (("listed", Prior(laid_out(lists))), ("mended", Prior(laid_out(mended(lists))))):
            alone, paired = parts(prior, items)
            for weight in WEIGHTS:
                p = np.where(paired < 0, alone, weight * np.maximum(paired, 0) + (1 - weight) * alone)
                print(
                    f"{name} {title} {weight}: perplexity {np.exp(-np.log(p).mean()):.1f} of {len(p)} words"
                )


if __name__ == "__main__":
    main()
