"""A fleet on Flower: its clients are phones, its server is the aggregator's side of a round.

In: a Flower federation, and what each of its nodes says of its own texts. Out: models, and an account of the
rounds. Laws: text is read where the node's own settings say, never where a message says, and stays there, as long
as it is this code that a node runs; the server loads no text code; messages carry the bytes that any other way
would carry; the payload is that of `fedkeys simulate` on the same phones.

    app           what `flwr run` takes: a pyproject.toml that names the two apps below, and what can be set
    client        the ClientApp: a phone, or a client of federated averaging
    server        the ServerApp: rounds of the keyboard, or of federated averaging
    settings      the run's settings as a plan
    wire          our bytes in Flower's records
    exchange      one question to many nodes
    keyboard      the rounds, on the server; fates: what phones have yet to hear; accounts: what happened;
                  purpose: what a kept directory is for
    summing       a round whose sums nobody sees into; summed: a phone's steps in it
    node          what a node says of itself: texts, keys, what it gives at the most
    numeric       federated averaging: its nodes, its strategies, its rounds
    memory        what a phone remembers of what it has sent
    deployment    a whole federation on loopback, for trying it; certificates, processes: what it takes
"""

from importlib.util import find_spec
from pathlib import Path

from fedkeys.errors import UsageError

APP = Path(__file__).parent / "app"

# In the directory that a run keeps, on the server's machine.
ROUNDS_FILE, FAILURE_FILE = "rounds.jsonl", "failure"


def check_installed() -> None:
    """Refuse to go on without Flower.

    Raises:
        UsageError: the extra `flower` is not installed.
    """
    if find_spec("flwr") is None:
        raise UsageError("Flower is not installed", remedy="pip install 'fedkeys[flower]'")
