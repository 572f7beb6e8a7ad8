"""The ledger: which deltas were merged.

In: identities and digests. Out: whether a delta is new. Law: it holds identities and digests, and nothing of
what a delta says.
"""

from fedkeys.delta import Head
from fedkeys.errors import RefusedError


class Ledger:
    """Remembers the identity and digest of every delta of one federation that was merged."""

    def __init__(self) -> None:
        self._digests: dict[tuple[bytes, int], bytes] = {}
        self._phones: set[bytes] = set()

    @property
    def deltas(self) -> int:
        """How many deltas were merged."""
        return len(self._digests)

    @property
    def phones(self) -> int:
        """From how many distinct pseudonyms."""
        return len(self._phones)

    def is_new(self, delta: Head) -> bool:
        """Tell a new delta (True) from one that was merged before (False).

        Raises:
            RefusedError: another delta was merged under its identity.
        """
        known = self._digests.get((delta.phone, delta.sequence))
        if known is not None and known != delta.digest:
            raise RefusedError(
                f"another delta was merged as number {delta.sequence} of phone {delta.phone.hex()[:8]}",
                remedy="a phone must send a delta whose fate it does not know again unchanged",
            )
        return known is None

    def enter(self, delta: Head) -> None:
        """Note that a delta was merged."""
        self._digests[delta.phone, delta.sequence] = delta.digest
        self._phones.add(delta.phone)
