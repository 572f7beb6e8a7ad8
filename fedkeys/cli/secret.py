"""The key of this machine, from which the phones it stands for get their pseudonyms.

In: names. Out: pseudonyms. Law: the same name gets the same pseudonym on this machine, and nobody without the
key can compute it (keyed BLAKE2b, RFC 7693, section 2.9). The key is drawn once, from the operating system's
source, and kept readable for its owner only.
"""

import os
import secrets
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from platformdirs import user_data_path

from fedkeys.errors import FedkeysError

_KEY_SIZE = 32


def pseudonym_of(name: str, federation: str) -> bytes:
    """Give the 16 bytes that name a phone in a federation."""
    said = f"{len(federation)}:{federation}:{name}".encode()
    return blake2b(said, key=_key(data_directory() / "phones.key"), digest_size=16).digest()


def data_directory() -> Path:
    """Where fedkeys keeps what must last: FEDKEYS_DATA_DIR, or the platform's own directory."""
    given = os.environ.get("FEDKEYS_DATA_DIR")
    return Path(given) if given else user_data_path("fedkeys", appauthor=False)


def _key(path: Path) -> bytes:
    try:
        if not path.exists():
            keep_secret(path, secrets.token_bytes(_KEY_SIZE))
        key = path.read_bytes()
    except OSError as error:
        raise FedkeysError(
            f"the key for pseudonyms cannot be kept ({error.strerror})",
            file=path,
            remedy="point FEDKEYS_DATA_DIR to a directory that can be written",
        ) from None
    if len(key) != _KEY_SIZE:
        raise FedkeysError(
            f"not a key of {_KEY_SIZE} bytes", file=path, remedy="remove the file to get a new one"
        )
    return key


def keep_secret(path: Path, secret: bytes) -> None:
    """Write a whole secret for its owner only, then give it its name; what has the name already stays.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
