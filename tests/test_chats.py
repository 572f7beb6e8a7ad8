"""A person's own chats: every app's export reads, and what nobody wrote is no message."""

import io
import json
import random
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedkeys.errors import FedkeysError, SourceError, UsageError
from fedkeys.sources import open_corpus
from fedkeys.sources.chats import Chat, open_chat
from fedkeys.sources.chats.mbox import own_text
from fedkeys.sources.chats.notices import body_of
from fedkeys.sources.chats.sms import _mended
from fedkeys.sources.own import own_messages

LRM = "\u200e"

ANDROID = f"""\
31/12/2023, 21:40 - Messages and calls are end-to-end encrypted. No one outside of this chat can read zzsystem.
31/12/2023, 21:40 - Anna created group "Friends: zzsystem"
31/12/2023, 21:41 - Anna: hello there
31/12/2023, 21:42 - Ben: see you
at six

31/12/2024 is the next one
31/12/2023, 21:42 - Anna: <Media omitted>
31/12/2023, 21:43 - Ben: {LRM}IMG-20231231-WA0001.jpg (file attached)
our cat
31/12/2023, 21:43 - Ben: IMG-20231231-WA0002.jpg (Datei angehängt)
31/12/2023, 21:44 - Anna: This message was deleted
31/12/2023, 21:44 - Anna: corrected <This message was edited>
31/12/2023, 21:45 - Anna: Missed voice call
31/12/2023, 21:45 - Ben: location: https://maps.google.com/?q=60.1678,24.9529
31/12/2023, 21:46 - Ben: POLL:
Pizza?
OPTION: Yes (2 votes)
OPTION: No (0 votes)
31/12/2023, 21:46 - Anna changed the subject from "a" to: zzsystem
31/12/2023, 21:46 - Anna a changé le sujet pour : zzsystem
31/12/2023, 21:47 - +44 7700 900123: who is this?
31/12/2023, 21:48 - Anna: at 21:50: the bus
31/12/2023, 21:48 - Ben:
31/12/2023, 21:49 - Anna: null
"""

IOS = f"""\
[31.12.23, 9:40:01\u202fPM] Friends: {LRM}Messages and calls are end-to-end encrypted zzsystem.
[31.12.23, 9:40:02\u202fPM] Friends: {LRM}Anna created this group: zzsystem
[31.12.23, 9:41:15\u202fPM] Anna: hello there\r
[31.12.23, 9:42:00\u202fPM] \u202a+44\u00a07700\u00a0900123\u202c: see you
at six\r
{LRM}[31.12.23, 9:42:30\u202fPM] Anna: {LRM}image omitted
{LRM}[31.12.23, 9:42:31\u202fPM] Anna: {LRM}Bild weggelassen
{LRM}[31.12.23, 9:42:32\u202fPM] Anna: {LRM}<attached: 00000012-PHOTO-2023-12-31.jpg>
{LRM}[31.12.23, 9:42:33\u202fPM] Anna: our cat {LRM}<attached: 00000013-PHOTO-2023-12-31.jpg>
{LRM}[31.12.23, 9:42:34\u202fPM] Anna: plan.pdf • {LRM}2 pages {LRM}document omitted
[31.12.23, 9:43:00\u202fPM] Anna: {LRM}This message was deleted.
[31.12.23, 9:43:30\u202fPM] Anna: corrected {LRM}<This message was edited>
[31.12.23, 9:44:00\u202fPM] Anna: {LRM}Missed video call
[31.12.23, 9:45:00\u202fPM] Anna: Messages to this chat are now secured with end-to-end encryption. zzsystem
[31.12.23, 9:46:00\u202fPM] Anna: {LRM}POLL:
Pizza?
{LRM}OPTION: Yes ({LRM}2 votes)
{LRM}OPTION: No ({LRM}0 votes)
"""

MESSAGES: list[dict[str, Any]] = [
    {"type": "service", "action": "create_group", "actor": "Anna", "actor_id": "user1", "text": "zzsystem"},
    {"type": "service", "action": "phone_call", "actor": "Anna", "actor_id": "user1", "text": ""},
    {"from": "Anna", "from_id": "user1", "date_unixtime": "20", "text": "hello there"},
    {"from": "Ben", "from_id": "user2", "date_unixtime": "30", "text": "see you \ud83d\ude00"},
    {"from": "Anna", "from_id": "user1", "text": ["look ", {"type": "link", "text": "a.org"}, " now"]},
    {"from": "Anna", "from_id": "user1", "text": [{"type": "blockquote", "text": "zzsystem"}, "yes"]},
    {"from": "Anna", "from_id": "user1", "text": "zzsystem", "forwarded_from": "Cleo"},
    {"from": "Anna", "from_id": "user1", "text": "zzsystem", "forwarded_from": None},
    {"from": "Anna", "from_id": "user1", "text": "", "media_type": "sticker", "file": "a.webp"},
    {"from": "Anna", "from_id": "user1", "text": "our cat", "photo": "a.jpg"},
    {"from": "Anna", "from_id": "user1", "text": "", "poll": {"question": "zzsystem"}},
    {"from": "Anna", "from_id": "user1", "text": "zzsystem", "via_bot": "@gif"},
    {"from": None, "from_id": "user3", "text": "zzsystem"},
    {"from": "Ben", "from_id": "user4", "date_unixtime": "10", "text": "another Ben"},
]
CHAT = {
    "name": "Friends",
    "type": "private_group",
    "id": 7,
    "messages": [{"id": id_, "type": "message"} | message for id_, message in enumerate(MESSAGES)],
}
FULL = {
    "about": "Here is the data you requested.",
    "personal_information": {"user_id": 1, "first_name": "Anna", "last_name": "Lee"},
    "contacts": {"list": [{"first_name": "Ben"}]},
    "chats": {"about": "", "list": [CHAT, {"name": "Cleo", "type": "personal_chat", "id": 8, "messages": [
        {"id": 1, "type": "message", "from": "Anna Lee", "from_id": "user1", "date_unixtime": "5",
         "text": "first"},
    ]}]},
    "left_chats": {"about": "", "list": []},
}  # fmt: skip

SMS = """\
<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<!--File Created By SMS Backup & Restore-->
<?xml-stylesheet type="text/xsl" href="sms.xsl"?>
<smses count="10" backup_set="a" backup_date="1">
  <sms address="+447700900123" date="3000" type="2" body="see you &#55357;&#56832; &#55357;" contact_name="Anna" />
  <sms address="+447700900123" date="1000" type="1" body="hello &amp; welcome&#10;home" contact_name="Anna" />
  <sms address="+447700900124" date="1500" type="1" body="who is this" contact_name="(Unknown)" />
  <sms address="+447700900125" date="1600" type="1" body="I am not you" contact_name="me" />
  <sms address="+447700900123" date="2000" type="2" body="first" contact_name="Anna" />
  <sms address="+447700900123" date="2500" type="3" body="zzsystem" contact_name="Anna" />
  <sms address="+447700900123" date="2500" type="5" body="zzsystem" contact_name="Anna" />
  <sms address="+447700900123" date="2500" type="2" body="null" contact_name="Anna" />
  <mms date="4000" msg_box="2" address="+447700900123~+447700900124" contact_name="Anna, (Unknown)">
    <parts>
      <part seq="-1" ct="application/smil" text="&lt;smil>zzsystem&lt;/smil>" />
      <part seq="0" ct="image/jpeg" text="null" data="AAAA" />
      <part seq="0" ct="text/plain" text="our cat" />
    </parts>
    <addrs><addr address="insert-address-token" type="137" charset="106" /></addrs>
  </mms>
  <mms date="4100" msg_box="1" address="+447700900123~+447700900124" contact_name="Anna, (Unknown)">
    <parts><part seq="0" ct="text/plain" text="lovely" /></parts>
    <addrs><addr address="+447700900124" type="137" /><addr address="+447700900123" type="151" /></addrs>
  </mms>
  <mms date="4200" msg_box="2" address="+447700900123" contact_name="Anna">
    <parts><part seq="0" ct="image/jpeg" text="null" data="AAAA" /></parts>
  </mms>
</smses>
"""

MBOX = """\
From anna@example.org Sun Dec 31 21:41:00 2023
From: =?utf-8?q?Anna_L=C3=A9e?= <Anna@example.org>
Date: Sun, 31 Dec 2023 21:41:00 +0000
Subject: zzsystem
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: quoted-printable

This paragraph was=20
broken by the caf=C3=A9's=20
mail program.
>From now on it is whole.

On Sun, 31 Dec 2023 at 20:00, Ben
<ben@example.org> wrote:
> zzsystem
>> zzsystem

Below, too.
--=20
Anna, zzsystem

From ben@example.org Sun Dec 31 20:00:00 2023
From: ben@example.org
Date: Sun, 31 Dec 2023 20:00:00 +0000
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset="no-such-charset"

plain words
-----Original Message-----
From: zzsystem
--b
Content-Type: text/html

<p>zzsystem</p>
--b--

From anna@example.org Sun Dec 31 19:00:00 2023
From: anna@example.org
Date: Sun, 31 Dec 2023 19:00:00 +0000
Content-Type: text/html

<p>zzsystem</p>

From anna@example.org Sun Dec 31 18:00:00 2023
From: anna@example.org
Date: Sun, 31 Dec 2023 18:00:00 +0000
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

earlier

From nobody Sun Dec 31 18:00:00 2023
Subject: zzsystem

zzsystem
"""

GOOD = {
    "android.txt": ANDROID,
    "ios.txt": IOS,
    "chat.json": json.dumps(CHAT, indent=1),
    "full.json": json.dumps(FULL),
    "sms.xml": SMS,
    "mail.mbox": MBOX,
}


def write(directory: Path, name: str, text: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(corpus: Any) -> dict[str, list[str]]:
    return {name: list(texts) for name, texts in corpus.phones()}


def opened(directory: Path, name: str, text: str | bytes) -> Chat:
    corpus = open_corpus(write(directory, name, text))
    assert isinstance(corpus, Chat)
    return corpus


def test_whatsapp_of_android(tmp_path: Path) -> None:
    chat = opened(tmp_path, "WhatsApp Chat with Ben.txt", ANDROID)
    assert (chat.kind, chat.owner) == ("WhatsApp", None)
    assert read(chat) == {
        "+44 7700 900123": ["who is this?"],
        "Anna": ["hello there", "corrected", "at 21:50: the bus"],
        "Ben": ["see you\nat six\n\n31/12/2024 is the next one", "our cat"],
    }
    assert chat.dropped == {
        "system line": 4, "media": 3, "empty": 2, "deleted": 1, "call": 1, "location": 1, "poll": 1
    }  # fmt: skip


def test_whatsapp_of_ios(tmp_path: Path) -> None:
    chat = opened(tmp_path, "_chat.txt", IOS)
    assert read(chat) == {
        "+44 7700 900123": ["see you\nat six"],
        "Anna": ["hello there", "our cat", "corrected"],
    }
    assert chat.dropped == {"media": 5, "system line": 3, "deleted": 1, "call": 1, "poll": 1}


@pytest.mark.parametrize(
    "date",
    [
        "31/12/2023, 21:41 - ",
        "12/31/23, 9:41 PM - ",
        "12/31/23, 9:41\u202fPM - ",
        "31/12/2023, 9:41 p.\u00a0m. - ",
        "31/12/2023 9:41 a.m. - ",
        "31.12.23, 21:41 - ",
        "31-12-2023 21:41 - ",
        "2023-12-31 21:41 - ",
        "31.12.2023 klo 21.41 - ",
        "31/12/2023 às 21:41 - ",
        "31. 12. 2023 21:41 - ",
        "2023/12/31 下午9:41 - ",
        "\u200f٣١\u200f/١٢\u200f/٢٠٢٣، ٩:٤١ م - ",
        "[31/12/2023, 21:41:15] ",
        "[2023-12-31, 9:41:15 PM] ",
        "[31.12.2023 klo 21.41.15] ",
        "[2023. 12. 31. 오후 9:41:15] ",
        "\ufeff[12/31/23, 9:41:15\u202fPM] ",
    ],
)
def test_dates_of_every_shape(tmp_path: Path, date: str) -> None:
    lines = [f"{date}Anna: {LRM}zzsystem", f"{date}Anna: hello: you", "and more", f"{date}Ben 🌻: hi"]
    assert read(opened(tmp_path, "chat.txt", "\n".join(lines))) == {
        "Anna": ["hello: you\nand more"],
        "Ben 🌻": ["hi"],
    }


def test_a_line_with_a_date_of_another_shape_is_somebodys_text(tmp_path: Path) -> None:
    lines = [
        "31/12/2023, 21:41 - Anna: trains:",
        "31.12.2023, 21:45 - Gleis: 4",
        "12/31/23, 9:45 PM - no: none",
    ]
    assert read(opened(tmp_path, "chat.txt", "\n".join(lines))) == {
        "Anna": ["\n".join(lines).split(": ", 1)[1]]
    }


def test_names_with_colons(tmp_path: Path) -> None:
    lines = [f"31/12/2023, 21:41 - Anna: work: message {number}" for number in range(3)]
    lines += [f"31/12/2023, 21:41 - Ben: {text}" for text in ("so: yes", "no", "so: no")]
    assert read(opened(tmp_path, "chat.txt", "\n".join(lines))) == {
        "Anna: work": ["message 0", "message 1", "message 2"],
        "Ben": ["so: yes", "no", "so: no"],
    }


@pytest.mark.parametrize(
    ("text", "own", "reason"),
    [
        ("video call tomorrow?", "video call tomorrow?", None),
        ("I missed your voice call", "I missed your voice call", None),
        ("we use end-to-end encryption at work", "we use end-to-end encryption at work", None),
        ("I think this message was deleted by mistake", "I think this message was deleted by mistake", None),
        ("love <3 you", "love <3 you", None),
        ("<تم استبعاد الوسائط>", "", "media"),
        ("<省略多媒体文件>", "", "media"),
        ("plan.pdf (file attached)\nplan", "", "media"),
        ("John Doe.vcf (file attached)", "", "media"),
        ("Essa mensagem foi apagada", "", "deleted"),
        ("Voice call, 3 min", "", "call"),
        ("schönes Foto \u200e<Diese Nachricht wurde bearbeitet.>", "schönes Foto", None),
        ("geht klar <Diese Nachricht wurde bearbeitet.>", "geht klar", None),
        ("look:\n[21:41, 31/12/2023] Ben: zzsystem\n[31/12, 9:42 PM] Ben: zzsystem", "look:", "quoted"),
    ],
)
def test_what_a_person_wrote_of_a_body(text: str, own: str, reason: str | None) -> None:
    assert body_of(text) == (own, reason)


@pytest.mark.parametrize("inside", ["_chat.txt", "WhatsApp Chat with Ben.txt", "WhatsApp-Chat mit Ben.txt"])
def test_whatsapp_in_a_zip(tmp_path: Path, inside: str) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("IMG-20231231-WA0001.jpg", b"\xff\xd8")
        archive.writestr("notes.txt", "an attachment")
        archive.writestr(inside, ANDROID)
    assert read(open_corpus(path)) == read(opened(tmp_path, "chat.txt", ANDROID))


def test_telegram_of_one_chat(tmp_path: Path) -> None:
    chat = opened(tmp_path, "result.json", json.dumps(CHAT, indent=1))
    assert (chat.kind, chat.owner) == ("Telegram", None)
    assert read(chat) == {
        "Anna": ["hello there", "look a.org now", "yes", "our cat"],
        "Ben": ["see you 😀"],
        "Ben (user4)": ["another Ben"],
    }
    assert chat.dropped == {
        "forwarded": 2, "system line": 1, "call": 1, "quoted": 1, "media": 1, "poll": 1, "by a bot": 1,
        "deleted account": 1,
    }  # fmt: skip


def test_telegram_of_all_chats_knows_whose_it_is(tmp_path: Path) -> None:
    chat = opened(tmp_path, "result.json", json.dumps(FULL))
    assert chat.owner == "Anna Lee"
    assert read(chat)["Anna Lee"] == ["first", "hello there", "look a.org now", "yes", "our cat"]
    assert own_messages(tmp_path / "result.json").others == 2


def test_telegram_larger_than_a_piece_reads_in_pieces(tmp_path: Path) -> None:
    message = {"type": "message", "from": "Anna", "from_id": 1, "text": "word " * 2000}
    chat = opened(tmp_path, "a.json", json.dumps({"messages": [message] * 50, "id": 12345}))
    assert read(chat) == {"Anna": [("word " * 2000).strip()] * 50}


def test_sms_backup(tmp_path: Path) -> None:
    chat = opened(tmp_path, "sms.xml", SMS)
    assert (chat.kind, chat.owner) == ("SMS Backup & Restore", "me")
    assert read(chat) == {
        "+447700900124": ["who is this", "lovely"],
        "Anna": ["hello & welcome\nhome"],
        "me": ["first", "see you 😀 \ufffd", "our cat"],
        "me (from me)": ["I am not you"],
    }
    assert chat.dropped == {"draft": 1, "not sent": 1, "empty": 1, "media": 1}


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_surrogate_pairs_are_mended_wherever_a_piece_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    monkeypatch.setattr("fedkeys.sources.chats.sms._PIECE", size)
    path = write(tmp_path, "a", b"a &#55357;&#56832;&#xd83d;&#xDE00; b &#56832; &#0; &amp; &#10;")
    with path.open("rb") as file:
        assert b"".join(_mended(file)) == b"a &#128512;&#128512; b &#65533; &#65533; &amp; &#10;"


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE smses [<!ENTITY a "aaaa">]><smses><sms body="&a;" type="2"/></smses>'
    with pytest.raises(SourceError, match=r"sms\.xml, line 2: a document type in it"):
        open_corpus(write(tmp_path, "sms.xml", bomb)).names()


def test_mail(tmp_path: Path) -> None:
    chat = opened(tmp_path, "mail.mbox", MBOX)
    assert (chat.kind, chat.owner) == ("mbox", None)
    assert read(chat) == {
        "anna@example.org": [
            "earlier",
            "This paragraph was broken by the café's mail program.\nFrom now on it is whole.\n\nBelow, too.",
        ],
        "ben@example.org": ["plain words"],
    }
    assert chat.dropped == {"quoted": 6, "signature": 1, "not text": 1, "no sender": 1}


@pytest.mark.parametrize(
    ("mail", "own"),
    [
        ("Yes.\n\nAm 31.12.23 um 20:00 schrieb Ben:\n\n> zzsystem", "Yes."),
        ("Yes.\n\nOn 31 Dec 2023, Ben wrote:\n\nzzsystem\nzzsystem", "Yes."),
        ("Yes.\n\nFrom: Ben <ben@example.org>\nSent: Sunday\nTo: Anna\n\nzzsystem", "Yes."),
        ("Yes.\n________________________________\nzzsystem", "Yes."),
        ("Yes.\n\nSent from my iPhone", "Yes."),
        ("My list:\n- a: 1\n- b: 2", "My list:\n- a: 1\n- b: 2"),
        ("It was " + "very " * 12 + "long\nand broken.\nNo.", "It was " + "very " * 12 + "long and broken.\nNo."),
    ],
)  # fmt: skip
def test_what_its_sender_wrote_of_a_mail(mail: str, own: str) -> None:
    assert own_text(mail).text == own


@pytest.mark.parametrize("name", list(GOOD))
def test_a_chat_is_known_whatever_its_file_is_called(tmp_path: Path, name: str) -> None:
    assert read(opened(tmp_path, "export", GOOD[name])) == read(opened(tmp_path, name, GOOD[name]))


@pytest.mark.parametrize(
    "text",
    [
        "see you on 31/12/2023, 21:41 - or later: at ten\nsure\n",
        "my diary\n31/12/2023, 21:41 - fireworks\n1/1/2024, 10:00 - slept late\n",
        "31/12/2023: new year\n[31/12/2023] party: mine\n",
        "From now on it is 2024\nhello: you\n",
        "[1] see: this\n" * 3,
        "{I wonder}\n<3 you all\n",
        "PK is short for Pakistan\n",
    ],
)
def test_plain_text_with_dates_stays_plain(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "anna.txt", text)
    assert open_chat(path) is None
    assert read(open_corpus(path)) == {"anna": text.splitlines()}


def test_a_chat_among_plain_text_is_not_taken_for_one_persons_words(tmp_path: Path) -> None:
    write(tmp_path, "anna.txt", "31/12/2023 was fun: yes")
    assert read(open_corpus(tmp_path)) == {"anna": ["31/12/2023 was fun: yes"]}
    write(tmp_path, "ben.txt", ANDROID)
    with pytest.raises(SourceError, match=r"ben\.txt, line 1: a WhatsApp export, .* name this file alone"):
        read(open_corpus(tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", '{"messages": [{"type": "message"', "line 1: not JSON: expected a value"),
        ("a.json", '{\n"messages": [], }', 'line 2: not JSON: expected a name in quotes, found \'}\''),
        ("a.json", "[" * 100_000, 'line 1: not JSON: expected a "{"'),
        ("a.json", '{"a": ' + "[" * 100_000, "line 1: not JSON: expected a value"),
        ("a.json", '{"name": "x"}', "line 1: not a Telegram export"),
        ("a.json", b'{"name": "\xff"}', "not UTF-8 text"),
        ("a.json", '{"messages": []}', "no message in this Telegram export"),
        ("a.xml", "<smses>\n<sms", "line 2: not XML"),
        ("a.xml", "<calls/>", 'line 1: not an SMS Backup & Restore file: its root is "calls"'),
        ("a.mbox", "hello", "line 1: no mail in it"),
        ("a.zip", "hello", "not a sound zip"),
        ("a.txt", f"{ANDROID}\n".encode() + b"\xff", "line 27: not UTF-8 text"),
        ("a.txt", "31/12/2023, 21:41 - Anna: null", r"no message in this WhatsApp export (dropped: empty: 1)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, name: str, text: str | bytes, reason: str
) -> None:
    with pytest.raises(SourceError) as error:
        open_corpus(write(tmp_path, name, text)).names()
    assert reason in str(error.value)
    assert name in str(error.value)


def test_own_messages_are_of_one_person(tmp_path: Path) -> None:
    path = write(tmp_path, "chat.txt", ANDROID)
    own = own_messages(path, "anna")
    assert (own.name, own.kind, own.others) == ("Anna", "WhatsApp", 3)
    assert list(own.texts) == ["hello there", "corrected", "at 21:50: the bus"]
    assert own.dropped["media"] == 3
    listed = r"several senders; name yourself with --as: Anna \(3\), Ben \(2\), \+44 7700 900123 \(1\)$"
    with pytest.raises(UsageError, match=listed):
        own_messages(path)
    with pytest.raises(UsageError, match=r"no sender is called 'Cleo'; name yourself with --as: Anna \(3\)"):
        own_messages(path, "Cleo")


def test_own_messages_without_a_name(tmp_path: Path) -> None:
    assert own_messages(write(tmp_path, "sms.xml", SMS)).texts[0] == "first"
    assert own_messages(write(tmp_path, "me.txt", "hello\nthere")) == (
        "me",
        ["hello", "there"],
        "plain text",
        0,
        {},
    )
    rows = "".join(json.dumps({"user": f"user{number:02}", "text": "hi"}) + "\n" for number in range(25))
    with pytest.raises(UsageError, match=r"user19 \(1\), and 5 more$"):
        own_messages(write(tmp_path, "all.jsonl", rows))
    assert own_messages(tmp_path / "all.jsonl", "user07").others == 24


def test_an_owner_who_wrote_nothing_is_not_taken_for_another(tmp_path: Path) -> None:
    received = '<smses><sms type="1" address="1" date="1" body="hi" contact_name="me"/></smses>'
    with pytest.raises(UsageError, match=r"no message by its owner, me; .* me \(from me\) \(1\)"):
        own_messages(write(tmp_path, "sms.xml", received))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", IOS)
    return file.getvalue()


HOSTILE = {name: text.encode() for name, text in GOOD.items()} | {"export.zip": zipped()}

EVERY_TIME = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)


@EVERY_TIME
@given(st.sampled_from(list(HOSTILE)), st.randoms(use_true_random=False), st.integers(1, 8))
def test_hostile_bytes_are_read_or_refused(
    tmp_path: Path, name: str, chance: random.Random, edits: int
) -> None:
    data = bytearray(HOSTILE[name])
    for _ in range(edits):
        place, length = chance.randrange(len(data) or 1), chance.choice((0, 1, 1, 5, 200))
        piece = bytes(data[place : place + length])
        data[place : place + length] = chance.choice(
            (b"", piece * 2, chance.randbytes(length), b"\n", b'"', b"<>")
        )
    path = write(tmp_path, name, bytes(data) + b" ")
    with suppress(FedkeysError):
        own_messages(path, "Anna")


@EVERY_TIME
@given(st.sampled_from(["android.txt", "ios.txt", "mail.mbox"]), st.randoms(use_true_random=False))
def test_lines_of_the_app_are_never_words(tmp_path: Path, name: str, chance: random.Random) -> None:
    """Whatever people write, and whatever of their messages is missing."""
    lines = GOOD[name].split("\n")
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(lines))
        ours = name != "mail.mbox" and "zzsystem" not in lines[place]
        if ours and "POLL" not in lines[place] and "OPTION" not in lines[place]:
            lines[place] = chance.choice(
                [lines[place] + " so: what?", lines[place] * 2, "12/13/14 at 15:16: yes"]
            )
        if name == "mail.mbox" and lines[place] in ("earlier", "plain words", "Below, too."):
            lines[place] = chance.choice(["more: words\nand more", "31.12.2023, 21:41 - yes: no", ""])
    try:
        texts = read(open_corpus(write(tmp_path, name, "\n".join(lines))))
    except SourceError:
        return
    assert "zzsystem" not in str(texts)


def test_a_chat_is_a_corpus_like_any_other(tmp_path: Path) -> None:
    """What `fedkeys delta`, `simulate` and `evaluate` ask of a corpus."""
    seen: list[float] = []
    for name, text in GOOD.items():
        corpus = open_corpus(write(tmp_path, name, text))
        assert list(corpus.names(seen.append)) == [phone.name for phone in corpus.phones()]
        assert seen[-1] == 1.0
        assert read(corpus) == read(corpus)
