"""`Bounds`: the most that one phone may contribute in its life in a federation.

In: a few numbers. Out: the same, as a delta's header says them. Law: a phone applies them, its deltas declare
them, and an aggregator that was given them enforces them again, whatever a delta declares.
"""

from dataclasses import dataclass

from fedkeys.errors import UsageError

_MOST = (1 << 32) - 1
_LEAST_BYTES = 512  # a delta that says nothing has room
_MOST_NORM = 1 << 24  # so that the squares of counts add up in 64 bits


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one phone may contribute.

    Attributes:
        max_ngrams: over all its deltas, the most distinct n-grams and written forms.
        max_count: the most that its counts of one of them may add up to.
        max_bytes: the most that one of its deltas may have.
        max_deltas: the most deltas it may send; since it shows all of them again beside a new one, what checking
            them costs grows with their square.
        max_norm: the greatest length (2-norm) of all its counts together, for a release under differential
            privacy, whose noise goes by it: then counts are votes (`fedkeys.phone.votes`). None for no such bound.

    Raises:
        UsageError: one of them is no whole number below 2^32 from 1 up, or 512 up for `max_bytes`, or below 2^24
            for `max_norm`.
    """

    max_ngrams: int
    max_count: int
    max_bytes: int = 5000
    max_deltas: int = 100
    max_norm: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_ngrams", "max_count", "max_deltas"):
            value = getattr(self, name)
            if not 1 <= value <= _MOST:
                raise UsageError(f"{name} is {value}", remedy="choose 1 or more")
        if self.max_norm is not None and not 1 <= self.max_norm <= _MOST_NORM:
            raise UsageError(f"max_norm is {self.max_norm}", remedy=f"choose 1 to {_MOST_NORM}")
        if not _LEAST_BYTES <= self.max_bytes <= _MOST:
            raise UsageError(f"max_bytes is {self.max_bytes}", remedy=f"choose {_LEAST_BYTES} or more")

    def as_map(self) -> dict[str, int]:
        """Give what a delta's header says.

        >>> Bounds(max_ngrams=1000, max_count=16).as_map()
        {'ngrams': 1000, 'count': 16, 'bytes': 5000, 'deltas': 100}
        """
        return {
            "ngrams": self.max_ngrams,
            "count": self.max_count,
            "bytes": self.max_bytes,
            "deltas": self.max_deltas,
            **({} if self.max_norm is None else {"norm": self.max_norm}),
        }


# Chosen with `python -m tests.bench.tune_bounds CORPUS`.
DEFAULT_BOUNDS = Bounds(max_ngrams=2000, max_count=16, max_bytes=5000)

# Of a private release: one vote is no more than an eighth of a phone's length, that of a phone with 64 n-grams.
PRIVATE_BOUNDS = Bounds(max_ngrams=2000, max_count=512, max_bytes=5000, max_norm=4096)
