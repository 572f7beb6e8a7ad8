"""`Aggregator`: the server's side of a federation.

In: deltas of one federation. Out: models. Law: each delta is either merged whole, or known to have been merged,
or refused, and then everything is as before.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fedkeys.aggregator.budget import Budget
from fedkeys.aggregator.enrolment import Enrolment, begin_enrolment, is_enrolled, opened, require_enrolment
from fedkeys.aggregator.groups import Groups, check_federation
from fedkeys.aggregator.helpers import ENOUGH_BYTES, Helpers, Known, Taken
from fedkeys.aggregator.merged import Merged
from fedkeys.aggregator.partial import Account, write_partial
from fedkeys.aggregator.partial_checks import check_account, check_overlap
from fedkeys.aggregator.reasons import reason_of
from fedkeys.aggregator.releases import ReleaseRule, Releases
from fedkeys.aggregator.runs import Run
from fedkeys.aggregator.state import State
from fedkeys.aggregator.sums import DEFAULT_MEMORY, Sums
from fedkeys.aggregator.totals import Totals
from fedkeys.aggregator.unseen import UnseenSums
from fedkeys.counts import Vocabulary
from fedkeys.delta import Batch, Bounds, Delta
from fedkeys.delta.signed import Kind
from fedkeys.errors import FedkeysError, FormatError, RefusedError, UsageError
from fedkeys.model import Model

DEFAULT_MIN_PHONES = 2


class Aggregator:
    """Merges deltas exactly once and releases models of what enough phones share.

    Args:
        federation: its name; deltas of another are refused.
        bases: vocabularies released earlier, against which deltas may be written.
        memory: about how many bytes the sums may take before they go to disk.
        state: directory that keeps sums and ledger between processes; without it what goes to disk goes
            where `TMPDIR` says, and lasts as long as the aggregator.
        all_or_nothing: leave the state as it is until `commit`; otherwise it also keeps up whenever sums go
            to disk.
        bounds: what a phone may contribute in its life; what goes beyond is refused. None for no bounds: then
            the marks, from which phones are counted, are taken on trust.
        cores: how many processes may merge when there is much to merge, this one included; more than one only
            where starting a process may run the main module again, as `multiprocessing` says.
        enrolment: the phones that may take part, each signing what it sends; without it whoever can make K
            pseudonyms counts as K phones.

    Attributes:
        unseen: takes sums of deltas that were not seen one by one.

    Raises:
        FedkeysError: another process works on the state, or it cannot be read or written.
        UsageError: it is the state of another federation, or holds what no enrolled phone signed.
    """

    def __init__(
        self,
        federation: str = "fedkeys",
        bases: Iterable[Vocabulary] = (),
        memory: int = DEFAULT_MEMORY,
        state: Path | None = None,
        all_or_nothing: bool = False,
        bounds: Bounds | None = None,
        enrolment: Enrolment | None = None,
        cores: int = 1,
    ) -> None:
        self.federation = federation
        self.bounds = bounds
        self.merged = Merged()
        self._state = State(state, federation)
        self._enrolment = enrolment
        begin_enrolment(self._state, enrolment, federation)
        self._ledger = self._state.ledger
        self._releases = Releases(self._state)
        self._all_or_nothing = all_or_nothing
        self._sums = Sums(self._state, memory // max(1, cores))
        self._groups = Groups(federation, self._state, self._sums, bounds, enrolment, self.merged)
        self.unseen = UnseenSums(federation, self._state, self._sums, enrolment, self.merged)
        self._memory = memory
        self._cores = cores
        self._bytes_seen = 0
        facts = self._state.facts()
        self._kept_bounds: list[Mapping[str, int] | None] = json.loads(facts.get("bounds", "[]"))
        self.round = int(facts.get("round", 0))
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
        if self._sums.helpers:
            self._sums.helpers.know(vocabulary)

    def add(self, delta: Delta) -> bool:
        """Merge a delta.

        Returns:
            True if it was merged, False if it had been before.

        Raises:
            RefusedError: it must not be merged; nothing has changed.
        """
        (result,) = self.add_messages([delta.data])
        if isinstance(result, FedkeysError):
            raise result
        return result

    def add_messages(self, messages: Sequence[bytes]) -> list[bool | FedkeysError]:
        """Merge deltas as they came; a bad one keeps no other out.

        Args:
            messages: the bytes of each.

        Returns:
            For each True if it was merged, False if it had been before, or why it must not be merged.

        Raises:
            UsageError: the state takes only what enrolled phones signed, and no enrolment was given.
        """
        require_enrolment(self._state, self._enrolment)
        helpers = self._helpers_for(messages)
        results = self._share(messages, helpers) if helpers else self.take(messages).results
        reasons = Counter(reason_of(result) for result in results if isinstance(result, FedkeysError))
        self._state.count_refusals(reasons)
        return results

    def take(self, messages: Sequence[bytes], known_elsewhere: Known = MappingProxyType({})) -> Taken:
        """Do what `add_messages` does, for it or another process.

        Args:
            messages: the bytes of each.
            known_elsewhere: what another ledger knows of their phones' deltas.
        """
        return self._groups.take(messages, known_elsewhere, self._merged_some)

    def hand_over(self) -> list[Run]:
        """Put all that was merged on disk, and forget it: what a helper does in the end."""
        if self._sums.holds_any:
            self._sums.spill()
        return self._state.give_away_runs()

    def _helpers_for(self, messages: Sequence[bytes]) -> Helpers | None:
        """Have helpers when there is enough to do for more than one process."""
        self._bytes_seen += sum(map(len, messages))
        if not self._sums.helpers and self._cores > 1 and self._bytes_seen >= ENOUGH_BYTES:
            make = partial(
                Aggregator,
                self.federation,
                self._state.vocabularies(),
                self._memory // self._cores,
                bounds=self.bounds,
                enrolment=self._enrolment,
            )
            self._sums.helpers = Helpers(make, self._cores - 1, self._state.place_for_helpers())
        return self._sums.helpers

    def _share(self, messages: Sequence[bytes], helpers: Helpers) -> list[bool | FedkeysError]:
        """Merge messages with the help of others."""
        runs = len(self._state.runs)
        results, merged = helpers.take(messages, self._state.entries, self.take)
        for taken in merged:
            self._state.enter(taken.entered)
            self.merged.add(taken.merged)
            if taken.entered:
                self._note_bounds()
        if len(self._state.runs) > runs and self._sums.holds_any:
            # Memory was full here, and is about as full there: all of it goes to disk, so that the state keeps up.
            self._sums.spill()
            self._keep_up()
        return results

    def begin_sum(self, deltas: Sequence[tuple[bytes, int]], digest: bytes) -> None:
        """Note that a sum of deltas is about to be opened, as `UnseenSums.begin`.

        That lasts before this returns, whatever happens to the process: what was merged before lasts with it.

        Raises:
            RefusedError: as there.
            UsageError: the state is to be left as it is until `commit`: an opened sum cannot be undone.
        """
        if self._all_or_nothing and self._state.path is not None:
            raise UsageError("sums that nobody sees into cannot be undone", remedy="let the state keep up")
        self.unseen.begin(deltas, digest)
        if self._state.path is not None:
            self.commit()

    def add_sum(self, batch: Batch, deltas: Sequence[tuple[bytes, int]]) -> None:
        """Merge a sum of deltas that were not seen one by one, as `UnseenSums.add`.

        Raises:
            RefusedError: as there.
        """
        self.unseen.add(batch, deltas)
        self._merged_some()

    def add_partial(self, path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> tuple[int, int]:
        """Merge what another aggregator has merged.

        Args:
            path: a file that `save_partial` wrote, to be trusted as its writer is.
            on_bytes: told how many bytes were read, from time to time.

        Returns:
            How many deltas were merged with it, and how many had been before: one of the two is 0.

        Raises:
            RefusedError: some of its deltas are merged already, or it was made under other rules; nothing has
                changed.
            FormatError: it is no sound partial.
        """
        require_enrolment(self._state, self._enrolment)
        try:
            partial = self._state.take_partial(path, on_bytes)
            try:
                check_account(partial, self.federation, self.bounds, self._enrolment is not None)
                overlap = self._state.overlap(self.bounds is not None)
                check_overlap(overlap)
            except RefusedError:
                self._state.drop_partial(partial)
                raise
        except (FormatError, RefusedError) as error:
            self._state.count_refusals({reason_of(error): 1})
            raise
        if overlap.same:
            self._state.drop_partial(partial)
        else:  # also where all its deltas were taken back, for they must not be merged again
            self._state.count_partial(partial)
            self._note_bounds()
            self.merged.deltas += overlap.new
            self.merged.rows += len(partial.run)
            self.merged.bytes += path.stat().st_size
        self._keep_up()
        return overlap.new, overlap.same

    def save_partial(self, path: Path) -> None:
        """Write everything merged so far as a partial aggregate, which another aggregator can merge.

        Raises:
            FedkeysError: the file cannot be written.
            UsageError: these sums have a budget, which a partial does not know.
        """
        if self._releases.spending().budget:
            raise UsageError(
                "these sums are released under differential privacy, and a partial would not know their budget",
                remedy="merge partials first, and release then",
            )
        bounds = [dict(kept) if kept else None for kept in self._kept_bounds]
        account = Account(self.federation, bounds, self.round, is_enrolled(self._state))
        totals = self.totals()
        write_partial(path, account, totals, self._ledger.rows_in_all, self._ledger.rows())

    def merged_of(self, phone: bytes) -> dict[int, bytes]:
        """Give the digests of the deltas of a phone that are merged, by their numbers."""
        entries = self._state.entries([phone]).get(phone, {})
        return {number: entry.digest for number, entry in entries.items() if not entry.withdrawn}

    def withdraw(self, data: bytes) -> None:
        """Take back a delta that was merged: a release is then what it had been without it.

        Args:
            data: the message as it was sent; whoever has it may take it back. With enrolment a withdrawal
                that its phone signed.

        Raises:
            RefusedError: it does not count: it was never merged, or was taken back before; or its phone has sent
                another after it.
            FormatError: it is no sound delta.
            UsageError: the state takes only what enrolled phones signed, and no enrolment was given.
        """
        require_enrolment(self._state, self._enrolment)
        head = opened(data, self._enrolment, Kind.WITHDRAWAL)
        check_federation(head, self.federation)
        self._sums.check(head)
        batch = Batch.read([head])
        self._state.withdraw(head)
        self._sums.subtract(batch)
        self._keep_up()

    def begin_round(self, number: int) -> None:
        """Say which round this is; `commit` makes it last, and `round` says so to who opens the state next."""
        self.round = number

    def commit(self) -> None:
        """Make all that was merged, and what was refused, last in the state."""
        if self._sums.holds_any and self._state.path is not None:
            self._sums.spill()
        self._note()
        self._state.commit()

    def close(self) -> None:
        """Let others work on the state; what was not committed is forgotten."""
        if self._sums.helpers:
            self._sums.helpers.stop()
        self._state.close()

    def _keep_up(self) -> None:
        """Commit if everything is on disk."""
        if not self._all_or_nothing and not self._sums.holds_any:
            self._note()
            self._state.commit()

    def _note(self) -> None:
        self._state.note(bounds=json.dumps(self._kept_bounds), round=self.round)

    def _merged_some(self) -> None:
        self._note_bounds()
        self._keep_up()

    def _note_bounds(self) -> None:
        """Note that something was merged under the bounds that are enforced, or under none."""
        enforced = self.bounds.as_map() if self.bounds else None
        if enforced not in self._kept_bounds:
            self._kept_bounds.append(enforced)

    def settle(self) -> None:
        """Do now what a release would have to do first: add up all that was merged."""
        self._sums.settle()
        self._keep_up()

    def totals(self) -> Totals:
        """Give everything that was merged: what whoever runs the aggregator can see of its phones."""
        totals = self._sums.totals()
        self._keep_up()
        return totals

    def status(self) -> dict[str, Any]:
        """Tell what was merged and refused so far, as in the report of `fedkeys aggregate --status`."""
        return {
            "federation": self.federation,
            "enrolled": is_enrolled(self._state),
            "rounds": self.round,
            "phones": self.phones,
            "deltas": self.deltas,
            "withdrawn": self._ledger.withdrawn,
            "refused": self._state.refusals(),
            "budget": self._releases.account(),
            "ngrams": sum(map(len, self._state.runs)),
            "runs": len(self._state.runs),
            "bytes": self._state.bytes_on_disk,
        }

    def release(
        self,
        min_phones: int = DEFAULT_MIN_PHONES,
        blocked: Iterable[str] = (),
        prune: int | None = None,
        budget: Budget | None = None,
        rng: np.random.Generator | None = None,
    ) -> Model:
        """Make a model of the words and n-grams that at least `min_phones` phones have sent.

        Under a budget it is differentially private: of sums noise is told, and only of those that come past a
        threshold. What is spent is noted, and lasts, before any noise is drawn.

        Args:
            min_phones: the least number of phones, 1 or more.
            blocked: words that the model must not hold, however many sent them, in any written form.
            prune: how many n-grams of two words or more to keep of those, the ones without which the model
                would change most; None for all. Words are never pruned.
            budget: what all releases of these sums may cost one phone; None for no noise. With one, any one sum
                that fewer than `min_phones` phones have sent is told with no more than a tiny chance.
            rng: draws noise that can be repeated, for tests: it protects nobody, as the header says.

        Raises:
            UsageError: `min_phones` is less than 1, `prune` less than 0, or what is blocked is no single word;
                the budget is spent or was another one, sums were released without noise before or are to be now
                after they were with it, or phones were not all held to the same bounds.
        """
        rule = ReleaseRule(min_phones, blocked, prune, budget)
        return self._releases.release(
            self.totals, self._how_counts_came(), self.bounds, self._kept_bounds, rule, rng
        )

    def _how_counts_came(self) -> dict[str, Any]:
        """What the header of a model says of the counts that it was made of."""
        return {
            "federation": self.federation,
            "bounds": self._kept_bounds[0] if len(self._kept_bounds) == 1 else None,
            "rounds": max(1, self.round),
            "phones": self.phones,
            "deltas": self.deltas,
        }


def aggregate(
    deltas: Iterable[Delta], min_phones: int = DEFAULT_MIN_PHONES, prune: int | None = None
) -> Model:
    """Merge deltas of one federation, written against no vocabulary, and release a model.

    Args:
        deltas: in any order; a second copy of one changes nothing.
        min_phones: the least number of phones that must have sent a word or n-gram.
        prune: how many n-grams of two words or more to keep of those; None for all.

    Raises:
        RefusedError: a delta must not be merged.
    """
    deltas = list(deltas)
    aggregator = Aggregator(deltas[0].federation) if deltas else Aggregator()
    for delta in deltas:
        aggregator.add(delta)
    return aggregator.release(min_phones, prune=prune)
