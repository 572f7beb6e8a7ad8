"""The box in which a message is typed.

In: keys. Out: `Suggested` after every change, `Sent` when the message goes. It counts the keys that were
pressed to change it, so that the screen can tell what the suggestions saved.

Suggestions are asked for in the same turn as the key: the keyboard answers far inside a frame, so there is
neither a worker nor a stale answer.

A word that was read in the strip and passed over by typing on is not offered again to complete the same word, but
for a slip of the finger it is. Who types fast does not read each strip, so one counts as read if it stood for
`READ_SECONDS` when the next letter came.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import EditResult, Location

from fedkeys.errors import StorageError
from fedkeys.model import Suggestion
from fedkeys.phone import Keyboard, PassedOver
from fedkeys.words import READ, at_cursor, rest_of_word

# To look at the strip takes some 0.2 s until the eyes move there and a fixation of 0.25 s (Rayner 1998,
# Psychological Bulletin 124(3)). It is also twice the mean time between two keys (Dhakal et al. 2018, CHI).
READ_SECONDS = 0.5

_NO_SPACE_BEFORE = ".,!?;:)"
_OWN_ACTIONS = ("send", "accept(")
_OPENING = ("", *"([{\"'“‘«-/")


class MessageBox(TextArea):
    """A text area that suggests.

    Args:
        keyboard: what it asks.
        clock: gives seconds that never go back.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="send", tooltip="Send the message; your keyboard learns it"),
        Binding("tab", "accept(0)", "1st", id="accept-1", tooltip="Take the first suggestion"),
        Binding("f2", "accept(1)", "2nd", id="accept-2", tooltip="Take the second suggestion"),
        Binding("f3", "accept(2)", "3rd", id="accept-3", tooltip="Take the third suggestion"),
        Binding("ctrl+a", "select_all", "Select all", id="select-all", show=False),
    ]

    @dataclass
    class Suggested(Message):
        """The strip is to show these words."""

        suggestions: Sequence[Suggestion]
        keys: int
        characters: int
        milliseconds: float

        def can_replace(self, message: Message) -> bool:
            """Only the newest suggestions matter."""
            return isinstance(message, MessageBox.Suggested)

    @dataclass
    class Sent(Message):
        """A message was sent."""

        text: str
        keys: int
        offered: Mapping[str, Sequence[str]]

    def __init__(self, keyboard: Keyboard, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(
            soft_wrap=True,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder="Type a message",
            id="message",
        )
        self.keyboard = keyboard
        self.suggestions: Sequence[Suggestion] = ()
        self.keys = 0
        self._accepted_to: Location | None = None  # behind the space after an accepted word
        self._asked: tuple[str, str, int] | None = None
        self._clock = clock
        self._shown: tuple[str, list[str]] = "", []  # before which word, and what
        self._shown_since = clock()
        self._passed_over = PassedOver()
        self._offered: dict[str, Sequence[str]] = {}  # before a word -> what the strip had, in lower case

    def on_mount(self) -> None:
        """Offer words before the first letter too."""
        self.update_suggestion()

    def update_suggestion(self) -> None:
        """Ask the keyboard; Textual calls this after every edit."""
        before = self._before_cursor()
        if (before, self.text, self.keys) == self._asked:
            return  # the cursor moved because of the edit that was answered already
        if self._asked is not None and not before.startswith(self._asked[0]):
            self._passed_over.back_at(before)
        self._asked = (before, self.text, self.keys)
        began = self._clock()
        self.suggestions = self.keyboard.suggest(before, passed_over=self._passed_over.at(before))
        took = 1000 * (self._clock() - began)
        words = [suggestion.word for suggestion in self.suggestions]
        shown = before[: len(before) - at_cursor(before).typed], words
        if shown != self._shown:
            self._shown = shown
            self._shown_since = self._clock()
        self.suggestion = self._ghost(before)
        if at_cursor(before).prefix == "" and before == self.text:
            self._offered[before.lstrip()] = [word.lower() for word in words]
        self.post_message(self.Suggested(self.suggestions, self.keys, len(self.text), took))

    def ask_again(self) -> None:
        """Ask the keyboard again, which knows something else now."""
        self._asked = None
        self.update_suggestion()

    def on_text_area_selection_changed(self) -> None:
        """Ask again where the cursor has gone."""
        self.update_suggestion()

    async def _on_key(self, event: events.Key) -> None:
        # A binding is otherwise run by the app once the key has come back up, when later letters may be typed
        # already; a priority binding before earlier ones are. Here keys are taken in the order of typing.
        action = self._own_keys.get(event.key)
        if action is not None:
            event.stop()
            event.prevent_default()
            await self.run_action(action)
            return
        if event.is_printable:
            self._note_what_was_read()
            self.keys += 1
            if event.character and event.character in _NO_SPACE_BEFORE and self._is_where_accepted():
                row, column = self.cursor_location
                self.delete((row, column - 1), (row, column))
            self._accepted_to = None
        await super()._on_key(event)

    async def _on_paste(self, event: events.Paste) -> None:
        # Textual calls the text area's own handler after this one: calling it here would paste twice.
        self.keys += len(event.text)
        self._accepted_to = None

    def _delete_via_keyboard(self, start: Location, end: Location) -> EditResult | None:
        # Here all keys come together that delete, each once.
        self.keys += 1
        return super()._delete_via_keyboard(start, end)

    def action_paste(self) -> None:
        """Put in what was cut or copied here; as what comes from elsewhere it saves nothing."""
        self.keys += len(self.app.clipboard)
        super().action_paste()

    def action_undo(self) -> None:
        """Undo, which is a key too."""
        self.keys += 1
        super().action_undo()

    def action_redo(self) -> None:
        """Redo, which is a key too."""
        self.keys += 1
        super().action_redo()

    def action_accept(self, slot: int) -> None:
        """Put a suggestion in place of the word at the cursor, and one space after it."""
        if slot >= len(self.suggestions):
            return
        before = self._before_cursor()
        cursor = at_cursor(before)
        row, column = self.cursor_location
        self.keys += 1
        # After a word or a full stop without a space a new word needs one; after an opening bracket not.
        space = " " if not cursor.typed and before[-1:] not in _OPENING and not before[-1:].isspace() else ""
        line = self.document.get_line(row)
        end = column + rest_of_word(before, line[column:])
        follows = line[end : end + 1]
        self.replace(
            f"{space}{self.suggestions[slot].word}{'' if follows and follows in _NO_SPACE_BEFORE else ' '}",
            (row, column - cursor.typed),
            (row, end + follows.isspace()),
            maintain_selection_offset=False,
        )
        self._accepted_to = self.cursor_location

    def action_cursor_right(self, select: bool = False) -> None:
        """Take the ghost text at the end of the line, else move."""
        if self.suggestion and not select and self.cursor_at_end_of_line:
            self.action_accept(0)
        else:
            super().action_cursor_right(select)

    def action_send(self) -> None:
        """Send the message and begin the next one."""
        text = self.text.strip()
        if text:
            self.post_message(self.Sent(text, self.keys, self._offered))
            self.keys = 0
            self._offered = {}
            self._accepted_to = None
            self._passed_over = PassedOver()
            try:
                self.keyboard.learn(text)
            except StorageError as error:
                self.notify(str(error), title="Not learnt", severity="warning", markup=False)
            self.clear()
            self.history.clear()  # else undo brings the message back, to be sent and learnt twice

    @cached_property
    def _own_keys(self) -> dict[str, str]:
        """The keys that send and accept, as they were mapped when the first was pressed."""
        return {
            key: bound.binding.action
            for key, bound in self.screen.active_bindings.items()
            if bound.node is self and bound.binding.action.startswith(_OWN_ACTIONS)
        }

    def _is_where_accepted(self) -> bool:
        """Tell whether the cursor stands behind the space that came with an accepted word."""
        row, column = self.cursor_location
        behind_space = self.document.get_line(row)[:column].endswith(" ")
        return self.selection.is_empty and self.cursor_location == self._accepted_to and behind_space

    def _note_what_was_read(self) -> None:
        if self._clock() - self._shown_since >= READ_SECONDS:
            self._passed_over.shown(self._before_cursor(), self._shown[1])

    def _before_cursor(self) -> str:
        """The message up to the cursor; of a long one only what `at_cursor` reads and the chunk being typed.

        So it begins at the same character from the first letter of a word to the last.
        """
        row, column = self.cursor_location
        lines = [self.document.get_line(row)[:column]]
        chunk_and_cursor = f"{lines[0]}|".rsplit(maxsplit=1)[-1]
        kept = READ + len(chunk_and_cursor) - 1
        length = column
        while row and length < kept:
            row -= 1
            lines.append(self.document.get_line(row))
            length += 1 + len(lines[-1])
        return "\n".join(reversed(lines))[-kept:]

    def _ghost(self, before: str) -> str:
        prefix = at_cursor(before).prefix
        if not self.suggestions or not prefix or not self.cursor_at_end_of_line:
            return ""
        word = self.suggestions[0].word
        return word[len(prefix) :] if word.startswith(prefix) else ""
