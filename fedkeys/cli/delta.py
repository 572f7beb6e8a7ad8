"""`fedkeys delta`: write what each phone of a corpus would send."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import many, narrate, short, size
from fedkeys.cli.files import existing
from fedkeys.cli.options import (
    FederationOption,
    MaxBytesOption,
    MaxCountOption,
    MaxNgramsOption,
    MaxNormOption,
    OrderOption,
    UnboundedOption,
    bounds_of,
)
from fedkeys.cli.progress import progress

_LONGEST_NAME = 120  # bytes; file systems take 255


def command(
    corpus: Annotated[
        str,
        typer.Argument(
            help="Directory of .txt files, .jsonl(.gz), chat export or nltk:NAME.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Directory for one NAME.delta a phone.")],
    base: Annotated[
        Path | None, typer.Option("--base", help="Released model whose vocabulary the phones hold.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="Directory of the phones' keys, made by fedkeys enroll, to sign with."),
    ] = None,
    order: OrderOption = 4,
    max_ngrams: MaxNgramsOption = None,
    max_count: MaxCountOption = None,
    max_bytes: MaxBytesOption = None,
    unbounded: UnboundedOption = False,
    max_norm: MaxNormOption = None,
    federation: FederationOption = "fedkeys",
) -> None:
    """Write one delta for each phone: all that would leave it.

    A phone sends the most useful of its n-grams, as many as its bounds let it; fedkeys inspect shows what is
    left out.

    A phone's pseudonym is made from its name with a key of this machine, so writing the same corpus again
    gives the same deltas, and nobody without the key can tell whose they are. With --keys each phone signs its
    delta, and its pseudonym is made of its own key.
    """
    from fedkeys.cli.enroll import keys_of
    from fedkeys.cli.secret import pseudonym_of
    from fedkeys.container import write_atomically
    from fedkeys.model import Model
    from fedkeys.phone import Phone
    from fedkeys.sources import open_corpus

    vocabulary = Model.load(existing(base)).vocabulary if base else None
    bounds = bounds_of(max_ngrams, max_count, max_bytes, unbounded, max_norm)
    source = open_corpus(corpus)
    total = 0
    written: set[Path] = set()
    taken: set[str] = set()
    with progress() as step:
        names = source.names(lambda part: step("reading", part))
        phones = len(names)
        key_of = keys_of(keys, names) if keys else {}
        for name, texts in source.phones():
            key = key_of.get(name)
            pseudonym = key.public.pseudonym(federation) if key else pseudonym_of(name, federation)
            phone = Phone(texts, order=order, federation=federation, pseudonym=pseudonym, bounds=bounds)
            delta = phone.delta(vocabulary)
            data = key.sign(delta.data) if key else delta.data
            # What is lost in a power cut can be written again, and flushing each of many files takes long.
            path = out / f"{file_name(name, taken)}.delta"
            write_atomically(path, data, durable=False)
            written.add(path)
            total += len(data)
            step("counting", len(written) / phones, [f"{short(len(written)):>7} deltas", f"{size(total):>8}"])
    _warn_of_others(out, written)
    narrate(f"{many(len(written), 'signed delta' if keys else 'delta')}, {size(total)}, in {out}")


def _warn_of_others(out: Path, written: set[Path]) -> None:
    """Tell of deltas that lie where these were written."""
    others = [path for suffix in ("*.delta", "*.deltas") for path in out.glob(suffix) if path not in written]
    if others:
        narrate(
            f"warning: {out} also holds {many(len(others), 'file')} of deltas from before, such as "
            f"{min(others).name}, which aggregate would merge too; move them away if they are not meant"
        )


def file_name(name: str, taken: set[str]) -> str:
    """Write a phone's name so that it is a file name anywhere, and no two names become one.

    Args:
        name: the phone's name.
        taken: file names given before, in lower case; this one is added.

    >>> taken = set()
    >>> file_name("nurse", taken), file_name("a/b", taken), file_name(".", taken)
    ('nurse', 'a%2Fb', '%2E')
    >>> file_name("Nurse", taken)
    'Nurse%7b4a0ac4c9'
    """
    from hashlib import blake2b
    from urllib.parse import quote

    quoted = quote(name, safe="")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) > _LONGEST_NAME or quoted.casefold() in taken:
        quoted = f"{quoted[:_LONGEST_NAME]}%{blake2b(name.encode(), digest_size=5).hexdigest()}"
    taken.add(quoted.casefold())
    return quoted


def phone_of_file(stem: str, names: Iterable[str]) -> str | None:
    """Tell for which phone a file name was made; None if for none of these.

    >>> phone_of_file("a%2Fb", ["nurse", "a/b"]), phone_of_file("Nurse%7b4a0ac4c9", ["nurse", "Nurse"])
    ('a/b', 'Nurse')
    """
    for name in names:
        plain = file_name(name, set())
        if stem in (plain, file_name(name, {plain.casefold()})):
            return name
    return None
