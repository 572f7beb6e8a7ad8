"""Mail, as an mbox file: what Thunderbird keeps and Google Takeout gives.

In: mails one after the other, each after a line that begins with "From ". Out: a `Chat`: a sender an address, a
message the plain text of a mail without what it quotes and without its signature. Law: a mail that cannot be made
out is counted and left, the others are read.

Lines that the mail program broke are put together again: of flowed text as RFC 3676 says, of other text where the
next word would not have fitted on the line.
"""

import mailbox
import re
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import mktime_tz, parseaddr, parsedate_tz
from pathlib import Path
from typing import NamedTuple

from fedkeys.errors import SourceError
from fedkeys.sources.chats.chat import Chat, Draft
from fedkeys.sources.corpus import OnProgress

KIND = "mbox"

# What the standard library raises for mail that is not well formed.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError, RecursionError)
_DEEPEST = 20

_SIGNATURE = re.compile(r"-- ?\Z")
_SENT_FROM = re.compile(
    r"(?:sent|gesendet|enviado|envoyé|inviato|verzonden) (?:from|mit|von|desde|do|depuis|da|van) .{1,60}",
    re.I,
)
_UNSTUFFED = re.compile(r"^>(From )", re.MULTILINE)
_RULED = re.compile(r"\s*(?:-{3,} ?[^\W\d_][^-\n]{3,60}-{3,}|_{20,})\s*")  # -----Original Message-----
_FIELD = re.compile(r"\s*\*?[^\W\d_][\w -]{1,14}:\*? +\S.*")
_ADDRESS = re.compile(r"<[^<>]*>|\S+@\S+")
_DATED = re.compile(r"\d[^\n]*\d")
_ATTRIBUTION = re.compile(
    r"(?=.*[\d@]).*\b(?:wrote|writes|schrieb|escribió|écrit|scritto|escreveu|schreef|написал\w*)\b.*:\s*\Z",
    re.I,
)
_MOST_FIELDS = 3
_WRAPPED_AT = range(56, 81)  # where mail programs break lines
_LONGEST_ATTRIBUTION = 4  # lines
_LONGEST_LINE = 500  # of an attribution


class _Own(NamedTuple):
    """What of a mail its sender wrote, and how much else there was."""

    text: str
    quoted: int
    signatures: int


def mbox_chat(path: Path) -> Chat:
    """Open a file of mails."""
    return Chat(path, KIND, read_mbox)


def read_mbox(path: Path, draft: Draft, on_progress: OnProgress) -> None:
    """Read a file of mails, one at a time.

    Raises:
        SourceError: there is no line in it with which a mail begins.
    """
    box = mailbox.mbox(path, create=False)
    try:
        keys = box.keys()
        if not keys:
            raise SourceError(
                "no mail in it",
                file=path,
                place="line 1",
                remedy='expected a first line that begins with "From "',
            )
        for number, key in enumerate(keys, 1):
            try:
                _tell(message_from_bytes(box.get_bytes(key)), draft)
            except _BROKEN:
                draft.drop("not readable")
            on_progress(number / len(keys))
    finally:
        box.close()


def _tell(mail: Message, draft: Draft) -> None:
    """Tell of one mail."""
    address = parseaddr(str(make_header(decode_header(mail.get("From", "")))))[1].casefold()
    part = _plain(mail)
    if "@" not in address:
        draft.drop("no sender")
    elif part is None:
        draft.drop("not text")
    else:
        own = own_text(_decoded(part), part.get_param("format"), part.get_param("delsp"))
        draft.drop("quoted", own.quoted)
        draft.drop("signature", own.signatures)
        draft.wrote(address, own.text, _time(mail))


def _plain(part: Message, depth: int = 0) -> Message | None:
    """The first part that is plain text and no attachment; never one of a mail inside this one."""
    if part.get_content_maintype() == "multipart" and part.is_multipart() and depth < _DEEPEST:
        parts = (_plain(inner, depth + 1) for inner in part.get_payload() if isinstance(inner, Message))
        return next((found for found in parts if found is not None), None)
    is_text = part.get_content_type() == "text/plain" and not part.is_multipart()
    return part if is_text and part.get_content_disposition() != "attachment" else None


def _decoded(part: Message) -> str:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    charset = part.get_content_charset() or "utf-8"
    try:
        text = data.decode(charset, "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def own_text(text: str, format_: object = None, delsp: object = None) -> _Own:
    r"""Keep what the sender of a mail wrote.

    Args:
        text: the body.
        format_: the parameter of that name of its content type; "flowed" joins lines.
        delsp: as well; "yes" takes the space away where lines are joined.

    >>> own_text("Yes, \nat six.\n\nOn 3 May 2024, Ben wrote:\n> six?\n-- \nAnna", "flowed").text
    'Yes, at six.'
    """
    lines: Sequence[str] = _UNSTUFFED.sub(r"\1", text).split("\n")
    lines, signatures = _without_signature(lines)
    lines, quoted = _without_quotes(lines)
    if str(format_).casefold() == "flowed":
        lines = list(_joined(lines, str(delsp).casefold() == "yes"))
    else:
        lines = list(_unwrapped(lines))
    own = "\n".join(line.rstrip() for line in lines).strip()
    return _Own(re.sub(r"\n{3,}", "\n\n", own), quoted, signatures)


def _without_signature(lines: Sequence[str]) -> tuple[Sequence[str], int]:
    for place, line in enumerate(lines):
        if _SIGNATURE.match(line):
            return lines[:place], 1
    last = next((place for place in range(len(lines) - 1, -1, -1) if lines[place].strip()), None)
    if last is not None and _SENT_FROM.fullmatch(lines[last].strip()):
        return lines[:last], 1
    return lines, 0


def _without_quotes(lines: Sequence[str]) -> tuple[Sequence[str], int]:
    """Drop quoted lines, what introduces them, and all below the head of a mail that is quoted whole."""
    own: list[str] = []
    quoted = 0
    for place, line in enumerate(lines):
        if line.startswith(">"):
            if not quoted or not lines[place - 1].startswith(">"):
                quoted += _drop_attribution(own)
            quoted += 1
        elif _begins_quote(lines, place):
            return own, quoted + sum(1 for below in lines[place:] if below.strip())
        else:
            own.append(line)
    return own, quoted


def _begins_quote(lines: Sequence[str], place: int) -> bool:
    """Whether a whole mail is quoted from here on, without marks."""
    line = lines[place]
    if _RULED.fullmatch(line):
        return True
    if len(line) < _LONGEST_LINE and _ATTRIBUTION.match(line):
        below = next((below for below in lines[place + 1 :] if below.strip()), "")
        return not below.startswith(">")
    fields = lines[place : place + _MOST_FIELDS]
    return len(fields) == _MOST_FIELDS and all(map(_FIELD.fullmatch, fields)) and "@" in "".join(fields)


def _drop_attribution(own: list[str]) -> int:
    """Take away the last paragraph of some lines if it says who wrote what is quoted below it."""
    end = len(own)
    while end and not own[end - 1].strip():
        end -= 1
    start = end
    while start and own[start - 1].strip() and end - start < _LONGEST_ATTRIBUTION:
        start -= 1
    if not end or not own[end - 1].rstrip().endswith(":"):
        return 0
    dated = (first for first in range(end - 1, start - 1, -1) if _DATED.search(_ADDRESS.sub("", own[first])))
    named = end - 1 if re.search(r"@|\bwrote\b", own[end - 1]) else end
    first = next(dated, named)
    del own[first:]
    return end - first


def _joined(lines: Sequence[str], delete_space: bool) -> Iterator[str]:
    paragraph = ""
    for line in lines:
        line = line.removeprefix(" ")
        if line.endswith(" "):
            paragraph += line[:-1] if delete_space else line
        else:
            yield paragraph + line
            paragraph = ""
    if paragraph:
        yield paragraph


def _unwrapped(lines: Sequence[str]) -> Iterator[str]:
    width = max(map(len, lines), default=0)
    if width not in _WRAPPED_AT:
        yield from lines
        return
    paragraph = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        paragraph += line.rstrip()
        first, *_ = below.split(maxsplit=1) or [""]
        if first and line.strip() and len(line.rstrip()) + 1 + len(first) > width:
            paragraph += " "
        else:
            yield paragraph
            paragraph = ""


def _time(mail: Message) -> float | None:
    """The time of a mail; nothing where it is not said, or not well."""
    try:
        date = parsedate_tz(str(mail.get("Date", "")))
        return float(mktime_tz(date)) if date else None
    except _BROKEN:
        return None
