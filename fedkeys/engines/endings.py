"""Endings: what was started ends before who has started it.

In: signals that ask a process to end. Out: nothing. Law: while things are being ended no signal leaves one behind.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ASKING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Heed no signal that asks to end for as long as this lasts: who asks again, and again, is asked to wait."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
