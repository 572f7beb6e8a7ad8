"""Reaching a scheduler: whether one answers, before a client of it is made.

In: an address. Out: nothing, or a sentence. Law: whatever answers there, or does not, is told within `ANSWER`: a
client that finds no scheduler may wait twice as long when it is dropped, and then writes a traceback.
"""

import asyncio
import ssl

from fedkeys.errors import FedkeysError

ANSWER = 15.0  # seconds

_CERTIFICATES = (
    "name certificates: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ...__CLIENT__CERT and ...__CLIENT__KEY"
)


def reach(address: str) -> None:
    """Ask who answers at an address.

    Raises:
        FedkeysError: no scheduler does.
    """
    try:
        kind = asyncio.run(asyncio.wait_for(_kind_of(address), ANSWER + 1))
    except (OSError, ValueError) as error:
        raise _unreached(address, error) from None
    if kind != "Scheduler":
        raise FedkeysError(
            f"what answers at {address} is a Dask {kind.lower()}",
            remedy="name the address that dask scheduler prints",
        )


async def _kind_of(address: str) -> str:
    from distributed import Security
    from distributed.core import rpc

    arguments = Security().get_connection_args("client")
    if address.startswith("tls://") and arguments.get("ssl_context") is None:
        raise FedkeysError(f"{address} wants certificates", remedy=_CERTIFICATES)
    async with rpc(address, timeout=ANSWER, connection_args=arguments) as there:
        kind: str = (await there.identity())["type"]
    return kind


def _unreached(address: str, error: BaseException) -> FedkeysError:
    """Say what an error began with: what Dask says of it names its own objects."""
    while isinstance(error.__cause__, OSError):
        error = error.__cause__
    if isinstance(error, (ssl.SSLError, FileNotFoundError)):
        remedy = _CERTIFICATES
    else:
        remedy = "start one with dask scheduler, and name the address that it prints"
    why = getattr(error, "strerror", None) or str(error) or "no answer"
    return FedkeysError(f"no scheduler answers at {address} ({why})", remedy=remedy)
