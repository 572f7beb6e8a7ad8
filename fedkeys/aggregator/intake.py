"""Taking in files of deltas: what is sound is merged, what is not is set aside with its reason.

In: files and directories. Out: an `Intake`, which names every file that was not merged and why. Laws: the
files are only read; one bad file never keeps a good one out; in strict mode one bad file keeps all out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedkeys.aggregator.aggregator import Aggregator
from fedkeys.delta import Delta
from fedkeys.errors import FedkeysError, UsageError

SUFFIX = ".delta"


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of the files.

    Attributes:
        merged: how many deltas were merged.
        repeated: how many had been merged before.
        refused: for each file that was set aside, one sentence that names it and the reason.
    """

    merged: int
    repeated: int
    refused: tuple[str, ...]


def delta_files(inputs: Iterable[Path]) -> list[Path]:
    """Give the files meant by files and directories; of a directory all `*.delta` below it, in order.

    Raises:
        UsageError: an input does not exist, or a directory holds no delta.
    """
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = sorted(file for file in path.rglob(f"*{SUFFIX}") if file.is_file())
            if not found:
                raise UsageError(
                    f"no *{SUFFIX} file below it", file=path, remedy="make some with fedkeys delta"
                )
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise UsageError("no such file or directory", file=path)
    return list(dict.fromkeys(files))


def merge_files(
    aggregator: Aggregator, files: Sequence[Path], *, on_file: Callable[[], None] = lambda: None
) -> Intake:
    """Merge every sound delta of a list of files."""
    merged = repeated = 0
    refused: list[str] = []
    for path in files:
        try:
            if aggregator.add(Delta.load(path)):
                merged += 1
            else:
                repeated += 1
        except FedkeysError as error:
            refused.append(str(error.at(path)))
        except MemoryError:
            refused.append(f"{path}: takes more memory to read than there is")
        on_file()
    return Intake(merged, repeated, tuple(refused))
