"""SMS Backup & Restore's XML: text messages of an Android phone.

In: a file whose root is `smses`, with

    <sms type="2" address="+44..." date="1700000000000" body="text" contact_name="Anna" />
    <mms msg_box="2" ...><parts><part ct="text/plain" text="text" /></parts><addrs>...</addrs></mms>

Out: a `Chat` whose owner is "me": who sent what is of type 2. Law: there is no document type in such a file, so
one that has any is refused, and no entity is ever expanded.

The app writes an emoji as two references to the halves of a surrogate pair, `&#55357;&#56832;`, which XML forbids:
they are mended on the way to the parser.
Fields: https://synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from fedkeys.errors import SourceError
from fedkeys.sources.chats.chat import Chat, Draft, readable, whole
from fedkeys.sources.corpus import OnProgress

KIND = "SMS Backup & Restore"
OWNER = "me"

_PIECE = 1 << 20  # bytes
_REFERENCES = re.compile(rb"(?:&#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6});)+")
_REFERENCE = re.compile(rb"&#(?:([0-9]+)|[xX]([0-9a-fA-F]+));")
_LONGEST_REFERENCE = 12
_HIGH_HALF = re.compile(rb"&#(?:55(?:29[6-9]|[3-9]..)|56(?:[0-2]..|3[01].)|[xX][dD][89abAB]..);\Z")

_RECEIVED, _SENT = "1", "2"
_UNSENT = {"3": "draft", "4": "not sent", "5": "not sent", "6": "not sent"}
_FROM = "137"  # the type of the address of who sent a multimedia message
_NO_VALUE = ("", "null", "(Unknown)", "insert-address-token")

Attributes = dict[str, str]


def sms_chat(path: Path) -> Chat:
    """Open a backup of text messages."""
    return Chat(path, KIND, read_sms)


def read_sms(path: Path, draft: Draft, on_progress: OnProgress) -> None:
    """Read a backup, piece by piece.

    Raises:
        SourceError: it is not XML, or has a document type, or another root.
    """
    draft.own(OWNER)
    parser = expat.ParserCreate()
    _Backup(path, draft, parser)
    size = max(1, path.stat().st_size)
    try:
        with path.open("rb") as file:
            for piece in _mended(file):
                parser.Parse(piece, False)
                on_progress(file.tell() / size)
            parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise SourceError(
            f"not XML ({error})",
            file=path,
            place=f"line {parser.CurrentLineNumber}",
            remedy="make the backup again, and copy it whole",
        ) from None


class _Backup:
    """The elements of a backup, as the parser comes to them."""

    def __init__(self, path: Path, draft: Draft, parser: expat.XMLParserType) -> None:
        self._path = path
        self._draft = draft
        self._parser = parser
        self._depth = 0
        self._mms: Attributes | None = None
        self._parts: list[str] = []
        self._from = ""
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype

    def _start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if self._depth == 1 and name != "smses":
            raise SourceError(
                f'not an SMS Backup & Restore file: its root is "{name}"',
                file=self._path,
                place=f"line {self._parser.CurrentLineNumber}",
                remedy='name a backup of messages, whose root is "smses"',
            )
        if self._depth == 2 and name == "sms":
            contact = attributes.get("contact_name", "")
            self._tell(attributes.get("type"), attributes, contact, attributes.get("body", ""), "empty")
        elif self._depth == 2 and name == "mms":
            self._mms, self._parts, self._from = attributes, [], ""
        elif self._mms is not None and name == "part" and attributes.get("ct") == "text/plain":
            self._parts.append(attributes.get("text", ""))
        elif self._mms is not None and name == "addr" and attributes.get("type") == _FROM:
            self._from = attributes.get("address", "")

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._depth == 1 and self._mms is not None:
            text = "\n".join(part for part in self._parts if part not in _NO_VALUE)
            several = "~" in self._mms.get("address", "")
            contact = "" if several else self._mms.get("contact_name", "")
            box = self._mms.get("msg_box")
            address = {"address": self._from} if several or self._mms.get("address") in _NO_VALUE else {}
            self._tell(box, self._mms | address, contact, text, "media")
            self._mms = None

    def _tell(self, box: str | None, attributes: Attributes, contact: str, text: str, otherwise: str) -> None:
        """Tell of one message: whose it is, or why it is none."""
        if box not in (_SENT, _RECEIVED):
            self._draft.drop(_UNSENT.get(box or "", "not a message"))
        elif text in _NO_VALUE or not text.strip():
            self._draft.drop(otherwise)
        elif box == _SENT:
            self._draft.wrote(OWNER, text, _time(attributes.get("date")))
        else:
            names = (contact, attributes.get("address", ""))
            name = next((name for name in map(readable, names) if name not in _NO_VALUE), "unknown")
            # The id cannot be that of the owner, whatever a contact is called.
            self._draft.wrote(f"from {name}", text, _time(attributes.get("date")), name=name)

    def _refuse_doctype(self, *_: Any) -> None:
        raise SourceError(
            "a document type in it, which no backup has",
            file=self._path,
            place=f"line {self._parser.CurrentLineNumber}",
            remedy="name a file that the app wrote",
        )


def _mended(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces, with references to characters that XML forbids mended."""
    held = b""
    while piece := file.read(_PIECE):
        piece = held + piece
        cut = len(piece)
        begun = piece.rfind(b"&", -_LONGEST_REFERENCE)
        if begun >= 0 and b";" not in piece[begun:]:
            cut = begun
        half = _HIGH_HALF.search(piece, max(0, cut - _LONGEST_REFERENCE), cut)
        if half:
            cut = half.start()
        held = piece[cut:]
        yield _REFERENCES.sub(_mend, piece[:cut])
    yield _REFERENCES.sub(_mend, held)


def _mend(run: re.Match[bytes]) -> bytes:
    """Write a run of references again, with pairs of halves made one.

    >>> _mend(_REFERENCES.fullmatch(b"&#55357;&#56832;&#55357;&#10;"))
    b'&#128512;&#65533;&#10;'
    """
    codes = [int(digits) if digits else int(hexa, 16) for digits, hexa in _REFERENCE.findall(run[0])]
    if all(map(_is_allowed, codes)):
        return run[0]
    text = whole("".join(chr(code) if code <= 0x10FFFF else "\ufffd" for code in codes))
    return b"".join(b"&#%d;" % (ord(char) if _is_allowed(ord(char)) else 0xFFFD) for char in text)


def _is_allowed(code: int) -> bool:
    """Whether XML 1.0 allows a character."""
    return (
        code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code <= 0x10FFFF
    )


def _time(milliseconds: str | None) -> float | None:
    """The time of a message; nothing where it is not said, or not well."""
    try:
        return float(milliseconds or "")
    except ValueError:
        return None
