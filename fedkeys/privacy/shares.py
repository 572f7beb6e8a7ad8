"""Shares: a secret in so many parts that any few tell nothing, and any enough of them all.

In: 32 secret bytes. Out: shares, one a holder; the secret again, of any `threshold` of them. Law: fewer shares
are as likely for any other secret.

Shamir 1979, "How to share a secret", over the integers modulo the least prime above 2^256. `shamirs` draws the
polynomials, from the operating system's source. Of its interpolation, which takes 0.16 s for 41 shares, nothing is
used: the constant term of Lagrange's formula is a line of arithmetic.
"""

from collections.abc import Callable, Mapping, Sequence
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


def joined(shares: Mapping[int, bytes], threshold: int, is_right: Callable[[bytes], bool]) -> bytes:
    """Give the secret of which these are shares.

    One wrong share does no harm where there is one more than needed.

    Args:
        shares: by the number of their holder, from 1.
        threshold: how many are enough.
        is_right: tells whether some 32 bytes are the secret.

    Raises:
        RefusedError: they are fewer, or so many of them are wrong that the secret is not found.
    """
    if len(shares) < threshold:
        raise RefusedError(f"{len(shares)} shares of a secret of which {threshold} are needed")
    holders = sorted(shares)
    without = [None, *holders[:threshold]] if len(holders) > threshold else [None]
    for wrong in without:
        points = [holder for holder in holders if holder != wrong][:threshold]
        value = _at_zero(shares, points)
        if value < 1 << 8 * SECRET_SIZE and is_right(secret := value.to_bytes(SECRET_SIZE)):
            return secret
    raise RefusedError("shares that belong to no secret, more of them than can be told apart")


def _at_zero(shares: Mapping[int, bytes], points: Sequence[int]) -> int:
    """The value at 0 of the polynomial that has the values of some shares."""
    # The polynomial at 0 is the sum of its values, each times the product of x / (x - y) over the other places x.
    total = 0
    for place in points:
        above, below = 1, 1
        for other in points:
            if other != place:
                above = above * other % PRIME
                below = below * (other - place) % PRIME
        total += int.from_bytes(shares[place]) * above * pow(below, -1, PRIME)
    return total % PRIME


def _shamirs() -> Any:
    try:
        import shamirs
    except ImportError:
        raise UsageError(
            "secrets are shared out by shamirs", remedy="install it with: pip install 'fedkeys[privacy]'"
        ) from None
    return shamirs
