"""The delta: what one phone sends, specified byte for byte, and nothing else that it could send.

In: the counts of one phone. Out: one sealed msgpack message, and back. Laws: decoding refuses whatever the
format does not allow, so that a `Delta` in hand is sound; n-grams whose prefix or suffix is missing cannot be
written down in this format at all.

Format, version 1
-----------------

One msgpack array of these fourteen entries:

    format      "fedkeys.delta"
    version     1
    federation  string of 1 to 64 printable characters
    phone       16 bytes, the phone's pseudonym: random, and fixed for one federation
    sequence    whole number below 2^32: the first delta of a phone has 0, the next new one 1, ...
    round       whole number below 2^32: the round it was asked for in, 0 where there are no rounds
    base        16 bytes, the digest of the released vocabulary that word ids refer to, or empty for none:
                BLAKE2b with 16 bytes of digest over its words, in order, joined by newlines, as UTF-8
    known       V, the number of words in that vocabulary; 0 exactly where base is empty
    bounds      nil, or a map from the name of each bound that the phone applied to a whole number (see below)
    words       list of the words that are not in that vocabulary, strictly ascending by code point; each is
                its own identity by the rules of `fedkeys.words`
    forms       list of the written forms that have no style (see below)
    sizes       list: the number of n-grams of order 1, of order 2, up to order 2, 3 or 4; then the number of
                written forms
    body        bytes: the columns, as LEB128, one after the other, deflated (RFC 1951, no header)
    checksum    8 bytes: BLAKE2b with 8 bytes of digest over all bytes of the message before them

*Ids.* 0 is the start of a message, 1 the start of a further sentence in it, 2 ... V + 1 the words of the
vocabulary in its order, V + 2 ... the new words in theirs, all below 2^32. Every new word must be used. A mark
(id 0 or 1) only begins an n-gram.

*Numbers.* All numbers in the columns lie below 2^32 and stand in their shortest LEB128 form; there are at most
2^23 of them. A message has at most 8 MiB.

*Columns of order 1.* For each id that occurs, ascending: how many ids were left out since the one before
(`gap`); then for each one its `tally`. In what follows an id is named by its row among these.

*Columns of order n >= 2.* For each n-gram of order n - 1, in order: how many n-grams extend it
(`children`). Then for each n-gram, in order of its prefix, then of its last word, its `place`; then its
`tally`. The last word is named by the place of the n-gram's suffix among the extensions of the suffix of its
prefix: for "see you tom" the place of "you tom" among all bigrams that begin with "you"; for a bigram, whose
prefix has the empty suffix, simply the row of its last word. A place is written as such for the first
extension of a prefix, and as the difference to the place before, less 1, for the others.

*Columns of written forms.* For each form, ascending by word then style: the difference of its word's row to
the row before (`gap`, 0 for a further form of the same word); then for each its `style`: 0 for the first
letter in upper case, 1 for all letters in upper case where that differs (by Unicode's full mappings), 2 for the
next string of the list `forms`; then for each its `tally`. A form in the list is one whose identity is the word
and which neither style gives; those of one word ascend by code point. Forms are counted where they do not stand
at the start of a sentence, and only if they differ from the word; a mark has none.

*Tally.* 2 count - (1 if this phone sends the n-gram or form for the first time, else 0). A count of 0 stands
where a phone has sent an n-gram as often as its bound lets it, and a longer one, or a form, needs the n-gram
to be named; a form has no count of 0.

*Bounds.* `ngrams`, over all deltas of a phone the most n-grams and written forms, each counted once, that are
ever sent; `count`, the most that the counts of one of them add up to; `bytes`, the most that one message has;
`deltas`, the most deltas; `norm`, the most that the root of the sum of the squares of all its counts comes to. A
bounded phone shows its earlier deltas again beside a new one, unchanged, so that who keeps nothing but their
digests can check them. A map of bounds has at most 8 names of at most 16 characters.

Counts are not held against each other: that an n-gram is counted no more often than its prefix is the phone's
word. A worked example stands in `tests/vectors/`.

The envelope in which an enrolled phone sends its delta is specified in `fedkeys.delta.signed`, and what its
pseudonym is made of in `fedkeys.delta.keys`.
"""

from fedkeys.delta.batch import DELTA_FORMAT, DELTA_VERSION, Batch, Head, unsound
from fedkeys.delta.bounds import DEFAULT_BOUNDS, PRIVATE_BOUNDS, Bounds
from fedkeys.delta.message import MAX_DELTA_BYTES, Delta

__all__ = [
    "DEFAULT_BOUNDS",
    "DELTA_FORMAT",
    "DELTA_VERSION",
    "MAX_DELTA_BYTES",
    "PRIVATE_BOUNDS",
    "Batch",
    "Bounds",
    "Delta",
    "Head",
    "unsound",
]
