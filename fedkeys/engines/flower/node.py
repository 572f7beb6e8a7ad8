"""What a node says of itself: where its texts are, what it keeps, and what it gives at the most.

In: the node's own settings (`flower-supernode --node-config`); on a machine that simulates all nodes, the same as
JSON in an environment variable. Out: a `Node`. Laws: no message says which text is read, or how much of it is
counted at once; of more than its owner allows nothing is given. That holds as long as it is this code that runs:
Flower has a node run what its server sends as the app, unless it is started with --trusted-entities.

    corpus                path of the texts: a .txt file of a message a line, a chat export, or any other corpus
    phone                 name of the phone in it; not needed where there is one
    partition-id          its number in it, by name, where that is said instead
    keep                  directory for what the phone has to remember
    key                   its private key, where phones are enrolled; phone.key in the directory that it keeps
    known                 directory of the public keys of its federation, for sums under masks
    masked                true to be summed up only, and send nothing that can be seen alone; so with `known`
    federation            the one that it takes part in
    least-messages        how many new messages a delta counts at the least; 10 where nothing is said
    max-ngrams, max-count, max-bytes, max-norm
                          what it gives at the most in its life, where that is not what fedkeys gives by default
    unbounded             true for no bounds
    spread                true to count an even part of the texts in each round, for trying things out
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from flwr.app import Context

from fedkeys.aggregator.enrolment import KEY_SUFFIX
from fedkeys.delta import DEFAULT_BOUNDS, PRIVATE_BOUNDS, Bounds
from fedkeys.delta.keys import PhoneKey, PublicKey
from fedkeys.errors import RefusedError, UsageError
from fedkeys.phone import DEFAULT_FEDERATION
from fedkeys.sources import open_corpus

SETTINGS_VARIABLE = "FEDKEYS_FLOWER_NODE"
KEY_FILE = "phone.key"

_LEAST_MESSAGES = 10  # of one message alone a delta says nearly all


@dataclass(frozen=True, slots=True)
class Node:
    """A node's own settings.

    Attributes:
        name: of the phone in its corpus.
        texts: all its messages, oldest first.
        keep: directory for what it has to remember.
        key: what it signs with; None if it does not.
        known: directory of the public keys of its federation; None to believe whoever passes keys on.
        federation: that it takes part in.
        limits: what it gives at the most, as counts and as votes; None for no bounds.
        masked: whether it is summed up only.
        least: how many new messages a delta counts at the least.
        spread: whether it counts an even part of its texts in each round.
    """

    name: str
    texts: tuple[str, ...]
    keep: Path
    key: PhoneKey | None
    known: Path | None
    federation: str
    limits: tuple[Bounds, Bounds] | None
    masked: bool
    least: int
    spread: bool

    @classmethod
    def of(cls, context: Context) -> "Node":
        """Read the settings of the node that a message came to.

        Raises:
            UsageError: it has no texts, or no place to keep something.
            SourceError: the texts cannot be read.
        """
        simulated = json.loads(os.environ.get(SETTINGS_VARIABLE, "{}"))
        config = {**simulated, **context.node_config}
        if not config.get("corpus"):
            raise UsageError(
                "the node does not say where its texts are", remedy="set corpus in --node-config"
            )
        if not config.get("keep"):
            raise UsageError("the node has no place to remember in", remedy="set keep in --node-config")
        name, texts = _phone(str(config["corpus"]), config)
        keep = Path(str(config["keep"]))
        if simulated:
            keep /= str(config["partition-id"])
        key = Path(str(config.get("key") or keep / KEY_FILE))
        limits = _limit(config, DEFAULT_BOUNDS), _limit(config, PRIVATE_BOUNDS)
        return cls(
            name=name,
            texts=texts,
            keep=keep,
            key=PhoneKey.load(key) if config.get("key") or key.exists() else None,
            known=Path(str(config["known"])) if config.get("known") else None,
            federation=str(config.get("federation", DEFAULT_FEDERATION)),
            limits=None if config.get("unbounded") else limits,
            masked=bool(config.get("masked", config.get("known"))),
            least=int(config.get("least-messages", _LEAST_MESSAGES)),
            spread=bool(config.get("spread")),
        )

    def phones(self) -> dict[bytes, PublicKey] | None:
        """Give the keys that the phones of its federation sign with, by pseudonym; None if it knows none.

        Raises:
            FedkeysError: a file is no public key.
        """
        if self.known is None:
            return None
        keys = [PublicKey.load(path) for path in sorted(self.known.glob(f"*{KEY_SUFFIX}"))]
        return {key.pseudonym(self.federation): key for key in keys}

    def check(self, federation: str, bounds: Bounds | None) -> None:
        """Refuse to take part in another federation, or to give more than this node does.

        Raises:
            RefusedError: that was asked.
        """
        if federation != self.federation:
            raise RefusedError(f"a node of the federation {self.federation!r} was asked for {federation!r}")
        if self.limits is None:
            return
        most = self.limits[bool(bounds and bounds.max_norm)]
        asked, given = (bounds.as_map() if bounds else {}), most.as_map()
        wider = [name for name, value in given.items() if asked.get(name, value + 1) > value]
        if wider:
            raise RefusedError(
                f"a node was asked for more than it gives: {', '.join(wider)}",
                remedy="ask for less, or have its owner set more in --node-config",
            )


def _limit(config: Mapping[str, Any], default: Bounds) -> Bounds:
    """What a node gives at the most: the default, but for what its settings say; 0 says nothing."""
    set_ = {
        name: int(value)
        for name in ("max_ngrams", "max_count", "max_bytes", "max_norm")
        if (value := config.get(name.replace("_", "-"))) and (name != "max_norm" or default.max_norm)
    }
    return replace(default, **set_)


def _phone(spec: str, config: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    phones = _phones(spec)
    wanted = config.get("phone")
    if wanted is None and "partition-id" in config:
        at = int(config["partition-id"])
        if not 0 <= at < len(phones):
            raise UsageError(f"there is no phone {at} among {len(phones)}", file=spec)
        wanted = sorted(phones)[at]
    if wanted is None and len(phones) == 1:
        (wanted,) = phones
    if wanted not in phones:
        which = "there are several phones" if wanted is None else "there is no phone of that name"
        raise UsageError(
            f"{which} in its texts", file=spec, remedy="name one of them: phone in --node-config"
        )
    return str(wanted), phones[str(wanted)]


@lru_cache(maxsize=1)
def _phones(spec: str) -> Mapping[str, tuple[str, ...]]:
    """Read a corpus; where one process stands for many nodes, once for all."""
    return {phone.name: tuple(phone.texts) for phone in open_corpus(spec).phones()}
