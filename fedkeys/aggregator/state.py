"""The state of an aggregator: its sums on disk, its ledger, and an account of what came.

In: sums that were put on disk, deltas that were merged. Out: the same in the next process. Laws: what was
committed stays, whole, and what was not never was: a kill at any instant leaves a state between two commits; one
process at a time works on a state.

A state is a directory: `state.sqlite`, which holds the ledger, the account and the names of the runs that count,
and `runs/`, where each run is written, and flushed to the disk, before the transaction that names it. What is
there without being named is left over from a process that was killed, and is removed by the next. SQLite keeps
the transactions and the lock.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

from fedkeys.aggregator.ledger import SCHEMA, Ledger
from fedkeys.aggregator.runs import Run, merge_runs, without_nothing
from fedkeys.aggregator.totals import Totals
from fedkeys.container import sync_directory
from fedkeys.delta import Head
from fedkeys.errors import FedkeysError, FormatError, UsageError, VersionError

STATE_VERSION = 1

_DATABASE, _RUNS = "state.sqlite", "runs"
_TABLES = (
    SCHEMA,
    "CREATE TABLE runs (name TEXT PRIMARY KEY, highest INTEGER NOT NULL)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE refused (reason TEXT PRIMARY KEY, times INTEGER NOT NULL)",
    f"PRAGMA user_version = {STATE_VERSION}",
)
_MOST_RUNS = 64  # that are merged at once, each with a few files open
_CACHE_KIB = 32 << 10


class State:
    """What an aggregator keeps; until `commit` nothing that was changed counts.

    Args:
        path: the directory, made if it is not there; None for one that lasts as long as the process.
        federation: whose state it is.

    Raises:
        FedkeysError: another process works on it, or it cannot be read or written.
        FormatError: what is there is no state of this federation (VersionError: it is newer).
    """

    def __init__(self, path: Path | None, federation: str) -> None:
        self.path = path
        self._scratch: Path | None = None
        with self._naming_the_disk():
            if path is not None:
                (path / _RUNS).mkdir(parents=True, exist_ok=True)
            # "" is a database of SQLite's own that goes to disk when it outgrows its cache.
            database = "" if path is None else path / _DATABASE
            self._connection = sqlite3.connect(database, isolation_level=None, timeout=0.0)
            self._finalizer = finalize(self, self._connection.close)
            self._begin(federation)
        self.ledger = Ledger(self._connection)
        rows = self._connection.execute("SELECT name, highest FROM runs ORDER BY name").fetchall()
        self._runs = [Run(self._directory() / name, highest) for name, highest in rows]
        self._replaced: list[Run] = []
        if path is not None:
            self._remove_leftovers()

    def close(self) -> None:
        """Let others work on it; what was not committed is forgotten."""
        self._finalizer()

    def _begin(self, federation: str) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute(f"PRAGMA synchronous = {'FULL' if self.path else 'OFF'}")
        execute("BEGIN EXCLUSIVE")
        version = execute("PRAGMA user_version").fetchone()[0]
        if version > STATE_VERSION:
            raise VersionError(
                f"a state of version {version} is newer than the {STATE_VERSION} that this fedkeys reads",
                file=self.path,
                remedy="upgrade fedkeys",
            )
        if not version:
            for statement in _TABLES:
                execute(statement)
            self.note(federation=federation)
            self._commit()
        found = self.facts().get("federation")
        if found != federation:
            raise UsageError(
                f"is the state of the federation {found!r}, not of {federation!r}",
                file=self.path,
                remedy="name the federation with --federation",
            )

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs whose sum is everything that was put on disk."""
        return tuple(self._runs)

    @property
    def bytes_on_disk(self) -> int:
        """How much the sums and the ledger take in the directory."""
        files = self.path.rglob("*") if self.path else ()
        return sum(file.stat().st_size for file in files if file.is_file())

    def facts(self) -> dict[str, Any]:
        """Give what was noted."""
        return dict(self._connection.execute("SELECT name, value FROM facts"))

    def note(self, **facts: Any) -> None:
        """Note facts, each a number or a text."""
        with self._naming_the_disk():
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def enter(self, deltas: Iterable[Head]) -> None:
        """Note in the ledger that deltas were merged."""
        with self._naming_the_disk():
            self.ledger.enter(deltas)

    def withdraw(self, delta: Head) -> None:
        """Note in the ledger that a delta is taken back.

        Raises:
            RefusedError: it does not count.
        """
        with self._naming_the_disk():
            self.ledger.withdraw(delta)

    def count_refusals(self, times: Mapping[str, int]) -> None:
        """Count deltas that were refused, by reason."""
        with self._naming_the_disk():
            self._connection.executemany(
                "INSERT INTO refused VALUES (?, ?) ON CONFLICT DO UPDATE SET times = times + excluded.times",
                times.items(),
            )

    def refusals(self) -> dict[str, int]:
        """Give how many deltas were refused, by reason."""
        return dict(self._connection.execute("SELECT reason, times FROM refused ORDER BY times DESC"))

    def add_run(self, totals: Totals) -> None:
        """Put sums on disk."""
        with self._naming_the_disk():
            self._added(Run.write(self._new_path(), totals))

    def merge_runs(self, rows_at_once: int) -> None:
        """Make one run of all."""
        while len(self._runs) > 1:
            some = sorted(self._runs, key=len)[:_MOST_RUNS]
            with self._naming_the_disk():
                merged = merge_runs(some, self._new_path(), rows_at_once)
                self._replace(some, merged)

    def drop_nothing(self) -> None:
        """Of the one run there is, drop what nobody has sent any more."""
        (run,) = self._runs
        with self._naming_the_disk():
            left = without_nothing(run, self._new_path())
            if left is not None:
                self._replace([run], left)

    def commit(self) -> None:
        """Make all that was changed count."""
        with self._naming_the_disk():
            self._commit()
        for run in self._replaced:
            rmtree(run.path, ignore_errors=True)
        self._replaced = []

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN EXCLUSIVE")

    def _new_path(self) -> Path:
        taken = [int(path.name) for path in self._directory().iterdir()]
        return self._directory() / f"{max(taken, default=0) + 1:08}"

    def _directory(self) -> Path:
        """Where the runs are."""
        if self.path is not None:
            return self.path / _RUNS
        if self._scratch is None:
            self._scratch = Path(mkdtemp(prefix="fedkeys-"))
            finalize(self, rmtree, self._scratch, ignore_errors=True)
        return self._scratch

    def _replace(self, some: Sequence[Run], by: Run) -> None:
        names = [(run.path.name,) for run in some]
        self._connection.executemany("DELETE FROM runs WHERE name = ?", names)
        self._runs = [run for run in self._runs if run not in some]
        self._replaced += some
        self._added(by)
        if self.path is None:
            self.commit()

    def _added(self, run: Run) -> None:
        if self.path is not None:
            for file in run.path.iterdir():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
            sync_directory(run.path)
            sync_directory(run.path.parent)
        self._connection.execute("INSERT INTO runs VALUES (?, ?)", (run.path.name, run.order))
        self._runs.append(run)

    def _remove_leftovers(self) -> None:
        named = {run.path.name for run in self._runs}
        for path in self._directory().iterdir():
            if path.name not in named:
                rmtree(path, ignore_errors=True)

    @contextmanager
    def _naming_the_disk(self) -> Iterator[None]:
        """Say what an operator can do about a disk, or a database, that does not take what it is given."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise FedkeysError(
                    "another aggregator works on this state", file=self.path, remedy="wait until it is done"
                ) from None
            raise self._failure(str(error)) from None
        except sqlite3.DatabaseError as error:
            raise FormatError(f"no state of an aggregator ({error})", file=self.path) from None
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None

    def _failure(self, why: str) -> FedkeysError:
        remedy = (
            "make room and start again: what was committed before is there"
            if self.path is not None
            else "name another place with TMPDIR, or give more --memory"
        )
        return FedkeysError(f"the sums cannot be put on disk ({why})", file=self.path, remedy=remedy)
