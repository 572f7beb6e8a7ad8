"""A round in which the server sees sums of phones, and of none alone.

In: nodes that are asked. Out: an answer to each, as `fedkeys.aggregator.collect` gives one. Laws: each message of
the protocol (`fedkeys.delta.secure`) is one of Flower's, and goes on as it came; all sums of a round take a step
together; of a sum that failed before shares were asked for nothing is merged, and of one that failed afterwards,
and again of the same phones, what its phones counted is spent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import TYPE_CHECKING

import numpy as np

from fedkeys.aggregator import Answer, Fate
from fedkeys.aggregator.cohorts import CohortSum
from fedkeys.counts import Vocabulary
from fedkeys.delta.checks import PHONE_SIZE
from fedkeys.delta.secure import RUN_SIZE, SecureMessage, Step, Terms
from fedkeys.engines.flower.exchange import exchange
from fedkeys.engines.flower.wire import TOKEN_SIZE, Said, packed
from fedkeys.errors import FedkeysError, RefusedError

if TYPE_CHECKING:
    from fedkeys.engines.flower.keyboard import RoundAccount, Rounds

_STEPS = (Step.KEYS, Step.BOXES, Step.MASKED, Step.CONFIRMATIONS, Step.SHARES)
_MARGIN, _LEAST_PART = 1.15, 0.1  # more room than sums before have needed


@dataclass(slots=True)
class _Sum:
    """One sum under way.

    Attributes:
        cohort: its server's side.
        nodes: node -> what it is told at the next step.
        members: pseudonym -> node of the phones that have begun it.
        failure: why it came to nothing; None while it has not.
    """

    cohort: CohortSum
    nodes: dict[int, list[bytes]]
    members: dict[bytes, int] = field(default_factory=dict)
    failure: RefusedError | None = None

    @property
    def is_to_be_made_again(self) -> bool:
        """Whether it was opened and could not be read."""
        return self.failure is not None and self.cohort.is_asked

    @property
    def survivors(self) -> dict[bytes, int]:
        """Pseudonym -> node of the phones whose deltas are in it."""
        return {name: self.members[name] for name, _ in self.cohort.survivors}


class Summing:
    """Adds phones up, sum by sum.

    Args:
        rounds: whose.
    """

    def __init__(self, rounds: "Rounds") -> None:
        self._rounds = rounds
        self._part = 1.0  # of all entries: what room is made for

    def answers(self, number: int, nodes: Sequence[int], account: "RoundAccount") -> Iterator[Answer[int]]:
        """Add up what nodes have, and merge the sums.

        Args:
            number: of the round.
            nodes: who is asked.
            account: is told what was lost and what went wrong.
        """
        account.lost = len(nodes)
        rng = np.random.default_rng()  # who is with whom is nobody's to foresee
        together = self._rounds.plan.together or len(nodes)
        groups = np.array_split(rng.permutation(len(nodes)), max(1, len(nodes) // together))
        sums = [self._begun([nodes[at] for at in group.tolist()], rng) for group in groups]
        settled: dict[int, Fate] = {}
        self._take_steps(sums, number, account, settled)
        again = [self._again(one) for one in sums if one.is_to_be_made_again]
        self._take_steps(again, number, account, settled)
        for one in [*sums, *again]:
            if one.failure is not None and one.members:  # else nobody has anything new, or has answered
                account.fail(str(one.failure))
        for one in sums:
            if not one.is_to_be_made_again:
                settled |= dict.fromkeys(one.members.values(), Fate.FAILED)
            if one.failure is None:
                account.lost += len(one.members) - len(one.survivors)
        for one in again:
            settled |= dict.fromkeys(one.members.values(), Fate.SPENT)
        for one in [*sums, *again]:
            if one.failure is None:
                settled |= dict.fromkeys(one.survivors.values(), Fate.MERGED)
        yield from (Answer(node, fate) for node, fate in settled.items())

    def _begun(self, nodes: Sequence[int], rng: np.random.Generator) -> _Sum:
        base = self._rounds.model.vocabulary if self._rounds.model else Vocabulary([])
        cohort = CohortSum(self._rounds.aggregator, _terms(), base, rng, self._part)
        return _Sum(cohort, {node: [] for node in nodes})

    def _again(self, one: _Sum) -> _Sum:
        members = one.survivors
        return _Sum(one.cohort.again(_terms()), {node: [] for node in members.values()}, members)

    def _take_steps(
        self, sums: Sequence[_Sum], number: int, account: "RoundAccount", settled: dict[int, Fate]
    ) -> None:
        """Take all steps of some sums, and merge those that come through."""
        for step in _STEPS:
            running = [one for one in sums if one.failure is None]
            self._take(step, running, number, account, settled)
            for one in running:
                try:
                    if step is Step.SHARES:
                        one.cohort.merge()
                        self._rounds.aggregator.commit()  # else a kill would leave what is merged as spent
                        self._part = min(1.0, max(_LEAST_PART, _MARGIN * one.cohort.distinct))
                    else:
                        one.nodes = {
                            one.members[one.cohort.name(phone)]: [message]
                            for phone, message in one.cohort.advance().items()
                        }
                except RefusedError as error:
                    one.failure = error

    def _take(
        self,
        step: Step,
        sums: Sequence[_Sum],
        number: int,
        account: "RoundAccount",
        settled: dict[int, Fate],
    ) -> None:
        """Ask the nodes of all sums for one step, and hand on what they say."""
        rounds = self._rounds
        sum_of = {node: one for one in sums for node in one.nodes}
        first = step is Step.KEYS
        model = rounds.carried_model() if first else None
        records = {
            node: packed(
                {**rounds.ask(number, run=one.cohort.terms.run), **(rounds.fates.of(node) if first else {})},
                one.nodes[node] if model is None else model,
            )
            for node, one in sum_of.items()
        }
        deadline = rounds.plan.rule.deadline
        assert deadline is not None
        for reply in exchange(rounds.grid, f"query.{step.name.lower()}", records, str(number), deadline):
            try:
                said = reply.read()
                account.bytes_up += sum(map(len, said.messages))
                self._hand_on(sum_of[reply.node], reply.node, first, said, account, settled)
            except FedkeysError as error:
                account.fail(str(error))

    def _hand_on(
        self,
        one: _Sum,
        node: int,
        first: bool,
        said: Said,
        account: "RoundAccount",
        settled: dict[int, Fate],
    ) -> None:
        """Give a sum what a phone says; of one that says nothing tell why, if there is more than nothing new."""
        if not first:
            one.cohort.receive(*said.messages[:1])
            return
        if node not in one.members.values():
            account.lost -= 1
        if not said.messages and "waiting" not in said.facts:
            account.idle += 1
            return
        self._rounds.fates.expect(node, said.name("token", TOKEN_SIZE))
        if not said.messages:
            settled[node] = self._fate_of(said.name("pseudonym", PHONE_SIZE), said.whole("sequence"))
            return
        message = SecureMessage.from_bytes(said.messages[0])
        if message.step is not Step.KEYS:
            raise RefusedError(f"a message of step {int(message.step)}, where a phone begins")
        phone, sequence, *_ = message.body
        try:
            if one.cohort.receive(said.messages[0]):
                one.members[phone] = node
                return
        except RefusedError:
            if self._fate_of(phone, sequence) is Fate.FAILED:
                raise
        settled[node] = self._fate_of(phone, sequence)

    def _fate_of(self, pseudonym: bytes, sequence: int) -> Fate:
        """Tell what became of a delta that is in no sum of this round."""
        aggregator = self._rounds.aggregator
        if sequence in aggregator.merged_of(pseudonym):
            return Fate.KNOWN
        return Fate.SPENT if aggregator.unseen.is_spent(pseudonym, sequence) else Fate.FAILED


def _terms() -> Terms:
    return Terms(token_bytes(RUN_SIZE))
