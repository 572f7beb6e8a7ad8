"""`fedkeys enroll`: make the keys by which phones take part."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedkeys.cli.console import narrate
from fedkeys.cli.delta import file_name

if TYPE_CHECKING:
    from fedkeys.delta.keys import PhoneKey


def command(
    keys: Annotated[Path, typer.Option("--keys", help="Directory for one NAME.key a phone, private.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Names of phones.", show_default=False)
    ] = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="Corpus whose phones are meant, as for fedkeys delta.")
    ] = None,
    enrolled: Annotated[
        Path | None,
        typer.Option("--enrolled", help="Directory for the public keys; below that of --keys if not given."),
    ] = None,
) -> None:
    """Make a key for each phone, and put the public half where the operator looks for it.

    The private key stays on the phone, which signs its deltas with it: fedkeys delta --keys. The public one goes
    to the operator, for fedkeys aggregate --enrolled, under a name that does not tell whose it is. A key that is
    there is kept. To revoke a phone, remove its .pub file: what it sent before stays, and what it sends then is
    refused.
    """
    from fedkeys.container import write_atomically
    from fedkeys.errors import UsageError
    from fedkeys.sources import open_corpus

    everyone = dict.fromkeys([*(names or ()), *(open_corpus(corpus).names() if corpus else ())])
    if not everyone:
        raise UsageError("no phone was named", remedy="give names, or a corpus with --corpus")
    directory = enrolled or keys / "enrolled"
    drawn = 0
    for name in everyone:
        key, is_new = key_in(key_file(keys, name))
        public = directory / f"{key.public.fingerprint}.pub"
        write_atomically(public, key.public.to_pem())
        drawn += is_new
        if names and name in names:
            narrate(f"{key_file(keys, name)}: {'new' if is_new else 'was there, and is kept'}; {public}")
    narrate(
        f"{len(everyone):,} phone{'s' if len(everyone) != 1 else ''} enrolled in {directory}; "
        f"{drawn:,} new keys in {keys}, {len(everyone) - drawn:,} kept"
    )


def key_file(directory: Path, name: str) -> Path:
    """Where the key of a phone is, whatever other phones are there."""
    return directory / f"{file_name(name, set())}.key"


def keys_of(directory: Path, names: Iterable[str]) -> dict[str, "PhoneKey"]:
    """Read the keys of phones.

    Raises:
        UsageError: one has none, or two have the same.
        FormatError: a file is no private Ed25519 key.
    """
    from fedkeys.delta.keys import PhoneKey
    from fedkeys.errors import UsageError

    found: dict[str, PhoneKey] = {}
    whose: dict[bytes, str] = {}
    for name in names:
        path = key_file(directory, name)
        if not path.is_file():
            raise UsageError("no such key", file=path, remedy="make it with fedkeys enroll")
        found[name] = PhoneKey.load(path)
        other = whose.setdefault(found[name].public.raw, name)
        if other != name:
            raise UsageError(f"is also the key of the phone {other!r}", file=path, remedy="enroll one anew")
    return found


def key_in(path: Path) -> tuple["PhoneKey", bool]:
    """Give the key in a file, drawn if there is none; and whether it was."""
    from fedkeys.cli.secret import keep_secret
    from fedkeys.delta.keys import PhoneKey
    from fedkeys.errors import FedkeysError

    if path.exists():
        return PhoneKey.load(path), False
    drawn = PhoneKey.draw()
    try:
        keep_secret(path, drawn.to_pem())
    except OSError as error:
        raise FedkeysError(f"the key cannot be kept ({error.strerror})", file=path) from None
    kept = PhoneKey.load(path)
    return kept, kept.public == drawn.public
