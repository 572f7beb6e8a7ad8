"""fedkeys: a next-word keyboard that learns from many phones without collecting what anyone typed.

The way of a word, each step a package below this one, each docstring saying what comes in, what goes out and
which law holds:

    sources      where private text comes from
    words        what a word and a sentence are, and what must never leave a phone
    counts       n-gram counts in sorted arrays; they add
    phone        on the device: counts, deltas, the personal model, the keyboard
    delta        the one message that crosses, byte for byte
    aggregator   on the server: merged exactly once, released by a stated rule
    privacy      noise of a private release, and what it costs
    model        the released model: immutable, one file, answers in microseconds
    simulate     a whole federation on one machine
    evaluate     how good the suggestions are, on text that the model has not seen
    tui, cli     the typing demo and the command line

Beside it, `fedavg` is numeric federated averaging, on its own.

The library in five lines:

>>> from fedkeys import Phone, aggregate, predict_next_word
>>> texts = [["hello world", "hello there"], ["world news", "hello friend"], ["my friend", "hello world"]]
>>> model = aggregate([Phone(messages).delta() for messages in texts], min_phones=1)
>>> predict_next_word("hello", model)
'world'

Names are loaded when they are first used, so importing fedkeys costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedkeys.aggregator import Aggregator, aggregate
    from fedkeys.delta import Delta
    from fedkeys.errors import FedkeysError
    from fedkeys.model import Model, Suggestion, predict_next_word
    from fedkeys.phone import Keyboard, Phone

__all__ = [
    "Aggregator",
    "Delta",
    "FedkeysError",
    "Keyboard",
    "Model",
    "Phone",
    "Suggestion",
    "aggregate",
    "predict_next_word",
]

_HOME = {
    "Aggregator": "aggregator",
    "aggregate": "aggregator",
    "Delta": "delta",
    "FedkeysError": "errors",
    "Model": "model",
    "Suggestion": "model",
    "predict_next_word": "model",
    "Keyboard": "phone",
    "Phone": "phone",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fedkeys' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"fedkeys.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
