"""The application: its commands, and what becomes of errors."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli import (
    aggregate,
    audit,
    bench,
    delta,
    demo,
    enroll,
    evaluate,
    export,
    fedavg,
    flower,
    inspect,
    personal,
    predict,
    simulate,
    tour,
    type_,
    withdraw,
)
from fedkeys.cli.console import for_stderr, require_open
from fedkeys.errors import FedkeysError

# What goes to files or the screen; of these --json alone needs stdout.
_SAYING_LITTLE = ("type", "tour", "delta", "enroll", "aggregate", "withdraw")

app = typer.Typer(
    name="fedkeys",
    help="A next-word keyboard that learns from many phones without collecting what anyone typed.\n\n"
    "Without a command it opens the typing demo on the shipped corpora.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("type")(type_.command)
app.command("tour")(tour.command)
app.command("delta")(delta.command)
app.command("enroll")(enroll.command)
app.command("aggregate")(aggregate.command)
app.command("withdraw")(withdraw.command)
app.command("predict")(predict.command)
app.command("inspect")(inspect.command)
app.command("export")(export.command)
app.command("simulate")(simulate.command)
app.command("evaluate")(evaluate.command)
app.command("audit")(audit.command)
app.add_typer(personal.app, name="personal")
app.add_typer(fedavg.app, name="fedavg")
app.add_typer(flower.app, name="flower")
app.add_typer(bench.app, name="bench")


def _flowing(text: str) -> str:
    """Join the lines of each paragraph, so that help breaks where the terminal does."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


for _group in (app, personal.app, fedavg.app, flower.app, bench.app):
    for _command in _group.registered_commands:
        _command.help = _flowing((_command.callback and _command.callback.__doc__) or "")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"fedkeys {version('fedkeys')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    web: Annotated[
        bool,
        typer.Option(
            "--web",
            help="Open the typing demo in a browser, by a server on this machine only (127.0.0.1), until ctrl-C. "
            "Anyone with an account on this machine reaches its port, so the address that is printed holds a "
            "secret: keep it to yourself. Needs the extra web.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, help="Port for --web; 0 for one that is free; default: 8000."
        ),
    ] = None,
) -> None:
    if web or port is not None:
        _serve(context.invoked_subcommand, web, port)
    elif context.invoked_subcommand is None:
        demo.open_demo()
    elif context.invoked_subcommand not in _SAYING_LITTLE:
        require_open("stdout")


def _serve(command: str | None, web: bool, port: int | None) -> None:
    from fedkeys.cli.web import DEFAULT_PORT, serve_screens
    from fedkeys.errors import UsageError

    if command is not None:
        raise UsageError(
            f"only the typing demo opens in a browser, not {command}", remedy="leave the command out"
        )
    if not web:
        raise UsageError("--port says where --web serves", remedy="add --web")
    serve_screens(DEFAULT_PORT if port is None else port)


def run() -> None:
    """Run the command line and exit."""
    _clean_up_when_ended()
    if sys.stderr is None:  # closed by who wants no complaints
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115, as long as the process
    try:
        app()
    except SystemExit as exit_:
        if exit_.code == 130:
            _fail("interrupted", 130)
        raise
    except FedkeysError as error:
        _fail(str(error), error.exit_status)
    except BrokenPipeError:
        # The reader has gone (fedkeys ... | head): nothing is left to say, not even at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except UnicodeEncodeError as error:
        _fail(f"{error.encoding} cannot show {error.object[error.start]!a}; PYTHONIOENCODING=utf-8 can", 1)
    except OSError as error:
        _fail(f"{error.filename or 'stdout'}: {error.strerror}", 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except Exception as error:
        if "FEDKEYS_DEBUG" in os.environ:
            raise
        _fail(
            f"{type(error).__name__}: {error}; this is a fault of fedkeys, "
            "FEDKEYS_DEBUG=1 shows where it came from",
            1,
        )


def _clean_up_when_ended() -> None:
    """Have what ends a process end it as ctrl-C does: with what it started, and without what it left lying."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def _fail(sentence: str, status: int) -> None:
    colour = False if os.environ.get("NO_COLOR") else None
    typer.secho(for_stderr(f"fedkeys: {sentence}"), err=True, fg="red", color=colour)
    sys.exit(status)
