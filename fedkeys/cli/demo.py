"""`fedkeys` without a command: the typing demo on the shipped corpora."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkeys.cli.console import narrate, require_open
from fedkeys.cli.public_words import cache_directory, kept_prior, public_prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedkeys.model import Model
    from fedkeys.phone import Keyboard
    from fedkeys.simulate import Plan, Round
    from fedkeys.sources import Corpus
    from fedkeys.tui import Settings, TypingApp


def open_demo() -> None:
    """Open the typing screen; with no terminal attached, print the simulation's report."""
    if in_tab():
        from fedkeys.cli.web import open_tab

        open_tab()
        return
    if has_terminal():
        from fedkeys.cli.personal import open_store
        from fedkeys.phone import Keyboard
        from fedkeys.sources import shipped_corpus

        with open_store(None) as personal:
            open_screen(Keyboard(demo_model(), personal, kept_prior()), str(shipped_corpus()))
        return
    from fedkeys.cli.simulate import print_report

    require_open("stdout")
    narrate("no terminal is attached, so here is the federation's report instead of the typing demo")
    print_report(_federate(), _plan())


def in_tab() -> bool:
    """Tell whether textual-serve has started this process, to show a screen in a browser."""
    return os.environ.get("TEXTUAL_DRIVER", "").startswith("textual.drivers.web_driver:")


def has_terminal() -> bool:
    """Tell whether a screen can be opened in a terminal."""
    # A stream that was closed by who started fedkeys is None.
    attached = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    return attached and os.environ.get("TERM", "") not in ("", "dumb")


def require_terminal(remedy: str = "use --plain for line mode") -> None:
    """Refuse to open a screen where there is neither a terminal nor a tab.

    Raises:
        UsageError: no terminal is attached.
    """
    from fedkeys.errors import UsageError

    if not has_terminal() and not in_tab():
        raise UsageError("a screen needs a terminal", remedy=remedy)


def demo_model() -> "Model":
    """Give the model of the shipped phones: federated at the first run, from the cache after that."""
    from fedkeys.errors import FedkeysError
    from fedkeys.model import Model

    path = _cached_model()
    if path.exists():
        try:
            return Model.load(path)
        except FedkeysError as error:
            narrate(f"the cached model is not used: {error}")
    model = _federate()[-1].model
    assert model is not None  # every phone is in reach
    try:
        model.save(path)
    except FedkeysError as error:
        narrate(f"the model is not cached: {error}")
    return model


def show(app: "TypingApp") -> None:
    """Run screens until they are left.

    Raises:
        SystemExit: they have ended by a fault, which Textual has printed.
    """
    app.run()
    if app.return_code:
        sys.exit(app.return_code)


def open_screen(
    keyboard: "Keyboard",
    spec: str,
    phone: str | None = None,
    sent: "Sequence[str]" = (),
    data_dir: Path | None = None,
    corpus: "Corpus | None" = None,
) -> None:
    """Open the typing screen; public words that are not at hand are read once it stands.

    Args:
        keyboard: that is typed on.
        spec: whose phones can be held, and make a federation; as of `open_corpus`.
        phone, sent: the one that is held, and its messages.
        data_dir: where settings are kept; None for the default.
        corpus: the one of the spec, if it is open already.
    """
    from fedkeys.sources import open_corpus
    from fedkeys.tui import Desk, TabDriver, TypingApp

    prior = public_prior if keyboard.prior is None else None
    desk = Desk(keyboard, phone, sent, corpus or open_corpus(spec), spec)
    driver = TabDriver if in_tab() else None
    show(TypingApp(desk, prior=prior, settings=_settings(data_dir), driver_class=driver))


def _settings(data_dir: Path | None) -> "Settings":
    from fedkeys.cli.secret import data_directory
    from fedkeys.tui import Settings

    return Settings.load((data_dir or data_directory()) / "settings.json")


def _federate() -> "list[Round]":
    from fedkeys.cli.simulate import run
    from fedkeys.sources import shipped_corpus

    history, _ = run(str(shipped_corpus()), _plan(), seed=0)
    return history


def _plan() -> "Plan":
    from fedkeys.simulate import Plan

    return Plan(**_planned())


def _planned() -> dict[str, Any]:
    """Give what the plan sets, without `fedkeys.simulate`, whose import takes 0.1 s that a cached model saves."""
    from fedkeys.delta import DEFAULT_BOUNDS
    from fedkeys.phone import DEFAULT_ORDER

    return {"rounds": 3, "min_phones": 2, "order": DEFAULT_ORDER, "bounds": DEFAULT_BOUNDS}


def _cached_model() -> Path:
    """Name the cached model after all that it is made of: this version, the plan and the corpora's bytes."""
    from hashlib import blake2b
    from importlib.metadata import version

    from fedkeys.model import MODEL_VERSION
    from fedkeys.sources import shipped_corpus

    made_by = f"fedkeys {version('fedkeys')}, model {MODEL_VERSION}, {_planned()}"
    made_of = blake2b(made_by.encode(), digest_size=8)
    for file in sorted(shipped_corpus().glob("*.txt")):
        made_of.update(file.name.encode() + file.read_bytes())
    return cache_directory() / f"demo-{made_of.hexdigest()}.model"
