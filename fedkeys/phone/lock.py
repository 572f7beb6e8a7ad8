"""A lock on a file: one process at a time.

In: a path. Out: a lock that the operating system lets go of when the process ends, however it ends.
"""

import os
import sys
from pathlib import Path

from fedkeys.errors import TakenError

if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """A lock that is held until `release`.

    Args:
        path: the file, made if it is not there, and left there.
        taken: what to say when another process holds it.
        remedy: and what to do then.

    Raises:
        TakenError: another process holds it.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, taken: str, remedy: str) -> None:
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._file)
        except (BlockingIOError, PermissionError):
            self.release()
            raise TakenError(taken, file=path.parent, remedy=remedy) from None
        except OSError:
            self.release()
            raise

    @property
    def held(self) -> bool:
        """Whether it is still held."""
        return self._file is not None

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
