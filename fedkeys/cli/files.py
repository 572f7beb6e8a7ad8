"""Files that a command is given: refused, before any work is done, if they cannot serve."""

from collections.abc import Sequence
from pathlib import Path

_OTHER_SUFFIXES = (".delta", ".deltas", ".withdrawal", ".partial", ".txt", ".jsonl", ".gz")


def check_output(out: Path | None, suffix: str | None, inputs: Sequence[Path] = ()) -> None:
    """Refuse to write over an input, or a file whose name says that it is of another kind.

    Args:
        out: the file; None for none.
        suffix: what its name must end in; None for anything but the suffixes of other kinds.
        inputs: the files that are read.

    Raises:
        UsageError: it must not be written.
    """
    from fedkeys.errors import UsageError

    if out is None:
        return
    if suffix is not None and out.suffix != suffix:
        raise UsageError(f"does not end in {suffix}", file=out, remedy=f"name it {out.stem}{suffix}")
    if suffix is None and out.suffix in _OTHER_SUFFIXES:
        raise UsageError(f"a model does not end in {out.suffix}", file=out, remedy="name it .model")
    if out.exists() and any(out.samefile(file) for file in inputs if file.exists()):
        raise UsageError("is one of the inputs", file=out, remedy="name another file to write")


def check_writable(out: Path) -> None:
    """Refuse a file that cannot be written, before any work is done.

    Raises:
        UsageError: it is a directory, or nothing can be written where it is to be.
    """
    import tempfile

    from fedkeys.errors import UsageError

    if out.is_dir():
        raise UsageError("is a directory, and a file is wanted", file=out, remedy="name a file in it")
    if out.exists() and not out.is_file():
        return  # a pipe, or /dev/null
    # Directories that are missing are made with the file.
    above = next(directory for directory in out.absolute().parents if directory.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise UsageError(
            f"cannot be written ({error.strerror})", file=out, remedy="name a file elsewhere"
        ) from None


def existing(path: Path) -> Path:
    """Refuse a file that is not there, before any work is done.

    Raises:
        UsageError: there is no such file.
    """
    from fedkeys.errors import UsageError

    if path.is_dir():
        raise UsageError("is a directory, and a file is wanted", file=path, remedy="name a file in it")
    if not path.is_file():
        raise UsageError("is no file that can be read twice" if path.exists() else "no such file", file=path)
    return path
