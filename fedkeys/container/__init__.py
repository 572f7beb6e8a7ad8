"""What all fedkeys bytes have in common: msgpack, array blocks, whole-number columns, one checksum.

In: maps and numpy arrays. Out: bytes that any msgpack reader opens, and back. Laws: the same values give
the same bytes; bytes that were cut or changed are refused before anything in them is used; nothing is
allocated on the word of a length that the bytes themselves do not bear out.

Every fedkeys message is one msgpack object whose last 8 bytes are the BLAKE2b-64 of all the bytes before
them (RFC 7693, digest size 8).
"""

from fedkeys.container.arrays import Container, pack_arrays, unpack_arrays
from fedkeys.container.columns import pack_column, pack_columns, unpack_columns
from fedkeys.container.files import atomic_file, read_bytes, sync_directory, write_atomically
from fedkeys.container.sealed import SEAL_SIZE, check_seal, seal, unpack_list, unpack_map

__all__ = [
    "SEAL_SIZE",
    "Container",
    "atomic_file",
    "check_seal",
    "pack_arrays",
    "pack_column",
    "pack_columns",
    "read_bytes",
    "seal",
    "sync_directory",
    "unpack_arrays",
    "unpack_columns",
    "unpack_list",
    "unpack_map",
    "write_atomically",
]
