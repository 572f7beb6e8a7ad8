"""What leaves this phone: a delta of the phone in hand, entry by entry, and what does not leave.

In: the messages of the phone in hand. Out: beside them the delta that it would send; what its bounds leave out;
what the aggregator sees of it; what of it was released; and what an attacker can chain back from it. Law: all of
it is made on this phone, from its own messages.
"""

import zlib
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static, TabbedContent, TabPane
from textual.worker import get_current_worker

from fedkeys.delta import DEFAULT_BOUNDS, Delta
from fedkeys.evaluate.reassembly import LEAST_WORDS, Reassembly, reassembled
from fedkeys.model import Model
from fedkeys.phone import Entry, Phone, Withheld, dropped, entries, withheld_from
from fedkeys.phone.entries import MARKS
from fedkeys.tui.nav import Nav
from fedkeys.words import MESSAGE_START, SENTENCE_START

if TYPE_CHECKING:
    from fedkeys.tui.app import TypingApp

_ROWS = 300  # of a table
_MOST_MESSAGES = 2000  # of which deltas are made here

_MARKS = dict(zip(MARKS, (MESSAGE_START, SENTENCE_START), strict=True))
_ALL, _BOUNDED = "without bounds", "with bounds"


class _Found(NamedTuple):
    """What was made of the messages of a phone.

    Attributes:
        held: whose phone it is.
        texts: the messages.
        bounded, whole: its deltas, under the default bounds and under none.
        withheld: what the first leaves out.
        dropped: pieces that the filter dropped before counting.
        attacks: on the first, and on the second.
    """

    held: str
    texts: list[str]
    bounded: Delta
    whole: Delta
    withheld: Withheld
    dropped: int
    attacks: tuple[Reassembly, Reassembly]


class LeavesScreen(Screen[None]):
    """See what leaves this phone, and what does not."""

    app: "TypingApp"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Page before", id="page-before", show=False),
        Binding("right", "turn(1)", "Next page", id="page-after", tooltip="What else there is to see"),
        Binding("b", "bounds", "Bounds", id="bounds", tooltip="The delta with bounds, or without"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Nav("leaves")
        with TabbedContent(id="pages"):
            with TabPane("What leaves", id="page-delta"), Horizontal():
                with VerticalScroll(classes="half"):
                    yield Static(id="own-words")
                with VerticalScroll(classes="half"):
                    yield Static(id="delta-entries")
            for id_, title in _PAGES:
                with TabPane(title, id=f"page-{id_}"), VerticalScroll():
                    yield Static(id=id_)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin with nothing."""
        self._is_bounded = True
        self._found: _Found | None = None

    def on_screen_resume(self) -> None:
        """Look at the phone in hand, as it is now."""
        self.query_one("#own-words", Static).update("counting ...")
        self._look(self.app.desk.held.title, [*self.app.desk.held.sent])

    def action_turn(self, by: int) -> None:
        """Show the next page."""
        pages = self.query_one(TabbedContent)
        names = ["page-delta", *(f"page-{id_}" for id_, _ in _PAGES)]
        pages.active = names[(names.index(pages.active) + by) % len(names)]

    def action_bounds(self) -> None:
        """Show the delta with bounds, or without."""
        self._is_bounded = not self._is_bounded
        if self._found is not None:
            self._show(self._found)

    @work(thread=True, exclusive=True)
    def _look(self, held: str, texts: list[str]) -> None:
        recent = texts[-_MOST_MESSAGES:]
        bounded, whole = (Phone(recent, bounds=bounds).delta() for bounds in (DEFAULT_BOUNDS, None))
        found = _Found(
            held,
            recent,
            bounded,
            whole,
            withheld_from(recent, bounded),
            dropped(recent),
            (reassembled(bounded, recent), reassembled(whole, recent)),
        )
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._show, found)

    def _show(self, found: _Found) -> None:
        self._found = found
        delta = found.bounded if self._is_bounded else found.whole
        held = found.held
        if not found.texts:
            self.query_one("#own-words", Static).update(
                Content(f"Nothing was sent from {held} yet: hold another one on F5, with F4, or type.")
            )
            for id_ in ("delta-entries", *(id_ for id_, _ in _PAGES)):
                self.query_one(f"#{id_}", Static).update("")
            return
        self.query_one("#own-words", Static).update(_messages(held, found))
        self.query_one("#delta-entries", Static).update(_delta(delta, self._is_bounded))
        self.query_one("#left-out", Static).update(_left_out(found))
        self.query_one("#seen", Static).update(_seen(found.bounded))
        self.query_one("#released", Static).update(_released(found.bounded, self.app.desk.keyboard.model))
        self.query_one("#attack", Static).update(_attack(found))


_PAGES = (
    ("left-out", "What stays"),
    ("seen", "What the aggregator sees"),
    ("released", "What is released"),
    ("attack", "An attack"),
)


def _messages(held: str, found: _Found) -> Content:
    size = sum(len(text.encode()) + 1 for text in found.texts)
    deflated = len(zlib.compress("\n".join(found.texts).encode(), 9))
    return Content.assemble(
        (f"{len(found.texts):,} messages on {held}\n", "bold"),
        (f"{size:,} bytes, deflated {deflated:,}; none of them leaves\n\n", "$text-muted"),
        "\n".join(reversed(found.texts[-_ROWS:])),
    )


def _delta(delta: Delta, is_bounded: bool) -> Content:
    *levels, forms = entries(delta, None)
    parts: list[str | tuple[str, str]] = [
        (f"one delta {_BOUNDED if is_bounded else _ALL} (b), {len(delta.data):,} bytes\n", "bold"),
        ("what it counts, how often, and * if for the first time\n", "$text-muted"),
    ]
    for order, level in enumerate(levels, 1):
        parts.append((f"\n{len(level):,} n-grams of order {order}\n", "bold"))
        parts.append(_rows(level))
    parts.append((f"\n{len(forms):,} written forms\n", "bold"))
    parts.append(_rows(forms))
    return Content.assemble(*parts)


def _rows(level: list[Entry]) -> str:
    ranked = sorted(level, key=lambda entry: (-entry.times, entry.text))
    lines = [f"{entry.times:>5}{'*' if entry.first_time else ' '} {entry.text}" for entry in ranked[:_ROWS]]
    if len(ranked) > _ROWS:
        lines.append(f"      and {len(ranked) - _ROWS:,} more")
    return "\n".join(lines) + "\n"


def _left_out(found: _Found) -> Content:
    withheld = found.withheld
    *orders, forms = withheld.left_out
    rows = [(row, str(order)) for order, level in enumerate(orders, 1) for row in level]
    rows += [(row, "form") for row in forms]
    rows.sort(key=lambda pair: (-pair[0].times, pair[0].text))
    clipped = [row for level in withheld.clipped for row in level]
    clipped.sort(key=lambda row: (row.sent - row.times, row.text))
    bounds = DEFAULT_BOUNDS
    return Content.assemble(
        (f"{found.dropped:,} pieces of messages were dropped before anything was counted\n", "bold"),
        "addresses, links, numbers and codes: they stand in no list, and break n-grams in two\n\n",
        (f"{len(rows):,} n-grams and written forms are left out of the delta\n", "bold"),
        f"a phone may send {bounds.max_ngrams:,} in its life, a delta has {bounds.max_bytes:,} bytes; the most "
        "useful ones go first\n\n",
        (f"{len(clipped):,} counts are clipped to {bounds.max_count}\n", "bold"),
        *(f"{row.times:>5} typed, {row.sent} sent  {row.text}\n" for row in clipped[:20]),
        ("\nleft out, the most frequent first\n", "bold"),
        *(f"{row.times:>5}  {row.text}  (order {order})\n" for row, order in rows[:_ROWS]),
    )


def _seen(delta: Delta) -> Content:
    marks = sum(int(level.phones.sum()) for level in delta.counts.levels)
    return Content.assemble(
        ("In the open\n", "bold"),
        f"The aggregator opens the delta: {len(delta.counts):,} n-grams with their counts, the pseudonym "
        f"{delta.phone.hex()[:8]}..., the number of the delta. It adds them to its sums, keeps the pseudonym, "
        "the number and a digest, so that nothing counts twice, and forgets the rest.\n\n",
        ("Under masks (x on F6)\n", "bold"),
        "It sees random numbers, as many for every phone of a sum: without the masks of all neighbours, which "
        "cancel in the sum alone, they are as likely for any other delta. From the sum it "
        "reads every n-gram of these phones together, with nobody's name on it.\n\n",
        ("In its sums\n", "bold"),
        f"{marks:,} first-time marks of this phone: the sum of marks is how many phones have an n-gram, and that "
        "decides what is released.\n",
    )


def _released(delta: Delta, model: Model) -> Content:
    """Which n-grams of a delta everyone's model has."""
    parts: list[str | tuple[str, str]] = []
    hidden: list[list[Entry]] = []
    for order, level in enumerate(entries(delta, None)[:-1], 1):
        if order > model.order:
            break
        within = [entry for entry in level if model.knows(_items(entry))]
        hidden.append([entry for entry in level if not model.knows(_items(entry))])
        parts.append(f"{len(within):>7,} of {len(level):,} n-grams of order {order} are in it\n")
    least = model.header["release"]["min_phones"]
    rule = (
        f"noise hides what any one phone has sent (epsilon {model.header['epsilon']:.3g})"
        if model.header["epsilon"] is not None
        else f"what at least {least} phones have sent"
    )
    titles = ("Words of this phone that are not in it", "Pairs that are not", "Triples", "Fours")
    for title, level in zip(titles, hidden, strict=False):
        parts += [(f"\n{title}, the most frequent first\n", "bold"), _rows(level)]
    return Content.assemble((f"Everyone's model has {rule}\n\n", "bold"), *parts)


def _items(entry: Entry) -> list[str]:
    return [_MARKS.get(item, item) for item in entry.text.split(" ")]


def _attack(found: _Found) -> Content:
    bounded, whole = found.attacks
    return Content.assemble(
        ("Whoever holds one delta can chain overlapping n-grams back to phrases\n\n", "bold"),
        f"Of {whole.messages:,} messages of {LEAST_WORDS} words or more he has word for word\n",
        (f"{len(whole.found):>7,}  from a delta {_ALL}\n", "bold"),
        (f"{len(bounded.found):>7,}  from one {_BOUNDED}\n\n", "bold"),
        "Under masks he has no delta to begin with, only the sum of many; and of a release he has what many "
        "phones share.\n\n",
        (f"Found {_BOUNDED}\n", "bold"),
        "\n".join(bounded.found[:_ROWS]) or "none",
        (f"\n\nFound {_ALL}\n", "bold"),
        "\n".join(whole.found[:_ROWS]) or "none",
        ("\n\nWhat he would guess, with bounds\n", "bold"),
        "\n".join(bounded.guesses[:_ROWS]),
    )
