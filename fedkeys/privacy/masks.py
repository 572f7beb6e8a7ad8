"""Masks: long vectors of numbers that nobody can tell from random, made of short secrets.

In: X25519 keys, 32-byte seeds. Out: seeds that two share, masks, sealed boxes between two. Laws: the mask of a
pair is added by one of the two and subtracted by the other, so that it is gone from their sum; a seed makes one
mask, in one run, and a channel's key seals one box in each direction.

Sums are modulo 2^32, in uint32, which numpy adds so. The mask of a seed is the key stream of AES-256 in counter
mode (NIST SP 800-38A) with the seed as its key, from counter 0, as little-endian words: 256 bits of secret go
into it, not the 32 of a general generator's seed. Two parties' seed is HKDF-SHA256 (RFC 5869) of their X25519
agreement (RFC 7748); boxes are ChaCha20-Poly1305 (RFC 8439). `cryptography` does all of that, from the extra
`privacy`.
"""

from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedkeys.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

Vector = NDArray[np.uint32]

SEED_SIZE = KEY_SIZE = 32

_PIECE = 1 << 15  # numbers that are masked together, so that they stay in the nearest caches
_NONCE = bytes(12)


class SecretKey:
    """An X25519 key of one run.

    Args:
        raw: its 32 bytes; drawn from the operating system's source when not given.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """

    def __init__(self, raw: bytes | None = None) -> None:
        keys = _cryptography().X25519PrivateKey
        self._key: X25519PrivateKey = keys.generate() if raw is None else keys.from_private_bytes(raw)
        self.raw: bytes = self._key.private_bytes_raw()
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SecretKey(public={self.public.hex()})"

    def agreed(self, other: bytes) -> bytes:
        """Give the 32 bytes that this key and another one's owner alone can make.

        Args:
            other: the other's public key.

        Raises:
            RefusedError: no key can be agreed on with the other one, which is none.
        """
        tools = _cryptography()
        try:
            secret = self._key.exchange(tools.X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise RefusedError("a public key with which no secret can be agreed on") from None
        both = b"".join(sorted((self.public, other)))
        made: bytes = tools.HKDF(tools.SHA256(), SEED_SIZE, salt=both, info=b"fedkeys").derive(secret)
        return made


def derived(secret: bytes, purpose: bytes) -> bytes:
    """Give the 32 bytes that an agreed secret makes for one purpose."""
    tools = _cryptography()
    made: bytes = tools.HKDFExpand(tools.SHA256(), SEED_SIZE, info=purpose).derive(secret)
    return made


def add_mask(vector: Vector, seed: bytes, *, subtract: bool = False) -> None:
    """Add the mask of a seed to a vector, in place.

    Args:
        vector: uint32[n], modulo 2^32.
        seed: 32 bytes.
        subtract: take it away instead.
    """
    tools = _cryptography()
    stream = tools.Cipher(tools.AES(seed), tools.CTR(bytes(16))).encryptor()
    change = np.subtract if subtract else np.add
    zeros = bytes(4 * min(_PIECE, len(vector)))
    for start in range(0, len(vector), _PIECE):
        piece = vector[start : start + _PIECE]
        mask = np.frombuffer(stream.update(zeros[: 4 * len(piece)]), "<u4")
        change(piece, mask, out=piece)


def sealed_box(key: bytes, message: bytes, about: bytes) -> bytes:
    """Encrypt a message under a key that seals no other, and vouch for it and for what it is about."""
    box: bytes = _cryptography().ChaCha20Poly1305(key).encrypt(_NONCE, message, about)
    return box


def opened_box(key: bytes, box: bytes, about: bytes) -> bytes:
    """Decrypt what `sealed_box` made.

    Raises:
        RefusedError: it was made with another key, is about something else, or was changed.
    """
    tools = _cryptography()
    try:
        message: bytes = tools.ChaCha20Poly1305(key).decrypt(_NONCE, box, about)
    except tools.InvalidTag:
        raise RefusedError("a sealed share that is not from whom it is said to be") from None
    return message


@cache
def _cryptography() -> SimpleNamespace:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CTR
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
    except ImportError:
        raise UsageError(
            "secure aggregation wants cryptography", remedy="install it with: pip install 'fedkeys[privacy]'"
        ) from None
    return SimpleNamespace(
        AES=AES,
        CTR=CTR,
        ChaCha20Poly1305=ChaCha20Poly1305,
        Cipher=Cipher,
        HKDF=HKDF,
        HKDFExpand=HKDFExpand,
        InvalidTag=InvalidTag,
        SHA256=SHA256,
        X25519PrivateKey=X25519PrivateKey,
        X25519PublicKey=X25519PublicKey,
    )
