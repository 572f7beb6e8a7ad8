"""What the plots of all commands share: matplotlib, from the extra `plots`, is loaded when one is drawn."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from fedkeys.cli.console import narrate

_ENDINGS = (".png", ".svg", ".pdf")
# So that the same figures give the same file.
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def check_plot(path: Path | None) -> Path | None:
    """Refuse a plot that could not be written, before any work is done.

    Raises:
        UsageError: the ending is none that matplotlib writes, a directory has the name, nothing may be written
            there, or matplotlib is missing.
    """
    from fedkeys.errors import UsageError

    if path is None:
        return None
    if path.suffix.lower() not in _ENDINGS or path.is_dir():
        raise UsageError("no file for a plot", file=path, remedy=f"end its name in {', '.join(_ENDINGS)}")
    there = next(one for one in (path, *path.absolute().parents) if one.exists())
    if (there != path and not there.is_dir()) or not os.access(there, os.W_OK):
        raise UsageError(
            "a plot cannot be written there", file=path, remedy="name a file that can be written"
        )
    pyplot_of()
    return path


PlotOption = Annotated[
    Path | None, typer.Option("--plot", callback=check_plot, help="File for a plot, PNG, SVG or PDF.")
]


def pyplot_of() -> Any:
    """Load what draws.

    Raises:
        UsageError: it is not installed.
    """
    from fedkeys.errors import UsageError

    try:
        import matplotlib
    except ImportError:
        raise UsageError(
            "plots need matplotlib", remedy="install it with: pip install 'fedkeys[plots]'"
        ) from None
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "fedkeys"
    from matplotlib import pyplot

    return pyplot


def save_plot(figure: Any, path: Path) -> None:
    """Write a figure, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata=_UNDATED.get(path.suffix.lower()))
    narrate(f"plot in {path}")
