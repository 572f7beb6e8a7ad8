"""`fedkeys fedavg`: federated averaging of numbers, one command a textbook scenario."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli import fedavg_studies
from fedkeys.cli.console import narrate, print_json, print_table
from fedkeys.cli.fedavg_plots import plot_schedule, plot_sum
from fedkeys.cli.fedavg_report import (
    BitsOption,
    RoundsOption,
    SecureOption,
    percent,
    print_rounds,
    report,
    secure_mean,
    warn_of_sums,
)
from fedkeys.cli.options import JsonOption, SeedOption
from fedkeys.cli.plots import PlotOption
from fedkeys.cli.progress import progress

if TYPE_CHECKING:
    from fedkeys.fedavg.agreement import Roles
    from fedkeys.fedavg.comparison import Comparison
    from fedkeys.fedavg.hospitals import Hospital
    from fedkeys.fedavg.tables import Table

app = typer.Typer(
    help="Federated averaging of numbers: the textbook scenarios, and studies of what changes them.",
    rich_markup_mode="rich",
    no_args_is_help=True,
)


app.command("partitions")(fedavg_studies.partitions)
app.command("study")(fedavg_studies.study)


class ModelChoice(StrEnum):
    """What is trained."""

    logistic = "logistic"
    mlp = "mlp"
    svm = "svm"
    sgdclassifier = "sgdclassifier"


class ScaleChoice(StrEnum):
    """How columns are standardised."""

    federated = "federated"
    local = "local"
    none = "none"


class MissingChoice(StrEnum):
    """What becomes of missing values."""

    drop = "drop"
    mean = "mean"


DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Directory with one CSV a hospital; default: breast cancer data."),
]
OutcomeOption = Annotated[
    str | None, typer.Option("--outcome", help="Column to predict (above 0); default: the last one.")
]
MissingOption = Annotated[
    MissingChoice | None,
    typer.Option("--missing", help="Leave rows with missing values out (default), or fill in the mean."),
]
LeastPatientsOption = Annotated[
    int | None,
    typer.Option(
        "--least-patients",
        min=1,
        help="A hospital tells nothing of fewer, and with fewer to train or to test on it cannot take part.",
        show_default="10",
    ),
]
ScaleOption = Annotated[
    ScaleChoice,
    typer.Option("--scale", help="Standardise by all hospitals' mean and variance, or its own."),
]
ModelOption = Annotated[ModelChoice, typer.Option("--model", help="What is trained.")]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="Passes over a client's data a round.")]
RateOption = Annotated[float, typer.Option("--rate", min=1e-9, help="Learning rate of the clients.")]
AlphaOption = Annotated[float, typer.Option("--alpha", min=0.0, help="Strength of the L2 penalty.")]
SkewOption = Annotated[
    float, typer.Option("--skew", min=1e-6, help="Dirichlet alpha of labels; small is skewed.")
]


@app.command()
def classifier(
    devices: Annotated[int, typer.Option("--devices", min=2, help="How many devices.")] = 20,
    samples: Annotated[int, typer.Option("--samples", min=8, help="Samples of a device, on average.")] = 60,
    skew: SkewOption = 1.0,
    model: ModelOption = ModelChoice.logistic,
    rounds: RoundsOption = 5,
    epochs: EpochsOption = 10,
    rate: RateOption = 0.5,
    alpha: AlphaOption = 0.0,
    secure: SecureOption = False,
    bits: BitsOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Devices with private data train one classifier; beside each alone, and all data pooled."""
    import numpy as np

    from fedkeys.fedavg.comparison import compare
    from fedkeys.fedavg.scenarios import algorithm_named, classifier_devices

    fleet = classifier_devices(devices, samples, skew, np.random.default_rng(seed))
    algorithm = algorithm_named(
        model.value,
        fleet[0].features,
        rate=rate,
        epochs=epochs,
        batch_size=16,
        alpha=alpha,
        secure=secure_mean(secure, bits),
    )
    with progress() as step:
        comparison = compare(fleet, algorithm, rounds, seed, step)
    report(f"{devices} devices, {model.value}", comparison, json, plot)


@app.command()
def hospitals(
    data: DataOption = None,
    outcome: OutcomeOption = None,
    missing: MissingOption = None,
    least_patients: LeastPatientsOption = None,
    scale: ScaleOption = ScaleChoice.federated,
    model: ModelOption = ModelChoice.logistic,
    rounds: RoundsOption = 100,
    epochs: EpochsOption = 1,
    rate: RateOption = 0.3,
    alpha: AlphaOption = 0.1,
    secure: SecureOption = False,
    bits: BitsOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Hospitals predict an outcome together; no patient's row leaves its hospital.

    Means, variances and missing shares are put together from counts and sums. Two thirds of each hospital's
    patients train, one third tests.
    """
    import numpy as np

    from fedkeys.fedavg.agreement import LEAST_PATIENTS
    from fedkeys.fedavg.comparison import compare
    from fedkeys.fedavg.scenarios import algorithm_named, five_hospitals, standardised
    from fedkeys.fedavg.tables import read_tables

    if data is None:
        check_no_tables(outcome, missing, least_patients)
        clients, what = five_hospitals(np.random.default_rng(seed))
    else:
        tables = read_tables(data)
        roles, clients = prepared(tables, outcome, missing, least_patients or LEAST_PATIENTS)
        what = str(data)
        if roles.dropped:
            narrate(f"left out, with more than 3 in 10 values missing: {', '.join(roles.dropped)}")
    clients = standardised(clients, scale.value)
    algorithm = algorithm_named(
        model.value,
        clients[0].features,
        rate=rate,
        epochs=epochs,
        alpha=alpha,
        secure=secure_mean(secure, bits),
    )
    with progress() as step:
        comparison = compare(clients, algorithm, rounds, seed, step)
    smallest = _smallest(clients, comparison)
    report(f"{len(clients)} hospitals, {what}, {model.value}", comparison, json, plot, smallest=smallest)
    if not json:
        narrate(
            f"the smallest, {smallest['name']} with {smallest['patients']} to train on, reaches "
            f"{percent(smallest['federated'])} by taking part and {percent(smallest['alone'])} alone"
        )


def prepared(
    tables: "Sequence[Table]", outcome: str | None, missing: MissingChoice | None, least: int
) -> "tuple[Roles, list[Hospital]]":
    """Have hospitals agree on their columns, and prepare each table.

    Raises:
        UsageError: they do not fit together, or one has too few patients.
    """
    from fedkeys.fedavg.agreement import agree, summary_of
    from fedkeys.fedavg.preparation import hospitals_of

    roles = agree([summary_of(table, outcome, least) for table in tables])
    return roles, hospitals_of(tables, roles, (missing or MissingChoice.drop).value, least)


def check_no_tables(outcome: str | None, missing: MissingChoice | None, least: int | None) -> None:
    """Refuse options that are for tables where there are none.

    Raises:
        UsageError: one was given.
    """
    given = {"--outcome": outcome, "--missing": missing, "--least-patients": least}
    named = [name for name, value in given.items() if value is not None]
    if named:
        from fedkeys.errors import UsageError

        raise UsageError(f"{' and '.join(named)} is for tables", remedy="name them with --data DIR")


def _smallest(clients: "Sequence[Hospital]", comparison: "Comparison") -> dict[str, Any]:
    """What the smallest hospital gains: accuracy on its own tests, taking part and alone."""
    smallest = min(clients, key=lambda client: client.samples)
    together, alone = (
        way.clients[smallest.name].accuracy for way in (comparison.federated, comparison.alone)
    )
    return {
        "name": smallest.name,
        "patients": smallest.samples,
        "federated": together,
        "alone": alone,
        "gain": together - alone,
    }


# A vector may begin with a minus, which is no option.
@app.command(name="sum", context_settings={"ignore_unknown_options": True})
def sum_(
    vectors: Annotated[
        list[str] | None,
        typer.Argument(help='One vector a party, as in "1,2.5,-3"; default: three.'),
    ] = None,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Parties learn the sum of their vectors and nothing else: additive secret shares modulo 2^64."""
    from fedkeys.errors import UsageError
    from fedkeys.fedavg.shares import add, open_sum, split

    given = [_vector(text) for text in vectors or ("1,2,3", "10,20,30", "0.5,-2,4")]
    if len({len(vector) for vector in given}) != 1:
        raise UsageError("the vectors are not of one length", remedy='give them as "1,2,3" "4,5,6"')
    names = ["alice", "bob", "cy", *(f"party {number}" for number in range(4, len(given) + 1))][: len(given)]
    dealt = [split(vector, len(given)) for vector in given]
    sums = [add([shares[holder] for shares in dealt]) for holder in range(len(given))]
    total = open_sum(sums).tolist()
    if plot is not None:
        plot_sum(names, given, total, plot)
    if json:
        print_json({"parties": len(given), "sum": total})
        return
    rows = [
        (
            f"{owner}'s vector as {names[share.holder]} sees it",
            *(f"{value:016x}" for value in share.values.tolist()[:3]),
        )
        for owner, shares in zip(names, dealt, strict=True)
        for share in shares
        if names[share.holder] != owner
    ]
    shown = min(3, len(given[0]))
    print_table("what crosses: uniformly random to whoever holds it", ("", *("entry",) * shown), rows)
    typer.echo(f"opened, only as a sum: {', '.join(f'{value:g}' for value in total)}")


@app.command()
def schedule(
    devices: Annotated[int, typer.Option("--devices", min=2, help="How many devices.")] = 40,
    minimum: Annotated[
        int, typer.Option("--minimum", min=1, help="Fewest available with which a round starts.")
    ] = 10,
    cohort: Annotated[int, typer.Option("--cohort", min=1, help="How many are selected.")] = 10,
    available: Annotated[
        float,
        typer.Option(
            "--available", min=0.01, max=1.0, help="Chance of a device, in the rounds shown one by one."
        ),
    ] = 0.3,
    rounds: RoundsOption = 20,
    skew: SkewOption = 0.3,
    secure: SecureOption = False,
    bits: BitsOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Rounds with random availability: how often one starts, and what that does to accuracy."""
    import numpy as np

    from fedkeys.fedavg import FederatedAveraging, LocalTraining, LogisticRegression, Participation
    from fedkeys.fedavg.comparison import compare
    from fedkeys.fedavg.scenarios import attendance, classifier_devices

    fleet = classifier_devices(devices, 40, skew, np.random.default_rng(seed))
    mean = secure_mean(secure, bits)

    def with_availability(chance: float) -> FederatedAveraging:
        return FederatedAveraging(
            LogisticRegression(fleet[0].features),
            LocalTraining(epochs=2, batch_size=16, learning_rate=0.3),
            participation=Participation(chance, cohort, minimum),
            secure=mean,
        )

    chances = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
    found = []
    with progress() as step:
        comparison = compare(fleet, with_availability(available), rounds, seed, step)
        for done, chance in enumerate(chances, 1):
            found.append(attendance(fleet, with_availability(chance), rounds, seed))
            step("every availability", done / len(chances))
    if plot is not None:
        plot_schedule(f"{devices} devices, {minimum} needed", found, plot)
    if json:
        names = ("availability", "started", "averaged", "accuracy")
        print_json(
            {
                **comparison.as_dict(),
                "minimum": minimum,
                "available": available,
                "schedules": [{name: getattr(each, name) for name in names} for each in found],
            }
        )
        return
    warn_of_sums([metrics for _, metrics in comparison.rounds])
    print_rounds(comparison)
    narrate(
        f"with {percent(available)} available: {percent(comparison.federated.accuracy)} federated, "
        f"{percent(comparison.pooled.accuracy)} pooled, {percent(comparison.alone.accuracy)} each alone"
    )
    print_table(
        f"{devices} devices; a round starts with {minimum} available and selects {cohort}; {rounds} rounds tried",
        ("a device is available", "rounds started", "averaged", "accuracy"),
        [
            (
                f"{100 * e.availability:.0f} %",
                f"{100 * e.started:.0f} %",
                f"{e.averaged:.1f}",
                f"{100 * e.accuracy:.1f} %",
            )
            for e in found
        ],
    )


def _vector(text: str) -> list[float]:
    from fedkeys.errors import UsageError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{text!r} is not a vector", remedy='give numbers with commas, as in "1,2.5,-3"'
        ) from None
