"""The ledger: which deltas were merged.

In: identities and digests. Out: whether a delta is new, or may be taken back. Laws: it holds identities and
digests, and nothing of what a delta says; what was taken back never counts again.
"""

import sqlite3
from collections.abc import Iterable
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

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


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
