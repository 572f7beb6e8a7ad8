"""The ledger: which deltas were merged.

In: identities and digests. Out: whether a delta is new, or may be taken back. Laws: it holds identities and
digests, and nothing of what a delta says; what was taken back never counts again.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fedkeys.delta import Head
from fedkeys.errors import RefusedError

SCHEMA = """
CREATE TABLE ledger (
    phone BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    digest BLOB NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (phone, sequence)
) WITHOUT ROWID
"""

_ASKED_AT_ONCE = 500  # SQLite before 3.32 takes 999 values in one statement


class Ledger:
    """Remembers the identity and digest of every delta of one federation that was merged.

    Args:
        connection: of the database that has the table of `SCHEMA`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def deltas(self) -> int:
        """How many deltas were merged, and count."""
        return self._count("SELECT count(*) FROM ledger WHERE NOT withdrawn")

    @property
    def phones(self) -> int:
        """From how many distinct pseudonyms."""
        return self._count("SELECT count(DISTINCT phone) FROM ledger WHERE NOT withdrawn")

    @property
    def withdrawn(self) -> int:
        """How many deltas were taken back."""
        return self._count("SELECT count(*) FROM ledger WHERE withdrawn")

    @property
    def rows_in_all(self) -> int:
        """How many deltas are known, taken back or not."""
        return self._count("SELECT count(*) FROM ledger")

    def entries(self, phones: Iterable[bytes]) -> "dict[bytes, dict[int, Entry]]":
        """Give what is known of phones' deltas, by their numbers, of each phone that has some."""
        found: dict[bytes, dict[int, Entry]] = {}
        asked = sorted(set(phones))  # neighbours lie on one page
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            some = asked[start : start + _ASKED_AT_ONCE]
            places = ", ".join("?" * len(some))
            query = f"SELECT phone, sequence, digest, withdrawn FROM ledger WHERE phone IN ({places})"
            for phone, sequence, digest, withdrawn in self._connection.execute(query, some):
                found.setdefault(phone, {})[sequence] = Entry(digest, bool(withdrawn))
        return found

    def withdraw(self, delta: Head) -> None:
        """Note that a delta is taken back.

        Raises:
            RefusedError: it was never merged, or was taken back before, or its phone has sent another after it.
        """
        entries = self.entries([delta.phone]).get(delta.phone, {})
        entry = entries.get(delta.sequence)
        if entry is None:
            raise RefusedError("it was never merged, so there is nothing to withdraw")
        entry.check_is(delta)
        if entry.withdrawn:
            raise RefusedError("it was withdrawn before")
        last = max(sequence for sequence, other in entries.items() if not other.withdrawn)
        if last > delta.sequence:
            raise RefusedError(
                f"its phone has sent number {last} after it, which relies on it", remedy="withdraw that first"
            )
        statement = "UPDATE ledger SET withdrawn = 1 WHERE phone = ? AND sequence = ?"
        self._connection.execute(statement, (delta.phone, delta.sequence))

    def enter(self, deltas: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Note that deltas were merged: phone, number and digest of each."""
        statement = "INSERT INTO ledger (phone, sequence, digest) VALUES (?, ?, ?)"
        self._connection.executemany(statement, sorted(deltas))

    def reserve(self, deltas: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Note that deltas must not be merged but by `count`: as those that were taken back."""
        statement = "INSERT INTO ledger (phone, sequence, digest, withdrawn) VALUES (?, ?, ?, 1)"
        self._connection.executemany(statement, sorted(deltas))

    def count(self, deltas: Iterable[tuple[bytes, int]]) -> int:
        """Note that deltas were merged which were reserved, phone and number of each; tell how many were."""
        statement = "UPDATE ledger SET withdrawn = 0 WHERE phone = ? AND sequence = ? AND withdrawn"
        return self._connection.executemany(statement, sorted(deltas)).rowcount

    def rows(self) -> "Iterator[Row]":
        """Give everything, by phone and number, while nothing is changed."""
        query = "SELECT phone, sequence, digest, withdrawn FROM ledger ORDER BY phone, sequence"
        for phone, sequence, digest, withdrawn in self._connection.execute(query):
            yield Row(phone, sequence, digest, bool(withdrawn))

    def begin_incoming(self) -> None:
        """Make room beside the ledger for the rows of another one."""
        self._connection.execute("DROP TABLE IF EXISTS temp.incoming")
        self._connection.execute(SCHEMA.replace("TABLE ledger", "TEMP TABLE incoming"))

    def hold_incoming(self, rows: "Iterable[Row]") -> None:
        """Hold rows of another ledger beside this one."""
        self._connection.executemany("INSERT INTO incoming VALUES (?, ?, ?, ?)", rows)

    def overlap(self, whole_phones: bool) -> "Overlap":
        """Tell how the rows held beside the ledger stand to it.

        Args:
            whole_phones: also tell of which phones both have deltas, though not the same.
        """
        both = "FROM incoming JOIN ledger USING (phone, sequence)"
        same = f"{both} WHERE incoming.digest = ledger.digest AND incoming.withdrawn = ledger.withdrawn"
        phones = (
            "SELECT count(DISTINCT phone) FROM incoming WHERE NOT withdrawn "
            "AND phone IN (SELECT phone FROM ledger WHERE NOT withdrawn)"
        )
        known = self._count(f"SELECT count(*) {same} AND NOT incoming.withdrawn")
        return Overlap(
            new=self._count("SELECT count(*) FROM incoming WHERE NOT withdrawn") - known,
            same=known,
            contrary=self._count(f"SELECT count(*) {both}") - self._count(f"SELECT count(*) {same}"),
            phones=self._count(phones) if whole_phones else 0,
        )

    def enter_incoming(self) -> None:
        """Note the rows held beside the ledger as merged, or as taken back."""
        self._connection.execute("INSERT OR IGNORE INTO ledger SELECT * FROM incoming")
        self._connection.execute("DROP TABLE incoming")

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


class Row(NamedTuple):
    """One line of a ledger: a delta's identity and digest, and whether it was taken back."""

    phone: bytes
    sequence: int
    digest: bytes
    withdrawn: bool


class Overlap(NamedTuple):
    """How the deltas of another ledger stand to this one.

    Attributes:
        new: how many count there and are not known here.
        same: how many count there and here.
        contrary: how many are another delta here, or were taken back on one side only.
        phones: how many phones have deltas that count on both sides.
    """

    new: int
    same: int
    contrary: int
    phones: int


class Entry(NamedTuple):
    """What is known of one delta: its digest, and whether it was taken back."""

    digest: bytes
    withdrawn: bool

    def check_is(self, delta: Head) -> None:
        """Refuse a delta that is another than the one that was merged under its identity.

        Raises:
            RefusedError: it is.
        """
        if self.digest != delta.digest:
            raise RefusedError(
                f"another delta was merged as number {delta.sequence} of phone {delta.phone.hex()[:8]}",
                remedy="a phone must send a delta whose fate it does not know again unchanged",
            )

    def check_may_come_again(self, delta: Head) -> None:
        """Refuse a delta that is another, or was taken back.

        Raises:
            RefusedError: it is, or was.
        """
        self.check_is(delta)
        if self.withdrawn:
            raise RefusedError("it was merged and then withdrawn, and is not merged again")
