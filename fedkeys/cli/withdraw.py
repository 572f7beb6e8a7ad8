"""`fedkeys withdraw`: take back what was sent."""

from pathlib import Path
from typing import Annotated

import typer

from fedkeys.cli.console import FederationOption, JsonOption, existing, narrate, print_json


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="The deltas as they were sent: files, logs or directories."),
    ],
    state: Annotated[
        Path, typer.Option("--state", help="Directory of the state that they were merged into.")
    ],
    base: Annotated[
        list[Path] | None,
        typer.Option("--base", help="Model that deltas were written against; may be given again."),
    ] = None,
    federation: FederationOption = "fedkeys",
    json: JsonOption = False,
) -> None:
    """Take back deltas that were merged into a state.

    Whoever has a delta may take it back. Once all deltas of a phone are, the payload of the next release is, byte
    for byte, the one in which it never took part; none of them is merged again. Models released before stay.
    """
    from fedkeys.aggregator import Aggregator, delta_files, is_state, withdraw_files
    from fedkeys.errors import PartialError, UsageError
    from fedkeys.model import Model

    if not is_state(state):
        raise UsageError(
            "there is no state", file=state, remedy="name the directory that aggregate was given"
        )
    files = delta_files(inputs)
    bases = (Model.load(existing(path)).vocabulary for path in base or ())
    aggregator = Aggregator(federation, bases, state=state)
    withdrawn, refused = withdraw_files(aggregator, files)
    aggregator.settle()  # so that nothing of what was withdrawn stays on the disk
    aggregator.commit()
    for sentence in refused:
        narrate(f"set aside: {sentence}")
    if json:
        print_json({"withdrawn": withdrawn, "refused": list(refused), "deltas": aggregator.deltas})
    narrate(f"{withdrawn:,} withdrawn; {state} holds {aggregator.deltas:,} of {aggregator.phones:,} phones")
    if refused:
        raise PartialError(f"{len(refused):,} could not be withdrawn")
