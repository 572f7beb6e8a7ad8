"""The settings of a run: what `flwr run --run-config` says, as a plan.

In: Flower's run config, whose names and defaults stand in `app/pyproject.toml`. Out: a `RoundPlan`. Law: what
contradicts itself is refused before any node is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedkeys.aggregator import Aggregator, Budget, Enrolment, RoundRule, read_blocklist
from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.model import Model


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """How rounds of the keyboard go.

    Attributes:
        keep: directory of the server's machine for the state, the models and the account of the rounds.
        rounds: how many, in all.
        federation: its name.
        rule: how many nodes are asked, how many there must be, and until when what they send is taken.
        wait: seconds until they have to be there.
        order: the highest order of n-grams.
        bounds: what a phone may contribute in its life; None for no bounds.
        min_phones, prune, budget, blocked: what a release may tell.
        together: about how many phones are in a sum that nobody sees into; None for deltas that the server sees.
        seed: of the choice of phones; None for none that can be repeated.
        enrolled: directory of public keys; None for whoever comes.
    """

    keep: Path
    rounds: int
    federation: str
    rule: RoundRule
    wait: float
    order: int
    bounds: Bounds | None
    min_phones: int
    prune: int | None
    budget: Budget | None
    blocked: tuple[str, ...]
    together: int | None
    seed: int | None
    enrolled: Path | None

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "RoundPlan":
        """Read a run config.

        Raises:
            UsageError: a setting is out of its range, or two contradict each other.
        """
        keep = kept_in(config, "rounds", "min-phones")
        if not 2 <= config["order"] <= 4:
            raise UsageError(f"order is {config['order']}", remedy="choose 2, 3 or 4")
        epsilon = config["epsilon"]
        if epsilon and not (config["bounded"] and config["max-norm"]):
            raise UsageError("epsilon wants bounds with a length", remedy="set max-norm, such as 4096")
        return cls(
            keep=keep,
            rounds=config["rounds"],
            federation=config["federation"],
            rule=RoundRule(config["cohort"] or None, config["min-available"], config["deadline"]),
            wait=config["wait"],
            order=config["order"],
            bounds=_bounds(config) if config["bounded"] else None,
            min_phones=config["min-phones"],
            prune=None if config["prune"] < 0 else config["prune"],
            budget=Budget(epsilon, config["dp-delta"], config["rounds"]) if epsilon else None,
            blocked=tuple(read_blocklist(Path(config["blocklist"]))) if config["blocklist"] else (),
            together=config["together"] or None,
            seed=None if config["seed"] < 0 else config["seed"],
            enrolled=Path(config["enrolled"]) if config["enrolled"] else None,
        )

    @property
    def state(self) -> Path:
        """Where the aggregator keeps its state."""
        return self.keep / "state"

    def aggregator(self) -> Aggregator:
        """Open the aggregator of these rounds.

        Raises:
            FedkeysError: its state cannot be opened, or is another federation's.
        """
        enrolment = Enrolment.read(self.enrolled, self.federation) if self.enrolled else None
        return Aggregator(self.federation, state=self.state, bounds=self.bounds, enrolment=enrolment)

    def release(self, aggregator: Aggregator) -> Model:
        """Release what an aggregator has merged."""
        return aggregator.release(self.min_phones, self.blocked, self.prune, self.budget)


def kept_in(config: Mapping[str, Any], *numbers: str) -> Path:
    """Give the directory that a run keeps; names of settings that are 1 or more are held to that.

    Raises:
        UsageError: there is none, or one of these is less.
    """
    if not config["keep"]:
        raise UsageError(
            "what the rounds reach has no place to be kept in",
            remedy="name a directory of the server's machine: --run-config 'keep=\"DIRECTORY\"'",
        )
    for name in numbers:
        if config[name] < 1:
            raise UsageError(f"{name} is {config[name]}", remedy="choose 1 or more")
    return Path(config["keep"])


def _bounds(config: Mapping[str, Any]) -> Bounds:
    return Bounds(
        config["max-ngrams"],
        config["max-count"],
        config["max-bytes"],
        max_norm=config["max-norm"] or None,
    )
