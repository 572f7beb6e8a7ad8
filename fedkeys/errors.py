"""Everything fedkeys raises on purpose.

In: what went wrong, in which file, at which place, and what to do. Out: one sentence that a person can act
on. Law: a user of the command line never sees a traceback for one of these, and `exit_status` is what the
command exits with.

    FedkeysError                 exit 1
    ├── UsageError               arguments that cannot work together           exit 2
    ├── SourceError              a corpus that cannot be read as one
    ├── FormatError              bytes that are not a sound delta or model
    │   ├── DamagedError         cut short, or changed since they were written
    │   └── VersionError         written by a newer fedkeys
    ├── RefusedError             a sound delta that this aggregator must not merge
    ├── StorageError             a disk that does not take, or keep, what it is given
    ├── TakenError               what one process at a time works on, and another does
    ├── PartialError             some inputs were set aside, the rest is done  exit 3
    └── PromiseError             an audit found a promise that is not kept      exit 4
"""

from pathlib import Path


class FedkeysError(Exception):
    """One sentence: the file, the place in it, what is wrong, and what to do.

    Args:
        what: what is wrong, and what was expected.
        file: the file it happened in, if any.
        place: where in that file ("line 12", "byte 40").
        remedy: what the reader can do about it.
    """

    exit_status = 1

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        place: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.file = file
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = ", ".join(str(part) for part in (self.file, self.place) if part is not None)
        sentence = f"{where}: {self.what}" if where else self.what
        return f"{sentence}; {self.remedy}" if self.remedy else sentence

    def at(self, file: str | Path) -> "FedkeysError":
        """Name the file, for a reader that was handed bytes only."""
        if self.file is None:
            self.file = file
        return self


class UsageError(FedkeysError):
    """Arguments that cannot work, alone or together."""

    exit_status = 2


class SourceError(FedkeysError):
    """A corpus that is not in a form that fedkeys reads."""


class FormatError(FedkeysError):
    """Bytes that are not a sound delta or model."""


class DamagedError(FormatError):
    """Bytes that were cut short, or changed after they were written."""


class VersionError(FormatError):
    """Bytes in a format newer than this fedkeys reads."""


class StorageError(FedkeysError):
    """What must last and cannot be put on disk; the state of an aggregator has to be opened again then."""


class TakenError(FedkeysError):
    """What only one process at a time may work on, and another one does."""


class RefusedError(FedkeysError):
    """A sound delta that this aggregator must not merge."""


class PartialError(FedkeysError):
    """Some inputs were set aside; everything else was done."""

    exit_status = 3


class PromiseError(FedkeysError):
    """An audit found a promise that is not kept; what it is stands in the report."""

    exit_status = 4
