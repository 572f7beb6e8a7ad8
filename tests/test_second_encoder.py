"""A second encoder of the delta, from its specification alone: plain Python, no numpy, nothing of fedkeys.

What it writes is what `fedkeys.delta` writes, byte for byte; so the specification says all that there is to
know.
"""

import zlib
from hashlib import blake2b
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.counts import Vocabulary
from fedkeys.delta import Delta
from fedkeys.phone import Phone
from fedkeys.sources import open_corpus, shipped_corpus
from fedkeys.words import OTHER
from tests.strategies import corpora

Ngram = tuple[int, ...]


def leb128(numbers: list[int]) -> bytes:
    written = bytearray()
    for number in numbers:
        while number >= 0x80:
            written.append(number & 0x7F | 0x80)
            number >>= 7
        written.append(number)
    return bytes(written)


def steps(numbers: list[int]) -> list[int]:
    """The first number, then how many were left out between each and the one before."""
    return [number - before - 1 for before, number in zip([-1, *numbers], numbers, strict=False)]


def encode(
    head: dict[str, Any],
    ngrams: dict[Ngram, tuple[int, bool]],
    forms: dict[tuple[int, int], tuple[int, bool]],
) -> bytes:
    """Write a delta.

    Args:
        head: federation, phone, sequence, round, base, known, bounds, words, forms, order.
        ngrams: ids, by the specification -> count, and whether it is sent for the first time.
        forms: (id, style) -> the same; a style from 2 up is the place in the list of forms, plus 2.
    """
    ids = sorted(ngram[0] for ngram in ngrams if len(ngram) == 1)
    row = {id_: at for at, id_ in enumerate(ids)}

    def tally(entry: tuple[int, bool]) -> int:
        return 2 * entry[0] - (1 if entry[1] else 0)

    def extensions(prefix: Ngram) -> list[int]:
        return sorted(other[-1] for other in ngrams if other[:-1] == prefix and len(other) == len(prefix) + 1)

    columns = steps(ids) + [tally(ngrams[(id_,)]) for id_ in ids]
    sizes = [len(ids)]
    prefixes: list[Ngram] = [(id_,) for id_ in ids]
    for _ in range(2, head["order"] + 1):
        children, gaps, tallies, found = [], [], [], []
        for prefix in prefixes:
            own = extensions(prefix)
            named = extensions(prefix[1:])
            children.append(len(own))
            gaps += steps([named.index(last) for last in own])
            tallies += [tally(ngrams[(*prefix, last)]) for last in own]
            found += [(*prefix, last) for last in own]
        columns += children + gaps + tallies
        sizes.append(len(found))
        prefixes = found
    written = sorted(forms)
    rows = [row[id_] for id_, _ in written]
    columns += [now - before for before, now in zip([0, *rows], rows, strict=False)]
    columns += [min(style, 2) for _, style in written]
    columns += [tally(forms[form]) for form in written]
    deflate = zlib.compressobj(level=6, wbits=-15)
    entries = [
        "fedkeys.delta",
        1,
        *(head[name] for name in ("federation", "phone", "sequence", "round", "base", "known", "bounds")),
        head["words"],
        head["forms"],
        [*sizes, len(written)],
        deflate.compress(leb128(columns)) + deflate.flush(),
    ]
    body = b"\x9e" + b"".join(map(msgpack.packb, entries)) + b"\xc4\x08"
    return bytes(body + blake2b(body, digest_size=8).digest())


@given(corpora, corpora, st.integers(2, 4), st.booleans())
def test_a_second_encoder_writes_the_same_bytes(
    first: list[str], second: list[str], order: int, with_base: bool
) -> None:
    base = Vocabulary(["hello", "london", "tomorrow", "zebra"]) if with_base else None
    phone = Phone(first, order=order, pseudonym=bytes(range(16)))
    phone.delta()
    phone.accepted()
    phone.type(second)
    for delta in (Phone(first, order=order).delta(base), phone.delta(base, round=300)):
        ids = delta.ids.tolist()
        head = {name: getattr(delta, name) for name in Delta.__dataclass_fields__ if name != "forms"}
        head |= {"words": list(delta.words), "forms": list(delta.other_forms), "order": order}
        ngrams = {
            tuple(ids[at] for at in ngram): (count, mark == 1) for ngram, count, mark in delta.counts.rows()
        }
        level = delta.forms
        assert OTHER == 2
        forms = {
            (ids[at], style): (count, mark == 1)
            for at, style, count, mark in zip(
                level.parents.tolist(),
                level.words.tolist(),
                level.counts.tolist(),
                level.phones.tolist(),
                strict=True,
            )
        }
        assert encode(head, ngrams, forms) == delta.to_bytes()


def test_an_ngram_costs_less_than_two_bytes_on_the_wire() -> None:
    """Deltas of some 300 n-grams of orders 1 to 3 over a known vocabulary, header included: 1.8 at the median."""
    texts = [list(messages) for _, messages in open_corpus(shipped_corpus()).phones()]
    words = {word for own in texts for word in Phone(own).delta().words}
    base, costs = Vocabulary(words), []
    for own in texts:
        for few in range(1, len(own)):
            delta = Phone(own[:few]).delta(base)
            if len(delta.counts) >= 300:
                costs.append(len(delta.to_bytes()) / len(delta.counts))
                break
    assert len(costs) == 30
    assert sorted(costs)[15] <= 1.8
    assert max(costs) <= 2.0
