"""`fedkeys flower`: the same federation on Flower."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli import flower_numeric
from fedkeys.cli.console import many, narrate, print_json
from fedkeys.cli.files import check_output, check_writable
from fedkeys.cli.flower_report import judge, print_report
from fedkeys.cli.flower_run import KeepOption, SimulationOption, place_of, rounds_made
from fedkeys.cli.options import (
    DpDeltaOption,
    EpsilonOption,
    JsonOption,
    MaxBytesOption,
    MaxCountOption,
    MaxNgramsOption,
    MaxNormOption,
    MinPhonesOption,
    OrderOption,
    PruneOption,
    SecureOption,
    SeedOption,
    TogetherOption,
    UnboundedOption,
    bounds_of,
    budget_of,
    together_of,
)
from fedkeys.cli.progress import progress

if TYPE_CHECKING:
    from fedkeys.delta import Bounds

app = typer.Typer(
    help="The same federation on Flower: on a whole deployment on loopback, or simulated. Needs the extra flower.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

app.command("classifier")(flower_numeric.classifier)
app.command("hospitals")(flower_numeric.hospitals)

_DEFAULT_NODES = 5


@app.command("app")
def app_() -> None:
    """Print where the Flower app is, for flwr run and flwr build on a federation of your own."""
    from fedkeys.engines.flower import APP

    typer.echo(APP)


@app.command()
def keyboard(
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="Directory of .txt files, .jsonl(.gz), chat export or nltk:NAME.", show_default="shipped"
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes",
            min=2,
            help="How many phones take part, the first ones of the corpus by name; with --secure 15 or more.",
            show_default=f"{_DEFAULT_NODES}; all with --simulation",
        ),
    ] = None,
    simulation: SimulationOption = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many rounds.")] = 1,
    cohort: Annotated[
        int | None, typer.Option("--cohort", min=1, help="Phones asked in a round.", show_default="all")
    ] = None,
    min_phones: MinPhonesOption = 2,
    prune: PruneOption = None,
    order: OrderOption = 4,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    unbounded: UnboundedOption = False,
    max_norm: MaxNormOption = None,
    epsilon: EpsilonOption = None,
    dp_delta: DpDeltaOption = 1e-6,
    deadline: Annotated[
        float, typer.Option("--deadline", min=1.0, help="Seconds after which an upload is too late.")
    ] = 600.0,
    secure: SecureOption = False,
    together: TogetherOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="File for the last round's model.")] = None,
    keep: KeepOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Run the keyboard's federation on Flower, everything on this machine.

    Without --simulation a SuperLink and a SuperNode a phone are started on 127.0.0.1, with TLS and registered
    keys; each node reads its own texts, and only messages of this fedkeys cross. At the end all of it is stopped.
    The phones' messages are spread over the rounds, and the model is that of fedkeys simulate on the same phones.
    """
    from fedkeys.engines.flower import check_installed
    from fedkeys.errors import UsageError
    from fedkeys.model import Model
    from fedkeys.simulate import measuring_sums
    from fedkeys.sources import open_corpus, shipped_corpus

    check_installed()
    if secure:
        measuring_sums.check_installed()
    spec = str(corpus or shipped_corpus())
    if out is not None:
        check_output(out, None, [Path(spec), *Path(spec).glob("*.txt")])
        check_writable(out)
    there = len(open_corpus(spec).names())
    wanted = nodes or (there if simulation else min(there, _DEFAULT_NODES))
    if wanted > there:
        raise UsageError(
            f"{wanted} nodes, where the corpus has {many(there, 'phone')}", remedy="ask for fewer"
        )
    _check_enough(wanted, min(wanted, cohort or wanted), min_phones, secure)
    bounds = bounds_of(max_ngrams, max_count, max_bytes, unbounded, max_norm, epsilon is not None)
    sums, budget = together_of(secure, together), budget_of(epsilon, dp_delta, rounds)
    if budget is not None:
        budget.event()  # prices it, or says what is missing for that
    settings: dict[str, bool | int | float | str] = {
        "rounds": rounds,
        "cohort": cohort or 0,
        "min-phones": min_phones,
        "min-available": wanted,
        "wait": 120.0,
        "deadline": deadline,
        "order": order,
        **_bounds_as_settings(bounds),
        "epsilon": epsilon or 0.0,
        "dp-delta": dp_delta,
        "prune": -1 if prune is None else prune,
        "together": sums or 0,
        "seed": seed,
    }
    own = {**_bounds_as_settings(bounds), "unbounded": bounds is None, "spread": True, "least-messages": 1}
    with place_of(keep) as place, progress() as step:
        accounts = _run(
            place,
            Path(spec).resolve() if Path(spec).exists() else spec,
            wanted,
            simulation,
            settings,
            own,
            step,
        )
        released = [account["round"] for account in accounts if account["payload"]]
        model = Model.load(place / "server" / f"{released[-1]}.model") if released else None
    if model is not None and out is not None:
        model.save(out)
        narrate(f"model of round {released[-1]} in {out}")
    if json:
        print_json({"rounds": accounts})
    else:
        print_report(accounts, wanted)
    for account in accounts:
        for why in account["failures"]:
            narrate(f"round {account['round']}: {why}")
    judge(accounts, model, min_phones)


def _check_enough(nodes: int, asked: int, min_phones: int, secure: bool) -> None:
    """Refuse what so many phones are too few for.

    Raises:
        UsageError: nothing could be added up, or told.
    """
    from fedkeys.delta.secure import LEAST_TOGETHER
    from fedkeys.errors import UsageError

    if secure and asked < LEAST_TOGETHER:
        raise UsageError(
            f"sums under masks want {LEAST_TOGETHER} phones or more, and a round would ask {asked}",
            remedy=f"give --nodes {LEAST_TOGETHER} or more, and no smaller --cohort",
        )
    if min_phones > nodes:
        raise UsageError(
            f"a release would tell what at least {min_phones:,} phones have sent, and {nodes:,} take part",
            remedy="give more --nodes, or lower --min-phones",
        )


def _run(
    place: Path,
    corpus: Path | str,
    nodes: int,
    simulation: bool,
    settings: Mapping[str, bool | int | float | str],
    own: Mapping[str, bool | int | float | str],
    step: Any,
) -> list[dict[str, Any]]:
    """Have phones on loopback make their rounds, and give the account of them.

    Raises:
        UsageError: what is kept is for something else, or all rounds are made.
        FedkeysError: they fail.
    """
    from json import dumps

    from fedkeys.engines.flower.node import SETTINGS_VARIABLE
    from fedkeys.engines.flower.purpose import check_purpose, write_purpose
    from fedkeys.engines.flower.settings import RoundPlan, run_config

    homes, known = [place / "nodes" / str(at) for at in range(nodes)], place / "enrolled"
    own = {**own, "corpus": str(corpus)}
    if settings["together"]:
        settings = {**settings, "enrolled": str(known)}
        own |= {"known": str(known)}
    # Before anything is started, which takes half a minute.
    plan = RoundPlan.read(run_config({**settings, "keep": str(place / "server")}))
    check_purpose(place, {"corpus": str(corpus)})
    plan.check_kept()
    write_purpose(place, {"corpus": str(corpus)})
    if settings["together"]:
        _enrol(homes, known)
    each = [{**own, "keep": str(home)} for home in homes]
    variables = {SETTINGS_VARIABLE: dumps({**own, "keep": str(place / "nodes")})}
    return rounds_made(place, each, variables if simulation else None, settings, step)


def _enrol(homes: Sequence[Path], known: Path) -> None:
    """Draw a key for each phone that has none, and put the public half where all look for it."""
    from fedkeys.cli.enroll import key_in
    from fedkeys.container import write_atomically
    from fedkeys.engines.flower.node import KEY_FILE

    for home in homes:
        key, _ = key_in(home / KEY_FILE)
        write_atomically(known / f"{key.public.fingerprint}.pub", key.public.to_pem())


def _bounds_as_settings(bounds: "Bounds | None") -> dict[str, bool | int | float | str]:
    if bounds is None:
        return {"bounded": False}
    return {
        "bounded": True,
        "max-ngrams": bounds.max_ngrams,
        "max-count": bounds.max_count,
        "max-bytes": bounds.max_bytes,
        "max-norm": bounds.max_norm or 0,
    }
