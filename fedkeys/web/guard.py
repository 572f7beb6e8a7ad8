"""Who may ask: only the page that was served here.

A server on 127.0.0.1 is within reach of every page that this machine's browsers load: one from elsewhere may open
a websocket to it (cross-site websocket hijacking), or have its own name point here once it is loaded (DNS
rebinding). The first sends another `Origin`, the second another `Host`. A secret in the path keeps out other
accounts of this machine, which may send what they like.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ResponsePrepared = Callable[[web.Request, web.StreamResponse], Awaitable[None]]

_ADVICE = "open the address that fedkeys --web has printed, as it stands\n"


def refuse_strangers(authority: str) -> Middleware:
    """Give a middleware that answers only requests for this host, of nobody's or its own pages.

    Args:
        authority: host and port as browsers write them, "127.0.0.1:8000".
    """

    @web.middleware
    async def refuse(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.headers.getall("Host", []) != [authority]:
            raise web.HTTPForbidden(text=f"this is {authority} and no other host; {_ADVICE}")
        if any(origin != f"http://{authority}" for origin in request.headers.getall("Origin", [])):
            raise web.HTTPForbidden(text="a page of another origin may not ask here\n")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            raise web.HTTPNotFound(text=f"nothing is here; {_ADVICE}") from None

    return refuse


def with_rules(authority: str) -> _ResponsePrepared:
    """Give a signal that tells the browser with each answer what the page may do: fetch from here alone.

    Args:
        authority: as for `refuse_strangers`.
    """
    rules = {
        # Styles within the page are xterm.js's, which writes them as it draws.
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            f"connect-src ws://{authority}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",  # it would hold the secret
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }

    async def add(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(rules)

    return add
