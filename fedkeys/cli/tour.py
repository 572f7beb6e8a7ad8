"""`fedkeys tour`: the screens show themselves."""

from typing import Annotated

import typer

from fedkeys.cli.public_words import kept_prior, public_prior


def command(
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=50.0, help="How many times as fast as it is meant.")
    ] = 1.0,
) -> None:
    """Watch the screens type, federate, inspect and compare by themselves, in about three minutes.

    Esc ends the tour and leaves the keyboard to you. Nothing of it is kept.
    """
    from fedkeys.cli.demo import demo_model, require_terminal, show
    from fedkeys.phone import Keyboard
    from fedkeys.sources import open_corpus, shipped_corpus
    from fedkeys.tui import Desk
    from fedkeys.tui.tour import TourApp

    require_terminal("fedkeys type --plain is a line mode")
    corpus = str(shipped_corpus())
    keyboard = Keyboard(demo_model(), prior=kept_prior() or public_prior())
    show(TourApp(Desk(keyboard, corpus=open_corpus(corpus), spec=corpus), speed=speed))
