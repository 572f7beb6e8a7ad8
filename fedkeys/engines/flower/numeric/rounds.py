"""Rounds of federated averaging, on the server.

In: a grid of nodes, and a plan. Out: in the plan's directory a state after each round, an account of them, and at
the end what each client reached. Laws: what a round reached lasts from its end; the same run goes on where it
stopped, on the terms that its first round settled, with the same nodes to the same bytes; no text code is loaded
here.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from secrets import randbits
from typing import Any

from flwr.app import ConfigRecord, Message
from flwr.serverapp import Grid

from fedkeys.container import write_atomically
from fedkeys.engines.flower.accounts import all_made, append_round, note, rounds_in
from fedkeys.engines.flower.exchange import failure_in, nodes_there, replies
from fedkeys.engines.flower.numeric.averaging import Averaging
from fedkeys.engines.flower.numeric.borrowed import Borrowed, strategy_named
from fedkeys.engines.flower.numeric.muster import mustered
from fedkeys.engines.flower.numeric.preparing import PREPARATION
from fedkeys.engines.flower.numeric.settings import OURS, NumericPlan
from fedkeys.engines.flower.numeric.terms import Terms
from fedkeys.engines.flower.numeric.wire import weights_record
from fedkeys.errors import UsageError
from fedkeys.fedavg.state import State

STATE_FILE, TERMS_FILE, RESULT_FILE = "federation.state", "terms.json", "result.json"


@dataclass(slots=True)
class NumericAccount:
    """What happened in one round; one line of `rounds.jsonl`.

    Attributes:
        round: from 1.
        available: how many take part; selected: how many were asked.
        averaged, dropped, late, refused, samples, bytes_up, bytes_down, update_norm: as `Metrics` has them.
        accuracy: mean over the clients' tests; None where nobody was asked to test.
        tested: how many clients told what they reached.
        failures: what went wrong on nodes, each thing once.
        seconds: how long the round took, with its test.
    """

    round: int
    available: int = 0
    selected: int = 0
    averaged: int = 0
    dropped: int = 0
    late: int = 0
    refused: int = 0
    samples: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    update_norm: float = 0.0
    accuracy: float | None = None
    tested: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


class NumericRounds:
    """The rounds of one run.

    Args:
        grid: the way to the nodes.
        plan: how they go.

    Raises:
        UsageError: all rounds are made; what is kept is of another run; or too few nodes take part.
    """

    def __init__(self, grid: Grid, plan: NumericPlan) -> None:
        self.grid = grid
        self.plan = plan
        plan.keep.mkdir(parents=True, exist_ok=True)
        rounds_in(plan.keep)  # so that a file that is none is told of before any round is made
        state, before = kept(plan) or (None, None)
        self.muster = mustered(grid, nodes_there(grid, plan.min_available, plan.wait), plan, before)
        members = self.muster.members
        plan.check_enough(len(members))
        algorithm = plan.algorithm(self.muster.features)
        state = state or algorithm.initialize(randbits(32) if plan.seed is None else plan.seed)
        if len(state.weights) != algorithm.model.size:
            raise UsageError(
                f"has {len(state.weights)} weights, where the nodes' data want {algorithm.model.size}",
                file=plan.keep / STATE_FILE,
                remedy="give the run another directory to keep, or start the nodes of before",
            )
        self.strategy: Averaging | Borrowed = (
            Averaging(algorithm, members, state)
            if plan.strategy == OURS
            else Borrowed(strategy_named(plan, len(members)), members, state, plan.least)
        )

    def run(self) -> Iterator[NumericAccount]:
        """Make the rounds that are left."""
        for number in range(self.strategy.state.round + 1, self.plan.rounds + 1):
            account = self._round(number)
            if number == 1:
                self._settled().save(self.plan.keep / TERMS_FILE)
            if number == self.plan.rounds:
                self._write_result()
            append_round(self.plan.keep, asdict(account))  # which a kill before the next step has made anew
            self.strategy.state.save(self.plan.keep / STATE_FILE)
            yield account

    def _round(self, number: int) -> NumericAccount:
        began = time.monotonic()
        failures, self.muster.failures = self.muster.failures, []
        account = NumericAccount(number, failures=failures)
        strategy, arrays = self.strategy, weights_record(self.strategy.state.weights)
        config = self._config()
        asked = strategy.configure_train(number, arrays, config, self.grid)
        strategy.aggregate_train(number, self._answered(asked, account))
        metrics = strategy.metrics
        assert metrics is not None
        if metrics.failure:
            note(account.failures, metrics.failure)
        for name in ("available", "selected", "averaged", "dropped", "late", "refused"):
            setattr(account, name, getattr(metrics, name))
        account.samples, account.update_norm = metrics.samples, metrics.update_norm
        account.bytes_up, account.bytes_down = metrics.bytes_up, metrics.bytes_down
        if number % self.plan.test_every == 0 or number == self.plan.rounds:
            self._test(number, account)
        account.seconds = time.monotonic() - began
        return account

    def _test(self, number: int, account: NumericAccount) -> None:
        arrays = weights_record(self.strategy.state.weights)
        asked = self.strategy.configure_evaluate(number, arrays, self._config(), self.grid)
        self.strategy.aggregate_evaluate(number, self._answered(asked, account))
        tested = self.strategy.tested
        if tested is not None:
            account.accuracy, account.tested = tested.accuracy, len(tested.clients)

    def _config(self) -> ConfigRecord:
        """Give what every question of a round says; a strategy adds its own to it."""
        return ConfigRecord({**self.plan.task.written(), PREPARATION: self.muster.preparation.to_json()})

    def _answered(self, messages: Iterable[Message], account: NumericAccount) -> list[Message]:
        """Send messages, and give what is answered in time, failures among it."""
        heard = replies(self.grid, messages, self.plan.deadline)
        found = [reply for _, _, reply in heard if reply is not None]
        for reply in found:
            if reply.has_error():
                note(account.failures, failure_in(reply))
        return found

    def _settled(self) -> Terms:
        """Give what the first round settles."""
        muster = self.muster
        names = tuple(member.name for member in muster.members)
        return Terms(self.plan.terms(), muster.features, muster.preparation.to_json(), names)

    def _write_result(self) -> None:
        tested = self.strategy.tested
        result: dict[str, Any] = {
            "strategy": self.plan.strategy,
            "model": self.plan.task.model,
            "rounds": self.plan.rounds,
            "clients": len(self.muster.members),
            "features": self.muster.features,
            "dropped_columns": list(self.muster.preparation.roles.dropped)
            if self.muster.preparation.roles
            else [],
            "federated": tested.as_dict() if tested else None,
        }
        write_atomically(self.plan.keep / RESULT_FILE, json.dumps(result).encode())


def kept(plan: NumericPlan) -> tuple[State, Terms] | None:
    """Give the state that an earlier run has left, and its terms, if they are those of this run.

    Raises:
        UsageError: all rounds are made, or on other terms.
        FormatError: a file is damaged.
    """
    path = plan.keep / STATE_FILE
    if not path.exists():
        return None
    state, before = State.load(path), Terms.load(plan.keep / TERMS_FILE)
    changed = before.changed(plan.terms())
    if changed:
        raise UsageError(
            f"its rounds were made with another {', '.join(changed)}",
            file=path,
            remedy="set what was set before, or give the run another directory to keep",
        )
    if state.round >= plan.rounds:
        raise all_made(plan.keep, plan.rounds)
    return state, before


def make_rounds(grid: Grid, config: Mapping[str, Any]) -> None:
    """Make the rounds of a run, as its config says.

    Raises:
        FedkeysError: they cannot be made.
    """
    for account in NumericRounds(grid, NumericPlan.read(config)).run():
        print(json.dumps({"round": account.round, "accuracy": account.accuracy}), flush=True)
