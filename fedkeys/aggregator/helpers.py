"""Helpers: processes that merge the deltas of a share of the phones, so that merging uses every core.

In: messages. Out: for each what became of it, and runs. Laws: what becomes of a message does not depend on how
many helpers there are; all deltas of a phone go to one process; what a helper has added up counts when its runs
stand among those of the state, in one transaction with the ledger, and not before.

A helper is an `Aggregator` of its own, without a state. The process that started it keeps ledger and transactions,
merges a share itself, and tells the helper what the ledger knows of the phones in its share. Nothing is merged
while a helper is asked for its runs.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple, Protocol
from weakref import finalize

import msgpack

from fedkeys.aggregator.ledger import Entry
from fedkeys.aggregator.merged import Merged
from fedkeys.aggregator.runs import Run
from fedkeys.counts import Vocabulary
from fedkeys.delta.signed import message_in
from fedkeys.errors import FedkeysError, FormatError

Result = bool | FedkeysError
Known = Mapping[bytes, Mapping[int, Entry]]

ENOUGH_BYTES = 8 << 20  # of messages, before a helper is started: some 15,000 deltas, a second and a half

_PHONE_ENTRY = 3
_ONLY_BYTES = {"max_array_len": 0, "max_map_len": 0, "max_str_len": 0, "max_ext_len": 0}
_MOST_PROCESSES = 4


class Taken(NamedTuple):
    """What became of messages.

    Attributes:
        results: for each True if it was merged, False if it had been before, or why it must not be merged.
        entered: phone, number and digest of each that was merged.
        merged: how much that was.
    """

    results: list[Result]
    entered: list[tuple[bytes, int, bytes]]
    merged: Merged


class Merger(Protocol):
    """What a helper does, in its own process; `Aggregator` does it."""

    def know(self, vocabulary: Vocabulary) -> None:
        """Accept deltas written against this released vocabulary from now on."""

    def take(self, messages: Sequence[bytes], known: Known) -> Taken:
        """Merge messages, given what is known of their phones' deltas elsewhere."""

    def hand_over(self) -> list[Run]:
        """Put all that was merged on disk, and forget it."""


class Helpers:
    """Processes that merge beside this one.

    Args:
        make: makes what each of them does its work with; can be pickled.
        number: how many, 1 or more.
        place: an empty directory of their own, where their runs are until they are taken; it is removed.
    """

    def __init__(self, make: Callable[[], Merger], number: int, place: Path) -> None:
        self._helpers = [_Helper.start(make, place) for _ in range(number)]
        self._stop = finalize(self, _stop, self._helpers, place)
        self.holds_any = False

    def stop(self) -> None:
        """End the processes; what was not handed over is lost."""
        self._stop()

    def know(self, vocabulary: Vocabulary) -> None:
        """Have all of them accept deltas written against this released vocabulary."""
        for helper in self._helpers:
            helper.ask("know", vocabulary)
            helper.answer()

    def take(
        self,
        messages: Sequence[bytes],
        known: Callable[[set[bytes]], Known],
        own: Callable[[Sequence[bytes]], Taken],
    ) -> tuple[list[Result], list[Taken]]:
        """Merge messages, a share in each process.

        Args:
            messages: the bytes of each.
            known: what the ledger knows of phones' deltas.
            own: merges a share in this process.

        Returns:
            What became of each message, and what each helper has merged.
        """
        phones = [phone_of(data) for data in messages]
        processes = len(self._helpers) + 1
        shares: list[list[int]] = [[] for _ in range(processes)]
        for place, phone in enumerate(phones):
            shares[phone[-1] % processes if phone else 0].append(place)
        entries = known({phone for phone in phones if phone and phone[-1] % processes})
        try:
            for helper, share in zip(self._helpers, shares[1:], strict=True):
                theirs = {
                    phone: entries[phone] for place in share if (phone := phones[place] or b"") in entries
                }
                helper.ask("take", [messages[place] for place in share], theirs)
            taken = [own([messages[place] for place in shares[0]])]
            taken += [helper.answer() for helper in self._helpers]
        except BaseException:
            self.stop()  # what they merged meanwhile stands in no ledger
            raise
        results: list[Result] = [False] * len(messages)
        for share, found in zip(shares, taken, strict=True):
            for place, result in zip(share, found.results, strict=True):
                results[place] = result
        self.holds_any |= any(found.entered for found in taken[1:])
        return results, taken[1:]

    def hand_over(self) -> list[Run]:
        """Give the runs of all that helpers have merged; they are the caller's now."""
        self.holds_any = False
        for helper in self._helpers:
            helper.ask("hand_over")
        return [run for helper in self._helpers for run in helper.answer()]


@dataclass(frozen=True, slots=True)
class _Helper:
    """One process, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    @classmethod
    def start(cls, make: Callable[[], Merger], place: Path) -> "_Helper":
        # Not forked: threads, SQLite's locks and open files are this process's own.
        context = get_context("spawn")
        pipe, its_pipe = context.Pipe()
        process = context.Process(target=_work, args=(its_pipe, place), daemon=True)
        with interrupts_held():
            process.start()
        its_pipe.close()
        helper = cls(process, pipe)
        helper._send(make)
        return helper

    def ask(self, method: str, *arguments: Any) -> None:
        """Have it do something; `answer` follows."""
        self._send((method, arguments))

    def _send(self, what: Any) -> None:
        try:
            self.pipe.send(what)
        except OSError:
            raise _ended() from None

    def answer(self) -> Any:
        """Wait for what it was asked.

        Raises:
            FedkeysError: it could not do it, or is no more there.
        """
        try:
            failed, found = self.pipe.recv()
        except (EOFError, OSError):
            raise _ended() from None
        if failed:
            raise found
        return found


def phone_of(data: bytes) -> bytes | None:
    """Give the pseudonym in a message that may be unsound; None if there is none.

    Nothing but bytes is made of what stands in its place: no list of millions, out of a message of some MB.
    """
    try:
        message = message_in(data)
        unpacker = msgpack.Unpacker(max_buffer_size=len(message) or 1, **_ONLY_BYTES)
        unpacker.feed(message)
        unpacker.read_array_header()
        for _ in range(_PHONE_ENTRY):
            unpacker.skip()
        phone = unpacker.unpack()
    except (FormatError, ValueError, msgpack.UnpackException):
        return None
    return phone if isinstance(phone, bytes) and phone else None


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Start processes that no ctrl-C reaches, from their first instant: who starts them also ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first process starts it, which lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, place: Path) -> None:
    """Do what is asked until nobody asks any more, or something cannot be done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held
    tempfile.tempdir = str(place)
    with suppress(EOFError, OSError):  # whoever asked is no more there
        merger = pipe.recv()()
        while True:
            method, arguments = pipe.recv()
            try:
                found = getattr(merger, method)(*arguments)
            except FedkeysError as error:
                pipe.send((True, error))
                return
            pipe.send((False, found))


def _ended() -> FedkeysError:
    return FedkeysError(
        "a process that merged a share of the deltas has ended",
        remedy="start again, with less --memory if there is too little: what was committed before is there",
    )


def _stop(helpers: Sequence[_Helper], place: Path) -> None:
    for helper in helpers:
        helper.process.terminate()
        helper.pipe.close()
    for helper in helpers:
        helper.process.join()
        helper.process.close()
    rmtree(place, ignore_errors=True)


def available_cores() -> int:
    """Give how many processes are worth merging in: one a core, and no more than keep one ledger busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PROCESSES)
