"""The settings of a run: what `flwr run --run-config` says, as a plan.

In: Flower's run config, whose names and defaults stand in `app/pyproject.toml`. Out: a `RoundPlan`. Law: what
contradicts itself is refused before any node is asked.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fedkeys.aggregator import Aggregator, Budget, Enrolment, RoundRule, read_blocklist
from fedkeys.delta import Bounds
from fedkeys.delta.secure import LEAST_TOGETHER
from fedkeys.engines.flower import APP
from fedkeys.engines.flower.accounts import all_made
from fedkeys.engines.flower.purpose import check_purpose
from fedkeys.errors import UsageError
from fedkeys.model import Model
from fedkeys.privacy.sketch import MOST_ADDED

_MOST = (1 << 63) - 1  # of a whole number that Flower carries


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
        together = config["together"] or None
        if together is not None and not LEAST_TOGETHER <= together <= MOST_ADDED // 2:
            raise UsageError(
                f"together is {together}", remedy=f"choose {LEAST_TOGETHER} to {MOST_ADDED // 2:,}, or 0"
            )
        if together is not None and 0 < config["cohort"] < LEAST_TOGETHER:
            raise UsageError(
                f"sums under masks want {LEAST_TOGETHER} phones or more, and a round asks {config['cohort']}",
                remedy="set a larger cohort, or 0 for all",
            )
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
            together=together,
            seed=None if config["seed"] < 0 else config["seed"],
            enrolled=Path(config["enrolled"]) if config["enrolled"] else None,
        )

    @property
    def state(self) -> Path:
        """Where the aggregator keeps its state."""
        return self.keep / "state"

    @property
    def terms(self) -> dict[str, Any]:
        """What has to stay as it is from the first round to the last, by the names of the settings."""
        bounds = self.bounds.as_map() if self.bounds else {}
        return {
            "app": "keyboard",
            "federation": self.federation,
            "order": self.order,
            "bounded": self.bounds is not None,
            **{f"max-{name}": bounds.get(name, 0) for name in ("ngrams", "count", "bytes", "norm")},
            "enrolled": self.enrolled is not None,
        }

    def check_kept(self) -> None:
        """Refuse what could not go on with what is kept.

        Raises:
            UsageError: it was begun under other terms, or all rounds are made.
            FedkeysError: the state cannot be opened.
        """
        check_purpose(self.keep, self.terms)
        if self.state.exists():
            aggregator = self.aggregator()
            try:
                self.check_left(self.released(aggregator))
            finally:
                aggregator.close()

    def check_left(self, done: int) -> None:
        """Refuse to make rounds where all are made.

        Raises:
            UsageError: so it is.
        """
        if done >= self.rounds:
            raise all_made(self.keep, self.rounds)

    def model_path(self, number: int) -> Path:
        """Give where the model of a round is."""
        return self.keep / f"{number}.model"

    def released(self, aggregator: Aggregator) -> int:
        """Give the last round that was released, 0 for none; a later one may have begun, or released nothing."""
        before = range(aggregator.round, 0, -1)
        return next((number for number in before if self.model_path(number).exists()), 0)

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


def run_config(own: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run config: some settings, and what stands in the app for the others."""
    app = tomllib.loads((APP / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    return {**app["config"], **own}


def kept_in(config: Mapping[str, Any], *numbers: str) -> Path:
    """Give the directory that a run keeps; names of settings that are 1 or more are held to that.

    Raises:
        UsageError: there is none, one of these is less, or a setting is of another kind than the app's.
    """
    for name, usual in run_config({}).items():
        if name in config:
            _check_kind(name, config[name], usual)
    if not config["keep"]:
        raise UsageError(
            "what the rounds reach has no place to be kept in",
            remedy="name a directory of the server's machine: --run-config 'keep=\"DIRECTORY\"'",
        )
    for name in numbers:
        if config[name] < 1:
            raise UsageError(f"{name} is {config[name]}", remedy="choose 1 or more")
    return Path(config["keep"])


def _check_kind(name: str, value: object, usual: bool | float | str) -> None:
    """Hold a setting to the kind of what stands in the app for it.

    Raises:
        UsageError: it is of another.
    """
    match usual:
        case bool():
            fits, kind = isinstance(value, bool), "true or false"
        case int():
            fits, kind = type(value) is int and -_MOST <= value <= _MOST, "a whole number below 2^63"
        case float():
            fits = type(value) in (int, float) and -_MOST <= cast(float, value) <= _MOST
            kind = "a number between -2^63 and 2^63"
        case _:
            fits, kind = isinstance(value, str), "a text"
    if not fits:
        raise UsageError(f"{name} is {value!r}, where {kind} is expected")


def _bounds(config: Mapping[str, Any]) -> Bounds:
    return Bounds(
        config["max-ngrams"],
        config["max-count"],
        config["max-bytes"],
        max_norm=config["max-norm"] or None,
    )
