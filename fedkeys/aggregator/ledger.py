"""The ledger: which deltas were merged.

In: identities and digests. Out: whether a delta is new. Law: it holds identities and digests, and nothing of
what a delta says.
"""

import sqlite3
from collections.abc import Iterable

from fedkeys.delta import Head
from fedkeys.errors import RefusedError

SCHEMA = """
CREATE TABLE ledger (
    phone BLOB NOT NULL, sequence INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (phone, sequence)
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
        """How many deltas were merged."""
        return int(self._connection.execute("SELECT count(*) FROM ledger").fetchone()[0])

    @property
    def phones(self) -> int:
        """From how many distinct pseudonyms."""
        return int(self._connection.execute("SELECT count(DISTINCT phone) FROM ledger").fetchone()[0])

    def is_new(self, delta: Head) -> bool:
        """Tell a new delta (True) from one that was merged before (False).

        Raises:
            RefusedError: another delta was merged under its identity.
        """
        query = "SELECT digest FROM ledger WHERE phone = ? AND sequence = ?"
        known = self._connection.execute(query, (delta.phone, delta.sequence)).fetchone()
        if known is not None and known[0] != delta.digest:
            raise RefusedError(
                f"another delta was merged as number {delta.sequence} of phone {delta.phone.hex()[:8]}",
                remedy="a phone must send a delta whose fate it does not know again unchanged",
            )
        return known is None

    def enter(self, deltas: Iterable[Head]) -> None:
        """Note that deltas were merged."""
        rows = ((delta.phone, delta.sequence, delta.digest) for delta in deltas)
        self._connection.executemany("INSERT INTO ledger VALUES (?, ?, ?)", rows)
