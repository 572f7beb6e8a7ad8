"""Which export a file is, by what stands in it.

In: a file. Out: a `Chat`, or nothing if it is none, as plain text is none. Law: a chat is known whatever its file
is called.
"""

import re
import zipfile
from pathlib import Path

from fedkeys.errors import SourceError
from fedkeys.sources.chats.chat import Chat
from fedkeys.sources.chats.mbox import mbox_chat
from fedkeys.sources.chats.sms import sms_chat
from fedkeys.sources.chats.telegram import telegram_chat
from fedkeys.sources.chats.whatsapp import shape_of, whatsapp_chat

SUFFIXES = (".zip", ".json", ".xml", ".mbox")

_HEAD = 1 << 16  # bytes
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_MAIL = re.compile(rb"From [^\r\n]*\d\d:\d\d:\d\d[^\r\n]*\r?\n>?[!-9;-~]+:")
_XML = re.compile(rb"<(?:\?xml|smses|!DOCTYPE)", re.IGNORECASE)
_TELEGRAM = re.compile(rb'\{.*?"(?:messages|chats|personal_information)"\s*:', re.DOTALL)


def open_chat(path: Path) -> Chat | None:
    """Open an export of any kind; nothing if the file is none.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError(f"cannot be read ({error.strerror})", file=path) from None
    suffix = path.suffix.lower()
    start = head.lstrip(_BLANKS)
    if suffix == ".zip" or (start.startswith(b"PK") and zipfile.is_zipfile(path)):
        return whatsapp_chat(path)
    if suffix == ".xml" or _XML.match(start):
        return sms_chat(path)
    if suffix == ".mbox" or _MAIL.match(start):
        return mbox_chat(path)
    if suffix == ".json" or _TELEGRAM.match(start):
        return telegram_chat(path)
    lines = head.decode(errors="replace").split("\n")
    return whatsapp_chat(path) if shape_of(lines) else None
