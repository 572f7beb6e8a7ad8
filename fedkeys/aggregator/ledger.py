"""The ledger: which deltas were merged.

In: identities and digests. Out: whether a delta is new, or may be taken back. Laws: it holds identities and
digests, and nothing of what a delta says; what was taken back never counts again.
"""

import sqlite3
from collections.abc import Iterable

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

    def is_new(self, delta: Head) -> bool:
        """Tell a new delta (True) from one that was merged before (False).

        Raises:
            RefusedError: another delta was merged under its identity, or it was taken back.
        """
        known = self._known(delta)
        if known is None:
            return True
        digest, withdrawn = known
        if digest != delta.digest:
            raise self._another(delta)
        if withdrawn:
            raise RefusedError("it was merged and then withdrawn, and is not merged again")
        return False

    def withdraw(self, delta: Head) -> None:
        """Note that a delta is taken back.

        Raises:
            RefusedError: it was never merged, or was taken back before.
        """
        known = self._known(delta)
        if known is None:
            raise RefusedError("it was never merged, so there is nothing to withdraw")
        digest, withdrawn = known
        if digest != delta.digest:
            raise self._another(delta)
        if withdrawn:
            raise RefusedError("it was withdrawn before")
        statement = "UPDATE ledger SET withdrawn = 1 WHERE phone = ? AND sequence = ?"
        self._connection.execute(statement, (delta.phone, delta.sequence))

    def enter(self, deltas: Iterable[Head]) -> None:
        """Note that deltas were merged."""
        rows = ((delta.phone, delta.sequence, delta.digest) for delta in deltas)
        self._connection.executemany("INSERT INTO ledger (phone, sequence, digest) VALUES (?, ?, ?)", rows)

    def _known(self, delta: Head) -> tuple[bytes, int] | None:
        query = "SELECT digest, withdrawn FROM ledger WHERE phone = ? AND sequence = ?"
        row: tuple[bytes, int] | None = self._connection.execute(
            query, (delta.phone, delta.sequence)
        ).fetchone()
        return row

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])

    def _another(self, delta: Head) -> RefusedError:
        return RefusedError(
            f"another delta was merged as number {delta.sequence} of phone {delta.phone.hex()[:8]}",
            remedy="a phone must send a delta whose fate it does not know again unchanged",
        )
