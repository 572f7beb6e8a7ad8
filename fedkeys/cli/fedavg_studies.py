"""`fedkeys fedavg partitions` and `fedkeys fedavg study`: what changes federated averaging, side by side."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from fedkeys.cli.console import print_json, print_table, size
from fedkeys.cli.fedavg_plots import plot_partitions, plot_study
from fedkeys.cli.fedavg_report import RoundsOption, percent
from fedkeys.cli.options import JsonOption, SeedOption
from fedkeys.cli.plots import PlotOption
from fedkeys.cli.progress import progress


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
                percent(accuracy),
                f"{100 * (accuracy - accuracies[0]):+.1f} points",
                size(sent),
                percent(sent / bytes_up[0]),
            )
            for name, accuracy, sent in zip(names, accuracies, bytes_up, strict=True)
        ],
    )


def _range(counts: Any) -> str:
    import numpy as np

    return f"{counts.min()} / {np.median(counts):g} / {counts.max()}"
