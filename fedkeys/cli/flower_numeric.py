"""`fedkeys flower classifier` and `hospitals`: federated averaging on Flower."""

import json as json_
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fedkeys.cli.console import many, narrate, print_json, print_table, size
from fedkeys.cli.fedavg import (
    AlphaOption,
    DataOption,
    EpochsOption,
    LeastPatientsOption,
    MissingChoice,
    MissingOption,
    ModelChoice,
    ModelOption,
    OutcomeOption,
    RateOption,
    ScaleChoice,
    ScaleOption,
    SkewOption,
    check_no_tables,
    prepared,
)
from fedkeys.cli.fedavg_report import percent, spread_evenly
from fedkeys.cli.flower_run import KeepOption, Settings, SimulationOption, place_of, rounds_made
from fedkeys.cli.options import JsonOption, SeedOption
from fedkeys.cli.progress import progress


class StrategyChoice(StrEnum):
    """Who averages."""

    fedkeys = "fedkeys"
    fedavg = "fedavg"
    fedprox = "fedprox"
    fedadam = "fedadam"
    fedyogi = "fedyogi"
    fedadagrad = "fedadagrad"
    fedmedian = "fedmedian"
    fedtrimmedavg = "fedtrimmedavg"
    krum = "krum"
    multikrum = "multikrum"


class MeanChoice(StrEnum):
    """How updates become one."""

    mean = "mean"
    median = "median"
    trimmed = "trimmed"
    krum = "krum"
    multikrum = "multikrum"
    clipping = "clipping"


class ServerChoice(StrEnum):
    """What becomes of the mean update."""

    sgd = "sgd"
    adam = "adam"
    yogi = "yogi"
    adagrad = "adagrad"


StrategyOption = Annotated[
    StrategyChoice, typer.Option("--strategy", help="Ours, or one of Flower's own on the same messages.")
]
MeanOption = Annotated[MeanChoice, typer.Option("--mean", help="With ours: how updates become one.")]
ServerOption = Annotated[
    ServerChoice, typer.Option("--server", help="With ours: what becomes of the mean update.")
]
ServerRateOption = Annotated[
    float | None,
    typer.Option(
        "--server-rate", min=1e-9, help="Of the server's optimiser, ours or Flower's.", show_default="its own"
    ),
]
ScaffoldOption = Annotated[
    bool, typer.Option("--scaffold", help="With ours: correct the drift of clients (SCAFFOLD).")
]
ProximalOption = Annotated[
    float, typer.Option("--proximal", min=0.0, help="Mu of FedProx, with ours or with --strategy fedprox.")
]
WrongOption = Annotated[
    int, typer.Option("--wrong", min=0, help="Wrong clients that krum and multikrum survive.")
]
CohortOption = Annotated[
    int | None, typer.Option("--cohort", min=1, help="Clients asked in a round.", show_default="all")
]
TestEveryOption = Annotated[
    int, typer.Option("--test-every", min=1, help="Test after each so-many-th round, and after the last.")
]
DeadlineOption = Annotated[
    float, typer.Option("--deadline", min=1.0, help="Seconds after which an answer is too late.")
]

_DEFAULT_NODES, _SIMULATED_NODES = 5, 20
_ROUNDS, _SIMULATED_ROUNDS = 5, 100


def classifier(
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes",
            min=2,
            help="How many devices.",
            show_default=f"{_DEFAULT_NODES}; {_SIMULATED_NODES} with --simulation",
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=8, help="Samples of a device, on average.")] = 60,
    skew: SkewOption = 1.0,
    model: ModelOption = ModelChoice.logistic,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many rounds.")] = _ROUNDS,
    epochs: EpochsOption = 10,
    rate: RateOption = 0.5,
    alpha: AlphaOption = 0.0,
    strategy: StrategyOption = StrategyChoice.fedkeys,
    mean: MeanOption = MeanChoice.mean,
    server: ServerOption = ServerChoice.sgd,
    server_rate: ServerRateOption = None,
    scaffold: ScaffoldOption = False,
    proximal: ProximalOption = 0.0,
    wrong: WrongOption = 0,
    cohort: CohortOption = None,
    test_every: TestEveryOption = 1,
    deadline: DeadlineOption = 120.0,
    simulation: SimulationOption = False,
    keep: KeepOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Devices with private data train one classifier on Flower, everything on this machine.

    Each node generates its own device of fedkeys fedavg classifier. With our strategy the weights are those of
    that command with as many --devices, byte for byte.
    """
    devices = nodes or (_SIMULATED_NODES if simulation else _DEFAULT_NODES)
    settings: dict[str, bool | int | float | str] = {
        "app": "classifier",
        "scale": "none",
        "batch-size": 16,
        **_training(model, rounds, epochs, rate, alpha, seed, devices),
        **_strategy(strategy, mean, server, server_rate, scaffold, proximal, wrong),
        "cohort": cohort or 0,
        "test-every": test_every,
        "deadline": deadline,
    }
    own: dict[str, bool | int | float | str] = {
        "scenario": "classifier",
        "devices": devices,
        "samples": samples,
        "skew": skew,
        "seed": seed,
    }
    _run(f"{devices} devices on Flower, {model.value}", own, devices, simulation, settings, keep, json)


def hospitals(
    data: DataOption = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes", min=2, help="How many hospitals take part, the first ones by name.", show_default="all"
        ),
    ] = None,
    outcome: OutcomeOption = None,
    missing: MissingOption = None,
    least_patients: LeastPatientsOption = None,
    scale: ScaleOption = ScaleChoice.federated,
    model: ModelOption = ModelChoice.logistic,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            min=1,
            help="How many rounds.",
            show_default=f"{_ROUNDS}; {_SIMULATED_ROUNDS} with --simulation",
        ),
    ] = None,
    epochs: EpochsOption = 1,
    rate: RateOption = 0.3,
    alpha: AlphaOption = 0.1,
    strategy: StrategyOption = StrategyChoice.fedkeys,
    mean: MeanOption = MeanChoice.mean,
    server: ServerOption = ServerChoice.sgd,
    server_rate: ServerRateOption = None,
    scaffold: ScaffoldOption = False,
    proximal: ProximalOption = 0.0,
    wrong: WrongOption = 0,
    cohort: CohortOption = None,
    test_every: TestEveryOption = 1,
    deadline: DeadlineOption = 120.0,
    simulation: SimulationOption = False,
    keep: KeepOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Hospitals predict an outcome together on Flower; no patient's row is in a message.

    Before the first round they agree on columns, means and variances by counts and sums. Each node reads its own
    table, or generates its own part of the patients of fedkeys fedavg hospitals, whose weights are reached byte
    for byte with our strategy and as many rounds.
    """
    import numpy as np

    from fedkeys.errors import UsageError
    from fedkeys.fedavg.scenarios import HOSPITALS, five_hospitals

    own: dict[str, bool | int | float | str]
    if data is None:
        check_no_tables(outcome, missing, least_patients)
        there, own = len(HOSPITALS), {"scenario": "hospitals", "seed": seed}
        what = five_hospitals(np.random.default_rng(seed))[1]
    else:
        from fedkeys.fedavg.agreement import LEAST_PATIENTS
        from fedkeys.fedavg.tables import read_tables

        tables, least = read_tables(data), least_patients or LEAST_PATIENTS
        prepared(tables[:nodes], outcome, missing, least)  # or says at once why that cannot be
        what = str(data)
        there, own = len(tables), {"data": str(data.resolve()), "least-patients": least}
    wanted = nodes or there
    if wanted > there:
        raise UsageError(f"{wanted} nodes, where there are {many(there, 'hospital')}", remedy="ask for fewer")
    settings: dict[str, bool | int | float | str] = {
        "app": "hospitals",
        "scale": scale.value,
        "missing": (missing or MissingChoice.drop).value,
        "outcome": outcome or "",
        **_training(
            model, rounds or (_SIMULATED_ROUNDS if simulation else _ROUNDS), epochs, rate, alpha, seed, wanted
        ),
        **_strategy(strategy, mean, server, server_rate, scaffold, proximal, wrong),
        "cohort": cohort or 0,
        "test-every": test_every,
        "deadline": deadline,
    }
    _run(
        f"{wanted} hospitals on Flower, {what}, {model.value}", own, wanted, simulation, settings, keep, json
    )


def _training(
    model: ModelChoice, rounds: int, epochs: int, rate: float, alpha: float, seed: int, nodes: int
) -> dict[str, bool | int | float | str]:
    return {
        "model": model.value,
        "rounds": rounds,
        "epochs": epochs,
        "rate": rate,
        "alpha": alpha,
        "seed": seed,
        "min-available": nodes,
        "wait": 120.0,
    }


def _strategy(
    strategy: StrategyChoice,
    mean: MeanChoice,
    server: ServerChoice,
    server_rate: float | None,
    scaffold: bool,
    proximal: float,
    wrong: int,
) -> dict[str, bool | int | float | str]:
    return {
        "strategy": strategy.value,
        "mean": mean.value,
        "server": server.value,
        "server-rate": server_rate or 0.0,
        "scaffold": scaffold,
        "proximal": proximal,
        "wrong": wrong,
    }


def _run(
    title: str,
    own: Settings,
    nodes: int,
    simulation: bool,
    settings: Settings,
    keep: Path | None,
    json: bool,
) -> None:
    """Have a federation on loopback make its rounds, and print what came of them."""
    from fedkeys.engines.flower.processes import program

    program("flwr")  # without which nothing below can be imported
    from fedkeys.engines.flower.numeric.data import SETTINGS_VARIABLE
    from fedkeys.engines.flower.numeric.rounds import RESULT_FILE, kept
    from fedkeys.engines.flower.numeric.settings import NumericPlan
    from fedkeys.engines.flower.purpose import check_purpose, write_purpose
    from fedkeys.engines.flower.settings import run_config

    with place_of(keep) as place, progress() as step:
        # Before anything is started, which takes half a minute.
        plan = NumericPlan.read(run_config({**settings, "keep": str(place / "server")}))
        plan.check_enough(nodes)
        check_purpose(place, own)
        kept(plan)
        write_purpose(place, own)
        variables = {SETTINGS_VARIABLE: json_.dumps(own)} if simulation else None
        accounts = rounds_made(place, [own] * nodes, variables, settings, step)
        result = json_.loads((place / "server" / RESULT_FILE).read_text())
    if json:
        print_json({**result, "rounds": accounts})
    else:
        print_report(title, accounts, result)
    for account in accounts:
        for why in account["failures"]:
            narrate(f"round {account['round']}: {why}")


def print_report(title: str, accounts: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> None:
    """Print a table of the rounds, and one of what each client reached."""
    trouble = [name for name in ("dropped", "late", "refused") if any(a[name] for a in accounts)]
    print_table(
        title,
        ("round", "asked", *trouble, "averaged", "sent", "accuracy", "seconds"),
        [
            (
                str(account["round"]),
                f"{account['selected']:,}",
                *(f"{account[name]:,}" for name in trouble),
                f"{account['averaged']:,}",
                size(account["bytes_up"]),
                "" if account["accuracy"] is None else percent(account["accuracy"]),
                f"{account['seconds']:.1f}",
            )
            for account in spread_evenly(accounts)
        ],
    )
    if result["dropped_columns"]:
        narrate(f"left out, with more than 3 in 10 values missing: {', '.join(result['dropped_columns'])}")
    reached = result["federated"]
    if reached is None:
        narrate("no client has told what it reached")
        return
    names = ("accuracy", "balanced_accuracy", "auc")
    rows = [
        (
            client,
            str(figures["samples"]),
            *(_part(figures[name]) for name in (*names, "calibration_error")),
        )
        for client, figures in reached["clients"].items()
    ]
    rows.append(("mean", "", *(_part(reached[name]) for name in names), ""))
    print_table(
        f"after round {result['rounds']}, on each client's tests",
        ("", "tests", "accuracy", "balanced", "AUC", "calibration error"),
        rows,
    )


def _part(value: float | None) -> str:
    return percent(float("nan") if value is None else value)
