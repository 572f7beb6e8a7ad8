"""`fedkeys withdraw`: take back what was sent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedkeys.cli.console import many, narrate, print_json
from fedkeys.cli.files import check_output, existing
from fedkeys.cli.options import FederationOption, JsonOption
from fedkeys.cli.progress import adding_up, progress

if TYPE_CHECKING:
    from fedkeys.aggregator import Aggregator
    from fedkeys.delta.keys import PhoneKey


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="The deltas as they were sent, or withdrawals: files, logs or directories.",
        ),
    ],
    state: Annotated[
        Path | None, typer.Option("--state", help="Directory of the state that they were merged into.")
    ] = None,
    enrolled: Annotated[
        Path | None,
        typer.Option("--enrolled", help="Directory of public keys: only what these phones signed is taken."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="The phone's private key, to sign the withdrawals with.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File for the signed withdrawals, .withdrawal, to send to the server."),
    ] = None,
    base: Annotated[
        list[Path] | None,
        typer.Option("--base", help="Model that deltas were written against; may be given again."),
    ] = None,
    federation: FederationOption = "fedkeys",
    json: JsonOption = False,
) -> None:
    """Take back deltas that were merged into a state.

    Whoever has a delta may take it back; where phones are enrolled, only the phone that signs the withdrawal: with
    --key and --out on the phone, then with --state and --enrolled on the server.

    Once all deltas of a phone are taken back, the payload of the next release is, byte for byte, the one in which
    it never took part; none of them is merged again. Models released before stay.
    """
    from fedkeys.aggregator import WITHDRAWAL_SUFFIX, Merged, delta_files, each_message
    from fedkeys.container import write_atomically
    from fedkeys.delta.keys import PhoneKey
    from fedkeys.errors import PartialError

    _check(state, key, out)
    signer = PhoneKey.load(existing(key)) if key else None
    files = delta_files(inputs, [WITHDRAWAL_SUFFIX]) if enrolled and not key else delta_files(inputs)
    check_output(out, WITHDRAWAL_SUFFIX, files)
    aggregator = _opened(state, enrolled, base, federation) if state else None
    signed: list[bytes] = []
    taken_back = Merged()
    in_all = sum(file.stat().st_size for file in files if file.is_file())
    with progress() as step:
        on_bytes = adding_up(step, "withdrawing", in_all, taken_back, ngrams=False)

        def take_back(data: bytes) -> None:
            on_bytes(len(data))
            if signer:
                data = _signed(data, signer)
            if aggregator:
                aggregator.withdraw(data)
            if out:
                signed.append(data)
            taken_back.deltas += 1

        done, refused = each_message(files, take_back)
        if out and signed:
            write_atomically(out, b"".join(signed))
        if aggregator:
            step("settling", None)
            aggregator.settle()  # so that in the sums on the disk nothing of it stays
            aggregator.commit()
    for sentence in refused:
        narrate(f"set aside: {sentence}")
    _report(aggregator, state, done, refused, json)
    if refused:
        raise PartialError(f"{len(refused):,} could not be withdrawn")


def _check(state: Path | None, key: Path | None, out: Path | None) -> None:
    """Refuse options that leave nothing to do."""
    from fedkeys.aggregator import is_state
    from fedkeys.errors import UsageError

    if out and not key:
        raise UsageError("--out is for what a phone signs", remedy="name its key with --key")
    if state is None and not out:
        raise UsageError(
            "there is no state to take them back from",
            remedy="name it with --state; on a phone, sign the withdrawal with --key and --out",
        )
    if state is not None and not is_state(state):
        raise UsageError(
            "there is no state", file=state, remedy="name the directory that aggregate was given"
        )


def _opened(state: Path, enrolled: Path | None, base: list[Path] | None, federation: str) -> "Aggregator":
    from fedkeys.aggregator import Aggregator, Enrolment
    from fedkeys.model import Model

    enrolment = Enrolment.read(enrolled, federation) if enrolled else None
    bases = (Model.load(existing(path)).vocabulary for path in base or ())
    return Aggregator(federation, bases, state=state, enrolment=enrolment)


def _signed(data: bytes, key: "PhoneKey") -> bytes:
    """Make a withdrawal of a delta that the same phone sent."""
    from fedkeys.delta import Head
    from fedkeys.delta.signed import Kind, message_in
    from fedkeys.errors import RefusedError

    message = message_in(data)
    head = Head.of(message)
    own = key.public.pseudonym(head.federation)
    if head.phone != own:
        raise RefusedError(
            f"is from the phone {head.phone.hex()[:8]}, and the key is that of {own.hex()[:8]}",
            remedy="name the key that the delta was signed with",
        )
    return key.sign(message, Kind.WITHDRAWAL)


def _report(
    aggregator: "Aggregator | None", state: Path | None, done: int, refused: tuple[str, ...], json: bool
) -> None:
    if aggregator is None:
        if json:
            print_json({"signed": done, "refused": list(refused)})
        narrate(f"{done:,} signed; fedkeys withdraw --state --enrolled takes them back on the server")
        return
    if json:
        print_json({"withdrawn": done, "refused": list(refused), "deltas": aggregator.deltas})
    narrate(
        f"{done:,} withdrawn; {state} holds {many(aggregator.deltas, 'delta')} of "
        f"{many(aggregator.phones, 'phone')}"
    )
