"""The snapshot of a personal store: all that a personal model holds, in one file.

In: the contents of a personal model. Out: bytes, and back. Laws: the same contents give the same bytes; the words
are those of the model and no others, so that a word that was forgotten is not in it.

A snapshot is a container of arrays (`fedkeys.container.arrays`). Ids are 0 to 2 for the marks `GAP`,
`MESSAGE_START` and `SENTENCE_START`, then the words in alphabetical order. Its header says the `generation`, one
more with each snapshot of a store, `now`, how many words were typed ever, and `starts` and `capitals`, how many
sentences began with a letter, and how many of these with a capital (0 where they are missing). Its arrays:

    words                    u1  UTF-8, separated by newlines
    contexts, lengths        u4, u1  the ids of all contexts, one after the other; how many each has
    sizes                    u4  for each context, how many words followed it
    followers, counts, last  u4  of all contexts, one after the other: which, how often, when last
    forms                    u1  written forms, UTF-8, separated by newlines
    form_words, form_counts  u4  for each form, of which word, and how often
    said, said_sizes         u4  the ids of the words of the last few messages, in order; how many each has
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.errors import FormatError
from fedkeys.phone.contents import ORDER, Contents, Context, Followers
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START

SNAPSHOT_FORMAT = "fedkeys.personal"
SNAPSHOT_VERSION = 1

_MARKS = (GAP, MESSAGE_START, SENTENCE_START)
_TYPES = {
    "words": "|u1",
    "contexts": "<u4",
    "lengths": "|u1",
    "sizes": "<u4",
    "followers": "<u4",
    "counts": "<u4",
    "last": "<u4",
    "forms": "|u1",
    "form_words": "<u4",
    "form_counts": "<u4",
    "said": "<u4",
    "said_sizes": "<u4",
}

Ids = Mapping[str, int]


def pack_snapshot(contents: Contents, generation: int) -> bytes:
    """Write a snapshot."""
    words = sorted(contents.after[()].counts)
    ids = {name: id_ for id_, name in enumerate((*_MARKS, *words))}
    after = sorted((tuple(map(ids.__getitem__, context)), found) for context, found in contents.after.items())
    forms = sorted(
        (ids[word], form, count) for word, forms in contents.written.items() for form, count in forms.items()
    )
    said = [sorted(ids[word] for word in message) for message in contents.messages]
    columns: dict[str, Iterable[int]] = {
        "words": _joined(words),
        "contexts": (id_ for context, _ in after for id_ in context),
        "lengths": (len(context) for context, _ in after),
        "sizes": (len(found.counts) for _, found in after),
        "followers": (ids[word] for _, found in after for word in found.last),
        "counts": (found.counts[word] for _, found in after for word in found.last),
        "last": (at for _, found in after for at in found.last.values()),
        "forms": _joined([form for _, form, _ in forms]),
        "form_words": (id_ for id_, _, _ in forms),
        "form_counts": (count for _, _, count in forms),
        "said": (id_ for message in said for id_ in message),
        "said_sizes": map(len, said),
    }
    arrays = {name: np.fromiter(columns[name], type_) for name, type_ in _TYPES.items()}
    starts, capitals = contents.starts
    header = {"generation": generation, "now": contents.now, "starts": starts, "capitals": capitals}
    return pack_arrays(SNAPSHOT_FORMAT, SNAPSHOT_VERSION, header, arrays)


def unpack_snapshot(data: bytes) -> tuple[Contents, int]:
    """Read a snapshot: contents and generation.

    Raises:
        FormatError: the bytes are no snapshot (VersionError: it is newer; DamagedError: it was changed).
    """
    container = unpack_arrays(data, SNAPSHOT_FORMAT, SNAPSHOT_VERSION)
    arrays = container.arrays
    if {name: array.dtype.str for name, array in arrays.items()} != _TYPES:
        raise FormatError(f"not the arrays {', '.join(_TYPES)}, of their types")
    match container.header:
        case {"generation": int(generation), "now": int(now)} if now >= 0:
            pass
        case _:
            raise FormatError("the header holds no generation and no number of words typed")
    starts = starts_of(container.header, now)
    words, forms = _split(arrays["words"]), _split(arrays["forms"])
    names = [*_MARKS, *words]
    _check(arrays, len(names), len(forms))
    _check_numbers(arrays, now)
    after = dict(_after(arrays, names))
    if sorted(after.get((), Followers()).counts) != words:
        raise FormatError("the words are not those that were typed")
    written: dict[str, dict[str, int]] = {}
    of_words, counts = arrays["form_words"].tolist(), arrays["form_counts"].tolist()
    for id_, form, count in zip(of_words, forms, counts, strict=True):
        written.setdefault(names[id_], {})[form] = count
    said = (names[id_] for id_ in arrays["said"].tolist())
    messages = [frozenset(islice(said, size)) for size in arrays["said_sizes"].tolist()]
    return Contents(now, after, written, messages, starts), generation


def starts_of(header: Mapping[str, Any], now: int) -> tuple[int, int]:
    """Read how many sentences began with a letter, and with a capital; 0 where nothing is said.

    Raises:
        FormatError: more than the words typed, or no numbers.
    """
    match header.get("starts", 0), header.get("capitals", 0):
        case int(starts), int(capitals) if 0 <= capitals <= starts <= now:
            return starts, capitals
    raise FormatError(f"starts, capitals and {now} words typed ever do not fit together")


def _after(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> Iterator[tuple[Context, Followers]]:
    contexts = [names[id_] for id_ in arrays["contexts"].tolist()]
    followers = [names[id_] for id_ in arrays["followers"].tolist()]
    counts, last = arrays["counts"].tolist(), arrays["last"].tolist()
    context_at = at = 0
    for length, size in zip(arrays["lengths"].tolist(), arrays["sizes"].tolist(), strict=True):
        context = tuple(contexts[context_at : context_at + length])
        context_at += length
        end = at + size
        yield context, Followers.of(followers[at:end], counts[at:end], last[at:end])
        at = end


def _check(arrays: Mapping[str, NDArray[Any]], names: int, forms: int) -> None:
    """Refuse arrays that do not fit together.

    Raises:
        FormatError: they do not.
    """
    contexts, followers = len(arrays["lengths"]), len(arrays["followers"])
    lengths = {
        "sizes": contexts,
        "contexts": int(arrays["lengths"].sum()),
        "followers": int(arrays["sizes"].sum()),
        "counts": followers,
        "last": followers,
        "form_words": forms,
        "form_counts": forms,
        "said": int(arrays["said_sizes"].sum()),
    }
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise FormatError(f"{name!r} has {len(arrays[name])} entries where {length} belong to the others")
    bounds = {"contexts": names, "followers": names, "form_words": names, "said": names, "lengths": ORDER}
    for name, bound in bounds.items():
        if len(arrays[name]) and int(arrays[name].max()) >= bound:
            raise FormatError(f"{name!r} holds a number of {bound} or more")


def _check_numbers(arrays: Mapping[str, NDArray[Any]], now: int) -> None:
    """Refuse counts and times with which nothing can be reckoned.

    Raises:
        FormatError: they do not grow in their order.
    """
    counts, last = arrays["counts"], arrays["last"]
    grow = (counts >= 1).all() and (counts <= last).all() and int(last.max(initial=0)) <= now
    if not grow or not (arrays["form_counts"] >= 1).all():
        raise FormatError(f"count, last and {now} words typed ever do not grow in this order, from 1")


def _joined(texts: Sequence[str]) -> bytes:
    return "\n".join(texts).encode()


def _split(column: NDArray[np.uint8]) -> list[str]:
    try:
        text = column.tobytes().decode()
    except UnicodeDecodeError:
        raise FormatError("the words are not UTF-8") from None
    return text.split("\n") if text else []
