"""The socket that a server listens on, opened before anything is started."""

import errno
import socket
import sys

from fedkeys.errors import UsageError


def listening(host: str, port: int) -> socket.socket:
    """Open a socket.

    Args:
        host: an address of this machine.
        port: 0 for any that is free.

    Raises:
        UsageError: the port is taken, or not for everybody.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would share the port with whoever has it
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        # A port may be bound twice where neither listens, so only this tells.
        opened.listen()
    except OSError as error:
        opened.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else "is kept for the system"
        remedy = "name another with --port, or let --port 0 take one that is free"
        raise UsageError(f"port {port} of {host} {why}", remedy=remedy) from None
    return opened
