"""The typing screen in a browser, on this machine only.

In: the command that opens one screen. Out: a page on 127.0.0.1 under an address that holds a secret of this run;
each tab that loads it gets a process of its own, which ends with the tab. Laws: nothing is fetched from anywhere
else; a request without the secret, for another host or sent by a page of another origin is refused; when the
server ends, so do the screens.

What textual-serve does is to start the command, to carry keys and pictures between it and a websocket, and to draw
them (its script is xterm.js). It listens to whoever asks; who may is decided here.
"""

from fedkeys.web.guard import refuse_strangers, with_rules
from fedkeys.web.server import HOST, ScreenServer, serve
from fedkeys.web.socket import listening

__all__ = ["HOST", "ScreenServer", "listening", "refuse_strangers", "serve", "with_rules"]
