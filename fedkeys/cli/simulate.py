"""`fedkeys simulate`: a whole federation on one machine."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli.console import (
    many,
    narrate,
    print_json,
    print_table,
    released,
    size,
    tell,
    warn_of_nothing,
    warn_of_promise,
)
from fedkeys.cli.files import check_output, check_writable
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
from fedkeys.cli.progress import Step, figures_of, progress
from fedkeys.cli.public_words import public_prior

if TYPE_CHECKING:
    from fedkeys.aggregator import Merged
    from fedkeys.simulate import Lesson, Plan, Round

# Columns that a narrow terminal does without, the first to go first.
_DISPENSABLE = (
    *("median", "seconds", "messages", "available", "known", "model", "n-grams", "late", "lost", "refused"),
    *("failed", "spent", "sent", "words"),
)


def command(
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="Directory of .txt files, .jsonl(.gz), chat export or nltk:NAME; default: the shipped phones."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many rounds.")] = 1,
    cohort: Annotated[
        str, typer.Option("--cohort", help="Phones sampled for a round: a number, or all.")
    ] = "all",
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
    min_available: Annotated[
        int,
        typer.Option("--min-available", min=1, help="A round starts with so many phones in reach, or not."),
    ] = 1,
    available: Annotated[
        float,
        typer.Option("--available", help="Chance that a phone is in reach when a round begins."),
    ] = 1.0,
    dropout: Annotated[
        float,
        typer.Option("--dropout", help="Chance that a phone that was asked is lost on the way."),
    ] = 0.0,
    deadline: Annotated[
        float | None,
        typer.Option("--deadline", help="Seconds after which an upload is too late; half take 30 or more."),
    ] = None,
    secure: SecureOption = False,
    together: TogetherOption = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            "--transcript",
            metavar="DIR",
            help="With --secure: keep what one phone sends and is told, for fedkeys inspect.",
        ),
    ] = None,
    mix: Annotated[
        bool,
        typer.Option(
            "--mix",
            help="Train the mix too, federated: each phone on the last fifth of its messages, which a further "
            "round counts.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File for the last round's model.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Directory that keeps what each round reached.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the rounds that --checkpoint holds.")
    ] = False,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Federate a corpus: ask phones, collect what is new, merge, release, and again.

    Each phone's messages are split in time over the rounds; from the second round on phones write against the
    vocabulary released before. A phone that is out of reach, lost or late sends what it has when it is next
    asked.

    With --mix the model brings weights that phones have trained on messages which it had not seen; other phones
    check that they predict better with them than with those that come with fedkeys, which stay if not.

    With --epsilon each round's model tells noisy votes, and only of what many phones have; the noise is the
    operating system's, so that no seed repeats it, and no --checkpoint goes with it.

    With --secure the same models come of sums under masks: phones are added up, --together of them, so that the
    aggregator sees no delta. A third of a sum's phones may be lost at any step. It is slower, and sends much
    more: a phone sends as many cells as all phones of its sum have n-grams. Nobody can hold phones to their
    bounds then, and no --checkpoint goes with it.

    With --checkpoint a run that was stopped goes on with --resume, and gives the same models as one that was
    not.
    """
    from fedkeys.errors import PartialError, UsageError
    from fedkeys.simulate import MixPlan, Plan
    from fedkeys.sources import shipped_corpus

    if resume and checkpoint is None:
        raise UsageError("--resume needs to know where the rounds are", remedy="name it with --checkpoint")
    if transcript is not None and not secure:
        raise UsageError("--transcript is of sums under masks", remedy="add --secure, or leave it out")
    plan = Plan(
        rounds=rounds,
        cohort=_cohort(cohort),
        min_phones=min_phones,
        order=order,
        bounds=bounds_of(max_ngrams, max_count, max_bytes, unbounded, max_norm, epsilon is not None),
        min_available=min_available,
        available=available,
        dropout=dropout,
        deadline=deadline,
        prune=prune,
        mix=MixPlan() if mix else None,
        budget=budget_of(epsilon, dp_delta, rounds),
        together=together_of(secure, together),
    )
    spec = str(corpus or shipped_corpus())
    if out is not None:
        check_output(out, None, [Path(spec), *Path(spec).glob("*.txt")])
        check_writable(out)
    keep = _keeping(transcript) if transcript else None
    history, lesson = run(spec, plan, seed, checkpoint, resume, keep)
    if transcript is not None:
        narrate(f"what one phone has sent and was told is in {transcript}, for fedkeys inspect")
    if not history:
        raise UsageError("all rounds are done", file=checkpoint, remedy="its models are in it")
    model = history[-1].model
    if out and model:
        model.save(out)
        narrate(f"model of round {history[-1].number} in {out}")
    if json:
        taught = {"mix": of_lesson(lesson) if lesson else None} if mix else {}
        print_json({"rounds": [as_dict(round_) for round_ in history], **taught})
    else:
        print_report(history, plan)
        if lesson:
            print_lesson(lesson)
    for round_ in history:
        if round_.failure:
            narrate(
                f"round {round_.number}: of {many(round_.failed + round_.spent, 'phone')} nothing was merged: "
                f"{round_.failure}"
            )
    if model is None:
        raise PartialError(
            "no round started, so there is no model", remedy="lower --min-available, or raise --available"
        )
    warn_of_nothing(model, min_phones)
    warn_of_promise(model)
    if mix and lesson is None:
        raise PartialError(
            "no mix was trained: it takes two phones that have held messages back, of 10 or more each",
            remedy="bring a larger corpus, or leave out --mix",
        )


def run(
    corpus: str,
    plan: "Plan",
    seed: int,
    checkpoint: Path | None = None,
    resume: bool = False,
    on_message: Callable[[bytes], None] | None = None,
) -> "tuple[list[Round], Lesson | None]":
    """Run a federation with progress on stderr; give its rounds, and what came of training the mix."""
    import numpy as np

    from fedkeys.simulate import Federation
    from fedkeys.sources import open_corpus

    source = open_corpus(corpus)
    with progress() as step:
        source.names(lambda part: step("reading", part))
        prior = public_prior() if plan.mix else None
        keep = on_message or (lambda _: None)
        federation = Federation(source, plan, np.random.default_rng(seed), checkpoint, resume, prior, keep)
        done: list[Round] = []
        before = federation.aggregator.round
        try:
            for round_ in federation.run(_counting(step, federation.aggregator.merged), step):
                done.append(round_)
        except KeyboardInterrupt:
            if checkpoint is not None:
                last = done[-1].number if done else before
                narrate(f"{last} of {plan.all_rounds} rounds are done; go on with --resume")
            raise
        return done, federation.lesson


def _keeping(directory: Path) -> Callable[[bytes], None]:
    """Give what writes the messages of the first sum down, one a file."""
    from fedkeys.delta.secure import SecureMessage

    directory.mkdir(parents=True, exist_ok=True)
    runs: list[bytes] = []

    def keep(data: bytes) -> None:
        message = SecureMessage.from_bytes(data)
        runs[1:] = []
        runs.append(message.run)
        if message.run == runs[0]:
            name = message.step.name.lower().replace("_", "-")
            (directory / f"{int(message.step)}-{name}.secure").write_bytes(data)

    return keep


def _counting(step: Step, merged: "Merged") -> Callable[[int, float], None]:
    """Give what shows how far a round is, from the parts that it is told phone by phone."""
    begin = time.monotonic()
    done = 0

    def count(number: int, part: float) -> None:
        nonlocal done
        done += 1
        if not done % 16 or part == 1.0:
            step(f"round {number}", part, figures_of(merged, begin, merged.bytes))
        if part == 1.0:
            step(f"round {number}: releasing", None)

    return count


def as_dict(round_: "Round") -> dict[str, Any]:
    """Give the account of a round for `--json`."""
    import numpy as np

    return {
        "round": round_.number,
        "started": round_.started,
        "phones": round_.phones,
        "available": round_.available,
        "sampled": round_.sampled,
        "lost": round_.lost,
        "late": round_.late,
        "known": round_.known,
        "refused": round_.refused,
        "failed": round_.failed,
        "spent": round_.spent,
        "deltas": round_.deltas,
        "messages": round_.messages,
        "bytes_up": int(round_.bytes_up.sum()),
        "bytes_up_median": float(np.median(round_.bytes_up)) if len(round_.bytes_up) else 0.0,
        "bytes_down": round_.bytes_down,
        "ngrams": round_.model.ngrams if round_.model else [],
        "payload": round_.model.payload_digest.hex() if round_.model else None,
        "epsilon": round_.model.header["epsilon"] if round_.model else None,
        "dp_delta": round_.model.header["dp_delta"] if round_.model else None,
        "seconds": round(round_.seconds, 3),
    }


def print_report(history: "Sequence[Round]", plan: "Plan") -> None:
    """Print a table of the rounds on stdout."""
    accounts = [as_dict(round_) for round_ in history]
    trouble = [
        name
        for name in ("available", "lost", "late", "known", "refused", "failed", "spent")
        if any(account[name] != (account["phones"] if name == "available" else 0) for account in accounts)
    ]
    bounds, budget = plan.bounds, plan.budget
    print_table(
        f"{many(accounts[0]['phones'], 'phone')}, released: "
        + (
            f"noisy votes, epsilon {budget.epsilon:g} in all"
            if budget
            else f"what at least {plan.min_phones} of them have sent"
        )
        + ("; " if plan.prune is None else f", pruned to {many(plan.prune, 'n-gram')}; ")
        + (f"of each at most {bounds.max_ngrams:,} n-grams" if bounds else "no bounds on what one may send")
        + ("" if plan.together is None else f"; seen: sums of about {plan.together:,}"),
        (
            *("round", *trouble, "asked", "deltas", "messages", "sent", "median"),
            *("model", "words", "n-grams", "seconds"),
        ),
        [
            (
                str(account["round"]),
                *(f"{account[name]:,}" for name in trouble),
                f"{account['sampled']:,}" if account["started"] else "not started",
                f"{account['deltas']:,}",
                f"{account['messages']:,}",
                size(account["bytes_up"]),
                size(account["bytes_up_median"]),
                size(account["bytes_down"]),
                *released(account["ngrams"]),
                f"{account['seconds']:.1f}",
            )
            for account in accounts
        ],
        dispensable=_DISPENSABLE,
    )


def of_lesson(lesson: "Lesson") -> dict[str, Any]:
    """Give the account of training the mix for `--json`."""
    from fedkeys.simulate.lesson import MIX_BYTES

    return {
        "phones": lesson.phones,
        "checking": lesson.checking,
        "rounds": lesson.rounds,
        "bytes_each_way": MIX_BYTES,
        "loss_before": round(lesson.loss_before, 4),
        "loss_after": round(lesson.loss_after, 4),
        "better": lesson.better,
    }


def print_lesson(lesson: "Lesson") -> None:
    """Say what came of training the mix on stdout."""
    from fedkeys.simulate.lesson import FEWEST_CHECKING, FEWEST_TRAINING, MIX_BYTES

    came = "so the model brings it" if lesson.better else "so the mix that comes with fedkeys stays"
    if not lesson.enough:
        came = (
            "but the mix that comes with fedkeys stays, since it takes "
            f"{FEWEST_TRAINING} phones to train one and {FEWEST_CHECKING} to check it"
        )
    tell(
        f"The mix was trained by {many(lesson.phones, 'phone')} in {many(lesson.rounds, 'round')}, "
        f"{size(MIX_BYTES)} to a phone and from it in each that it took part in. On "
        f"{many(lesson.checking, 'phone')} that did not train, the loss was {lesson.loss_before:.4f} with the mix "
        f"that comes with fedkeys and is {lesson.loss_after:.4f} with the trained one, {came}."
    )


def _cohort(text: str) -> int | None:
    from fedkeys.errors import UsageError

    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--cohort {text!r} is neither a number from 1 up nor all")
    return int(text)
