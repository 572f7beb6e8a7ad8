"""Steps: one run of a sum under masks, from both sides, in one process.

In: the server's side, and phones. Out: the server's side, all messages taken. Laws: both sides meet in bytes; a
phone that is lost at a step takes none after it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from fedkeys.delta.secure import Step
from fedkeys.errors import FedkeysError, FormatError, RefusedError
from fedkeys.phone.secure import SecurePhone

STEPS = (Step.KEYS, Step.BOXES, Step.MASKED, Step.CONFIRMATIONS, Step.SHARES)

OnMessage = Callable[[bytes], None]
OnSize = Callable[[bytes, int], None]


class Server(Protocol):
    """The server's side: `SecureSum`, or what merges its sum."""

    def receive(self, data: bytes) -> object:
        """Take a message of a phone."""

    def advance(self) -> dict[int, bytes]:
        """End a step; give what each phone is told next, by its number."""

    def name(self, phone: int) -> bytes:
        """Give the pseudonym of a phone by its number."""


def take_steps(
    server: Server,
    phones: Mapping[bytes, SecurePhone],
    lost_at: Mapping[bytes, Step],
    on_sent: OnSize = lambda *_: None,
    on_told: OnSize = lambda *_: None,
    on_message: OnMessage = lambda _: None,
) -> dict[bytes, FedkeysError]:
    """Take a run to where masks can be taken off.

    Args:
        server: whose run it is.
        phones: by their pseudonyms.
        lost_at: the step that a phone does not take any more, of those that are lost.
        on_sent, on_told: told, of each message that a phone sends, or is told, whose it is and how many bytes it
            has.
        on_message: told all that the first phone sends and is told.

    Returns:
        Why phones went no further, or why the server took no message of theirs: they are lost from then on.

    Raises:
        RefusedError: as the server's side, when a step ends.
    """
    refused: dict[bytes, FedkeysError] = {}
    first = next(iter(phones), b"")
    told: dict[bytes, bytes] = dict.fromkeys(phones, b"")
    for step in STEPS:
        for pseudonym, message in told.items():
            if lost_at.get(pseudonym, len(Step)) <= step or pseudonym in refused:
                continue
            take = getattr(phones[pseudonym], step.name.lower())
            try:
                said = take(message) if message else take()
                on_sent(pseudonym, len(said))
                if pseudonym == first:
                    on_message(said)
                server.receive(said)
            except (FormatError, RefusedError) as error:
                refused[pseudonym] = error
        if step is not Step.SHARES:
            told = {server.name(phone): message for phone, message in server.advance().items()}
            for pseudonym, message in told.items():
                on_told(pseudonym, len(message))
            if first in told:
                on_message(told[first])
    return refused
