"""`Aggregator`: the server's side of a federation.

In: deltas of one federation. Out: models. Law: `add` either merges a delta whole, or says that it has it
already, or refuses it and is as before.
"""

from collections.abc import Iterable, Mapping

from fedkeys.aggregator.blocklist import blocked_word
from fedkeys.aggregator.ledger import Ledger
from fedkeys.aggregator.release import release
from fedkeys.aggregator.sums import Sums
from fedkeys.counts import Vocabulary
from fedkeys.delta import Delta
from fedkeys.errors import RefusedError, UsageError
from fedkeys.model import Model

DEFAULT_MIN_PHONES = 2


class Aggregator:
    """Merges deltas exactly once and releases models of what enough phones share.

    Args:
        federation: its name; deltas of another are refused.
        bases: vocabularies released earlier, against which deltas may be written.
    """

    def __init__(self, federation: str = "fedkeys", bases: Iterable[Vocabulary] = ()) -> None:
        self.federation = federation
        self._ledger = Ledger()
        self._sums = Sums()
        self._bounds: list[Mapping[str, int] | None] = []
        self._last_round = 0
        for base in bases:
            self._sums.know(base)

    @property
    def deltas(self) -> int:
        """How many deltas were merged."""
        return self._ledger.deltas

    @property
    def phones(self) -> int:
        """From how many distinct phones."""
        return self._ledger.phones

    def know(self, vocabulary: Vocabulary) -> None:
        """Accept deltas written against this released vocabulary from now on."""
        self._sums.know(vocabulary)

    def add(self, delta: Delta) -> bool:
        """Merge a delta.

        Returns:
            True if it was merged, False if it had been before.

        Raises:
            RefusedError: it must not be merged; nothing has changed.
        """
        if delta.federation != self.federation:
            raise RefusedError(
                f"belongs to the federation {delta.federation!r}, not to {self.federation!r}",
                remedy="name the federation with --federation",
            )
        if not self._ledger.is_new(delta):
            return False
        self._sums.add(delta)
        self._ledger.enter(delta)
        if delta.bounds not in self._bounds:
            self._bounds.append(delta.bounds)
        self._last_round = max(self._last_round, delta.round)
        return True

    def release(self, min_phones: int = DEFAULT_MIN_PHONES, blocked: Iterable[str] = ()) -> Model:
        """Make a model of the words and n-grams that at least `min_phones` phones have sent.

        Args:
            min_phones: the least number of phones, 1 or more.
            blocked: words that the model must not hold, however many sent them, in any written form.

        Raises:
            UsageError: `min_phones` is less than 1, or what is blocked is no single word.
        """
        if min_phones < 1:
            raise UsageError(f"min_phones is {min_phones}", remedy="choose 1 or more")
        account = {
            "federation": self.federation,
            "bounds": self._bounds[0] if len(self._bounds) == 1 else None,
            "rounds": max(1, self._last_round),
            "phones": self.phones,
            "deltas": self.deltas,
        }
        return release(self._sums.totals(), min_phones, account, frozenset(map(blocked_word, blocked)))


def aggregate(deltas: Iterable[Delta], min_phones: int = DEFAULT_MIN_PHONES) -> Model:
    """Merge deltas of one federation, written against no vocabulary, and release a model.

    Args:
        deltas: in any order; a second copy of one changes nothing.
        min_phones: the least number of phones that must have sent a word or n-gram.

    Raises:
        RefusedError: a delta must not be merged.
    """
    deltas = list(deltas)
    aggregator = Aggregator(deltas[0].federation) if deltas else Aggregator()
    for delta in deltas:
        aggregator.add(delta)
    return aggregator.release(min_phones)
