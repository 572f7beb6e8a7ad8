"""The typing demo: a Textual front end over the keyboard.

In: a keyboard. Out: a screen on which three suggestions follow every key. Law: it holds no logic of its own
that a program could not reach through `fedkeys.phone`; the text typed here goes nowhere but into the personal
model.
"""

from fedkeys.tui.app import TypingApp
from fedkeys.tui.browser import TabDriver
from fedkeys.tui.desk import Desk
from fedkeys.tui.message_box import MessageBox
from fedkeys.tui.notice import Notice
from fedkeys.tui.settings import Settings
from fedkeys.tui.strip import SuggestionStrip

__all__ = ["Desk", "MessageBox", "Notice", "Settings", "SuggestionStrip", "TabDriver", "TypingApp"]
