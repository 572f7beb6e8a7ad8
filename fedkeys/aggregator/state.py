"""The state of an aggregator: its sums on disk, its ledger, and an account of what came.

In: sums that were put on disk, deltas that were merged. Out: the same in the next process. Laws: what was
committed stays, whole, and what was not never was: a kill at any instant leaves a state between two commits; one
process at a time works on a state.

A state is a directory: `state.sqlite`, which holds the ledger, the account and the names of the runs that count,
and `runs/`, where each run is written, and flushed to the disk, before the transaction that names it. What is
there without being named is left over from a process that was killed, and is removed by the next. SQLite keeps
the transactions and the lock.
"""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

from fedkeys.aggregator.ledger import SCHEMA, Entry, Ledger, Overlap
from fedkeys.aggregator.partial_reading import Partial, read_partial
from fedkeys.aggregator.runs import Run, merge_runs, without_nothing
from fedkeys.aggregator.totals import Totals
from fedkeys.container import read_bytes, sync_directory, write_atomically
from fedkeys.counts import Vocabulary
from fedkeys.delta import Head
from fedkeys.errors import DamagedError, FedkeysError, FormatError, StorageError, UsageError, VersionError

STATE_VERSION = 1
APPLICATION_ID = 0x6665646B  # "fedk", by which SQLite files tell whose they are

_SPENDING, _MOST_SPENDING = "spending.json", 1 << 20
_DATABASE, _RUNS, _HELPERS = "state.sqlite", "runs", "helpers-"
_TABLES = (
    SCHEMA,
    "CREATE TABLE runs (name TEXT PRIMARY KEY, highest INTEGER NOT NULL, files TEXT NOT NULL)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE refused (reason TEXT PRIMARY KEY, times INTEGER NOT NULL)",
    "CREATE TABLE bases (digest BLOB PRIMARY KEY, words BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
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
        self._broken = False
        self._scratch: Path | None = None
        self._spent: str | None = None
        self._runs: list[Run] = []
        self._replaced: list[Run] = []
        self._uncommitted: list[Run] = []
        with self._naming_the_disk():
            if path is not None:
                _refuse_what_is_not_ours(path)
                (path / _RUNS).mkdir(parents=True, exist_ok=True)
            # "" is a database of SQLite's own that goes to disk when it outgrows its cache.
            database = "" if path is None else path / _DATABASE
            self._connection = sqlite3.connect(database, isolation_level=None, timeout=0.0)
            self._finalizer = finalize(self, self._connection.close)
            try:
                self._begin(federation)
                self.ledger = Ledger(self._connection)
                self._open_runs()
            except BaseException:
                self._finalizer()
                raise

    def close(self) -> None:
        """Let others work on it; what was not committed is forgotten."""
        self._finalizer()
        for run in self._uncommitted:
            rmtree(run.path, ignore_errors=True)

    def _begin(self, federation: str) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute(f"PRAGMA synchronous = {'FULL' if self.path else 'OFF'}")
        execute("BEGIN EXCLUSIVE")
        version = execute("PRAGMA user_version").fetchone()[0]
        foreign = execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID
        if foreign and (version or execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
            raise FormatError("no state of an aggregator, but another program's", file=self.path)
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
        with self._naming_the_disk():
            return dict(self._connection.execute("SELECT name, value FROM facts"))

    def spent(self) -> str | None:
        """Give what was noted of a budget."""
        path = None if self.path is None else self.path / _SPENDING
        if path is None:
            return self._spent
        return read_bytes(path, _MOST_SPENDING).decode() if path.exists() else None

    def spend(self, text: str) -> None:
        """Note what was spent of a budget, so that it lasts whatever becomes of all that is not committed yet."""
        if self.path is None:
            self._spent = text
        else:
            write_atomically(self.path / _SPENDING, text.encode())

    def note(self, **facts: Any) -> None:
        """Note facts, each a number or a text."""
        with self._naming_the_disk():
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def enter(self, deltas: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Note in the ledger that deltas were merged: phone, number and digest of each."""
        with self._naming_the_disk():
            self.ledger.enter(deltas)

    def reserve(self, deltas: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Note in the ledger that deltas are merged in one sum, or never: phone, number and digest of each."""
        with self._naming_the_disk():
            self.ledger.reserve(deltas)

    def count(self, deltas: Iterable[tuple[bytes, int]]) -> int:
        """Note in the ledger that the sum of such deltas is merged; tell how many there were."""
        with self._naming_the_disk():
            return self.ledger.count(deltas)

    def entries(self, phones: Iterable[bytes]) -> dict[bytes, dict[int, Entry]]:
        """Ask the ledger what is known of phones' deltas."""
        with self._naming_the_disk():
            return self.ledger.entries(phones)

    def withdraw(self, delta: Head) -> None:
        """Note in the ledger that a delta is taken back.

        Raises:
            RefusedError: it does not count.
        """
        with self._naming_the_disk():
            self.ledger.withdraw(delta)

    def remember(self, vocabulary: Vocabulary) -> None:
        """Keep a released vocabulary, so that deltas written against it can be read at any time."""
        row = vocabulary.digest, vocabulary.packed()
        with self._naming_the_disk():
            self._connection.execute("INSERT OR IGNORE INTO bases VALUES (?, ?)", row)

    def vocabulary(self, digest: bytes) -> Vocabulary | None:
        """Give a vocabulary that was kept, if it was."""
        with self._naming_the_disk():
            query = "SELECT words FROM bases WHERE digest = ?"
            row = self._connection.execute(query, (digest,)).fetchone()
        return Vocabulary.unpacked(row[0]) if row else None

    def vocabularies(self) -> list[Vocabulary]:
        """Give all that were kept."""
        with self._naming_the_disk():
            rows = self._connection.execute("SELECT digest FROM bases").fetchall()
        return [vocabulary for (digest,) in rows if (vocabulary := self.vocabulary(digest))]

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

    def take_partial(self, path: Path, on_bytes: Callable[[int], None]) -> Partial:
        """Read a partial aggregate into a run that does not count yet; `count_partial` or `drop_partial` follows.

        Raises:
            FormatError: it is no sound partial; nothing of it stays.
        """
        with self._naming_the_disk():
            into = self._new_path()
            try:
                self.ledger.begin_incoming()
                return read_partial(path, into, self.ledger.hold_incoming, on_bytes)
            except BaseException:
                rmtree(into, ignore_errors=True)
                raise

    def overlap(self, whole_phones: bool) -> Overlap:
        """Tell how the deltas of the partial that was taken last stand to those that are merged."""
        with self._naming_the_disk():
            return self.ledger.overlap(whole_phones)

    def count_partial(self, partial: Partial) -> None:
        """Count the partial that was taken last, and its deltas as merged or as taken back."""
        with self._naming_the_disk():
            self.ledger.enter_incoming()
            self._added(partial.run)

    def drop_partial(self, partial: Partial) -> None:
        """Do not count a partial after all."""
        rmtree(partial.run.path, ignore_errors=True)

    def take_run(self, run: Run) -> None:
        """Put a run that another process wrote among the others."""
        path = self._new_path()
        with self._naming_the_disk():
            run.path.rename(path)
            self._added(Run(path, run.order))

    def give_away_runs(self) -> list[Run]:
        """Forget all runs, which are whoever's now that is given them."""
        given, self._runs, self._uncommitted = self._runs, [], []
        with self._naming_the_disk():
            self._connection.execute("DELETE FROM runs")
        return given

    def place_for_helpers(self) -> Path:
        """Make a directory on the disk that the runs lie on, for what helpers write until it is taken."""
        with self._naming_the_disk():
            return Path(mkdtemp(prefix=_HELPERS, dir=self._directory()))

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
        self._replaced, self._uncommitted = [], []

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN EXCLUSIVE")

    def _new_path(self) -> Path:
        taken = [int(path.name) for path in self._directory().iterdir() if _is_run(path)]
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
                with file.open("r+b") as opened:  # Windows flushes only what may be written
                    os.fsync(opened.fileno())
            sync_directory(run.path)
            sync_directory(run.path.parent)
        row = (run.path.name, run.order, _files_of(run))
        self._connection.execute("INSERT INTO runs VALUES (?, ?, ?)", row)
        self._runs.append(run)
        self._uncommitted.append(run)

    def _open_runs(self) -> None:
        """Take up the runs that count, and remove those that a killed process left."""
        if self.path is None:
            return
        rows = self._connection.execute("SELECT name, highest, files FROM runs ORDER BY name").fetchall()
        for name, highest, files in rows:
            run = Run(self._directory() / name, highest)
            if not run.path.is_dir() or _files_of(run) != files:
                raise DamagedError(
                    "not as it was committed: files are missing or of another size",
                    file=run.path,
                    remedy="restore the state from a copy, or merge its deltas into a new one",
                )
            self._runs.append(run)
        named = {run.path for run in self._runs}
        for path in self._directory().iterdir():
            if path not in named and (_is_run(path) or path.name.startswith(_HELPERS)):
                rmtree(path, ignore_errors=True)

    @contextmanager
    def _naming_the_disk(self) -> Iterator[None]:
        """Say what an operator can do about a disk, or a database, that does not take what it is given."""
        if self._broken:
            raise StorageError("could not be written before", file=self.path, remedy="open it again")
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

    def _failure(self, why: str) -> StorageError:
        """Give up: memory and disk may say different things now, and only the disk is right."""
        self._broken = True
        if hasattr(self, "_finalizer"):
            self.close()
        remedy = (
            "make room and start again: what was committed before is there"
            if self.path is not None
            else "name another place with TMPDIR, or give more --memory"
        )
        return StorageError(f"the sums cannot be put on disk ({why})", file=self.path, remedy=remedy)


def is_state(path: Path) -> bool:
    """Tell whether a directory holds the state of an aggregator."""
    return (path / _DATABASE).is_file()


def _refuse_what_is_not_ours(path: Path) -> None:
    """A directory that is there must be a state, or empty: what lies in a state and is not named is removed."""
    if path.is_dir() and not (path / _DATABASE).exists() and any(path.iterdir()):
        raise UsageError(
            "not empty, and no state of an aggregator", file=path, remedy="name a directory of its own"
        )


def _is_run(path: Path) -> bool:
    return re.fullmatch(r"\d{8}", path.name) is not None and path.is_dir()


def _files_of(run: Run) -> str:
    """The names and sizes of a run's files."""
    return json.dumps({file.name: file.stat().st_size for file in sorted(run.path.iterdir())})
