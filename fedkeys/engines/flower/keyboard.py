"""Rounds of the keyboard, on the server: ask phones, merge what comes, release.

In: a grid of nodes, and a plan. Out: in the plan's directory a state, a model a round, and an account of them.
Laws: what was merged lasts from the end of its round, and of a round that is killed each phone sends again what it
has; nodes are known by their numbers, phones by their pseudonyms; no text code is loaded here.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from flwr.app import ArrayRecord, RecordDict
from flwr.serverapp import Grid

from fedkeys.aggregator import Aggregator, Answer, Upload, collect, select
from fedkeys.container import write_atomically
from fedkeys.engines.flower.accounts import append_round, note, rounds_in
from fedkeys.engines.flower.exchange import exchange, nodes_there
from fedkeys.engines.flower.fates import Fates
from fedkeys.engines.flower.purpose import check_purpose, write_purpose
from fedkeys.engines.flower.settings import RoundPlan
from fedkeys.engines.flower.summing import Summing
from fedkeys.engines.flower.wire import TOKEN_SIZE, Fact, carried, packed
from fedkeys.errors import FedkeysError
from fedkeys.model import Model


@dataclass(slots=True)
class RoundAccount:
    """What happened in one round; one line of `rounds.jsonl`.

    Attributes:
        round: from 1.
        available: how many nodes were there; sampled: how many were asked.
        idle: how many have nothing new; lost: how many did not answer in time.
        merged, known, late, refused, failed, spent: what became of what the others sent, as `Fate` says.
        failures: why the round did not start, or what went wrong on nodes, or with their sums, each said once.
        bytes_up: of our messages, all together; bytes_down: of the model before, to each.
        ngrams: of the release, by order; payload: its digest.
        epsilon: what all releases have cost one phone; None without noise.
        seconds: how long the round took.
    """

    round: int
    available: int = 0
    sampled: int = 0
    idle: int = 0
    lost: int = 0
    merged: int = 0
    known: int = 0
    late: int = 0
    refused: int = 0
    failed: int = 0
    spent: int = 0
    failures: list[str] = field(default_factory=list)
    bytes_up: int = 0
    bytes_down: int = 0
    ngrams: list[int] = field(default_factory=list)
    payload: str = ""
    epsilon: float | None = None
    seconds: float = 0.0

    def fail(self, why: str) -> None:
        """Note what went wrong, each thing once."""
        note(self.failures, why)


class Rounds:
    """The rounds of one run.

    Args:
        grid: the way to the nodes.
        plan: how they go.

    Attributes:
        model: the last that was released; None before the first.
        done: the number of its round.
        fates: what is to be told to nodes.

    Raises:
        UsageError: what is kept was begun under other terms.
        FedkeysError: the state cannot be opened.
    """

    def __init__(self, grid: Grid, plan: RoundPlan) -> None:
        check_purpose(plan.keep, plan.terms)
        self.grid = grid
        self.plan = plan
        plan.keep.mkdir(parents=True, exist_ok=True)
        rounds_in(plan.keep)  # so that a file that is none is told of before any round is made
        self.aggregator: Aggregator = plan.aggregator()
        self.done = plan.released(self.aggregator)
        self.model = Model.load(plan.model_path(self.done)) if self.done else None
        self.fates = Fates(plan.keep / "fates.json")
        self._summing = Summing(self)

    def run(self) -> Iterator[RoundAccount]:
        """Make the rounds that are left.

        Raises:
            UsageError: none is left.
        """
        self.plan.check_left(self.done)
        for number in range(self.done + 1, self.plan.rounds + 1):
            account = self._round(number)
            append_round(self.plan.keep, asdict(account))
            yield account

    def close(self) -> None:
        """Let others work on the state."""
        self.aggregator.close()

    def ask(self, number: int, **facts: Fact) -> dict[str, Fact]:
        """Give what every question of a round says."""
        plan = self.plan
        bounds = plan.bounds.as_map() if plan.bounds else {}
        return {
            "round": number,
            "rounds": plan.rounds,
            "federation": plan.federation,
            "order": plan.order,
            "bounds": json.dumps(bounds),
            **facts,
        }

    def records(self, nodes: list[int], asked: Mapping[str, Fact]) -> dict[int, RecordDict]:
        """Give the question for each node: what became of what it sent last, and the last model, are in it."""
        model = self.carried_model()
        return {node: packed({**asked, **self.fates.of(node)}, model) for node in nodes}

    def carried_model(self) -> ArrayRecord:
        """Give the last model, if there is one, as all questions of a round carry it."""
        return carried([self.model.to_bytes()] if self.model else [])

    def _round(self, number: int) -> RoundAccount:
        began = time.monotonic()
        account = RoundAccount(number)
        nodes = nodes_there(self.grid, self.plan.rule.min_available, self.plan.wait)
        account.available = len(nodes)
        cohort = select(nodes, self.plan.rule, self._rng(number)) or []
        account.sampled = len(cohort)
        account.bytes_down = len(self.model.to_bytes()) if self.model and cohort else 0
        if not cohort:
            account.fail(
                f"the round did not start: {len(nodes):,} nodes were there after {self.plan.wait:g} s, where "
                f"{self.plan.rule.min_available:,} have to be (min-available)"
            )
        else:
            write_purpose(self.plan.keep, self.plan.terms)
            self.aggregator.begin_round(number)
            for answer in self._answers(number, cohort, account):
                self._note(answer, account)
            self._release(number, account)
        account.seconds = time.monotonic() - began
        return account

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng(None if self.plan.seed is None else [self.plan.seed, number])

    def _answers(self, number: int, cohort: list[int], account: RoundAccount) -> Iterator[Answer[int]]:
        if self.plan.together is not None:
            return self._summing.answers(number, cohort, account)
        return collect(self.aggregator, self._uploads(number, cohort, account), self.plan.rule)

    def _uploads(self, number: int, cohort: list[int], account: RoundAccount) -> Iterator[Upload[int]]:
        """Give what phones send, as it comes."""
        assert self.plan.rule.deadline is not None
        account.lost = len(cohort)
        records = self.records(cohort, self.ask(number))
        for reply in exchange(self.grid, "query.count", records, str(number), self.plan.rule.deadline):
            account.lost -= 1
            try:
                said = reply.read()
                if said.messages:
                    self.fates.expect(reply.node, said.name("token", TOKEN_SIZE))
            except FedkeysError as error:
                account.failed += 1
                account.fail(str(error))
                continue
            if not said.messages:
                account.idle += 1
            else:
                account.bytes_up += sum(map(len, said.messages))
                yield Upload(reply.node, reply.seconds, said.messages)

    def _note(self, answer: Answer[int], account: RoundAccount) -> None:
        """Note what became of an upload, for the account and for who sent it."""
        self.fates.note(answer.name, answer.fate)
        setattr(account, answer.fate.value, getattr(account, answer.fate.value) + 1)
        if answer.reason is not None:
            account.fail(str(answer.reason))

    def _release(self, number: int, account: RoundAccount) -> None:
        self.model = self.plan.release(self.aggregator)
        self.aggregator.know(self.model.vocabulary)
        write_atomically(self.plan.model_path(number), self.model.to_bytes())
        self.aggregator.commit()
        self.fates.save()
        account.ngrams = list(self.model.ngrams)
        account.payload = self.model.payload_digest.hex()
        account.epsilon = self.model.header["epsilon"]
