"""Certificates and keys for a trial on loopback.

In: a directory. Out: files that Flower reads: a certificate authority and a server certificate of 127.0.0.1 for
TLS, and a key pair for each node. Law: they last a day, and are for this machine; real phones have others.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

_LASTING = timedelta(days=1)
_CLOCKS_DIFFER = timedelta(minutes=5)


class Certificates(NamedTuple):
    """Files of one TLS server.

    Attributes:
        authority: the certificate that clients trust.
        server, key: the server's own.
    """

    authority: Path
    server: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make an authority, and a server certificate of 127.0.0.1 that it has signed (RFC 5280)."""
    authority_key, server_key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    issuer = _name("fedkeys trial authority")
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _begun(issuer, issuer, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
    server = (
        _begun(_name("localhost"), issuer, server_key)
        .add_extension(names, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    found = Certificates(directory / "authority.crt", directory / "server.crt", directory / "server.key")
    found.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    found.server.write_bytes(server.public_bytes(Encoding.PEM))
    _keep(found.key, server_key, PrivateFormat.PKCS8)
    return found


def make_node_key(path: Path) -> Path:
    """Make a key pair of a node, in the form that Flower reads; gives the file of the public half."""
    key = generate_private_key(SECP384R1())
    _keep(path, key, PrivateFormat.OpenSSH)
    public = path.with_suffix(".pub")
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    return public


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _begun(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _LASTING)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _keep(path: Path, key: EllipticCurvePrivateKey, how: PrivateFormat) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, how, NoEncryption()))
