"""Keys: what an enrolled phone signs with, and what the aggregator knows it by.

In: PEM files (RFC 7468), as other programs write and read them too. Out: signatures, and whether they are true.
Laws: one key is one pseudonym in a federation, and no message of another key has it; a private key is in none.

A pseudonym is the BLAKE2b with 16 bytes of digest over "fedkeys.pseudonym", a zero byte, the federation's name
as UTF-8, a zero byte, and the 32 bytes of the public key (RFC 8032, section 5.1.5). In two federations one key
has two pseudonyms, which only who knows the public key can tie together.

`cryptography` does the arithmetic, and is loaded when the first key is.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fedkeys.container import read_bytes
from fedkeys.delta.checks import DIGEST_SIZE, PHONE_SIZE, check_identity
from fedkeys.delta.signed import Envelope, Kind, signed_bytes
from fedkeys.errors import FormatError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MOST_BYTES = 1 << 14  # of a PEM file; one key takes 120


@dataclass(frozen=True, slots=True)
class PublicKey:
    """By what an aggregator knows a phone.

    Attributes:
        raw: its 32 bytes.
    """

    raw: bytes

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, the name of its file: they tell keys apart, and nothing of whose they are."""
        return blake2b(b"fedkeys.fingerprint\0" + self.raw, digest_size=DIGEST_SIZE).hexdigest()

    def pseudonym(self, federation: str) -> bytes:
        """Give the 16 bytes that name its phone in a federation.

        Raises:
            FormatError: no delta could carry the federation's name.
        """
        check_identity(federation, bytes(PHONE_SIZE))
        said = b"fedkeys.pseudonym\0" + federation.encode() + b"\0" + self.raw
        return blake2b(said, digest_size=PHONE_SIZE).digest()

    def signed(self, envelope: Envelope) -> bool:
        """Tell whether this key made the envelope's signature."""
        return self.has_signed(signed_bytes(envelope.kind, envelope.message), envelope.signature)

    def has_signed(self, said: bytes, signature: bytes) -> bool:
        """Tell whether this key made a signature of some bytes."""
        key = _ed25519().Ed25519PublicKey.from_public_bytes(self.raw)
        from cryptography.exceptions import InvalidSignature

        try:
            key.verify(signature, said)
        except InvalidSignature:
            return False
        return True

    def to_pem(self) -> bytes:
        """Give the key as PEM (SubjectPublicKeyInfo, RFC 8410)."""
        key = _ed25519().Ed25519PublicKey.from_public_bytes(self.raw)
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    @classmethod
    def load(cls, path: Path) -> "PublicKey":
        """Read a key from a PEM file.

        Raises:
            FormatError: it holds no public Ed25519 key.
            UsageError: `cryptography` is not installed.
        """
        kinds = _ed25519()
        data = read_bytes(path, _MOST_BYTES)
        if b"PRIVATE KEY" in data:
            raise FormatError(
                "holds a private key where a public one belongs",
                file=path,
                remedy="remove it: only its phone should have it",
            )
        key = _read(path, data, "public")
        if not isinstance(key, kinds.Ed25519PublicKey):
            raise _not_ed25519(path)
        return cls(key.public_bytes_raw())


@dataclass(frozen=True, slots=True, repr=False)
class PhoneKey:
    """What a phone signs with; it stays on the phone.

    Attributes:
        private: the key.
        public: the other half, for the aggregator.
    """

    private: "Ed25519PrivateKey"
    public: PublicKey

    @classmethod
    def draw(cls) -> "PhoneKey":
        """Draw a new one from the operating system's source.

        Raises:
            UsageError: `cryptography` is not installed.
        """
        return cls._of(_ed25519().Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, raw: bytes) -> "PhoneKey":
        """Give the key that 32 secret bytes are (RFC 8032, section 5.1.5)."""
        return cls._of(_ed25519().Ed25519PrivateKey.from_private_bytes(raw))

    @classmethod
    def load(cls, path: Path) -> "PhoneKey":
        """Read a key from a PEM file.

        Raises:
            FormatError: it holds no private Ed25519 key, or an encrypted one.
            UsageError: `cryptography` is not installed.
        """
        kinds = _ed25519()
        data = read_bytes(path, _MOST_BYTES)
        if b"ENCRYPTED" in data:
            raise FormatError(
                "the key in it is encrypted, and fedkeys asks for no password",
                file=path,
                remedy="decrypt it: openssl pkey -in KEY -out NEW",
            )
        if b"PUBLIC KEY" in data:
            raise FormatError(
                "holds a public key", file=path, remedy="name the phone's private one, NAME.key"
            )
        key = _read(path, data, "private")
        if not isinstance(key, kinds.Ed25519PrivateKey):
            raise _not_ed25519(path)
        return cls._of(key)

    def to_pem(self) -> bytes:
        """Give the private key as PEM (PKCS #8, RFC 8410), not encrypted."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes, kind: Kind = Kind.DELTA) -> bytes:
        """Put a delta into an envelope: to send it, or to take it back.

        Returns:
            The envelope as bytes, always the same for the same message.
        """
        return Envelope(kind, self.signature(signed_bytes(kind, message)), message).to_bytes()

    def signature(self, said: bytes) -> bytes:
        """Sign bytes that say what they are for: 64 bytes, always the same for the same ones."""
        return self.private.sign(said)

    @classmethod
    def _of(cls, private: "Ed25519PrivateKey") -> "PhoneKey":
        return cls(private, PublicKey(private.public_key().public_bytes_raw()))


def _read(path: Path, data: bytes, half: str) -> Any:
    """Read a key of any kind with `cryptography`, whose complaints are about ASN.1."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    try:
        return load_pem_public_key(data) if half == "public" else load_pem_private_key(data, None)
    except UnsupportedAlgorithm:
        raise _not_ed25519(path) from None
    except (ValueError, TypeError):
        raise FormatError(
            f"not a PEM file of one {half} key", file=path, remedy="fedkeys enroll makes such files"
        ) from None


def _not_ed25519(path: Path) -> FormatError:
    return FormatError("the key in it is no Ed25519 key", file=path, remedy="fedkeys enroll makes such keys")


@cache
def _ed25519() -> ModuleType:
    """Load `cryptography` when the first key needs it.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UsageError(
            "signing needs the package cryptography", remedy="pip install 'fedkeys[privacy]'"
        ) from None
    return ed25519
