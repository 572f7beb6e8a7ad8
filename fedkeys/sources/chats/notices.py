"""What WhatsApp itself writes into an export where a message would be.

In: the text after a sender's name. Out: what the person wrote of it, and for what reason the rest is dropped.
Law: a text is judged by its shape first, which is the same in every language; phrases are for the rest, in the
languages that are most spoken.

    U+200E before the text      everything is the app's: a notice, a placeholder, a call, a poll
    <words> as the first line   a placeholder of media; what follows is its caption
    NAME.EXT (words)            an attached file, then its caption
    words U+200E<words>         the message, then an attachment or a note that it was edited
    NAME • U+200E pages         a document
"""

import re
from typing import NamedTuple

LEFT_TO_RIGHT = "\u200e"

_ATTACHED = re.compile(r"(?P<name>[^\n]*\.\w{0,5}) \([^()\n]+\)", re.ASCII)
_PLACEHOLDER = re.compile(r"<[^<>\n]+>")
_NOTE = re.compile(r"(?:\u200e\s*<[^<>\n]+>|<[^\s<>]+(?: [^\s<>]+){2,}>)\Z")
_TAIL = re.compile(r"\u200e[^\s\u200e]+(?:[ \u00a0][^\s\u200e]+){0,3}\Z")  # "... U+200E image omitted"
_ATTACHMENT = re.compile(r"\.\w{1,5}>\Z")
_MOST_NOTES = 3
_DOCUMENT = re.compile(r"•\s*\u200e")
_FILE_NAME = re.compile(r"[^\n.!?]*\.[A-Za-z0-9]{2,5}")
_CONTACT = re.compile(r".*\.vcf \([^()]+\)")
_PLACE = re.compile(r"https?://(?:maps\.google\.com/\?q=|maps\.app\.goo\.gl/|foursquare\.com/v/)")
_POLL = re.compile(r"\w+:\n[^\n]+(?:\n+\w+: [^\n]*\([^()\d\n]*\d+[^()\d\n]*\)){2,}")
# [21:41, 31/12/2023] Anna: as several messages that are copied at once are pasted.
_PASTED = re.compile(
    r"\[(?=[^\]\n]*\d[:.]\d\d)(?=[^\]\n]*\d[/.-]\d)[\d:./, apmAPM\u202f-]{8,30}\] [^:\n]{1,60}: "
)

_OMITTED = re.compile(
    r"(?:image|photo|video|video note|audio|gif|sticker|document|contact card|media) omitted"
    r"|(?:bild|video|audio|sticker|gif|dokument|kontaktkarte) weggelassen"
    r"|(?:imagen|audio|v[ií]deo|sticker|gif|documento|foto|imagem|[aá]udio|figurinha) (?:omitid[oa]|ocultad[oa])"
    r"|(?:image|audio|vidéo|sticker|gif|document) (?:absente?|omise?)"
    r"|(?:immagine|audio|video|sticker|gif|documento) omess[oa]",
    re.IGNORECASE,
)
_DELETED = re.compile(
    r"(?:this message was deleted(?: by admin.*)?|you deleted this message(?: as admin)?"
    r"|diese nachricht wurde gelöscht|du hast diese nachricht gelöscht"
    r"|(?:se eliminó este mensaje|este mensaje fue eliminado|eliminaste este mensaje)"
    r"|(?:ce message a été supprimé|vous avez supprimé ce message)"
    r"|(?:(?:essa|esta) mensagem foi apagada|(?:mensagem apagada|você apagou esta mensagem))"
    r"|(?:questo messaggio è stato eliminato|hai eliminato questo messaggio)"
    r"|(?:dit bericht is verwijderd|dit bericht werd verwijderd|u hebt dit bericht verwijderd)"
    r"|(?:это сообщение было удалено|данное сообщение удалено|вы удалили (?:это|данное) сообщение)"
    r"|(?:ta wiadomość została usunięta|usunięto tę wiadomość)"
    r"|(?:bu mesaj silindi|bu mesajı sildiniz)|(?:pesan ini telah dihapus|anda menghapus pesan ini)"
    r"|(?:यह मैसेज हटा दिया गया|यह संदेश हटा दिया गया था|आपने यह मैसेज डिलीट किया)"
    r"|(?:تم حذف هذه الرسالة|حذفت هذه الرسالة|لقد حذفت هذه الرسالة)|(?:הודעה זו נמחקה|מחקת הודעה זו)"
    r"|(?:このメッセージは削除されました|此訊息已刪除|此消息已删除|你已刪除此訊息|삭제된 메시지입니다))\W*",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?:(?:missed|silenced|unanswered) (?:group )?(?:voice|video) call(?: at [\d:. apm\u202f]+)?"
    r"|(?:voice|video|group) call[,.]\W*(?:\d[^\n]*|no answer|answered on other device|missed|ended)"
    r"|verpasster (?:gruppen)?(?:sprach|video)anruf|(?:video)?llamada perdida"
    r"|appel (?:vocal|vidéo) manqué|chamada de (?:voz|vídeo) perdida|chiamata (?:vocale|video) persa"
    r"|gemiste (?:spraak|video)oproep|пропущенный (?:аудио|видео)звонок)\W*(?:tap to call back)?\W*",
    re.IGNORECASE,
)
_LIVE = re.compile(
    r"live location shared|live-standort wird geteilt|ubicación en tiempo real compartida", re.I
)
_NOTICE = re.compile(
    r"(?:messages|nachrichten|(?:los )?mensajes|les messages|as mensagens|i messaggi|berichten|сообщения|mesajlar)"
    r"\b[^\n]{0,90}(?:end-to-end|ende-zu-ende|extremo a extremo|de bout en bout|ponta a ponta|сквозн|uçtan uca)"
    r"|waiting for this message\. |your security code with ",
    re.IGNORECASE,
)


class Body(NamedTuple):
    """What stands after a sender's name.

    Attributes:
        text: what the person wrote, maybe nothing.
        reason: why the rest, or all, was dropped; nothing where all was written.
    """

    text: str
    reason: str | None = None


def body_of(text: str) -> Body:
    r"""Part what a person wrote from what the app did.

    >>> body_of("<Media omitted>\nour cat")
    Body(text='our cat', reason='media')
    >>> body_of("see you <This message was edited>")
    Body(text='see you', reason=None)
    >>> body_of("\u200eAnna created this group")
    Body(text='', reason='system line')
    """
    text = text.strip()
    first, _, caption = text.partition("\n")
    bare = first.replace(LEFT_TO_RIGHT, "").strip()
    attached = _ATTACHED.fullmatch(bare)
    if attached and (first.startswith(LEFT_TO_RIGHT) or not re.search(r"\s", attached["name"])):
        return Body(_caption(caption, attached["name"]), "media")
    if _CONTACT.fullmatch(bare):
        return Body("", "media")
    if _PLACEHOLDER.fullmatch(bare) or _OMITTED.fullmatch(bare):
        return Body(_caption(caption), "media")
    reason = _reason(text)
    return Body("", reason) if reason else _without_notes(text)


def _reason(text: str) -> str | None:
    """Why nothing of a text was written by a person, if so."""
    seen = text.replace(LEFT_TO_RIGHT, "").strip()
    if _DELETED.fullmatch(seen):
        return "deleted"
    if _CALL.fullmatch(seen):
        return "call"
    if _PLACE.match(seen.rsplit(None, 1)[-1] if seen else "") or _LIVE.fullmatch(seen):
        return "location"
    if _POLL.fullmatch(seen):
        return "poll"
    if not seen or seen == "null":
        return "empty"
    if text.startswith(LEFT_TO_RIGHT) or _NOTICE.match(seen):
        return "system line"
    return "media" if _DOCUMENT.search(text) else None


def _caption(caption: str, file_name: str = "") -> str:
    """What was written below a file; the file's name is often repeated there."""
    caption = _without_notes(caption.strip()).text
    repeated = caption in (file_name, file_name.rpartition(".")[0])
    return "" if repeated or _FILE_NAME.fullmatch(caption) else caption


def _without_notes(text: str) -> Body:
    reason = None
    for _ in range(_MOST_NOTES):
        note = _NOTE.search(text) or _TAIL.search(text)
        if not note:
            break
        if _ATTACHMENT.search(note[0]) or _OMITTED.fullmatch(note[0].strip(LEFT_TO_RIGHT)):
            reason = "media"
        text = text[: note.start()].rstrip()
    lines = text.replace(LEFT_TO_RIGHT, "").split("\n")
    own = [line for line in lines if not _PASTED.match(line)]
    if len(own) < len(lines):
        reason = "quoted"
    return Body("\n".join(own).strip(), reason)
