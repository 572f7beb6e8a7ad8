"""`fedkeys audit`: whether a release keeps what was promised of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fedkeys.cli.console import many, print_json, print_table, tell
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
    SecureOption,
    SeedOption,
    TogetherOption,
    bounds_of,
    budget_of,
    given_of,
    together_of,
)
from fedkeys.cli.progress import progress


def command(
    context: typer.Context,
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="Directory of .txt files, .jsonl(.gz), chat export or nltk:NAME; default: the shipped phones.",
        ),
    ] = None,
    epsilon: EpsilonOption = None,
    dp_delta: DpDeltaOption = 1e-6,
    min_phones: MinPhonesOption = 2,
    order: OrderOption = 4,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    max_norm: MaxNormOption = None,
    canaries: Annotated[
        int,
        typer.Option("--canaries", min=1, max=100_000, help="How many canaries one phone has, in all."),
    ] = 1000,
    trials: Annotated[
        int,
        typer.Option(
            "--trials", min=100, help="With --epsilon: how often an attacker guesses who took part."
        ),
    ] = 4000,
    secure: SecureOption = False,
    together: TogetherOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Plant canaries among the phones of a corpus, release a model, and look what it tells of them.

    A canary is a sentence of five words on 1, 2, 4, ... 64 phones, each of which types it 1, 10 or 100 times
    and nothing
    else: of invented words, of common ones of which no two follow each other on any phone, or of which two do
    but no three. It is released if the model holds an n-gram that only its phones have, and extracted if who
    types its first two words is led to its end by three suggestions at each word; its exposure, in bits, says
    how far it stands out among sentences of the same kind that nobody typed, 1 to 2 for one that the model
    knows nothing of, 10 for the most probable. Phones that go beyond their bounds try to be believed.

    With --epsilon an attacker, who knows everything else, guesses again and again whether one phone took part; how
    often he is right gives an epsilon that the mechanism has at the least. An audit proves what it finds; it never
    proves that there is nothing more to find.

    The exit status is 4 if a promise is broken. The keys of --json are listed in the docstring of
    fedkeys.evaluate.Finding.as_dict: python -c "from fedkeys.evaluate import Finding; help(Finding.as_dict)".
    """
    import numpy as np

    from fedkeys.errors import PromiseError, UsageError
    from fedkeys.evaluate import Audit, audit
    from fedkeys.simulate import Plan
    from fedkeys.sources import open_corpus, shipped_corpus

    ignored = given_of(context, "trials", "dp_delta")
    if ignored and epsilon is None:
        raise UsageError(f"{', '.join(ignored)} without noise", remedy="add --epsilon")
    plan = Plan(
        min_phones=min_phones,
        order=order,
        bounds=bounds_of(max_ngrams, max_count, max_bytes, False, max_norm, epsilon is not None),
        budget=budget_of(epsilon, dp_delta, 1),
        together=together_of(secure, together),
    )
    source = open_corpus(corpus or Path(shipped_corpus()))
    with progress() as step:
        finding = audit(source, Audit(plan, canaries, trials=trials), np.random.default_rng(seed), step)
    found = finding.as_dict()
    if json:
        print_json(found)
    else:
        print_finding(found)
    if finding.broken:
        raise PromiseError(f"a promise is broken: {finding.broken[0]}")


def print_finding(found: Mapping[str, Any]) -> None:
    """Print what an audit found on stdout."""
    claimed = found["epsilon_claimed"]
    rule = (
        f"at least {many(found['min_phones'], 'phone')}" if claimed is None else f"an epsilon of {claimed:g}"
    )
    if claimed is not None and found["min_phones"] > 2:
        rule += f" and at least {many(found['min_phones'], 'phone')}"
    print_table(
        f"{many(found['canary_phones'], 'phone')} with canaries among {many(found['phones'], 'other')}; "
        f"released by {rule}",
        ("phones x times", "planted", "released", "extracted", "exposure, bits"),
        [_row(some) for some in _by_phones_and_repeats(found["canaries"])],
        dispensable=("exposure, bits", "planted"),
    )
    tell(_of_reach(found["canaries"]))
    if found["secure"]:
        tell(
            "Under masks nobody can hold a phone to its bounds, so that no promise is made of phones that lie."
        )
    for lies in found["lies"]:
        tell(
            f"Of {many(lies['told'], 'phone')} that lie about {lies['by']}, {lies['refused']:,} were refused, and "
            f"words of {lies['released']:,} released."
        )
    tell(_of_membership(found))
    claimed, provable = found["epsilon_claimed"], found["epsilon_provable"]
    if claimed is not None and provable <= claimed:
        tell(
            f"Guessing in so few trials could not refute an epsilon of {claimed:g}, whatever the noise: that "
            "rests on the noise that was measured. Give more --trials."
        )
    verdict = "Nothing that was promised was seen broken." if found["ok"] else "Broken:"
    tell("\n".join([verdict, *(f"- {sentence}" for sentence in found["broken"])]))


def _of_reach(entries: Sequence[Mapping[str, Any]]) -> str:
    """Say how many canaries of one phone could have been told but for the order of their words."""
    said: list[str] = []
    for kind in dict.fromkeys(entry["kind"] for entry in entries):
        alone = [entry for entry in entries if entry["kind"] == kind and entry["phones"] == 1]
        planted, in_reach = (sum(entry[name] for entry in alone) for name in ("planted", "in_reach"))
        said.append(f"{planted:,} of {kind}" + ("" if in_reach == planted else f" ({in_reach:,} in reach)"))
    return (
        f"On one phone there were canaries {', '.join(said)}. In reach are those whose parts the model holds, "
        "so that nothing but the whole was left to hide; of the others nothing could have been told."
    )


def _by_phones_and_repeats(entries: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Put the kinds together."""
    found: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for entry in entries:
        found.setdefault((entry["phones"], entry["repeats"]), []).append(entry)
    return list(found.values())


def _row(some: Sequence[Mapping[str, Any]]) -> list[str]:
    planted = sum(entry["planted"] for entry in some)
    exposure = sum(entry["exposure"] * entry["planted"] for entry in some) / planted
    return [
        f"{some[0]['phones']} x {some[0]['repeats']}",
        f"{planted:,}",
        *(f"{sum(entry[name] for entry in some):,}" for name in ("released", "extracted")),
        f"{exposure:.1f}",
    ]


def _of_membership(found: Mapping[str, Any]) -> str:
    seen = found["membership"]
    if seen["bound"] is None:
        if not seen["advantage"]:
            return "This attack did not tell from a model whether a phone took part."
        return (
            "Who knows what all other phones have said can tell from such a model whether the last of those that "
            "it takes took part: at least K phones is no promise against that."
        )
    return (
        f"In {many(seen['trials'], 'trial')} a phone's taking part was told with a measured advantage of "
        f"{seen['advantage']:.3f} (epsilon allows {seen['bound']:.3f}), so epsilon is at least "
        f"{found['epsilon_lower_bound']:.2f}, and {found['epsilon_claimed']:g} is claimed; so many trials can "
        f"prove {found['epsilon_provable']:.1f} at the most. One phone moves sums by at least "
        f"{seen['mu_lower_bound']:.2f} standard deviations of the noise, and may by {seen['mu_claimed']:.2f}. "
        f"Each of these bounds holds with a confidence of {100 * seen['confidence']:g} %. The noise itself was "
        f"measured: {seen['noise']:.3f} lengths of what one phone can add, where {seen['noise_claimed']:.3f} was "
        "promised."
    )
