"""`fedkeys evaluate`: how good the suggestions are on text that the model has not seen."""

from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import many, narrate, print_json, warn_of_nothing
from fedkeys.cli.evaluate_report import print_report
from fedkeys.cli.files import existing
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
    SeedOption,
    UnboundedOption,
    bounds_of,
    budget_of,
    given_of,
)
from fedkeys.cli.plots import PlotOption
from fedkeys.cli.progress import progress
from fedkeys.cli.public_words import public_prior

_OF_MAKING_A_MODEL = (
    *("train_on", "new_users", "curves", "min_phones", "order"),
    *("max_ngrams", "max_count", "max_bytes", "unbounded", "max_norm", "epsilon", "dp_delta"),
)


def command(
    context: typer.Context,
    corpus: Annotated[
        str,
        typer.Argument(
            help="Directory of .txt files, .jsonl(.gz), chat export or nltk:NAME.", show_default=False
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            help="Model to evaluate; default: one made of the first parts. Figures are too high for one that was "
            "made of the messages that are replayed; and for one without a mix on ubuntu_irc, on which that was "
            "trained which comes with fedkeys.",
        ),
    ] = None,
    train_on: Annotated[
        str | None,
        typer.Option(
            "--train-on",
            metavar="CORPUS",
            help="Another corpus, whose first parts make the model and whose last parts train the mix; "
            "users of a name that is replayed are left out of it.",
        ),
    ] = None,
    split: Annotated[float, typer.Option("--split", help="Part of each user's messages that trains.")] = 0.8,
    users: Annotated[int | None, typer.Option("--users", min=1, help="Replay only so many users.")] = None,
    min_words: Annotated[
        int, typer.Option("--min-words", min=0, help="Replay only users with so many words.")
    ] = 0,
    new_users: Annotated[
        int,
        typer.Option(
            "--new-users", min=0, help="Keep so many users' messages from the model; replay them too."
        ),
    ] = 0,
    no_personal: Annotated[bool, typer.Option("--no-personal", help="The keyboard learns nothing.")] = False,
    no_mix: Annotated[bool, typer.Option("--no-mix", help="What is known is weighed by hand.")] = False,
    no_prior: Annotated[bool, typer.Option("--no-prior", help="Without public words.")] = False,
    adapt: Annotated[bool, typer.Option("--adapt", help="Each keyboard goes on learning its mix.")] = False,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Offer words again that were passed over by typing on.")
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="More baselines: stupid back-off; KenLM and nltk.lm, whichever is installed, on a sample.",
        ),
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", min=1, metavar="WORDS", help="About how many words that sample has.")
    ] = 300,
    curves: Annotated[
        bool,
        typer.Option("--curves", help="Recall against the number of phones, and against messages typed."),
    ] = False,
    min_phones: MinPhonesOption = 2,
    order: OrderOption = 4,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    unbounded: UnboundedOption = False,
    max_norm: MaxNormOption = None,
    epsilon: EpsilonOption = None,
    dp_delta: DpDeltaOption = 1e-6,
    seed: SeedOption = 0,
    json: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Replay each user's last messages, in time order, against a model made of everybody's first ones.

    Words are runs of the letters a to z in lower case, with apostrophes inside; recall is read before the
    first letter; keystroke savings are 1 - keys / characters with three slots, read before the first letter and
    after each letter but the last.
    Users with fewer than 10 messages only train. The keys of --json are listed in the docstring of
    fedkeys.evaluate.Report.as_dict: python -c "from fedkeys.evaluate import Report; help(Report.as_dict)".

    With --epsilon nobody trains a mix, since no noise hides what they would say of it: keyboards have that which
    comes with fedkeys, trained on ubuntu_irc. Each point of --curves is a fleet, with a budget, of its own.

    --curves replays up to 60 users, about 200 words of each at a point, of whom the model has seen nothing:
    after the first part of their messages, with models of ever more phones; and from their first message on, with
    the model of the most phones.
    """
    import numpy as np

    from fedkeys.evaluate import Evaluation, evaluate
    from fedkeys.model import Model
    from fedkeys.simulate import Plan
    from fedkeys.simulate.lesson import FEWEST_TRAINING
    from fedkeys.sources import open_corpus

    _check_options(context)
    bounds = bounds_of(max_ngrams, max_count, max_bytes, unbounded, max_norm, epsilon is not None)
    evaluation = Evaluation(
        split,
        users,
        min_words,
        new_users,
        personal=not no_personal,
        mix=not no_mix,
        adapts=adapt,
        repeats=repeat,
        baselines=baselines,
        sample=sample,
        curves=curves,
        plan=Plan(min_phones=min_phones, order=order, bounds=bounds, budget=budget_of(epsilon, dp_delta, 1)),
    )
    prior = None if no_prior else public_prior()
    given = Model.load(existing(model)) if model else None
    others = open_corpus(train_on) if train_on else None
    with progress() as step:
        report = evaluate(
            open_corpus(corpus), evaluation, np.random.default_rng(seed), given, prior, step, others
        )
    figures = report.as_dict(np.random.default_rng(seed))
    for sentence in report.missing.values():
        narrate(sentence)
    if given is None and not no_mix and report.mix_phones == 0:
        narrate(
            "the keyboard weighs what is known by hand: a mix is trained by other users than those it is for, "
            f"{FEWEST_TRAINING} or more"
        )
    if given is None:
        warn_of_nothing(report.model, min_phones)
    if report.left_out:
        narrate(f"left out of what trains, since they are replayed: {many(report.left_out, 'user')}")
    if json:
        print_json(figures)
    else:
        print_report(figures)
    if plot is not None:  # last, so that figures are out whatever becomes of it
        from fedkeys.cli.evaluate_plots import plot_report

        plot_report(report, figures, plot)


def _check_options(context: typer.Context) -> None:
    """Refuse options of which one would change nothing.

    Raises:
        UsageError: there are some.
    """
    from fedkeys.errors import UsageError

    ignored = given_of(context, *_OF_MAKING_A_MODEL)
    if ignored and given_of(context, "model"):
        raise UsageError(
            f"a model that is made already, and {', '.join(ignored)} to make one",
            remedy="leave out --model or the others",
        )
    if given_of(context, "adapt") and given_of(context, "no_personal"):
        raise UsageError(
            "a keyboard that learns nothing, and --adapt", remedy="leave out --no-personal or --adapt"
        )
    if given_of(context, "adapt") and given_of(context, "no_mix"):
        raise UsageError(
            "what is known is weighed by hand, and --adapt would learn it",
            remedy="leave out --no-mix or --adapt",
        )
    if given_of(context, "sample") and not given_of(context, "baselines"):
        raise UsageError("--sample is for slow baselines, and none is asked", remedy="add --baselines")
