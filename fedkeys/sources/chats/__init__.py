"""A person's own chats, in the files that their apps export, read where they lie.

In: one file. Out: a `Chat`: every sender with what they wrote, oldest first, and how much was dropped for which
reason. Law: what no person wrote there (notices of the app, placeholders of media, what was forwarded or
quoted) is no message; a file that cannot be read is an error that names its place.

    whatsapp    "Export chat" as text or zip, of Android and of iOS
    telegram    Telegram Desktop's JSON, of one chat or of all
    sms         SMS Backup & Restore's XML
    mbox        mail
"""

from fedkeys.sources.chats.chat import Chat
from fedkeys.sources.chats.detection import open_chat

__all__ = ["Chat", "open_chat"]
