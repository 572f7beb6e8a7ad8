"""Shares: a secret in so many parts that any few tell nothing, and any enough of them all.

In: 32 secret bytes. Out: shares, one a holder; the secret again, of any `threshold` of them. Law: fewer shares
are as likely for any other secret.

Shamir 1979, "How to share a secret", over the integers modulo the least prime above 2^256. `shamirs` draws the
polynomials, from the operating system's source. Of its interpolation, which takes 0.16 s for 41 shares, nothing is
used: the constant term of Lagrange's formula is a line of arithmetic.
"""

from collections.abc import Mapping
from typing import Any

from fedkeys.errors import RefusedError, UsageError

SECRET_SIZE = 32
SHARE_SIZE = 33

PRIME = 2**256 + 297


def split(secret: bytes, holders: int, threshold: int) -> list[bytes]:
    """Share a secret out.

    Args:
        secret: 32 bytes.
        holders: how many shares are made.
        threshold: how many of them are enough.

    Returns:
        33 bytes for each holder 1, 2, ... in turn.

    Raises:
        UsageError: the extra `privacy` is not installed.
    """
    value = int.from_bytes(secret)
    made = _shamirs().shares(value, quantity=holders, modulus=PRIME, threshold=threshold)
    return [share.value.to_bytes(SHARE_SIZE) for share in made]


def joined(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Give the secret of which these are shares.

    Args:
        shares: by the number of their holder, from 1.
        threshold: how many are enough.

    Raises:
        RefusedError: they are fewer, or shares of no secret of 32 bytes.
    """
    if len(shares) < threshold:
        raise RefusedError(f"{len(shares)} shares of a secret of which {threshold} are needed")
    points = sorted(shares)[:threshold]
    # The polynomial at 0 is the sum of its values, each times the product of x / (x - y) over the other places x.
    total = 0
    for place in points:
        above, below = 1, 1
        for other in points:
            if other != place:
                above = above * other % PRIME
                below = below * (other - place) % PRIME
        total += int.from_bytes(shares[place]) * above * pow(below, -1, PRIME)
    value = total % PRIME
    if value >= 1 << 8 * SECRET_SIZE:
        raise RefusedError("shares that belong to no secret")
    return value.to_bytes(SECRET_SIZE)


def _shamirs() -> Any:
    try:
        import shamirs
    except ImportError:
        raise UsageError(
            "secrets are shared out by shamirs", remedy="install it with: pip install 'fedkeys[privacy]'"
        ) from None
    return shamirs
