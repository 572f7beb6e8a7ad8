"""The typing demo: a Textual front end over the keyboard.

In: a keyboard. Out: a screen on which three suggestions follow every key. Law: it holds no logic of its own
that a program could not reach through `fedkeys.phone`; the text typed here goes nowhere but into the personal
model.
"""

from fedkeys.tui.app import TypingApp
from fedkeys.tui.browser import TabDriver
from fedkeys.tui.message_box import MessageBox
from fedkeys.tui.notice import Notice
from fedkeys.tui.strip import SuggestionStrip

__all__ = ["MessageBox", "Notice", "SuggestionStrip", "TabDriver", "TypingApp"]
