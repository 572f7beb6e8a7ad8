"""The ServerApp: the server's side of rounds, as Flower runs it.

In: a grid of nodes, and the run's settings. Out: what the settings' `keep` says. Law: it loads no text code.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedkeys.container import write_atomically
from fedkeys.engines.flower import FAILURE_FILE
from fedkeys.engines.flower.keyboard import Rounds
from fedkeys.engines.flower.numeric.rounds import make_rounds
from fedkeys.engines.flower.purpose import check_purpose, write_purpose
from fedkeys.engines.flower.settings import RoundPlan, kept_in
from fedkeys.errors import FedkeysError, UsageError

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Make the rounds of a run."""
    config = dict(context.run_config)
    try:
        match config["app"]:
            case "keyboard":
                _keyboard(grid, config)
            case "classifier" | "hospitals":
                _numeric(grid, config)
            case other:
                raise UsageError(
                    f"no app is named {other!r}", remedy="choose keyboard, classifier or hospitals"
                )
    except FedkeysError as error:
        _leave_word(config, str(error))
        raise  # of a SystemExit Flower would hear nothing, and only miss the run's heartbeats after a minute
    except Exception as error:
        _leave_word(config, f"{type(error).__name__}: {error}; the log of the run has more")
        raise


def _keyboard(grid: Grid, config: Mapping[str, Any]) -> None:
    rounds = Rounds(grid, RoundPlan.read(config))
    try:
        for account in rounds.run():
            told = {"round": account.round, "payload": account.payload, "failures": account.failures}
            print(json.dumps(told), flush=True)
    finally:
        rounds.close()


def _numeric(grid: Grid, config: Mapping[str, Any]) -> None:
    keep, terms = kept_in(config), {"app": config["app"]}
    check_purpose(keep, terms)
    write_purpose(keep, terms)
    make_rounds(grid, config)


def _leave_word(config: Mapping[str, object], why: str) -> None:
    """Write down why a run failed, where whoever waits for it looks."""
    if config.get("keep"):
        write_atomically(Path(str(config["keep"])) / FAILURE_FILE, why.encode())
