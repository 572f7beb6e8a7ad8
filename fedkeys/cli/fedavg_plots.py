"""The plots of `fedkeys fedavg`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkeys.cli.plots import pyplot_of, save_plot

if TYPE_CHECKING:
    from fedkeys.fedavg.comparison import Comparison


def plot_comparison(title: str, comparison: "Comparison", path: Path) -> None:
    """Plot accuracy after each round beside pooled and alone."""
    pyplot = pyplot_of()
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    accuracies = [accuracy for accuracy, _ in comparison.rounds]
    axes.plot(range(1, len(accuracies) + 1), accuracies, label="federated", color="tab:blue")
    axes.axhline(comparison.pooled.accuracy, label="pooled", color="tab:green", linestyle="--")
    axes.axhline(comparison.alone.accuracy, label="alone, own tests", color="tab:orange", linestyle=":")
    axes.set(xlabel="round", ylabel="accuracy, mean over clients", title=title)
    axes.legend()
    save_plot(figure, path)


def plot_study(title: str, names: Sequence[str], curves: Sequence[Any], labels: Any, path: Path) -> None:
    """Plot accuracy after each round of every algorithm, and the labels that clients have."""
    pyplot = pyplot_of()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name, curve in zip(names, curves, strict=True):
        left.plot(range(1, len(curve) + 1), curve, label=name)
    left.set(xlabel="round", ylabel="accuracy", title=title)
    left.legend(fontsize="small")
    clients = range(1, len(labels) + 1)
    below = 0 * labels[:, 0]
    for label in range(labels.shape[1]):
        right.bar(clients, labels[:, label], bottom=below, width=0.9, label=str(label))
        below = below + labels[:, label]
    right.set(xlabel="client", ylabel="samples", title="samples of each label")
    right.legend(fontsize="x-small", ncols=2)
    save_plot(figure, path)


def plot_schedule(title: str, found: Sequence[Any], path: Path) -> None:
    """Plot rounds started and accuracy against availability."""
    pyplot = pyplot_of()
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    chances = [each.availability for each in found]
    axes.plot(chances, [each.started for each in found], marker="o", label="rounds started")
    axes.plot(chances, [each.accuracy for each in found], marker="s", label="accuracy")
    axes.set(xlabel="chance that a device is available", ylabel="part of 1", ylim=(0, 1.02), title=title)
    axes.legend()
    save_plot(figure, path)


def plot_sum(names: Sequence[str], vectors: Sequence[Sequence[float]], total: Any, path: Path) -> None:
    """Plot the parties' vectors beside the sum, all that is opened."""
    pyplot = pyplot_of()
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    width = 0.8 / (len(names) + 1)
    for at, (name, vector) in enumerate(zip([*names, "the sum"], [*vectors, total], strict=True)):
        places = [entry + at * width for entry in range(len(vector))]
        opened = at == len(names)
        style = {"color": "tab:green"} if opened else {"fill": False, "edgecolor": f"C{at % 10}"}
        axes.bar(
            places, vector, width=width, label=f"{name}, {'opened' if opened else 'never seen'}", **style
        )
    middle = 0.4 - width / 2
    axes.set_xticks([entry + middle for entry in range(len(total))], [str(n + 1) for n in range(len(total))])
    axes.set(xlabel="entry", title="what is opened, and what nobody sees")
    axes.legend(fontsize="small")
    save_plot(figure, path)


def plot_partitions(found: Sequence[Any], path: Path) -> None:
    """Plot samples and labels of each client for every way of dealing out."""
    pyplot = pyplot_of()
    figure, rows = pyplot.subplots(len(found), 2, figsize=(9, 1.6 * len(found)), layout="constrained")
    for each, (left, right) in zip(found, rows, strict=True):
        clients = range(1, len(each.samples) + 1)
        left.bar(clients, each.samples, color="tab:blue")
        left.set_ylabel(each.name.replace(", ", "\n"), fontsize="small")
        right.bar(clients, each.labels, color="tab:orange")
        right.set_ylim(0, 10)
    rows[0][0].set_title("samples of each client")
    rows[0][1].set_title("different labels of each client")
    save_plot(figure, path)
