"""Deltas written by hand, as any phone can write them, whatever it has typed; and fleets of them.

In: words, and what is to be said of them. Out: messages; an aggregator that has merged some. Law: they are of the
format, so that nothing but bounds stands between them and a sum.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import Ids, Rows, pack_keys
from fedkeys.delta import Bounds, Delta
from fedkeys.errors import FedkeysError
from fedkeys.phone import DEFAULT_FEDERATION

MOST_COUNT = (1 << 31) - 1  # that the format has room for


def crafted(
    base: Vocabulary,
    count: int,
    pseudonym: bytes,
    bounds: Bounds,
    federation: str,
    *,
    pairs: int = 0,
    sequence: int = 0,
) -> bytes:
    """Write a delta of the words of a vocabulary, and of the first pairs of neighbours among them.

    Args:
        base: the vocabulary, which the aggregator must know.
        count: how often each is said to have been typed, for the first time.
        pseudonym: 16 bytes.
        bounds: that it says it keeps.
        federation: its name.
        pairs: how many, fewer than words.
        sequence: the delta's number.
    """
    size = len(base)
    rows = np.arange(size, dtype=np.uint32)
    first = _level(np.zeros(size, np.int64), rows, count)
    second = _level(np.arange(pairs), rows[1 : pairs + 1], count)
    ids = (rows + FIRST_WORD).astype(np.uint32)
    delta = Delta(
        federation=federation,
        phone=pseudonym,
        sequence=sequence,
        round=0,
        base=base.digest,
        known=len(base),
        bounds=bounds.as_map(),
        words=(),
        ids=ids,
        counts=NgramCounts((first, second)),
        forms=Level.empty(),
    )
    return delta.to_bytes()


def merged(
    messages: Iterable[bytes],
    bounds: Bounds | None,
    bases: Sequence[Vocabulary] = (),
    federation: str = DEFAULT_FEDERATION,
) -> Aggregator:
    """Merge deltas that must all be merged.

    Raises:
        FedkeysError: one is refused.
    """
    aggregator = Aggregator(federation, bases, bounds=bounds)
    for result in aggregator.add_messages(list(messages)):
        if isinstance(result, FedkeysError):
            raise result
    return aggregator


def _level(parents: Rows, words: Ids, count: int) -> Level:
    ones = np.ones(len(words), np.int64)
    return Level(pack_keys(parents, words), count * ones, ones)
