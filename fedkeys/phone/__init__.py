"""On the device: counting, the personal model, the keyboard.

In: private messages. Out: one delta at a time, and suggestions for its owner. Law: messages, the personal
model and the tables of what was sent stay here; the only thing that can be made into bytes for a server is
a `Delta`.
"""

from fedkeys.phone.device import DEFAULT_FEDERATION, DEFAULT_ORDER, Phone
from fedkeys.phone.entries import Entry, entries
from fedkeys.phone.keyboard import Keyboard, PassedOver, Source, default_mix, hand_mixed
from fedkeys.phone.mixing import MixTrainer
from fedkeys.phone.personal import PersonalModel
from fedkeys.phone.prior import Prior
from fedkeys.phone.store import PersonalStore
from fedkeys.phone.withheld import Missing, Withheld, dropped, withheld_from

__all__ = [
    "DEFAULT_FEDERATION",
    "DEFAULT_ORDER",
    "Entry",
    "Keyboard",
    "Missing",
    "MixTrainer",
    "PassedOver",
    "PersonalModel",
    "PersonalStore",
    "Phone",
    "Prior",
    "Source",
    "Withheld",
    "default_mix",
    "dropped",
    "entries",
    "hand_mixed",
    "withheld_from",
]
