"""A delta beside the messages that it was made of: for their owner, on the machine that has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fedkeys.cli.console import many, narrate, print_table, tell
from fedkeys.cli.delta import phone_of_file
from fedkeys.cli.progress import progress
from fedkeys.cli.type_ import phone_of

if TYPE_CHECKING:
    from fedkeys.delta import Delta
    from fedkeys.phone import Missing, Withheld
    from fedkeys.sources import PhoneTexts

_FULL = 0.8  # of the bytes that a delta may have: with more in it, what is left out may not have fitted

_OTHERS = "these messages are not, or not all, what it was made of"


class Comparison(NamedTuple):
    """What a delta leaves out of a phone's messages.

    Attributes:
        delta: the delta.
        phone: the phone's name.
        messages: how many it has.
        dropped: how many pieces of them its filter dropped.
        withheld: what is left out, and what is clipped.
    """

    delta: "Delta"
    phone: str
    messages: int
    dropped: int
    withheld: "Withheld"

    def as_dict(self) -> dict[str, Any]:
        """Give what `--json` says of it."""
        *left_out, forms_left_out = (
            [{"text": row.text, "times": row.times} for row in rows] for rows in self.withheld.left_out
        )
        *clipped, forms_clipped = ([row._asdict() for row in rows] for rows in self.withheld.clipped)
        of_messages = {"phone": self.phone, "messages": self.messages, "dropped": self.dropped}
        return {
            "left_out": {**of_messages, "orders": left_out, "forms": forms_left_out},
            "clipped": {"orders": clipped, "forms": forms_clipped},
        }

    def show(self, most: int | None) -> None:
        """Print it on stdout; of each table so many rows, or all."""
        tell(
            f"\nCounted again on this machine from the {many(self.messages, 'message')} of {self.phone!r}, for "
            "your eyes: what follows is not in the delta.\n"
        )
        for sentence in _sentences(self):
            tell(sentence)
        _print_rows("left out", ("", "order", "typed"), self.withheld.left_out, most)
        _print_rows("clipped", ("", "order", "typed", "sent"), self.withheld.clipped, most)


def comparison(
    delta: "Delta", known: Sequence[str] | None, corpus: str, phone: str | None, file: Path
) -> Comparison:
    """Compare a delta with all messages of its phone.

    Args:
        delta: the delta.
        known: words of the vocabulary that it was written against.
        corpus: where the messages are.
        phone: name of the phone; None for the corpus's only one, or the one that the file is named after.
        file: where the delta came from.

    Raises:
        UsageError: there is no such phone, or the words of the delta are not known.
    """
    from fedkeys.errors import UsageError
    from fedkeys.phone import dropped, withheld_from

    if delta.known and known is None:
        raise UsageError(
            "names words by their number in a vocabulary, so it cannot be compared",
            file=file,
            remedy="name the model that it was written against with --base",
        )
    name, texts = _messages(corpus, phone, file)
    withheld = withheld_from(texts, delta, known)
    if withheld.foreign:
        narrate(
            f"warning: {many(withheld.foreign, 'count')} of the delta cannot come from the messages of {name!r}; "
            "is it this phone's, and are all its messages there?"
        )
    return Comparison(delta, name, len(texts), dropped(texts), withheld)


def _messages(corpus: str, phone: str | None, file: Path) -> "PhoneTexts":
    from fedkeys.sources import open_corpus

    source = open_corpus(corpus)
    with progress() as step:
        names = source.names(lambda part: step("reading", part))
        if phone is None and len(names) > 1:
            phone = phone_of_file(file.stem, names)
        return phone_of(source, phone)


def _sentences(compared: Comparison) -> list[str]:
    """Say how much is missing, and why."""
    *orders, forms = map(len, compared.withheld.left_out)
    of_orders = ", ".join(f"{number:,} of order {order}" for order, number in enumerate(orders, 1))
    left_out = f"{many(sum(orders), 'n-gram')} ({of_orders}) and {many(forms, 'written form')}"
    clipped = sum(map(len, compared.withheld.clipped))
    found = [
        f"Left out: {left_out}. {_why_left_out(compared.delta)}"
        if sum(orders) + forms
        else "Left out: nothing.",
        f"Clipped: {many(clipped, 'count')}. {_why_clipped(compared)}" if clipped else "Clipped: nothing.",
        f"Dropped by the phone's filter before counting, and in no list here: {many(compared.dropped, 'piece')} "
        "(addresses, links, numbers, codes).",
    ]
    if compared.delta.sequence:
        found.append(
            f"This is the phone's delta number {compared.delta.sequence}, and they are counted from 0: those "
            "before it have said part of what is listed here, since the comparison is with all messages."
        )
    return found


def _why_left_out(delta: "Delta") -> str:
    bounds = delta.bounds
    if bounds is None:
        return f"The delta declares no bounds, so {_OTHERS}."
    if delta.sequence:
        return (
            f"The phone may send {bounds['ngrams']:,} in its life, and a delta has {bounds['bytes']:,} bytes."
        )
    if len(delta.counts) + len(delta.forms) >= bounds["ngrams"]:
        return f"The phone may send {bounds['ngrams']:,} in its life; the most useful ones go first."
    if len(delta.data) > _FULL * bounds["bytes"]:
        return f"The delta may have {bounds['bytes']:,} bytes; the most useful ones go first."
    return f"Its bounds had room for more, so {_OTHERS}."


def _why_clipped(compared: Comparison) -> str:
    delta = compared.delta
    if delta.bounds is None:
        return f"The delta declares no bounds, so {_OTHERS}."
    most = delta.bounds["count"]
    if not delta.sequence and any(row.sent < most for rows in compared.withheld.clipped for row in rows):
        return f"The phone may add {most:,} to a count, and some are lower yet, so {_OTHERS}."
    return f"The phone may add {most:,} to a count in its life."


def _print_rows(
    title: str, columns: Sequence[str], levels: Sequence[Sequence["Missing"]], most: int | None
) -> None:
    """Print the largest of all orders together."""
    names = [*map(str, range(1, len(levels))), "form"]
    rows = [(name, row) for name, level in zip(names, levels, strict=True) for row in level]
    rows.sort(key=lambda found: (found[1].sent - found[1].times, found[0], found[1].text))
    cells = [(row.text, name, f"{row.times:,}", f"{row.sent:,}")[: len(columns)] for name, row in rows[:most]]
    if len(cells) < len(rows):
        cells.append((f"... {len(rows) - len(cells):,} more, shown by --all", "", "", "")[: len(columns)])
    if cells:
        print_table(title, columns, cells)
