"""Merging a group of messages: which of them are merged, and in what order.

In: messages as they came, and what ledgers know of their phones. Out: what became of each. Laws: a bad
message keeps no other out; of a phone one delta after the other is merged, so that each is held against all
before it; what is refused has changed nothing.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from fedkeys.aggregator.enrolment import Enrolment, opened
from fedkeys.aggregator.helpers import Known, Taken
from fedkeys.aggregator.ledger import Entry
from fedkeys.aggregator.limits import Contribution, check_size, excess
from fedkeys.aggregator.merged import Merged
from fedkeys.aggregator.state import State
from fedkeys.aggregator.sums import Sums
from fedkeys.delta import Batch, Bounds, Head, unsound
from fedkeys.errors import FedkeysError, FormatError, RefusedError

_MOST_NUMBERS = 1 << 17  # n-grams read in one pass: what is made of them fits the second cache

_NOTHING: Mapping[int, Any] = MappingProxyType({})


class Groups:
    """Merges groups of messages into sums, and enters them in a ledger.

    Args:
        federation: its name; deltas of another are refused.
        state: has the ledger.
        sums: what deltas are added to.
        bounds: what a phone may contribute; None for no bounds.
        enrolment: the phones that may take part; None for all.
        merged: told how much was merged.
    """

    def __init__(
        self,
        federation: str,
        state: State,
        sums: Sums,
        bounds: Bounds | None,
        enrolment: Enrolment | None,
        merged: Merged,
    ) -> None:
        self._federation = federation
        self._state = state
        self._sums = sums
        self._bounds = bounds
        self._enrolment = enrolment
        self._merged = merged

    def take(self, messages: Sequence[bytes], known_elsewhere: Known, on_merged: Callable[[], None]) -> Taken:
        """Merge a group of messages.

        Args:
            messages: the bytes of each.
            known_elsewhere: what another ledger knows of their phones' deltas.
            on_merged: called when some of them were merged and entered.
        """
        with _not_collecting():
            return self._take(messages, known_elsewhere, on_merged)

    def _take(
        self, messages: Sequence[bytes], known_elsewhere: Known, on_merged: Callable[[], None]
    ) -> Taken:
        results: list[bool | FedkeysError] = [False] * len(messages)
        entered: list[Head] = []
        before = self._merged.copy()
        heads: dict[int, Head] = {}
        for at, data in enumerate(messages):
            try:
                heads[at] = opened(data, self._enrolment)
            except FedkeysError as error:
                results[at] = error
        known = self._state.entries(head.phone for head in heads.values())
        for phone, entries in known_elsewhere.items():
            known.setdefault(phone, {}).update(entries)
        # What is known first, then of each phone the earlier deltas: others may rely on them.
        order = sorted(heads, key=lambda at: _place(heads[at], known))
        heads = {at: heads[at] for at in order}
        shown: dict[bytes, dict[int, Head]] = {}
        while heads:
            contributions, heads = self._next(heads, known, shown, results)
            if contributions and self._merge(contributions, results):
                on_merged()
            for contribution in contributions.values():
                head = contribution.head
                known.setdefault(head.phone, {})[head.sequence] = Entry(head.digest, False)
                shown.setdefault(head.phone, {})[head.sequence] = head
                entered.append(head)
        rows = [(head.phone, head.sequence, head.digest) for head in entered]
        return Taken(results, rows, self._merged.since(before))

    def _next(
        self,
        heads: dict[int, Head],
        known: Mapping[bytes, Mapping[int, Entry]],
        shown: dict[bytes, dict[int, Head]],
        results: list[bool | FedkeysError],
    ) -> tuple[dict[int, Contribution], dict[int, Head]]:
        """Choose what is merged next, of each phone one, and what is left after that.

        Args:
            heads: what is to be merged, or known.
            known: by phone and number, what the ledger says of it.
            shown: by phone and number, the deltas that turned out to be merged; they are added.
            results: of what is refused the place is told why.
        """
        chosen: dict[int, Contribution] = {}
        left: dict[int, Head] = {}
        phones: set[bytes] = set()
        numbers = 0
        waiting = iter(heads.items())
        for at, head in waiting:
            if head.phone in phones:
                left[at] = head
                continue
            entries, own = known.get(head.phone, _NOTHING), shown.get(head.phone, _NOTHING)
            try:
                check_federation(head, self._federation)
                if head.sequence in entries:
                    entries[head.sequence].check_may_come_again(head)
                    if self._sums.knows(head.base):
                        shown.setdefault(head.phone, {})[head.sequence] = head
                    continue
                merged = [number for number, entry in entries.items() if not entry.withdrawn]
                if self._bounds is not None:
                    check_size(head, len(merged), self._bounds)
                self._sums.check(head)
            except RefusedError as error:
                results[at] = error
                continue
            before = [own[number] for number in merged if number in own]
            chosen[at] = Contribution(head, before, len(merged) - len(before))
            phones.add(head.phone)
            numbers += sum(head.sizes)
            if numbers >= _MOST_NUMBERS:
                break
        left.update(waiting)
        return chosen, left

    def _merge(self, contributions: dict[int, Contribution], results: list[bool | FedkeysError]) -> bool:
        """Merge what is sound of a batch of new deltas; tells whether there was something."""
        batch = self._read(contributions, results)
        if batch is None:
            return False
        self._sums.add(batch)
        self._state.enter((head.phone, head.sequence, head.digest) for head in batch.heads)
        self._merged.count(batch)
        for at in contributions:
            results[at] = True
        return True

    def _read(
        self, contributions: dict[int, Contribution], results: list[bool | FedkeysError]
    ) -> Batch | None:
        """Read a batch; what must not be merged is taken out of `contributions`, and its result says why."""
        while contributions:
            bad: Mapping[int, FedkeysError]
            heads = [contribution.head for contribution in contributions.values()]
            try:
                batch = Batch.read(heads)
                bad = self._sums.contradictions(batch)
                bad = bad or excess(list(contributions.values()), batch, self._sums, self._bounds)
                if not bad:
                    return batch
            except FormatError:
                bad = unsound(heads)
                if not bad:  # each is sound alone, so that reading them together is at fault
                    raise
            places = list(contributions)
            for number, error in bad.items():
                results[places[number]] = error
                del contributions[places[number]]
        return None


def check_federation(head: Head, federation: str) -> None:
    """Refuse a delta of another federation.

    Raises:
        RefusedError: it is.
    """
    if head.federation != federation:
        raise RefusedError(
            f"belongs to the federation {head.federation!r}, not to {federation!r}",
            remedy="name the federation with --federation",
        )


def _place(head: Head, known: Known) -> tuple[bool, int]:
    """In which order deltas are merged."""
    return head.sequence not in known.get(head.phone, {}), head.sequence


@contextmanager
def _not_collecting() -> Iterator[None]:
    """Hold the collector of cycles: a group of messages makes many objects, none in a cycle, and it would go
    through all of them, and all else there is, time and again: a tenth of the time of merging.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
