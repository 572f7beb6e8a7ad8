"""What a phone remembers from one question to the next.

In: a node, and a question. Out: a `Member`, as it was left. Laws: what a phone has sent is written down before it
leaves, so that it never counts a message twice, whatever ends its process; of its texts nothing is written here.

A phone is made again from its texts and the record of what it sent: for each delta how many messages it counts and
the round that asked for it, with its digest, and the words of the model that it was written against. A server is
not believed that what was sent in the clear may come again in another delta: what was refused is sent again as it
is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any

from fedkeys.aggregator import Fate
from fedkeys.container import pack_arrays, read_bytes, unpack_arrays, write_atomically
from fedkeys.counts import Vocabulary
from fedkeys.delta import Bounds
from fedkeys.delta.batch import digest_of
from fedkeys.delta.checks import PHONE_SIZE
from fedkeys.delta.secure import Step
from fedkeys.engines.flower.node import Node
from fedkeys.engines.flower.wire import TOKEN_SIZE, Said
from fedkeys.errors import RefusedError, UsageError
from fedkeys.model import Model
from fedkeys.phone.lock import FileLock
from fedkeys.simulate.member import Member, Record, Sent

_FORMAT, _VERSION = "fedkeys.flower-phone", 1
_MOST_BYTES = 1 << 26
_TAKEN = ("another process answers for this phone", "give each node a directory of its own")


class Memory:
    """A phone, as it was left; what becomes of it is kept by `save`.

    Args:
        node: whose phone it is.
        order, bounds, rounds: as of `fedkeys.phone.Phone`.
    """

    def __init__(self, node: Node, order: int, bounds: Bounds | None, rounds: int) -> None:
        self._node = node
        self._path = node.keep / "memory"
        self._terms = {
            "order": order,
            "bounds": bounds.as_map() if bounds else None,
            "federation": node.federation,
        }
        kept = self._read()
        self._digests: list[bytes] = list(kept.get("digests", []))
        self._runs: list[bytes] = list(kept.get("runs", []))
        self._step: int = kept.get("step", 0)
        self.token: bytes = kept.get("token", b"")
        self.pseudonym = node.key.public.pseudonym(node.federation) if node.key else kept["pseudonym"]
        self.member = Member(order, node.federation, self.pseudonym, bounds, rounds)
        self._resume(kept)

    def type_up_to(self, end: int) -> None:
        """Have the phone's owner type the first so many messages."""
        self.member.type_up_to(self._node.texts, end)

    def told(self, facts: Mapping[str, Any]) -> None:
        """Hear what became of the last delta, if a question says it; of one before it was heard then."""
        if self.member.record.pending is None or facts.get("token") != self.token:
            return
        in_sum, bound = self.member.phone.run is not None, self.member.phone.bound is not None
        match Fate(facts["fate"]):
            case Fate.MERGED | Fate.KNOWN:
                self.member.accepted()
            case Fate.SPENT if in_sum:
                self.member.spent()
            case Fate.FAILED if in_sum and not bound:
                self.member.refused()
                self._digests.pop()
            case _:
                return
        self.save()

    def begin_run(self, name: bytes) -> None:
        """Note that the phone begins a run.

        Raises:
            RefusedError: it has begun one of that name before.
        """
        if name in self._runs:
            raise RefusedError("a run that this phone has begun before")
        self._runs.append(name)

    def check_step(self, name: bytes, step: Step) -> None:
        """Refuse a step that does not follow the last one that was taken, whatever a node has in its memory.

        Raises:
            RefusedError: it was taken, or is not due, or is of another run.
        """
        if self._runs[-1:] != [name] or self._step + 2 != step:
            raise RefusedError("a step that was taken, or of a run that this phone is in no more")

    def took(self, step: Step) -> None:
        """Write down that a step of the run was taken, and all else, before anything is said."""
        self._step = int(step)
        self.save()

    @property
    def has_something(self) -> bool:
        """Whether there is a delta whose fate is not known, or as many new messages as the owner wants in one."""
        phone = self.member.phone
        is_new = phone.may_send and phone.waiting >= self._node.least
        return self.member.record.pending is not None or is_new

    def upload(self, base: Vocabulary | None, number: int) -> list[bytes]:
        """Give all that goes to the aggregator, once it is written down that it does."""
        self.begin(base, number)
        messages = self.member.upload(base, number)
        key = self._node.key
        return [key.sign(data) for data in messages] if key else messages

    def begin(self, base: Vocabulary | None, number: int) -> None:
        """Write down that there is a delta, a new one if there is none whose fate is not known."""
        if self.member.record.pending is not None:
            return
        self._digests.append(digest_of(self.member.upload(base, number)[-1]))
        self.token = token_bytes(TOKEN_SIZE)
        if base is not None and len(base):
            write_atomically(self._base_path(base.digest), base.packed(), private=True)
        self.save()

    @property
    def base(self) -> Vocabulary | None:
        """The words that the delta is written against whose fate is not known."""
        pending = self.member.record.pending
        return self._base_of(pending) if pending else None

    def save(self) -> None:
        """Make what was sent last."""
        accepted, pending = self.member.record
        header = {
            **self._terms,
            "pseudonym": self.pseudonym,
            "accepted": [list(sent) for sent in accepted],
            "pending": list(pending) if pending else None,
            "digests": self._digests,
            "token": self.token,
            "runs": self._runs,
            "step": self._step,
            "run": self.member.phone.run,
            "bound": self.member.phone.bound,
        }
        write_atomically(self._path, pack_arrays(_FORMAT, _VERSION, header, {}), private=True)

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {"pseudonym": token_bytes(PHONE_SIZE), "accepted": [], "pending": None}
        kept = dict(unpack_arrays(read_bytes(self._path, _MOST_BYTES), _FORMAT, _VERSION).header)
        changed = [name for name, value in self._terms.items() if kept[name] != value]
        if changed:
            raise UsageError(
                f"has sent deltas under another {', '.join(changed)}",
                file=self._path,
                remedy="ask for what it was asked for before, or give the node another directory to keep",
            )
        return kept

    def _resume(self, kept: Mapping[str, Any]) -> None:
        record = Record.read(kept["accepted"], kept["pending"])
        if record == Record():
            return
        try:
            self.member.resume(self._node.texts, record, self._base_of, dict(enumerate(self._digests)))
        except UsageError:
            raise UsageError(
                "the texts are not those of which deltas were sent",
                file=self._path,
                remedy="add to them at their end only, or give the node another directory to keep",
            ) from None
        self.member.record = record
        self.member.phone.rejoin(kept["run"], kept["bound"])

    def _base_of(self, sent: Sent) -> Vocabulary | None:
        if not sent.base:
            return None
        return Vocabulary.unpacked(read_bytes(self._base_path(sent.base), _MOST_BYTES))

    def _base_path(self, digest: bytes) -> Path:
        return self._node.keep / f"{digest.hex()}.words"


@contextmanager
def remembered(node: Node, order: int, bounds: Bounds | None, rounds: int) -> Iterator[Memory]:
    """Give a node's phone to one process at a time.

    Raises:
        TakenError: another process has it.
        UsageError: it has sent something under other terms, or its texts have changed.
    """
    node.keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(node.keep / "lock", *_TAKEN)
    try:
        yield Memory(node, order, bounds, rounds)
    finally:
        lock.release()


def base_in(asked: Said) -> Vocabulary | None:
    """Give the words of the last model, which a question brings if there is one."""
    return Model.from_bytes(asked.messages[0]).vocabulary if asked.messages else None
