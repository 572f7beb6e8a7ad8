"""Telegram Desktop's "Export chat history" and "Export Telegram data", as machine-readable JSON.

In: `result.json`, of one chat (`messages` at the top) or of all (`chats.list` and `left_chats.list`, each with its
`messages`; `personal_information` says whose they are). Out: a `Chat`. Law: people are told apart by `from_id`,
since two may have one name.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedkeys.errors import SourceError
from fedkeys.sources.chats.chat import Chat, Draft
from fedkeys.sources.chats.json_stream import JsonStream
from fedkeys.sources.corpus import OnProgress

KIND = "Telegram"

_LISTS = ("chats", "left_chats")
_OTHER_CONTENT = {
    "poll": "poll",
    "todo_list": "poll",
    "location_information": "location",
    "contact_information": "media",
    "media_type": "media",
    "photo": "media",
    "file": "media",
    "game_title": "media",
    "invoice_information": "media",
}


def telegram_chat(path: Path) -> Chat:
    """Open an export of one chat, or of all of them."""
    return Chat(path, KIND, read_telegram)


def read_telegram(path: Path, draft: Draft, on_progress: OnProgress) -> None:
    """Read an export.

    Raises:
        SourceError: it is not JSON, or none of Telegram's.
    """
    size = max(1, path.stat().st_size)
    with path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        stream = JsonStream(text, path, lambda: on_progress(raw.tell() / size))
        if not _read_top(stream, draft):
            raise SourceError(
                'not a Telegram export: it has neither "messages" nor "chats"',
                file=path,
                place="line 1",
                remedy="export the chat from Telegram Desktop as machine-readable JSON",
            )


def _read_top(stream: JsonStream, draft: Draft) -> bool:
    """Read the outermost object; whether there were messages in it."""
    found = False
    for key in stream.members():
        if key == "messages" and stream.peek() == "[":
            _read_messages(stream, draft)
            found = True
        elif key in _LISTS and stream.peek() == "{":
            _read_chats(stream, draft)
            found = True
        else:
            value = stream.value()
            if key == "personal_information" and isinstance(value, dict):
                _own(value, draft)
    stream.end()
    return found


def _own(person: Mapping[str, Any], draft: Draft) -> None:
    owner = _user(person.get("user_id"))
    names = (person.get("first_name"), person.get("last_name"))
    if owner:
        draft.own(owner, " ".join(name for name in names if isinstance(name, str)) or owner)


def _read_chats(stream: JsonStream, draft: Draft) -> None:
    for key in stream.members():
        if key != "list" or stream.peek() != "[":
            stream.value()
            continue
        for _ in stream.elements():
            if stream.peek() != "{":
                stream.value()
                continue
            for key_of_chat in stream.members():
                if key_of_chat == "messages" and stream.peek() == "[":
                    _read_messages(stream, draft)
                else:
                    stream.value()


def _read_messages(stream: JsonStream, draft: Draft) -> None:
    for _ in stream.elements():
        message = stream.value()
        reason = _reason(message) if isinstance(message, dict) else "not a message"
        if reason:
            draft.drop(reason)
            continue
        text, quotes = _text(message.get("text"))
        draft.drop("quoted", quotes)
        if text.strip():
            sender = _user(message.get("from_id")) or f"name {message['from']}"
            draft.wrote(sender, text, _time(message.get("date_unixtime")), name=message["from"])
        else:
            draft.drop(_other_content(message))


def _reason(message: Mapping[str, Any]) -> str | None:
    """Why nothing of a message was written by its sender, if so."""
    if message.get("type") == "service":
        calls = ("phone_call", "group_call", "conference_call")
        return "call" if message.get("action") in calls else "system line"
    if message.get("type") != "message":
        return "not a message"
    if any(message.get(key) for key in ("forwarded_from", "forwarded_from_id", "saved_from")):
        return "forwarded"
    if "forwarded_from" in message:  # null: by an account that is deleted
        return "forwarded"
    if message.get("via_bot"):
        return "by a bot"
    sender = message.get("from")
    return None if isinstance(sender, str) and sender.strip() else "deleted account"


def _text(content: Any) -> tuple[str, int]:
    """Join the pieces of a text, plain ones and entities, but for quotes; and how many quotes there were."""
    pieces = content if isinstance(content, list) else [content]
    texts, quotes = [], 0
    for piece in pieces:
        match piece:
            case str():
                texts.append(piece)
            case {"type": "blockquote"}:
                quotes += 1
            case {"text": str(text)}:
                texts.append(text)
    return "".join(texts), quotes


def _other_content(message: Mapping[str, Any]) -> str:
    return next((reason for key, reason in _OTHER_CONTENT.items() if key in message), "empty")


def _user(number: Any) -> str | None:
    """What stands for a person: "user12", or only the number in exports before 2021."""
    match number:
        case bool():
            return None
        case int():
            return f"user{number}"
        case str() if number:
            return number
    return None


def _time(seconds: Any) -> float | None:
    """The time of a message; nothing where it is not said, or not well."""
    try:
        return float(seconds)
    except (TypeError, ValueError, OverflowError):
        return None
