"""The line on top of each screen that names all of them, with their keys.

In: which screen it is on. Out: the others, at a click or a key.
"""

from typing import NamedTuple

from textual.content import Content
from textual.widgets import Static


class Place(NamedTuple):
    """One screen.

    Attributes:
        mode: what it is called inside.
        key: that opens it.
        name: what people read.
        what: what it shows, in half a sentence.
    """

    mode: str
    key: str
    name: str
    what: str


PLACES = (
    Place("typing", "f5", "Type", "type a message, with three suggestions at every key"),
    Place("federation", "f6", "Federate", "watch rounds of a federation, and change its rules"),
    Place("leaves", "f7", "Leaves", "see what leaves this phone, and what does not"),
    Place("compare", "f8", "Compare", "type on four keyboards at once"),
    Place("hospitals", "f9", "Hospitals", "hospitals train one model together"),
)


class Nav(Static):
    """Names all screens, this one in bold."""

    def __init__(self, mode: str) -> None:
        parts: list[str] = []
        for place in PLACES:
            named = f"{place.key.upper()} {place.name}"
            here = place.mode == mode
            style = "b reverse" if here else f"@click=app.go('{place.mode}')"
            parts.append(f"[{style}] {named} [/]")
        parts.append("[@click=app.help] F1 Help [/]")
        super().__init__(Content.from_markup("".join(parts)), classes="nav")
