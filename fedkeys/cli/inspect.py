"""`fedkeys inspect`: what exactly is in a delta or a model."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fedkeys.cli.console import JsonOption, existing, print_json, print_table, size

if TYPE_CHECKING:
    from fedkeys.delta import Delta
    from fedkeys.delta.signed import Envelope
    from fedkeys.model import Model

_SHOWN = 20


class _Row(NamedTuple):
    text: str
    times: int
    first_time: bool


def command(
    file: Annotated[
        Path, typer.Argument(help="A delta, signed or not, a withdrawal or a model.", show_default=False)
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
    json: JsonOption = False,
) -> None:
    """Show what a delta would tell the aggregator about its phone, or what a model says of itself."""
    from fedkeys.container import read_bytes
    from fedkeys.delta import Delta
    from fedkeys.delta.signed import MAX_MESSAGE_BYTES, Envelope
    from fedkeys.errors import FormatError, RefusedError, UsageError
    from fedkeys.model import Model

    # A model is a msgpack array of three, whose first is a map; a delta is one of fourteen, an envelope of four.
    if existing(file).open("rb").read(1) == b"\x93":
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
    _delta(delta, signed, vocabulary.words if vocabulary else None, all_, json)


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
        f"{phone}: only the holder\nof the key that this pseudonym is made of can sign so. "
        f"The signature {true}.\n"
    )


def _delta(
    delta: "Delta", signed: dict[str, Any] | None, known: Sequence[str] | None, all_: bool, json: bool
) -> None:
    named = _names(delta, known)
    facts = {
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
    }
    tables = [sorted(_rows(delta, order, named), key=_by_count) for order in range(1, delta.counts.order + 1)]
    forms = sorted(_forms(delta, named), key=_by_count)
    if json:
        print_json(
            {
                **facts,
                "orders": [[row._asdict() for row in rows] for rows in tables],
                "forms": [row._asdict() for row in forms],
            }
        )
        return
    typer.echo(
        f"A {_kind(signed)} of {size(len(delta.data))}: all that would leave this phone.\n\n"
        f"It says that the phone with the pseudonym {facts['phone']} in the federation "
        f"{delta.federation!r} sends its delta number {delta.sequence}"
        + (f" in round {delta.round}" if delta.round else "")
        + ".\n"
        + _of_signature(signed, delta.phone.hex())
        + f"It names {len(delta.words):,} words by their letters"
        + (f" and others by their number in a vocabulary of {delta.known:,}" if delta.known else "")
        + f".\nBounds applied on the phone: {delta.bounds or 'none, so every new n-gram is in it'}.\n"
        "The order of messages, their time, and whatever the phone's filter dropped are not in it;\n"
        "n-grams of neighbouring words are, and overlapping ones can be chained back to phrases.\n"
    )
    for order, rows in enumerate(tables, 1):
        _print_rows(f"{len(rows):,} n-grams of order {order}", rows, all_)
    _print_rows(f"{len(forms):,} written forms", forms, all_)


def _by_count(row: _Row) -> tuple[int, str]:
    return -row.times, row.text


def _print_rows(title: str, rows: Sequence[_Row], all_: bool) -> None:
    shown = rows if all_ else rows[:_SHOWN]
    cells = [(row.text, str(row.times), "yes" if row.first_time else "no") for row in shown]
    if len(shown) < len(rows):
        cells.append((f"... {len(rows) - len(shown):,} more, shown by --all", "", ""))
    if cells:
        print_table(title, ("", "count", "first time"), cells)


def _names(delta: "Delta", known: Sequence[str] | None) -> list[str]:
    """A name for each local id: a mark, a word, or the number of a known word."""
    from fedkeys.counts import FIRST_WORD

    marks = ["⟨message⟩", "⟨sentence⟩"]
    names: list[str] = []
    for id_ in delta.ids.tolist():
        place = id_ - FIRST_WORD
        if place < 0:
            names.append(marks[id_])
        elif place < delta.known:
            names.append(known[place] if known else f"#{place}")
        else:
            names.append(delta.words[place - delta.known])
    return names


def _rows(delta: "Delta", order: int, names: Sequence[str]) -> Iterator[_Row]:
    level = delta.counts.levels[order - 1]
    columns = (delta.counts.ngrams(order).tolist(), level.counts.tolist(), level.phones.tolist())
    for ids, count, mark in zip(*columns, strict=True):
        yield _Row(" ".join(names[id_] for id_ in ids), count, bool(mark))


def _forms(delta: "Delta", names: Sequence[str]) -> Iterator[_Row]:
    from fedkeys.words import CAPITALISED, OTHER, styled

    forms = delta.forms
    columns = (forms.parents.tolist(), forms.words.tolist(), forms.counts.tolist(), forms.phones.tolist())
    for row, style, count, mark in zip(*columns, strict=True):
        if style >= OTHER:
            form = delta.other_forms[style - OTHER]
        elif names[row].startswith("#"):
            form = f"{names[row]} {'with a capital' if style == CAPITALISED else 'in capitals'}"
        else:
            form = styled(names[row], style)
        yield _Row(form, count, bool(mark))


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
    rule = model.header["release"]["min_phones"]
    typer.echo(
        f"A model of {size(facts['bytes'])}, order {model.order}, made of {model.header['deltas']:,} deltas of "
        f"{model.header['phones']:,} phones.\n"
        + (
            f"Every word and n-gram in it was sent by at least {rule} phones: that hides rare text, "
            "but it is not differential privacy.\n"
            if rule > 1
            else "Everything that was sent is in it, whoever sent it.\n"
        )
    )
    rows = [(f"order {n}", f"{count:,}") for n, count in enumerate(model.ngrams, 1)]
    print_table("n-grams", ("", "number"), rows)
    lines = (
        f"{name:<12}{value if isinstance(value, str) and value.isprintable() else repr(value)}\n"
        for name, value in facts.items()
    )
    typer.echo("".join(lines))
    firsts = [(s.word, f"{100 * s.probability:.2f} %") for s in model.suggest([MESSAGE_START], k=10)]
    print_table("how messages begin", ("", "probability"), firsts)
