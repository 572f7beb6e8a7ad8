"""`fedkeys fedavg`: federated averaging of numbers, one command a textbook scenario."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli.console import JsonOption, SeedOption, narrate, print_json, print_table, progress, size
from fedkeys.cli.fedavg_plots import plot_comparison, plot_partitions, plot_schedule, plot_study

if TYPE_CHECKING:
    from fedkeys.fedavg.comparison import Comparison

app = typer.Typer(
    help="Federated averaging of numbers: the textbook scenarios, and studies of what changes them.",
    rich_markup_mode="rich",
    no_args_is_help=True,
)


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


ModelOption = Annotated[ModelChoice, typer.Option("--model", help="What is trained.")]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="How many rounds.")]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="Passes over a client's data a round.")]
RateOption = Annotated[float, typer.Option("--rate", min=1e-9, help="Learning rate of the clients.")]
AlphaOption = Annotated[float, typer.Option("--alpha", min=0.0, help="Strength of the L2 penalty.")]
SkewOption = Annotated[
    float, typer.Option("--skew", min=1e-6, help="Dirichlet alpha of labels; small is skewed.")
]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="File for a plot, PNG or SVG.")]


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
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Devices with private data train one classifier; beside each alone, and all data pooled."""
    import numpy as np

    from fedkeys.fedavg import FederatedAveraging, LocalTraining
    from fedkeys.fedavg.comparison import compare
    from fedkeys.fedavg.scenarios import classifier_devices, model_named

    fleet = classifier_devices(devices, samples, skew, np.random.default_rng(seed))
    algorithm = FederatedAveraging(
        model_named(model.value, fleet[0].features, alpha),
        LocalTraining(epochs=epochs, batch_size=16, learning_rate=rate),
    )
    with progress() as step:
        comparison = compare(fleet, algorithm, rounds, seed, step)
    _report(f"{devices} devices, {model.value}", comparison, json, plot)


@app.command()
def hospitals(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Directory with one CSV a hospital; default: breast cancer data."),
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="Column to predict (above 0); default: the last one.")
    ] = None,
    missing: Annotated[
        MissingChoice,
        typer.Option("--missing", help="Leave rows with missing values out, or fill in the mean."),
    ] = MissingChoice.drop,
    scale: Annotated[
        ScaleChoice,
        typer.Option("--scale", help="Standardise by all hospitals' mean and variance, or its own."),
    ] = ScaleChoice.federated,
    model: ModelOption = ModelChoice.logistic,
    rounds: RoundsOption = 100,
    epochs: EpochsOption = 1,
    rate: RateOption = 0.3,
    alpha: AlphaOption = 0.1,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Hospitals predict an outcome together; no patient's row leaves its hospital.

    Means, variances and missing shares are put together from counts and sums. Two thirds of each hospital's
    patients train, one third tests.
    """
    import numpy as np

    from fedkeys.fedavg import FederatedAveraging, LocalTraining
    from fedkeys.fedavg.comparison import compare
    from fedkeys.fedavg.scenarios import five_hospitals, model_named, standardised
    from fedkeys.fedavg.tables import agree, hospitals_of, read_tables

    if data is None:
        clients, what = five_hospitals(np.random.default_rng(seed))
    else:
        tables = read_tables(data)
        roles = agree(tables, outcome)
        clients, what = hospitals_of(tables, roles, missing.value), str(data)
        if roles.dropped:
            narrate(f"left out, with more than 3 in 10 values missing: {', '.join(roles.dropped)}")
    clients = standardised(clients, scale.value)
    algorithm = FederatedAveraging(
        model_named(model.value, clients[0].features, alpha), LocalTraining(epochs=epochs, learning_rate=rate)
    )
    with progress() as step:
        comparison = compare(clients, algorithm, rounds, seed, step)
    _report(f"{len(clients)} hospitals, {what}, {model.value}", comparison, json, plot)
    if not json:
        smallest = min(clients, key=lambda client: client.samples)
        together, alone = (
            way.clients[smallest.name].accuracy for way in (comparison.federated, comparison.alone)
        )
        narrate(
            f"the smallest, {smallest.name} with {smallest.samples} patients to train on, "
            f"reaches {_percent(together)} by taking part and {_percent(alone)} alone"
        )


# A vector may begin with a minus, which is no option.
@app.command(name="sum", context_settings={"ignore_unknown_options": True})
def sum_(
    vectors: Annotated[
        list[str] | None,
        typer.Argument(help='One vector a party, as in "1,2.5,-3"; default: three.'),
    ] = None,
    json: JsonOption = False,
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
    rounds: RoundsOption = 20,
    skew: SkewOption = 0.3,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Rounds with random availability: how often one starts, and what that does to accuracy."""
    import numpy as np

    from fedkeys.fedavg import FederatedAveraging, LocalTraining, Participation
    from fedkeys.fedavg.scenarios import attendance, classifier_devices, model_named

    fleet = classifier_devices(devices, 40, skew, np.random.default_rng(seed))
    chances = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
    found = []
    with progress() as step:
        for done, available in enumerate(chances, 1):
            algorithm = FederatedAveraging(
                model_named("logistic", fleet[0].features),
                LocalTraining(epochs=2, batch_size=16, learning_rate=0.3),
                participation=Participation(available, cohort, minimum),
            )
            found.append(attendance(fleet, algorithm, rounds, seed))
            step("running", done / len(chances))
    if plot is not None:
        plot_schedule(f"{devices} devices, {minimum} needed", found, plot)
    if json:
        names = ("availability", "started", "averaged", "accuracy")
        print_json(
            {
                "minimum": minimum,
                "rounds": rounds,
                "schedules": [{name: getattr(each, name) for name in names} for each in found],
            }
        )
        return
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


@app.command()
def partitions(
    clients: Annotated[int, typer.Option("--clients", min=2, help="How many clients.")] = 20,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Samples of a client, on average.")] = 100,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Deal data of ten labels out to clients: evenly, by label, by quantity, with shifted features."""
    import numpy as np

    from fedkeys.fedavg import studies

    found = studies.partitions(clients, samples, np.random.default_rng(seed))
    if plot is not None:
        plot_partitions(found, plot)
    if json:
        columns = ("name", "samples", "labels", "shift")
        rows = ((each.name, each.samples.tolist(), each.labels.tolist(), each.shift) for each in found)
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    print_table(
        f"{clients} clients: fewest, median and most",
        ("", "samples", "labels", "shift of features"),
        [(each.name, _range(each.samples), _range(each.labels), f"{each.shift:.2f}") for each in found],
    )


class Study(StrEnum):
    """What is varied."""

    skew = "skew"
    compression = "compression"
    attack = "attack"


@app.command()
def study(
    what: Annotated[Study, typer.Argument(help="Algorithms on skewed data; codecs; means under attack.")],
    clients: Annotated[int, typer.Option("--clients", min=15, help="How many clients.")] = 40,
    skew: Annotated[
        float | None,
        typer.Option("--skew", min=1e-6, help="Dirichlet alpha; default: 0.05 for skew, else 10."),
    ] = None,
    rounds: RoundsOption = 60,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Tasks that results are averaged over.")
    ] = 3,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Compare algorithms, codecs or means on ten classes dealt out unevenly; a table and a plot."""
    import numpy as np

    from fedkeys.fedavg.studies import attacked, compressed, ten_clouds, under_skew

    run = {Study.skew: under_skew, Study.compression: compressed, Study.attack: attacked}[what]
    alpha = skew if skew is not None else (0.05 if what is Study.skew else 10.0)
    tasks = [ten_clouds(clients, 100, alpha, np.random.default_rng([seed, at])) for at in range(repeats)]
    with progress() as step:
        runs = []
        for at, task in enumerate(tasks, 1):

            def tell(name: str, part: float, at: int = at) -> None:
                step(f"{name}, {at} of {repeats}", part)

            runs.append(run(task, rounds, seed, tell))
    names = [outcome.name for outcome in runs[0]]
    accuracies = [float(np.mean([outcomes[at].accuracy for outcomes in runs])) for at in range(len(names))]
    bytes_up = [float(np.mean([outcomes[at].bytes_up for outcomes in runs])) for at in range(len(names))]
    curves = [np.mean([outcomes[at].curve for outcomes in runs], axis=0) for at in range(len(names))]
    if plot is not None:
        plot_study(
            f"{what.value}: {clients} clients, Dirichlet {alpha:g}", names, curves, tasks[0].labels, plot
        )
    if json:
        rows = zip(names, accuracies, bytes_up, strict=True)
        print_json([{"name": name, "accuracy": accuracy, "bytes_up": sent} for name, accuracy, sent in rows])
        return
    labels = (tasks[0].labels > 0).sum(1)
    print_table(
        f"{clients} clients with {labels.min()} to {labels.max()} of ten labels (Dirichlet {alpha:g}), "
        f"{rounds} rounds, mean of {repeats}",
        ("", "accuracy", "against the first", "sent", "of the first"),
        [
            (
                name,
                _percent(accuracy),
                f"{100 * (accuracy - accuracies[0]):+.1f} points",
                size(sent),
                _percent(sent / bytes_up[0]),
            )
            for name, accuracy, sent in zip(names, accuracies, bytes_up, strict=True)
        ],
    )


def _range(counts: Any) -> str:
    import numpy as np

    return f"{counts.min()} / {np.median(counts):g} / {counts.max()}"


def _vector(text: str) -> list[float]:
    from fedkeys.errors import UsageError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{text!r} is not a vector", remedy='give numbers with commas, as in "1,2.5,-3"'
        ) from None


def _report(title: str, comparison: "Comparison", json: bool, plot: Path | None) -> None:
    if plot is not None:
        plot_comparison(title, comparison, plot)
    if json:
        print_json(comparison.as_dict())
        return
    _print_rounds(comparison)
    names = list(comparison.federated.clients)
    rows = [
        (
            name,
            str(comparison.federated.clients[name].samples),
            *(_percent(tested.clients[name].accuracy) for tested in _ways(comparison)),
            _percent(comparison.elsewhere[name]),
            _percent(comparison.federated.clients[name].balanced_accuracy),
            _percent(comparison.federated.clients[name].auc),
            _percent(comparison.federated.clients[name].calibration_error),
        )
        for name in names
    ]
    elsewhere = sum(comparison.elsewhere.values()) / len(names)
    rows.append((
        "mean", "", *(_percent(tested.accuracy) for tested in _ways(comparison)), _percent(elsewhere),
        _percent(comparison.federated.balanced_accuracy), _percent(comparison.federated.auc), "",
    ))  # fmt: skip
    columns = (
        "",
        "tests",
        "federated",
        "pooled",
        "alone",
        "alone, on all",
        "balanced",
        "AUC",
        "calibration error",
    )
    print_table(f"{title}: accuracy, then more of the federated model", columns, rows)


def _print_rounds(comparison: "Comparison") -> None:
    rounds = comparison.rounds
    step = max(1, len(rounds) // 10)
    shown = [
        each for number, each in enumerate(rounds, 1) if number % step == 0 or number in (1, len(rounds))
    ]
    print_table(
        "rounds",
        ("round", "averaged", "sent", "accuracy"),
        [
            (str(metrics.round), str(metrics.averaged), size(metrics.bytes_up), _percent(accuracy))
            for accuracy, metrics in shown
        ],
    )


def _ways(comparison: "Comparison") -> Sequence[Any]:
    return comparison.federated, comparison.pooled, comparison.alone


def _percent(part: float) -> str:
    return "-" if part != part else f"{100 * part:.1f} %"
