"""What became of deltas, for their phones to hear when they are next asked, in this run or another.

In: answers of the aggregator. Out: what the next question to a node says. Law: a fate names the delta that it is
of, so that a phone that hears it twice, or late, does nothing with it.
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
        self._sequences: dict[int, int] = {}
        self._known: dict[int, tuple[int, str]] = {}
        if path.exists():
            kept = json.loads(read_bytes(path, _MOST_BYTES))
            self._known = {int(node): (sequence, fate) for node, (sequence, fate) in kept.items()}

    def expect(self, node: int, sequence: int) -> None:
        """Hear that a node has sent a delta, by its number."""
        self._sequences[node] = sequence

    def note(self, node: int, fate: Fate) -> None:
        """Note what became of the delta that a node has sent."""
        self._known[node] = self._sequences[node], fate.value

    def of(self, node: int) -> Mapping[str, int | str]:
        """Give what a question tells a node; nothing if nothing is known."""
        if node not in self._known:
            return {}
        sequence, fate = self._known[node]
        return {"sequence": sequence, "fate": fate}

    def save(self) -> None:
        """Make what is known last."""
        write_atomically(self._path, json.dumps(self._known).encode())
