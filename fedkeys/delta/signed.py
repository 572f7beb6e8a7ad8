"""The envelope: a delta, or its withdrawal, signed by the phone that it is from.

In: the bytes of a delta and a signature of them. Out: one message, and back. Laws: an envelope has exactly one
encoding; what is signed for one purpose never counts as signed for the other.

Format, version 1
-----------------

One msgpack array of these four entries, each in its shortest encoding:

    kind        "fedkeys.signed" for a delta that is sent, "fedkeys.withdrawal" for one that is taken back
    version     1
    signature   64 bytes: Ed25519 (RFC 8032, section 5.1), without context or prehash
    message     bytes: the delta, unchanged, at most 8 MiB

So the bytes are, in hexadecimal and in this order:

    94                              an array of four
    ae 66 65 64 6b 65 79 73 ...     the kind: ae and 14 letters, or b2 and 18
    01                              the version
    c4 40 ...                       64 bytes of signature
    c4 nn                           how long the message is, if below 2^8
    or c5 nn nn                     if below 2^16, big-endian
    or c6 nn nn nn nn               from there on
    ...                             the message

*What is signed.* All bytes before the signature's own (94 to 01, which say the kind and the version), followed
by the message: 17 or 21 bytes, and the delta. The two beginnings differ in their second byte, so that no
signature fits both kinds.

*Whose it is.* The delta names its phone by a pseudonym, and an enrolled phone's is made of its public key and the
federation's name (`fedkeys.delta.keys`): the signature must be that of the key with this pseudonym. Ledger and
digests know the delta only: sent in two envelopes, or in one and without, it is the same delta. A worked example
stands in `tests/vectors/signed/`.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgpack

from fedkeys.container import unpack_list
from fedkeys.delta.checks import require
from fedkeys.delta.message import MAX_DELTA_BYTES

SIGNED_VERSION = 1
SIGNATURE_SIZE = 64

_ENTRIES = ("kind", "version", "signature", "message")


class Kind(StrEnum):
    """What an envelope is for, and what its first entry says."""

    DELTA = "fedkeys.signed"
    WITHDRAWAL = "fedkeys.withdrawal"


# As much as an envelope can have besides its message: the longest beginning, signature and length.
MAX_MESSAGE_BYTES = MAX_DELTA_BYTES + 2 + len(Kind.WITHDRAWAL) + 1 + 2 + SIGNATURE_SIZE + 5

_BEGINNINGS: dict[Kind, bytes] = {
    kind: b"\x94" + msgpack.packb(kind.value) + msgpack.packb(SIGNED_VERSION) for kind in Kind
}
_NAMES = tuple(beginning[:-1] for beginning in _BEGINNINGS.values())


@dataclass(frozen=True, slots=True)
class Envelope:
    """A delta and a signature, which nobody has checked yet.

    Attributes:
        kind: whether the delta is sent or taken back.
        signature: 64 bytes.
        message: the delta's bytes, not looked at.
    """

    kind: Kind
    signature: bytes
    message: bytes

    @classmethod
    def of(cls, data: bytes) -> "Envelope | None":
        """Open an envelope; None for bytes that do not begin like one.

        Raises:
            FormatError: they begin like one, and are not a sound one.
        """
        if not data.startswith(_NAMES):
            return None
        require(len(data) <= MAX_MESSAGE_BYTES, f"an envelope of {len(data):,} bytes")
        kind = Kind.DELTA if data.startswith(_NAMES[0]) else Kind.WITHDRAWAL
        entries = unpack_list(data, kind, SIGNED_VERSION, _ENTRIES)
        signature, message = entries["signature"], entries["message"]
        require(
            isinstance(signature, bytes) and len(signature) == SIGNATURE_SIZE,
            f"signature is not {SIGNATURE_SIZE} bytes",
        )
        require(isinstance(message, bytes), "message is not bytes")
        require(len(message) <= MAX_DELTA_BYTES, f"holds a message of {len(message):,} bytes")
        envelope = cls(kind, signature, message)
        require(envelope.to_bytes() == data, "an envelope that is not in its shortest encoding")
        return envelope

    def to_bytes(self) -> bytes:
        """Give the envelope as bytes."""
        return bytes(msgpack.packb((self.kind.value, SIGNED_VERSION, self.signature, self.message)))


def signed_bytes(kind: Kind, message: bytes) -> bytes:
    """Give the bytes that a signature of a delta, or of its withdrawal, is made of."""
    return _BEGINNINGS[kind] + message


def message_in(data: bytes) -> bytes:
    """Give the delta in an envelope, or the bytes as they are if they are in none.

    Raises:
        FormatError: they begin like an envelope, and are not a sound one.
    """
    envelope = Envelope.of(data)
    return data if envelope is None else envelope.message
