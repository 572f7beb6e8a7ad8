"""What a word is, what a sentence is, and what must never leave a phone.

In: one message, as typed. Out: its *items* in order: words in their written form, and three marks.
Law: what a phone must keep to itself is dropped here, before anything is counted, and leaves a `GAP` over
which no n-gram reaches. Pure rules on text: no files, standard library only.

    MESSAGE_START   the message begins here
    SENTENCE_START  a sentence ended here, inside the message
    GAP             something was dropped here

The rules, in the order in which they apply. A phone in another language can follow them from this text;
character classes are Unicode general categories, and `fedkeys.words.shapes` has the table.

1.  Characters. Unicode NFC. The quotes ’ ‘ ʼ ´ become ', full-width forms of ASCII that. Skin tones, soft
    hyphens, zero-width spaces and marks of writing direction are removed: a skin tone says who is typing.
2.  Long numbers and addresses that hold spaces. Three digits or more on one line, with at most six characters
    between one and the next, none of them a letter, are dropped (07700 900123, 12:30, 1,000, 06 | 12 | 34);
    so is an @ with what stands before it and a name with a dot after it (tom @ example . org).
3.  A line ends a sentence. A line is cut at white space into *chunks*, and each chunk is judged alone:
    - it is an emoticon, by the regular expression `EMOTICON` of `fedkeys.words.tokens`: skipped;
    - it holds no letter, digit or emoji: skipped, but a . ! ? … 。in it ends the sentence;
    - it holds a digit: one or two digits in one run, with only punctuation around them, are a word ("7",
      "10."); everything else with a digit (gr8, 2nd, b52, 3.5, 7👍) is dropped, as any code would be;
    - it is an address, a handle, a path or a code: an @ or =, a backslash, an underscore, two slashes, a
      slash before the first letter or after it, a # or ~ before a letter, a single dot between letters
      (example.org, e.g), three groups of capitals joined by hyphens, or two colons after letters: dropped;
    - else it gives its words (letters and their marks, with single apostrophes inside), its emoji (a ZWJ
      sequence is one, a flag is one) and a sentence end for each run of . ! ? … 。; hyphens and all other
      punctuation separate words without ending a sentence.
4.  A word of more than 24 characters is dropped.

`fold` gives a word its identity: lower case, without the emoji presentation selector. The written form is
kept beside it, so that "I" and "London" come back as people write them.

The differences from NLTK's `TweetTokenizer` are written down, and tested, in `tests/test_words_nltk.py`.
"""

from fedkeys.words.cursor import READ, Cursor, at_cursor, rest_of_word
from fedkeys.words.pauses import Pause
from fedkeys.words.styles import CAPITALISED, OTHER, style_of, styled
from fedkeys.words.tokens import (
    GAP,
    MAX_FORM_LENGTH,
    MAX_WORD_LENGTH,
    MESSAGE_START,
    SENTENCE_START,
    fold,
    is_word,
    is_written_form,
    one_mark,
    tokens,
)

__all__ = [
    "CAPITALISED",
    "GAP",
    "MAX_FORM_LENGTH",
    "MAX_WORD_LENGTH",
    "MESSAGE_START",
    "OTHER",
    "READ",
    "SENTENCE_START",
    "Cursor",
    "Pause",
    "at_cursor",
    "fold",
    "is_word",
    "is_written_form",
    "one_mark",
    "rest_of_word",
    "style_of",
    "styled",
    "tokens",
]
