"""`fedkeys bench`: measure on this machine what the design promises."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from fedkeys.cli.capacity import capacity
from fedkeys.cli.console import many, peak_memory, print_json, print_table, short, size
from fedkeys.cli.options import (
    DpDeltaOption,
    JsonOption,
    MaxBytesOption,
    MaxCountOption,
    MaxNgramsOption,
    MaxNormOption,
    MemoryOption,
    MinPhonesOption,
    OrderOption,
    SeedOption,
    bounds_of,
    bytes_of,
)
from fedkeys.cli.plots import PlotOption
from fedkeys.cli.progress import adding_up, progress
from fedkeys.cli.public_words import public_prior

app = typer.Typer(no_args_is_help=True, help="Measure on this machine what the design promises.")
app.command()(capacity)


@app.command()
def aggregate(
    phones: Annotated[int, typer.Option("--phones", min=1, help="How many phones send a delta.")] = 10_000,
    ngrams: Annotated[
        int, typer.Option("--ngrams", min=1, help="How many n-grams one has, on average.")
    ] = 300,
    min_phones: MinPhonesOption = 2,
    memory: MemoryOption = "1G",
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Generate a fleet, merge its deltas and release a model.

    The phones do not exist: their words and n-grams are as common as those of real chat. Their deltas go through a
    log in a temporary directory, where the sums go too if they outgrow the memory.
    """
    from fedkeys.simulate import Fleet

    fleet = Fleet(phones, ngrams, seed)
    with TemporaryDirectory(prefix="fedkeys-bench-") as scratch:
        report = _measured(fleet, Path(scratch), min_phones, bytes_of(memory))
    if json:
        print_json(report)
        return
    print_table(
        f"{many(report['phones'], 'phone')}, {report['rows']:,} n-grams sent, "
        f"{report['rows'] / phones:.0f} a phone",
        ["", "seconds", "n-grams/s"],
        [
            [name, f"{report[name + '_seconds']:.1f}", f"{report['rows'] / report[name + '_seconds']:,.0f}"]
            for name in ("generation", "merge", "release")
        ],
    )
    typer.echo(
        f"{size(report['bytes'])} of deltas, {size(report['bytes'] / phones)} a phone; "
        f"{report['words']:,} words and {report['ngrams']:,} n-grams released; "
        f"{size(report['peak_memory_bytes'])} of memory at the most, {size(report['start_memory_bytes'])} "
        "of it before the first delta"
    )


@app.command()
def privacy(
    corpus: Annotated[
        str,
        typer.Argument(
            help="Directory of .txt files, .jsonl(.gz), chat export or nltk:NAME.", show_default=False
        ),
    ],
    epsilons: Annotated[
        str, typer.Option("--epsilons", help="Those that are compared, with commas between.")
    ] = "10,4,2,1",
    dp_delta: DpDeltaOption = 1e-6,
    users: Annotated[
        int, typer.Option("--users", min=1, help="Replay so many users whose first messages the fleets hold.")
    ] = 100,
    new_users: Annotated[
        int, typer.Option("--new-users", min=1, help="Replay so many of whom they hold nothing.")
    ] = 100,
    order: OrderOption = 4,
    min_phones: MinPhonesOption = 2,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    max_norm: MaxNormOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Measure what a private release costs: recall and savings against epsilon and the size of the fleet.

    Fleets of 1/64, 1/16, 1/4 and all of the phones release counts of at least --min-phones, and models under each
    epsilon; all keyboards replay the same messages, as in fedkeys evaluate, with public words and without, and
    with the mix that comes with fedkeys. A gain is what a release gives beside none, to the same users.
    """
    import numpy as np

    from fedkeys.cli.privacy_costs import plot_costs, print_costs
    from fedkeys.evaluate.privacy_costs import PrivacyCosts, privacy_costs, worth_from
    from fedkeys.sources import open_corpus

    bounds = bounds_of(max_ngrams, max_count, max_bytes, False, max_norm, private=True)
    assert bounds is not None
    asked = PrivacyCosts(bounds, _numbers(epsilons), dp_delta, min_phones, order, users, new_users)
    source = open_corpus(corpus)
    with progress() as step:
        found = privacy_costs(source, asked, public_prior(), np.random.default_rng(seed), step)
    nothing = {point.prior: point for point in found if not point.phones}
    points = [point.as_dict(np.random.default_rng(seed), nothing[point.prior]) for point in found]
    worth = {name: worth_from(points, name) for name in ("known", "new")}
    if json:
        print_json({"points": points, "worth_from": worth})
    else:
        print_costs(points, worth)
    if plot is not None:
        plot_costs(points, plot)


def _numbers(text: str) -> list[float]:
    from fedkeys.errors import UsageError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--epsilons {text!r}", remedy="write numbers with commas between: 10,4,1") from None


def _measured(fleet: Any, scratch: Path, min_phones: int, memory: int) -> dict[str, Any]:
    from fedkeys.aggregator import Aggregator, available_cores, merge_files

    log = scratch / "fleet.deltas"
    with progress() as step:
        begin = time.perf_counter()
        rows = fleet.write(
            log, lambda done: step("generating", done / fleet.phones, [f"{short(done):>7} deltas"])
        )
        generated = time.perf_counter()
        in_all = log.stat().st_size
        aggregator = Aggregator(
            fleet.federation, [fleet.base], memory, bounds=fleet.bounds, cores=available_cores()
        )
        before = peak_memory()
        begin_merge = time.perf_counter()
        intake = merge_files(
            aggregator, [log], on_bytes=adding_up(step, "merging", in_all, aggregator.merged)
        )
        aggregator.settle()
        merged = time.perf_counter()
        helpers = _helpers_memory()
        peak = peak_memory() + helpers
        step("releasing", None)
        model = aggregator.release(min_phones)
        released = time.perf_counter()
    return {
        "phones": intake.merged,
        "rows": rows,
        "bytes": in_all,
        "generation_seconds": generated - begin,
        "merge_seconds": merged - begin_merge,
        "release_seconds": released - merged,
        "start_memory_bytes": before,
        "merge_peak_memory_bytes": peak,
        "peak_memory_bytes": max(peak, peak_memory() + helpers),
        "min_phones": min_phones,
        "memory": memory,
        "words": model.ngrams[0],
        "ngrams": sum(model.ngrams[1:]),
        "payload": model.payload_digest.hex(),
    }


def _helpers_memory() -> int:
    """Bytes of memory that processes which help this one held at most; 0 where the system does not say."""
    from multiprocessing import active_children

    held = 0
    for process in active_children():
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue
        held += sum(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return held
