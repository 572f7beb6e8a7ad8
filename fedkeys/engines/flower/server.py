"""The ServerApp: the aggregator's side of rounds, as Flower runs it.

In: a grid of nodes, and the run's settings. Out: what the settings' `keep` says. Law: it loads no text code.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedkeys.engines.flower import FAILURE_FILE
from fedkeys.engines.flower.keyboard import Rounds
from fedkeys.engines.flower.settings import RoundPlan
from fedkeys.errors import FedkeysError

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Make the rounds of a run."""
    config = dict(context.run_config)
    try:
        plan = RoundPlan.read(config)
        rounds = Rounds(grid, plan)
        try:
            for account in rounds.run():
                print(json.dumps({"round": account.round, "payload": account.payload}), flush=True)
        finally:
            rounds.close()
    except FedkeysError as error:
        _leave_word(config, str(error))
        raise SystemExit(f"fedkeys: {error}") from None


def _leave_word(config: Mapping[str, object], why: str) -> None:
    """Write down why a run failed, where whoever waits for it looks."""
    if config.get("keep"):
        path = Path(str(config["keep"]))
        path.mkdir(parents=True, exist_ok=True)
        (path / FAILURE_FILE).write_text(why)
