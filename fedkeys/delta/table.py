"""The table: a delta as keys and numbers, and what the sum of many such tables says.

In: the deltas of a cohort, each on its phone; the keys and sums that a sketch gives back. Out: keys and
numbers; one `Batch` that says what all the deltas together say. Laws: a sum of tables is read as what adding up
their deltas gives, or refused; who reads it needs to know no word beforehand but those of the vocabulary that
the deltas are written against.

Words are an open set, so an n-gram is named by hashes. A key has 120 bits, in six limbs of 20, the highest first:

    an n-gram       0, 59 bits of the hash of its prefix, 60 bits of the hash of its last word
    a written form  the same, with the form's hash in place of the prefix's, and the style, or the hash of the
                    letters where it has none, in place of the word's
    a name          1, 11 bits of a place, 8 bits of a letter, 40 bits of letters, 60 bits of the hash of a word or
                    of letters without a style: six bytes of its UTF-8 from six times the place on, zeros at
                    the end. Words of the vocabulary go without.

The hash of a word is the upper 60 bits of 8 bytes of BLAKE2b, keyed with the run's salt as 8 bytes big-endian, or
2 if it is less; 0 and 1 are those of the two marks. With mix(x) of `fedkeys.privacy.sketch`, the hash of no words
is the lower 59 bits of mix(salt), and that of an n-gram the lower 59 bits of mix(its prefix's xor mix(its last
word's)). The hash of a word's forms is the lower 59 bits of mix(that of the word as an n-gram xor 1). Where two
words, or two n-grams, of a sum have one hash the sum is refused, so that nothing is ever taken for something else:
of a million words with a chance of 1 in 2 million. Numbers are two: the sum of the counts, of which one delta has
fewer than 2^20, and of the first-time marks.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary
from fedkeys.counts.ngrams import pack_keys
from fedkeys.delta.batch import Batch, Head
from fedkeys.delta.checks import MAX_ORDER
from fedkeys.delta.message import Delta
from fedkeys.errors import RefusedError
from fedkeys.privacy.sketch import LIMB_BITS, MOST_ADDED, Sketch, mixed
from fedkeys.words import OTHER, is_word, is_written_form, style_of, styled

LIMBS, NUMBERS = 6, 2

_LEAST_ORDER = 2

_ANOTHER_SALT = "sum up again, with another salt"
_CHUNK = 6
_WORD_LIMBS = 3
_MOST_COUNT = (1 << 32) // MOST_ADDED  # so that sums stay below 2^32
_NAME = 1 << 19  # in the highest limb
_PREFIX_MASK = np.uint64((1 << 59) - 1)
_LIMB_MASK = np.uint64((1 << LIMB_BITS) - 1)

Hashes = NDArray[np.uint64]


class Table(NamedTuple):
    """What one phone adds.

    Attributes:
        keys: uint32[n, 6], distinct.
        numbers: uint32[n, 2], counts and first-time marks.
    """

    keys: NDArray[np.uint32]
    numbers: NDArray[np.uint32]


def sketch_for(keys: int, run: bytes) -> Sketch:
    """Give the sketch of a run with room for so many keys."""
    return Sketch.of(keys, LIMBS, NUMBERS, salt_of(run))


def sketch_of_length(length: int, run: bytes) -> Sketch:
    """Give the sketch of a run whose vectors are so long.

    Raises:
        RefusedError: there is none.
    """
    return Sketch.of_length(length, LIMBS, NUMBERS, salt_of(run))


def salt_of(run: bytes) -> int:
    """Give the salt of a run, which everybody in it knows: 8 bytes of BLAKE2b of its name, big-endian."""
    return int.from_bytes(blake2b(run, digest_size=8).digest())


def entries_in(delta: Delta) -> int:
    """How many keys the table of a delta has."""
    names = (*delta.words, *dict.fromkeys(delta.other_forms))
    return len(delta.counts) + len(delta.forms) + sum(-(-len(name.encode()) // _CHUNK) for name in names)


def table_of(delta: Delta, base: Vocabulary, salt: int) -> Table:
    """Give the table of a delta.

    Args:
        delta: written against `base`.
        base: a vocabulary that the server has too.
        salt: of the run.

    Raises:
        RefusedError: it counts something more than a million times.
    """
    first_new = FIRST_WORD + len(base)
    words = [
        base.word(id_) if id_ < first_new else delta.words[id_ - first_new]
        for id_ in delta.ids.tolist()
        if id_ >= FIRST_WORD
    ]
    marks = [id_ for id_ in delta.ids.tolist() if id_ < FIRST_WORD]
    hashes = np.array([*marks, *(hash_of(word, salt) for word in words)], np.uint64)
    keys: list[NDArray[np.uint32]] = []
    numbers: list[NDArray[np.uint32]] = []
    prefixes = np.array([_root(salt)], np.uint64)
    of_words = prefixes
    for order, level in enumerate(delta.counts.levels, 1):
        above, last = prefixes[level.parents], hashes[level.words]
        keys.append(_limbs(above, last))
        numbers.append(_columns(level.counts, level.phones))
        prefixes = _joined(above, last)
        of_words = prefixes if order == 1 else of_words
    forms = delta.forms
    others = np.array([hash_of(form, salt) for form in delta.other_forms], np.uint64)
    styles = forms.words.astype(np.uint64)
    is_other = forms.words >= OTHER
    styles[is_other] = others[forms.words[is_other] - OTHER]
    keys.append(_limbs(_of_forms(of_words[forms.parents]), styles))
    numbers.append(_columns(forms.counts, forms.phones))
    names = _names([*delta.words, *dict.fromkeys(delta.other_forms)], salt)
    keys.append(names)
    numbers.append(np.zeros((len(names), NUMBERS), np.uint32))
    return Table(np.concatenate(keys), np.concatenate(numbers))


def known_hashes(base: Vocabulary, salt: int) -> dict[int, int]:
    """Give the hashes of marks and of the words of a vocabulary, each with its id.

    Raises:
        RefusedError: two words have one hash.
    """
    known = {mark: mark for mark in range(FIRST_WORD)}
    known.update((hash_of(word, salt), id_) for id_, word in enumerate(base.words, FIRST_WORD))
    if len(known) != FIRST_WORD + len(base):
        raise RefusedError("two words of the vocabulary have one hash", remedy=_ANOTHER_SALT)
    return known


def read_table(
    table: Table, times: NDArray[np.int64], base: Vocabulary, salt: int, head: Head, phones: int
) -> Batch:
    """Read a sum of tables.

    Args:
        table: all keys of it and their sums.
        times: int64[n], how often each key was added.
        base: the vocabulary that the deltas were written against.
        salt: of the run.
        head: what the message that says it is to say besides: federation, base, bounds.
        phones: how many tables there are.

    Returns:
        One message that says what all of them say together; its marks count phones.

    Raises:
        RefusedError: it is no sum of tables of sound deltas that kept to their bounds, or two words or n-grams of
            it have one hash.
    """
    if (times > phones).any():
        raise RefusedError("a sum to which a phone has added an n-gram more than once")
    is_name = table.keys[:, 0] >= _NAME
    named = _named(table.keys[is_name], times[is_name], salt)
    counts, marks = (table.numbers[~is_name, at].astype(np.int64) for at in range(NUMBERS))
    if (marks > times[~is_name]).any() or (marks > counts).any():
        raise RefusedError("a sum in which an n-gram has more phones than have sent it")
    most = head.bounds["count"] if head.bounds else _MOST_COUNT
    if (counts > times[~is_name] * most).any():
        raise RefusedError("a sum in which an n-gram was counted more often than phones may")
    rows = _Rows(*_hashes(table.keys[~is_name]), counts, marks)
    at_first, _ = rows.after(np.array([_root(salt)], np.uint64))
    ids, words = _ids(rows.lasts[at_first], named, base, salt)
    order = np.argsort(ids)
    at_first, ids = at_first[order], ids[order]
    hashes = rows.lasts[at_first]
    own = np.arange(len(ids), dtype=np.uint32)
    levels = [Level(pack_keys(np.zeros(len(ids), np.int64), own), *rows.sums(at_first))]
    of_words = prefixes = _distinct(_joined(np.full(len(ids), _root(salt)), hashes))
    while len(levels) < MAX_ORDER and len(prefixes):
        places, parents = rows.after(prefixes)
        keys = pack_keys(parents, _found(rows.lasts[places], hashes))
        order = np.argsort(keys)
        places, parents = places[order], parents[order]
        levels.append(Level(keys[order], *rows.sums(places)))
        prefixes = _distinct(_joined(prefixes[parents], rows.lasts[places]))
    while len(levels) > _LEAST_ORDER and not len(levels[-1]):
        del levels[-1]
    places, parents = rows.after(_of_forms(of_words))
    forms, spelt = _forms(rows, places, parents, named, [_word(id_, words, base) for id_ in ids.tolist()])
    if rows.left:
        raise RefusedError(f"a sum with {rows.left:,} n-grams of which a part is not in it")
    sizes = (*map(len, levels), len(forms))
    whole = head._replace(words=words, forms=spelt, sizes=sizes, known=len(base))
    return Batch([whole], ids.astype(np.uint32), NgramCounts(tuple(levels)), forms, spelt)


def hash_of(word: str, salt: int) -> int:
    """Give 60 bits of a word, or of letters, that are none of the marks'."""
    found = blake2b(word.encode(), digest_size=8, key=salt.to_bytes(8)).digest()
    return max(FIRST_WORD, int.from_bytes(found) >> 4)


class _Rows:
    """Rows of a table that are found by their prefix, each once."""

    def __init__(
        self, prefixes: Hashes, lasts: Hashes, counts: NDArray[np.int64], marks: NDArray[np.int64]
    ) -> None:
        order = np.lexsort((lasts, prefixes))
        self._prefixes, self.lasts = prefixes[order], lasts[order]
        self._counts, self._marks = counts[order], marks[order]
        self.left = len(order)

    def after(self, prefixes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take the places of all rows that have one of some prefixes, and tell which."""
        starts = np.searchsorted(self._prefixes, prefixes, "left")
        lengths = np.searchsorted(self._prefixes, prefixes, "right") - starts
        which = np.repeat(np.arange(len(prefixes)), lengths)
        places = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[which]
        self.left -= len(places)
        return places, which

    def sums(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give counts and marks."""
        return self._counts[places], self._marks[places]


def _ids(
    hashes: Hashes, named: Mapping[int, str], base: Vocabulary, salt: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give the ids of words in vocabulary and new words, and the new words."""
    known = known_hashes(base, salt)
    if not known.keys().isdisjoint(named):
        raise RefusedError("a word of a sum has the hash of one of the vocabulary", remedy=_ANOTHER_SALT)
    new = [hash_ for hash_ in hashes.tolist() if hash_ not in known]
    try:
        words = tuple(sorted(named[hash_] for hash_ in new))
    except KeyError:
        raise RefusedError("a sum with a word that has no name") from None
    if not all(map(is_word, words)) or not base.ids.keys().isdisjoint(named.values()):
        raise RefusedError("a sum that names a word which the vocabulary has, or which is none")
    known.update((hash_of(word, salt), id_) for id_, word in enumerate(words, FIRST_WORD + len(base)))
    return np.array([known[hash_] for hash_ in hashes.tolist()], np.int64), words


def _word(id_: int, words: Sequence[str], base: Vocabulary) -> str:
    """The word of an id, or nothing for a mark."""
    if id_ < FIRST_WORD:
        return ""
    return base.word(id_) if id_ < FIRST_WORD + len(base) else words[id_ - FIRST_WORD - len(base)]


def _forms(
    rows: _Rows,
    places: NDArray[np.int64],
    parents: NDArray[np.int64],
    named: Mapping[int, str],
    words: Sequence[str],
) -> tuple[Level, tuple[str, ...]]:
    """Lay written forms out as in a delta; those without a style in their order."""
    laid_out: list[tuple[int, int, str, int]] = []
    for place, parent in zip(places.tolist(), parents.tolist(), strict=True):
        style, word = int(rows.lasts[place]), words[parent]
        form = styled(word, style) if style < OTHER else named.get(style, "")
        if not word or not is_written_form(form, word) or style_of(form, word) != min(style, OTHER):
            raise RefusedError("a sum with a written form that is none of its word")
        laid_out.append((parent, min(style, OTHER), form, place))
    laid_out.sort()
    spelt = [form for _, style, form, _ in laid_out if style == OTHER]
    others = iter(range(OTHER, OTHER + len(spelt)))
    styles = [next(others) if style == OTHER else style for _, style, _, _ in laid_out]
    keys = pack_keys(np.array([parent for parent, *_ in laid_out], np.int64), np.array(styles, np.uint32))
    return Level(keys, *rows.sums(np.array([place for *_, place in laid_out], np.int64))), tuple(spelt)


def _names(texts: Sequence[str], salt: int) -> NDArray[np.uint32]:
    """The keys that name words."""
    rows: list[tuple[int, ...]] = []
    for text in texts:
        hash_, letters = hash_of(text, salt), text.encode()
        for place in range(-(-len(letters) // _CHUNK)):
            chunk = letters[_CHUNK * place : _CHUNK * (place + 1)].ljust(_CHUNK, b"\0")
            rest = int.from_bytes(chunk[1:])
            first = _NAME | place << 8 | chunk[0]
            rows.append((first, *_split(rest, _WORD_LIMBS - 1), *_split(hash_, _WORD_LIMBS)))
    return np.array(rows, np.uint32).reshape(-1, LIMBS)


def _named(keys: NDArray[np.uint32], times: NDArray[np.int64], salt: int) -> dict[int, str]:
    """Put names together again: hash -> text.

    Raises:
        RefusedError: one is cut short, or two have one hash.
    """
    chunks: dict[int, dict[int, bytes]] = {}
    often: dict[int, int] = {}
    for (first, *limbs), added in zip(keys.tolist(), times.tolist(), strict=True):
        rest, hash_ = _whole(limbs[: _WORD_LIMBS - 1]), _whole(limbs[_WORD_LIMBS - 1 :])
        place = (first & ~_NAME) >> 8
        of_name = chunks.setdefault(hash_, {})
        if place in of_name or often.setdefault(hash_, added) != added:
            raise RefusedError("two words of a sum have one hash", remedy=_ANOTHER_SALT)
        of_name[place] = bytes([first & 0xFF]) + rest.to_bytes(_CHUNK - 1)
    found: dict[int, str] = {}
    for hash_, of_name in chunks.items():
        try:
            text = b"".join(of_name[place] for place in range(len(of_name))).rstrip(b"\0").decode()
        except (KeyError, UnicodeDecodeError):
            raise RefusedError("a sum in which a word has no whole name") from None
        if hash_of(text, salt) != hash_:
            raise RefusedError("a sum in which a word has another's name")
        found[hash_] = text
    return found


def _split(value: int, limbs: int) -> list[int]:
    return [value >> LIMB_BITS * at & int(_LIMB_MASK) for at in reversed(range(limbs))]


def _whole(limbs: Sequence[int]) -> int:
    return sum(limb << LIMB_BITS * at for at, limb in enumerate(reversed(limbs)))


def _limbs(prefixes: Hashes, lasts: Hashes) -> NDArray[np.uint32]:
    """Pack 59 and 60 bits into six limbs."""
    parts = [
        (hashes >> np.uint64(LIMB_BITS * at)) & _LIMB_MASK
        for hashes in (prefixes, lasts)
        for at in reversed(range(_WORD_LIMBS))
    ]
    return np.column_stack(parts).astype(np.uint32)


def _hashes(keys: NDArray[np.uint32]) -> tuple[Hashes, Hashes]:
    """Unpack what `_limbs` has packed."""
    limbs = keys.astype(np.uint64)
    width = np.uint64(LIMB_BITS)
    prefixes, lasts = (
        (limbs[:, at] << width | limbs[:, at + 1]) << width | limbs[:, at + 2] for at in (0, _WORD_LIMBS)
    )
    return prefixes, lasts


def _columns(counts: NDArray[np.int64], marks: NDArray[np.int64]) -> NDArray[np.uint32]:
    if (counts >= _MOST_COUNT).any():
        raise RefusedError(
            f"an n-gram was counted {counts.max():,} times, of which a sum takes fewer than {_MOST_COUNT:,}"
        )
    return np.column_stack([counts, marks]).astype(np.uint32)


def _root(salt: int) -> np.uint64:
    return np.uint64(mixed(np.array([salt], np.uint64))[0] & _PREFIX_MASK)


def _joined(prefixes: Hashes, lasts: Hashes) -> Hashes:
    return mixed(prefixes ^ mixed(lasts)) & _PREFIX_MASK


def _of_forms(of_words: Hashes) -> Hashes:
    return mixed(of_words ^ np.uint64(1)) & _PREFIX_MASK


def _found(lasts: Hashes, hashes: Hashes) -> NDArray[np.uint32]:
    """The row of each word among those of order 1."""
    order = np.argsort(hashes)
    at = np.searchsorted(hashes[order], lasts)
    at = np.minimum(at, max(0, len(hashes) - 1))
    if len(lasts) and (hashes[order][at] != lasts).any():
        raise RefusedError("a sum with an n-gram of which a word is not in it")
    return order[at].astype(np.uint32)


def _distinct(prefixes: Hashes) -> Hashes:
    if len(np.unique(prefixes)) != len(prefixes):
        raise RefusedError("two n-grams of a sum have one hash", remedy=_ANOTHER_SALT)
    return prefixes
