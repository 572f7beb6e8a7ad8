"""`fedkeys inspect`: what exactly is in a delta or a model."""

from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkeys.cli.comparison import comparison
from fedkeys.cli.console import many, print_json, print_table, size, tell
from fedkeys.cli.files import existing
from fedkeys.cli.options import JsonOption

if TYPE_CHECKING:
    from fedkeys.delta import Delta
    from fedkeys.delta.signed import Envelope
    from fedkeys.model import Model
    from fedkeys.phone import Entry

_SHOWN = 20
_MOST_SECURE = 1 << 30  # bytes of one message


def command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A delta, signed or not, a withdrawal, a message of a sum under masks, or a model.",
            show_default=False,
        ),
    ],
    base: Annotated[
        Path | None,
        typer.Option("--base", help="Model that the delta was written against, to show known words."),
    ] = None,
    enrolled: Annotated[
        Path | None,
        typer.Option("--enrolled", help="Directory of public keys, to check the signature of a delta."),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help=f"Show every n-gram, not the first {_SHOWN} an order.")
    ] = False,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="The phone's messages, to show beside a delta what it leaves out."),
    ] = None,
    phone: Annotated[
        str | None,
        typer.Option("--phone", help="Name of the phone there; default: its only one, or the file's name."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what a delta would tell the aggregator about its phone, or what a model says of itself.

    With --corpus, on the machine that has the messages, it also shows what they hold and the delta does not:
    n-grams that were left out, counts that were clipped, and why.
    """
    from fedkeys.aggregator import PARTIAL_SUFFIX
    from fedkeys.container import read_bytes
    from fedkeys.delta import Delta
    from fedkeys.delta.signed import MAX_MESSAGE_BYTES, Envelope
    from fedkeys.errors import FormatError, RefusedError, UsageError
    from fedkeys.model import Model

    if phone and not corpus:
        raise UsageError("--phone is a phone of a corpus", remedy="name it with --corpus")
    # A model is a msgpack array of three, whose first is a map; a delta is one of fourteen, an envelope of four, a
    # message of a sum under masks of seven.
    if existing(file).suffix == PARTIAL_SUFFIX:
        raise UsageError("is a partial aggregate, for fedkeys aggregate to merge", file=file)
    first = file.open("rb").read(1)
    if first == b"\x97":
        _secure(file, json)
        return
    if first == b"\x93":
        if corpus:
            raise UsageError("is a model, which leaves out no phone's messages", file=file)
        _model(Model.load(file), file, json)
        return
    vocabulary = Model.load(existing(base)).vocabulary if base else None
    try:
        data = read_bytes(file, MAX_MESSAGE_BYTES)
        envelope = Envelope.of(data)
        delta = Delta.from_bytes(data if envelope is None else envelope.message)
        if enrolled:
            _check_signature(data, envelope, delta.federation, enrolled)
    except (FormatError, RefusedError) as error:
        raise error.at(file) from None
    if vocabulary is not None and vocabulary.digest != delta.base:
        raise UsageError("the delta was not written against this model", file=base)
    signed = _signed(envelope, enrolled is not None)
    known = vocabulary.words if vocabulary else None
    missing = comparison(delta, known, corpus, phone, file) if corpus else None
    if json:
        print_json(_facts(delta, signed, known) | (missing.as_dict() if missing else {}))
        return
    _delta(delta, signed, known, all_)
    if missing:
        missing.show(None if all_ else _SHOWN)


_OF_STEP = {
    "keys": "A phone begins: its pseudonym, the number of its delta, how many entries that has, rounded up, and "
    "two public keys of this sum alone.",
    "roster": "A phone is told its neighbours, with their public keys, and how long vectors are.",
    "boxes": "A phone shares its two secrets out, in boxes that one neighbour each can open: any few of the "
    "shares tell nothing of them.",
    "boxes for one": "A phone is handed its neighbours' boxes for it.",
    "masked": "A phone sends what it has to say. Each number is a cell of the sketch of its delta, plus a mask of "
    "its own, plus or minus one with each neighbour, modulo 2^32. Every mask is the key stream of AES-256 under a "
    "secret of 256 bits, so that to whoever lacks one of them these numbers are as likely for any other delta. In "
    "the sum of all phones the neighbours' masks cancel; those of their own are taken off with shares of their "
    "neighbours.",
    "survivors": "A phone is told whose vectors are in the sum.",
    "confirmations": "A phone vouches to its neighbours for the survivors that it was told.",
    "confirmations of it": "A phone is handed what its neighbours vouch for.",
    "shares": "A phone gives one share away for each neighbour: of its own mask's seed if it survives, of its key "
    "if it was lost; never of both.",
}


def _secure(file: Path, json: bool) -> None:
    """Show a message of a sum under masks."""
    import zlib

    from fedkeys.container import read_bytes
    from fedkeys.delta.secure import SecureMessage, Step
    from fedkeys.errors import FormatError

    try:
        data = read_bytes(file, _MOST_SECURE)
        message = SecureMessage.from_bytes(data)
    except FormatError as error:
        raise error.at(file) from None
    name = message.step.name.lower().replace("_", " ")
    facts: dict[str, Any] = {
        "step": int(message.step),
        "name": name,
        "run": message.run.hex(),
        "phone": message.phone,
        "bytes": len(data),
    }
    if message.step is Step.MASKED:
        (vector,) = message.body
        facts |= {
            "numbers": len(vector) // 4,
            "deflated_to": len(zlib.compress(vector)) / max(1, len(vector)),
        }
    if json:
        print_json(facts)
        return
    rows = [
        (key.replace("_", " "), f"{value:,}" if isinstance(value, int) else _short(value))
        for key, value in facts.items()
    ]
    print_table("message of a sum under masks", ("", ""), rows)
    tell(_OF_STEP[name])
    if message.step is Step.MASKED:
        shown = " ".join(f"{int.from_bytes(vector[at : at + 4], 'little'):,}" for at in range(0, 24, 4))
        tell(
            f"It begins {shown} ... As a file it cannot be made smaller (deflated it has "
            f"{facts['deflated_to']:.1%} of its size): there is no pattern in it."
        )


def _short(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float) else str(value)


def _check_signature(data: bytes, envelope: "Envelope | None", federation: str, enrolled: Path) -> None:
    from fedkeys.aggregator import Enrolment
    from fedkeys.delta.signed import Kind

    Enrolment.read(enrolled, federation).open(data, envelope.kind if envelope else Kind.DELTA)


def _signed(envelope: "Envelope | None", checked: bool) -> dict[str, Any] | None:
    """What there is to say of an envelope."""
    if envelope is None:
        return None
    return {"kind": envelope.kind.value, "bytes": len(envelope.to_bytes()), "checked": checked}


def _kind(signed: dict[str, Any] | None) -> str:
    from fedkeys.delta.signed import Kind

    if signed is None:
        return "delta"
    return "signed delta" if signed["kind"] == Kind.DELTA else "withdrawal of a delta"


def _of_signature(signed: dict[str, Any] | None, phone: str) -> str:
    """What an envelope tells, in sentences."""
    from fedkeys.delta.signed import Kind

    if signed is None:
        return ""
    withdrawal = signed["kind"] == Kind.WITHDRAWAL
    true = "is true" if signed["checked"] else "was not checked, which --enrolled does"
    return (
        f"It is signed {'to take this delta back' if withdrawal else 'as a delta'}, in the name of "
        f"{phone}: only the holder of the key that this pseudonym is made of can sign so. "
        f"The signature {true}. "
    )


def _facts(delta: "Delta", signed: dict[str, Any] | None, known: Sequence[str] | None) -> dict[str, Any]:
    """What `--json` gives."""
    *tables, forms = _sorted(delta, known)
    return {
        "federation": delta.federation,
        "phone": delta.phone.hex(),
        "sequence": delta.sequence,
        "round": delta.round,
        "base": delta.base.hex() or None,
        "bounds": delta.bounds,
        "bytes": len(delta.data),
        "signed": signed,
        "ngrams": [len(level) for level in delta.counts.levels],
        "new_words": list(delta.words),
        "orders": [[row._asdict() for row in rows] for rows in tables],
        "forms": [row._asdict() for row in forms],
    }


def _delta(delta: "Delta", signed: dict[str, Any] | None, known: Sequence[str] | None, all_: bool) -> None:
    phone = delta.phone.hex()
    tell(f"A {_kind(signed)} of {size(len(delta.data))}: all that would leave this phone.\n")
    tell(
        f"It says that the phone with the pseudonym {phone} in the federation {delta.federation!r} sends its "
        f"delta number {delta.sequence}"
        + (f" in round {delta.round}" if delta.round else "")
        + f". {_of_signature(signed, phone)}It names {many(len(delta.words), 'word')} by their letters"
        + (f" and others by their number in a vocabulary of {delta.known:,}" if delta.known else "")
        + "."
    )
    tell(f"Bounds applied on the phone: {_of_bounds(delta.bounds)}.")
    tell(
        "The order of messages, their time, and whatever the phone's filter dropped are not in it; n-grams of "
        "neighbouring words are, and overlapping ones can be chained back to phrases.\n"
    )
    *tables, forms = _sorted(delta, known)
    for order, rows in enumerate(tables, 1):
        _print_rows(f"{many(len(rows), 'n-gram')} of order {order}", rows, all_)
    _print_rows(many(len(forms), "written form"), forms, all_)


def _of_bounds(bounds: Mapping[str, int] | None) -> str:
    if bounds is None:
        return "none, so every new n-gram is in it"
    return (
        f"at most {bounds['ngrams']:,} n-grams and written forms and {bounds['count']:,} of each in its life, "
        f"{bounds['bytes']:,} bytes a delta"
    )


def _sorted(delta: "Delta", known: Sequence[str] | None) -> "list[list[Entry]]":
    from fedkeys.phone import entries

    return [sorted(rows, key=_by_count) for rows in entries(delta, known)]


def _by_count(row: "Entry") -> tuple[int, str]:
    return -row.times, row.text


def _print_rows(title: str, rows: "Sequence[Entry]", all_: bool) -> None:
    shown = rows if all_ else rows[:_SHOWN]
    cells = [(row.text, str(row.times), "yes" if row.first_time else "no") for row in shown]
    if len(shown) < len(rows):
        cells.append((f"... {len(rows) - len(shown):,} more, shown by --all", "", ""))
    if cells:
        print_table(title, ("", "count", "first time"), cells)


def _of_mix(account: Mapping[str, Any]) -> str:
    """What a model says of the mix that it brings."""
    from fedkeys.phone.situation import FEATURES_VERSION

    phones, rounds = account.get("phones"), account.get("rounds")
    how = ""
    if isinstance(phones, int) and isinstance(rounds, int):
        how = f", trained by {many(phones, 'phone')} in {many(rounds, 'round')}"
    if account["version"] != FEATURES_VERSION:
        return f"It brings a mix{how}, which is not for this version of fedkeys: its keyboards use their own."
    return f"It brings a mix{how}, by which keyboards weigh what they know."


def _promise(header: Mapping[str, Any]) -> str:
    """Say in one sentence what differential privacy was promised to whom."""
    privacy = header["privacy"]
    if "noise" in privacy:
        return f"Its noise is {privacy['noise']}.\n"
    planned, done = privacy["budget"]["releases"], len(privacy["events"])
    rest = f"; release {done} of {planned}, which together may cost {privacy['budget']['epsilon']:g}"
    factor = exp(min(header["epsilon"], 700.0))
    return (
        f"It is ({header['epsilon']:.3g}, {header['dp_delta']:g})-differentially private for {privacy['unit']}: "
        "whoever sees it, and knows all else, finds it at most "
        f"{factor:,.3g} times as likely or unlikely as before that this phone sent what it did rather than "
        f"nothing, but for what a delta of {header['dp_delta']:g} lets through{rest if planned > 1 else ''}.\n"
    )


def _rule(header: Mapping[str, Any]) -> str:
    """Say what is in a model, by the rule that it was released under."""
    if "privacy" in header:
        return _promise(header)
    least = header["release"]["min_phones"]
    if least > 1:
        return (
            f"Every word and n-gram in it was sent by at least {least} phones: that hides rare text, "
            "but it is not differential privacy.\n"
        )
    return "Everything that was sent is in it, whoever sent it.\n"


def _model(model: "Model", file: Path, json: bool) -> None:
    from fedkeys.words import MESSAGE_START

    facts: dict[str, Any] = {
        **model.header,
        "payload": model.payload_digest.hex(),
        "vocabulary": model.vocabulary.digest.hex(),
        "bytes": file.stat().st_size,
    }
    if json:
        print_json(facts)
        return
    tell(
        f"A model of {size(facts['bytes'])}, order {model.order}, made of "
        f"{many(model.header['deltas'], 'delta')} of {many(model.header['phones'], 'phone')}.\n"
        f"{_rule(model.header)}"
    )
    before = model.header["release"].get("pruned_from")
    if before:
        typer.echo(f"It was pruned from {many(sum(before[1:]), 'n-gram')} of two words or more.\n")
    account = model.header.get("mix")
    if account:
        typer.echo(f"{_of_mix(account)}\n")
    rows = [
        (f"order {n}", f"{count:,}", *([f"{before[n - 1]:,}"] if before else []))
        for n, count in enumerate(model.ngrams, 1)
    ]
    print_table("n-grams", ("", "number", *(["before"] if before else [])), rows)
    lines = (
        f"{name:<12}{value if isinstance(value, str) and value.isprintable() else repr(value)}\n"
        for name, value in facts.items()
    )
    typer.echo("".join(lines))
    firsts = [(s.word, f"{100 * s.probability:.2f} %") for s in model.suggest([MESSAGE_START], k=10)]
    print_table("how messages begin", ("", "probability"), firsts)
