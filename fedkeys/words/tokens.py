"""From a message to its items: words in their written form, and the three marks.

In: text. Out: a list of strings. Law: `tokens(fold(w)) == [MESSAGE_START, fold(w)]` for every word w that
comes out, so a server can check that a word is one without knowing where it came from.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from fedkeys.words.shapes import shape_of

GAP = "\x00"
MESSAGE_START = "\x02"
SENTENCE_START = "\x03"
MAX_WORD_LENGTH = 24
MAX_FORM_LENGTH = 4 * MAX_WORD_LENGTH  # a form may be longer than its identity, by presentation selectors

_CACHED = 32

_MARKS = (GAP, MESSAGE_START, SENTENCE_START)

_REMOVED = [0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_REPLACE: dict[int, str | None] = {
    **{wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
    **{ord(quote): "'" for quote in "’‘ʼ＇´"},
    **{ord(dot): "." for dot in "․﹒"},
    ord("﹫"): "@",
    **dict.fromkeys([*_REMOVED, *_SKIN_TONES]),
}

_SELECTORS = dict.fromkeys((0xFE0E, 0xFE0F))

# Three digits, or more, near each other. The bound on what lies between keeps the search linear.
_LONG_NUMBER = re.compile(r"\d(?:[^\w\r\n]{0,6}\d){2,}")

# Here and below, what cannot match is given up at once: a search takes time with the length of a text, whatever
# it is made of.

# tom @ example . org: what is before the @, what may stand between, what comes after, and its first part alone.
_RUN = re.compile(r"\S++")
_BETWEEN = re.compile(r"[^\S\r\n]*+")
_DOMAIN = re.compile(r"[^\S\r\n]*+[^\s.]++[^\S\r\n]*+\.[^\S\r\n]*+\w++")
_LABEL = re.compile(r"[^\s.]*+")

# ABCDE-FGHIJ-KLMNO, de:ad:be:ef
_CODE = re.compile(r"(?<![A-Z])[A-Z]{2,}+(?:-[A-Z]{2,}+){2}|(?<!\w)\w++(?::\w*+){2}")

# Normalising takes time with the square of a run of marks; nobody writes so many.
_MARKS_ON_MARKS = re.compile("([\u0300-\u036f]{30})[\u0300-\u036f]+")

EMOTICON = re.compile(r"[<>]?[:;=][-o*']?([)\](\[dDpPoO/:}{@|\\3sSxXcC])\1*[.,!]*|<+/?3+[.,!]*")

_SMALL_NUMBER = re.compile(r"[-.!'/#~]*(0{1,2})[-.!'/#~]*")

_KEPT_PRIVATE = re.compile(
    r"""
      [G@=\\_]                 # dropped before, e-mail and handles, key=value, Windows paths, code names
    | ^/[am] | /.*/            # /a/path, //host, a/b/c
    | ^a/[am]                  # u/name
    | [#~][am]                 # #tag, ~user
    | [am]\.[am]               # example.org, file.txt, e.g
    """,
    re.VERBOSE,
)

_ITEM = re.compile(
    r"""
      (?P<word>  a[am]*(?:'a[am]*)* )    # don't, rock'n'roll
    | (?P<emoji> r{1,2}z* | ez*(?:jez*)* )  # a flag; one emoji, with its ZWJ sequence
    | (?P<end>   [.!]+ )
    """,
    re.VERBOSE,
)
_SOMETHING = re.compile(r"[ae0rG]")


def normalise(text: str) -> str:
    """Give the text in the characters that the rules work on (rules 1 and 2 of the package)."""
    plain = _plain(text)
    if "@" in plain:
        plain = _without_addresses(plain)
    return _LONG_NUMBER.sub(GAP, plain)


def fold(written: str) -> str:
    """Give the identity of a written word.

    >>> fold("London"), fold("I'm"), fold("❤\N{VARIATION SELECTOR-16}")
    ('london', "i'm", '❤')
    """
    if written.isascii():
        return written.lower()
    return unicodedata.normalize("NFC", _plain(written).translate(_SELECTORS).lower())


def one_mark(items: Iterable[str]) -> list[str]:
    """Leave one mark of several in a row: the start of the message, if it is among them.

    >>> one_mark([MESSAGE_START, SENTENCE_START, "hi", SENTENCE_START, SENTENCE_START]) == [
    ...     MESSAGE_START, "hi", SENTENCE_START]
    True
    """
    left: list[str] = []
    for item in items:
        if item != SENTENCE_START or not left or left[-1] not in (MESSAGE_START, SENTENCE_START):
            left.append(item)
    return left


def tokens(text: str) -> list[str]:
    """Give the items of one message: written words and marks, `MESSAGE_START` first.

    A mark counts only directly before a word; two sentence ends in a row, or one at the end, mean nothing
    more than one.

    >>> tokens("See you tom. Code 4471!") == [
    ...     MESSAGE_START, "See", "you", "tom", SENTENCE_START, "Code", GAP, SENTENCE_START]
    True
    """
    items = [MESSAGE_START]
    lines = normalise(text).splitlines()
    for number, line in enumerate(lines):
        if number:
            items.append(SENTENCE_START)
        for chunk in line.split():
            items += _items_of_chunk(chunk) if len(chunk) <= _CACHED else _judge(chunk)
    return items


@lru_cache(maxsize=1 << 16)
def is_word(text: str) -> bool:
    """Tell whether a text is the identity of exactly one word.

    >>> [is_word(text) for text in ("hello", "Hello", "two words", "a@b", "👍")]
    [True, False, False, False, True]
    """
    if text.isascii() and text.isalpha() and text.islower():
        return len(text) <= MAX_WORD_LENGTH  # nothing below could object, and most words are of this kind
    return text not in _MARKS and tokens(text) == [MESSAGE_START, text] and fold(text) == text


@lru_cache(maxsize=1 << 16)
def is_written_form(form: str, word: str) -> bool:
    """Tell whether `form` is a way to write `word` other than its identity."""
    return form != word and fold(form) == word and tokens(form) == [MESSAGE_START, form]


@lru_cache(maxsize=1 << 16)
def _items_of_chunk(chunk: str) -> tuple[str, ...]:
    """Judge a short chunk. Chunks repeat as words do, hence the cache."""
    return _judge(chunk)


def _judge(chunk: str) -> tuple[str, ...]:
    """Judge one chunk, free of white space."""
    if EMOTICON.fullmatch(chunk):
        return ()
    shape = shape_of(chunk)
    if not _SOMETHING.search(shape):
        return (SENTENCE_START,) if "." in shape or "!" in shape else ()
    if "0" in shape:
        return _small_number(chunk, shape)
    if _KEPT_PRIVATE.search(shape) or _CODE.search(chunk):
        return (GAP, SENTENCE_START) if shape[-1] in ".!" else (GAP,)
    return tuple(
        SENTENCE_START if match["end"] else _bounded(chunk[match.start() : match.end()])
        for match in _ITEM.finditer(shape)
    )


def _without_addresses(text: str) -> str:
    """Put a gap where e-mail addresses are, be they written with spaces, and whatever they share words with."""
    spans: list[tuple[int, int]] = []
    before = (0, 0)
    for run in _RUN.finditer(text):
        start, end = run.span()
        label_end, domain_end = 0, 0
        at = text.find("@", start, end)
        while at >= 0:
            if at + 1 >= label_end:  # else the same domain as of the @ before
                found = _DOMAIN.match(text, at + 1)
                domain_end = found.end() if found else 0
                label = _LABEL.match(text, at + 1)
                label_end = label.end() if label else 0
            begins_in_run = at > start
            if domain_end and (begins_in_run or _follows(text, before, start)):
                spans.append((start if begins_in_run else before[0], domain_end))
            at = text.find("@", at + 1, end)
        before = start, end
    parts: list[str] = []
    done = 0
    for start, end in spans:  # in the order of their starts
        if start >= done:
            parts += text[done:start], GAP
        done = max(done, end)
    return "".join((*parts, text[done:]))


def _follows(text: str, before: tuple[int, int], start: int) -> bool:
    """Tell whether something stands before a place, in the same line."""
    first, end = before
    return first < end and _BETWEEN.fullmatch(text, end, start) is not None


def _plain(text: str) -> str:
    """NFC, with the replacements; composed again, since what is removed may have stood between."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFC", _MARKS_ON_MARKS.sub(r"\1", text)).translate(_REPLACE)
    return unicodedata.normalize("NFC", plain)


def _small_number(chunk: str, shape: str) -> tuple[str, ...]:
    number = _SMALL_NUMBER.fullmatch(shape)
    word = chunk[number.start(1) : number.end(1)] if number else GAP
    return (word, SENTENCE_START) if shape[-1] in ".!" else (word,)


def _bounded(written: str) -> str:
    return written if len(fold(written)) <= MAX_WORD_LENGTH else GAP
