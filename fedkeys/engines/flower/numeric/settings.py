"""The settings of a run of federated averaging, as a plan.

In: Flower's run config, whose names and defaults stand in `app/pyproject.toml`. Out: a `NumericPlan`. Law: what
contradicts itself is refused before any node is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from fedkeys.engines.flower.numeric.wire import PROXIMAL, Task
from fedkeys.engines.flower.settings import kept_in
from fedkeys.errors import UsageError
from fedkeys.fedavg.local import LocalTraining
from fedkeys.fedavg.means import Krum, Mean, MeanRule, Median, NormClipping, TrimmedMean
from fedkeys.fedavg.models import EstimatorModel
from fedkeys.fedavg.participation import Participation
from fedkeys.fedavg.preparation import Missing
from fedkeys.fedavg.scenarios import ModelName, Standardisation
from fedkeys.fedavg.server import FedAdagrad, FedAdam, FedYogi, ServerOptimiser, ServerSGD
from fedkeys.fedavg.training import FederatedAveraging

OURS = "fedkeys"
THEIRS = (
    "fedavg",
    "fedprox",
    "fedadam",
    "fedyogi",
    "fedadagrad",
    "fedmedian",
    "fedtrimmedavg",
    "krum",
    "multikrum",
)
MEANS = ("mean", "median", "trimmed", "krum", "multikrum", "clipping")
SERVERS = ("sgd", "adam", "yogi", "adagrad")
_WITH_RATE = ("fedadam", "fedyogi", "fedadagrad")
_WITH_WRONG = ("krum", "multikrum")


@dataclass(frozen=True, slots=True)
class NumericPlan:
    """How rounds of federated averaging go.

    Attributes:
        keep: directory of the server's machine for the state, the figures and the account of the rounds.
        rounds: how many, in all.
        strategy: `OURS`, or the name of one of Flower's.
        task: what clients train.
        mean, server, scaffold: of our own strategy, as `FederatedAveraging` has them.
        server_rate: of the server's optimiser; None for its own.
        wrong: how many wrong clients Krum survives.
        trimmed: what part of clients a trimmed mean cuts off at each end.
        cohort: how many are asked in a round; None for all.
        min_available: with fewer nodes there is no run.
        wait: seconds until they have to be there.
        deadline: seconds after which an answer is too late.
        test_every: figures are asked for after each so-many-th round, and after the last.
        seed: of all that we draw; None for none that can be repeated.
        standardisation, missing, outcome: of hospitals' tables.
    """

    keep: Path
    rounds: int
    strategy: str
    task: Task
    mean: str
    server: str
    server_rate: float | None
    scaffold: bool
    wrong: int
    trimmed: float
    cohort: int | None
    min_available: int
    wait: float
    deadline: float
    test_every: int
    seed: int | None
    standardisation: Standardisation
    missing: Missing
    outcome: str | None

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "NumericPlan":
        """Read a run config.

        Raises:
            UsageError: a setting is out of its range, or two contradict each other.
        """
        keep = kept_in(config, "rounds", "min-available", "test-every")
        for name, choices in _CHOICES.items():
            if config[name] not in choices:
                raise UsageError(
                    f"no {name} is named {config[name]!r}", remedy=f"choose {', '.join(choices)}"
                )
        if config["together"]:
            raise UsageError(
                "sums under masks are the keyboard's, on Flower",
                remedy="leave together out; fedkeys fedavg --secure sums updates under masks on one machine",
            )
        _check_strategy(config)
        return cls(
            keep=keep,
            rounds=config["rounds"],
            strategy=config["strategy"],
            task=_task(config),
            mean=config["mean"],
            server=config["server"],
            server_rate=config["server-rate"] or None,
            scaffold=config["scaffold"],
            wrong=config["wrong"],
            trimmed=config["trimmed"],
            cohort=config["cohort"] or None,
            min_available=config["min-available"],
            wait=config["wait"],
            deadline=config["deadline"],
            test_every=config["test-every"],
            seed=None if config["seed"] < 0 else config["seed"],
            standardisation=config["scale"] if config["app"] == "hospitals" else "none",
            missing=config["missing"],
            outcome=config["outcome"] or None,
        )

    def algorithm(self, features: int) -> FederatedAveraging:
        """Give our algorithm, for data of so many columns.

        Raises:
            UsageError: settings contradict each other.
        """
        return FederatedAveraging(
            self.task.model_of(features),
            self.task.local,
            self._mean(),
            self._server(),
            self.scaffold,
            Participation(cohort=self.cohort),
        )

    @property
    def least(self) -> int:
        """Of fewer answers the strategy makes no mean; Flower's own Krum would make one of a lone answer."""
        return Krum(self.wrong).least if self.strategy in _WITH_WRONG else self._mean().least

    def check_enough(self, clients: int) -> None:
        """Refuse too few clients.

        Raises:
            UsageError: fewer can be asked than the mean takes.
        """
        most = min(clients, self.cohort or clients)
        if most < self.least:
            name = self.strategy if self.strategy != OURS else self.mean
            raise UsageError(
                f"{most} clients can be asked, where {name} takes {self.least} updates",
                remedy="have more clients, or survive fewer wrong ones",
            )

    def terms(self) -> dict[str, Any]:
        """Give what has to stay as it is from the first round to the last, by the names of the settings."""
        task = self.task.written()
        del task["learning-rate"]  # which is the rate, or an estimator's own
        proximal = task.pop(PROXIMAL)
        return {
            "strategy": self.strategy,
            **task,
            "proximal": proximal,
            "mean": self.mean,
            "server": self.server,
            "server-rate": self.server_rate,
            "scaffold": self.scaffold,
            "wrong": self.wrong,
            "trimmed": self.trimmed,
            "cohort": self.cohort,
            "seed": self.seed,
            "scale": self.standardisation,
            "missing": self.missing,
            "outcome": self.outcome,
        }

    def _mean(self) -> MeanRule:
        match self.mean:
            case "median":
                return Median()
            case "trimmed":
                return TrimmedMean(self.trimmed)
            case "krum":
                return Krum(self.wrong)
            case "multikrum":
                return Krum(self.wrong, None)
            case "clipping":
                return NormClipping()
        return Mean()

    def _server(self) -> ServerOptimiser:
        rate = {"rate": self.server_rate} if self.server_rate else {}
        match self.server:
            case "adam":
                return FedAdam(**rate)
            case "yogi":
                return FedYogi(**rate)
            case "adagrad":
                return FedAdagrad(**rate)
        return ServerSGD(**rate)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "strategy": (OURS, *THEIRS),
    "model": get_args(ModelName),
    "mean": MEANS,
    "server": SERVERS,
    "scale": get_args(Standardisation),
    "missing": get_args(Missing),
}


def _check_strategy(config: Mapping[str, Any]) -> None:
    """Refuse numbers out of range, and what a strategy does not do and would leave out without a word."""
    TrimmedMean(config["trimmed"])
    below = [name for name in ("server-rate", "alpha", "wrong", "cohort", "wait") if config[name] < 0]
    if below:
        raise UsageError(f"{below[0]} is {config[below[0]]}", remedy="choose from 0 up")
    if config["deadline"] <= 0:
        raise UsageError(f"deadline is {config['deadline']}", remedy="choose a number of seconds above 0")
    strategy = config["strategy"]
    if strategy != OURS:
        own = [
            name
            for name, usual in (("mean", "mean"), ("server", "sgd"), ("scaffold", False))
            if config[name] != usual
        ]
        if own:
            raise UsageError(
                f"{', '.join(own)} is of our own strategy, where Flower's {strategy} was chosen",
                remedy=f"choose the strategy {OURS}, or leave it out",
            )
    uses = {
        "proximal": strategy in (OURS, "fedprox"),
        "server-rate": strategy in (OURS, *_WITH_RATE),
        "wrong": strategy in _WITH_WRONG or config["mean"] in _WITH_WRONG,
    }
    idle = [name for name, used in uses.items() if config[name] and not used]
    if idle:
        raise UsageError(
            f"{idle[0]} does nothing with the strategy {strategy}",
            remedy="leave it out, or choose one that uses it",
        )


def _task(config: Mapping[str, Any]) -> Task:
    model = cast(ModelName, config["model"])
    # An estimator steps by itself, and then the rate is its own.
    steps_itself = isinstance(Task(model, 0.0, 0.1, LocalTraining()).model_of(1), EstimatorModel)
    local = LocalTraining(
        config["epochs"],
        config["batch-size"] or None,
        LocalTraining().learning_rate if steps_itself else config["rate"],
        config["schedule"],
        config["decay"],
        config["horizon"],
        config["proximal"],
    )
    return Task(model, config["alpha"], config["rate"], local)
