"""Options that several commands have, and what is read from them."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fedkeys.aggregator import Budget
    from fedkeys.delta import Bounds

OrderOption = Annotated[int, typer.Option("--order", min=2, max=4, help="Highest order of n-grams.")]

MinPhonesOption = Annotated[
    int,
    typer.Option("--min-phones", min=1, max=1 << 31, help="Release only what so many phones have sent."),
]

PruneOption = Annotated[
    int | None,
    typer.Option(
        "--prune",
        metavar="N",
        min=0,
        help="Keep so many n-grams of two words or more in the model, those it would change most without. "
        "Words stay. --max-ngrams is what one phone may send.",
    ),
]

FederationOption = Annotated[str, typer.Option("--federation", help="Name of the federation.")]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]

SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn at random.")]

MemoryOption = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="About how much memory sums may take before they go to disk: 512M, 2G.",
    ),
]

# Those of fedkeys.delta.DEFAULT_BOUNDS, which a test holds against these: importing it takes numpy.
DEFAULT_MAX_NGRAMS, DEFAULT_MAX_COUNT, DEFAULT_MAX_BYTES = 2000, 16, 5000

MaxNgramsOption = Annotated[
    int | None,
    typer.Option(
        "--max-ngrams",
        min=1,
        show_default=f"{DEFAULT_MAX_NGRAMS}",
        help="The most n-grams and written forms of one phone, in its life.",
    ),
]

MaxCountOption = Annotated[
    int | None,
    typer.Option(
        "--max-count",
        min=1,
        show_default=f"{DEFAULT_MAX_COUNT}",
        help="The most that one phone can add to one count, in its life.",
    ),
]

MaxBytesOption = Annotated[
    int | None,
    typer.Option(
        "--max-bytes", min=512, show_default=f"{DEFAULT_MAX_BYTES}", help="The most bytes of one delta."
    ),
]

UnboundedOption = Annotated[
    bool, typer.Option("--unbounded", help="No bounds on what one phone may contribute.")
]

# One vote is no more than an eighth of a phone's length, that of a phone with 64 n-grams.
DEFAULT_MAX_NORM, _VOTES_AT_LEAST = 4096, 8

EpsilonOption = Annotated[
    float | None,
    typer.Option(
        "--epsilon",
        help="Release under differential privacy: what all releases may cost one phone, for all that it ever "
        "sends. Phones must vote (--max-norm), and the extra privacy is needed.",
    ),
]
DpDeltaOption = Annotated[
    float,
    typer.Option(
        "--dp-delta", help="Delta of differential privacy; well below one in as many as there are phones."
    ),
]
MaxNormOption = Annotated[
    int | None,
    typer.Option(
        "--max-norm",
        min=1,
        max=1 << 24,
        metavar="LENGTH",
        show_default=f"none; {DEFAULT_MAX_NORM} with --epsilon",
        help="Phones send votes instead of counts, all together no longer than this; --max-count is then an "
        f"{_VOTES_AT_LEAST}th of it.",
    ),
]

DEFAULT_TOGETHER = 200

SecureOption = Annotated[
    bool,
    typer.Option(
        "--secure",
        help="Secure aggregation: the aggregator sees sums of phones, and of none alone. Needs the extra privacy.",
    ),
]
TogetherOption = Annotated[
    int | None,
    typer.Option(
        "--together",
        metavar="N",
        min=15,
        max=2048,
        show_default=f"{DEFAULT_TOGETHER}",
        help="With --secure: about how many phones are in one sum; what it costs grows with that.",
    ),
]

_LEAST_MEMORY = 64 << 10


def bytes_of(text: str) -> int:
    """Read a size: a number of bytes, or of KiB, MiB or GiB with K, M or G behind it.

    Raises:
        UsageError: it is none.

    >>> bytes_of("512M"), bytes_of("1.5GiB")
    (536870912, 1610612736)
    """
    import re

    from fedkeys.errors import UsageError

    found = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip(), re.IGNORECASE)
    if not found:
        raise UsageError(f"{text!r} is no size of memory", remedy="write for example 512M or 2G")
    size_ = int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))
    if size_ < _LEAST_MEMORY:
        raise UsageError(f"{text} of memory is too little", remedy="give 64K or more")
    return size_


def given_of(context: typer.Context, *parameters: str) -> list[str]:
    """Name those options, of some parameters of a command, that were given, not left at their defaults."""
    return [
        f"--{name.replace('_', '-')}"
        for name in parameters
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]


def budget_of(epsilon: float | None, dp_delta: float, releases: int) -> "Budget | None":
    """Give the budget that was asked for; None for none."""
    from fedkeys.aggregator import Budget

    return None if epsilon is None else Budget(epsilon, dp_delta, releases)


def together_of(secure: bool, together: int | None) -> int | None:
    """Give about how many phones are in one sum; None for deltas that are seen.

    Raises:
        UsageError: there are to be sums of so many, and no masks.
    """
    from fedkeys.errors import UsageError

    if together is not None and not secure:
        raise UsageError("--together is for sums under masks", remedy="add --secure, or leave it out")
    return (together or DEFAULT_TOGETHER) if secure else None


def bounds_of(
    max_ngrams: int | None,
    max_count: int | None,
    max_bytes: int | None,
    unbounded: bool,
    max_norm: int | None = None,
    private: bool = False,
) -> "Bounds | None":
    """Give the bounds that were asked for; those of a private release have a length.

    Raises:
        UsageError: some were, and none as well.
    """
    from fedkeys.delta import Bounds
    from fedkeys.errors import UsageError

    if unbounded and (max_ngrams, max_count, max_bytes, max_norm) != (None, None, None, None):
        raise UsageError("--unbounded goes with no bound", remedy="leave it out, or the bounds")
    if unbounded and private:
        raise UsageError("--epsilon wants bounds on what one phone can add", remedy="leave --unbounded out")
    if unbounded:
        return None
    norm = max_norm or (DEFAULT_MAX_NORM if private else None)
    return Bounds(
        max_ngrams or DEFAULT_MAX_NGRAMS,
        max_count or (DEFAULT_MAX_COUNT if norm is None else max(1, norm // _VOTES_AT_LEAST)),
        max_bytes or DEFAULT_MAX_BYTES,
        max_norm=norm,
    )
