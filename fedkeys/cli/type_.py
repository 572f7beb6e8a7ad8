"""`fedkeys type`: the typing demo with a model of one's choice, on a screen or line by line."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedkeys.cli.console import narrate, require_open
from fedkeys.cli.files import existing
from fedkeys.cli.personal import DataDirOption, open_store
from fedkeys.cli.progress import progress
from fedkeys.cli.public_words import kept_prior, public_prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedkeys.phone import Keyboard
    from fedkeys.sources import Corpus, PhoneTexts

_NAMES_SHOWN = 40


def command(
    model: Annotated[
        Path | None, typer.Option("--model", help="Model file; default: one made of the shipped phones.")
    ] = None,
    phone: Annotated[
        str | None,
        typer.Option("--phone", help="Hold this phone: its personal model has learnt the phone's messages."),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            help="Where phones are that can be held and make a federation; default: the shipped ones. Its only "
            "one, or a new one, is held first.",
        ),
    ] = None,
    me: Annotated[
        Path | None,
        typer.Option(
            "--me",
            metavar="FILE",
            help="Hold a phone that has learnt your own chats: an export of WhatsApp, Telegram (JSON), SMS "
            "Backup & Restore, mail as mbox, or plain text.",
        ),
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Which sender of --me you are.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Line mode, for screen readers and pipes.")] = False,
    incognito: Annotated[
        bool, typer.Option("--incognito", help="Learn nothing; what is known is offered as ever.")
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Type a message and see three suggestions at every key.

    What you send teaches your own keyboard, which keeps it from one time to the next, on this machine only;
    fedkeys personal shows it and forgets it. A phone of a corpus is held in memory.

    In line mode each line is a message as typed so far, and the answer is one line of suggestions separated by
    tabs; an empty line sends the last message, so that the personal model learns it.
    """
    from fedkeys.cli.demo import demo_model, open_screen, require_terminal
    from fedkeys.errors import UsageError
    from fedkeys.model import Model
    from fedkeys.phone import Keyboard, PersonalModel
    from fedkeys.sources import open_corpus, shipped_corpus

    if plain:
        require_open("stdin", "stdout")
    else:
        require_terminal()
    sent: Sequence[str] = []
    source: Corpus | None = None
    if as_ and not me:
        raise UsageError("--as is a sender of a chat", remedy="name its file with --me")
    if me:
        if phone or corpus or data_dir:
            raise UsageError(
                "your own chats are held in memory", remedy="leave out --phone, --corpus and --data-dir"
            )
        phone, sent = _own(me, as_)
    elif phone or corpus:
        if data_dir:
            raise UsageError("a phone of a corpus is held in memory", remedy="leave out --data-dir")
        source = open_corpus(corpus or shipped_corpus())
        with progress() as step:
            names = source.names(lambda part: step("reading", part))
        if phone or plain or len(names) == 1:
            phone, sent = phone_of(source, phone)
    everyone = Model.load(existing(model)) if model else demo_model()
    with nullcontext(PersonalModel()) if phone or corpus else open_store(data_dir) as personal:
        for text in sent:
            personal.learn(text)
        prior = public_prior() if plain else kept_prior()
        keyboard = Keyboard(everyone, personal, prior, incognito=incognito)
        if plain:
            run_plain(keyboard)
        else:
            open_screen(keyboard, corpus or str(shipped_corpus()), phone, sent, data_dir, source)


def _own(file: Path, name: str | None) -> "tuple[str, Sequence[str]]":
    """Read what one person wrote, and say what was read and what was not."""
    from fedkeys.sources import account_of, own_messages

    with progress() as step:
        own = own_messages(existing(file), name, lambda part: step("reading", part))
    narrate(account_of(own))
    return own.name, own.texts


def phone_of(source: "Corpus", phone: str | None) -> "PhoneTexts":
    """Give a phone of a corpus, its only one by default, and the phone's messages.

    Raises:
        UsageError: there is no such phone, or several and none was named.
    """
    from fedkeys.errors import UsageError

    names = sorted(source.names())
    if phone is None and len(names) == 1:
        phone = names[0]
    if phone not in names:
        shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
        what = "the corpus has several phones" if phone is None else f"no phone is named {phone!r}"
        raise UsageError(what, remedy=f"name one with --phone: {shown}")
    return next(found for found in source.phones() if found.name == phone)


def run_plain(keyboard: "Keyboard") -> None:
    """Answer each line of stdin with a line of suggestions."""
    from fedkeys.errors import StorageError

    stdin = typer.get_text_stream("stdin", errors="replace")
    if stdin.isatty():
        narrate("Type the beginning of a message and press Enter; an empty line sends it; ctrl-D ends.")
    message = ""
    for line in stdin:
        line = line.rstrip("\n")
        if line:
            message = line
            typer.echo("\t".join(suggestion.word for suggestion in keyboard.suggest(message)))
        elif message:
            try:
                keyboard.learn(message)
            except StorageError as error:
                narrate(f"not learnt: {error}")
            message = ""
