"""What became of deltas, for their phones to hear when they are next asked, in this run or another.

In: answers of the aggregator. Out: what the next question to a node says. Law: a fate names the delta that it is
of, by a token that nobody else has, so that a phone that hears it twice, late, or in another's place does nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from fedkeys.aggregator import Fate
from fedkeys.container import read_bytes, write_atomically

_MOST_BYTES = 1 << 30


class Fates:
    """Fates by node; `save` makes them last.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokens: dict[int, str] = {}
        self._known: dict[int, tuple[str, str]] = {}
        if path.exists():
            kept = json.loads(read_bytes(path, _MOST_BYTES))
            self._known = {int(node): (token, fate) for node, (token, fate) in kept.items()}

    def expect(self, node: int, token: bytes) -> None:
        """Hear that a node has sent a delta, by the token that its phone has drawn for it."""
        self._tokens[node] = token.hex()

    def note(self, node: int, fate: Fate) -> None:
        """Note what became of the delta that a node has sent."""
        self._known[node] = self._tokens[node], fate.value

    def of(self, node: int) -> Mapping[str, bytes | str]:
        """Give what a question tells a node; nothing if nothing is known."""
        if node not in self._known:
            return {}
        token, fate = self._known[node]
        return {"token": bytes.fromhex(token), "fate": fate}

    def save(self) -> None:
        """Make what is known last."""
        write_atomically(self._path, json.dumps(self._known).encode())
