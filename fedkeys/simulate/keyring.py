"""The keyring: what simulated phones sign with.

In: names of phones, and a secret of the simulation. Out: a key for each, the same whenever it is asked for. Law:
whose name and secret are the same has the same key; a real phone draws its own.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from fedkeys.delta.keys import PhoneKey, PublicKey


class Keyring:
    """The keys of simulated phones.

    Args:
        secret: 32 bytes, of the simulation.
        names: of the phones.
        federation: in which they are enrolled.

    Attributes:
        public: their public keys, by pseudonym.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """

    def __init__(self, secret: bytes, names: Iterable[str], federation: str) -> None:
        self._secret = secret
        keys = [self.of(name).public for name in names]
        self.public: Mapping[bytes, PublicKey] = {key.pseudonym(federation): key for key in keys}

    def of(self, name: str) -> PhoneKey:
        """Give the key of a phone."""
        return PhoneKey.of(blake2b(name.encode(), key=self._secret, digest_size=32).digest())
