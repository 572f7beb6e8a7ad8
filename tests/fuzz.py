"""Coverage-guided fuzzing of what reads deltas: `pip install '.[fuzz]' && python -m tests.fuzz --seconds 60`

An input is a message without its checksum, which is put there, so that what lies behind it is reached; the
mutator also opens the body and changes the columns before they are deflated. Whatever comes, a reader must refuse
it with a `FormatError`, or accept it and then give back exactly what was in it; an aggregator must merge it or
refuse it, and release a model. Anything else ends the run with the input that did it.
"""

import argparse
import random
import sys
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from fedkeys.container import SEAL_SIZE, seal

BASE = ("hello", "london", "see", "you")


def seeds() -> list[bytes]:
    """Messages of all orders, with known and new words, and written forms."""
    from fedkeys.counts import Vocabulary
    from fedkeys.phone import Phone

    texts = ["hello London, see you at eBay", "I see ❤️ you! you see IBM", "naïve don't hello"]
    return [
        Phone(texts[:count], order=order).delta(base).to_bytes()[:-SEAL_SIZE]
        for base in (None, Vocabulary(BASE))
        for order in (2, 3, 4)
        for count in (0, 1, 3)
    ]


def one_input(data: bytes) -> None:
    """Read one message as an aggregator would."""
    import numpy as np

    from fedkeys.aggregator import Aggregator
    from fedkeys.counts import Vocabulary
    from fedkeys.delta import Batch, Delta
    from fedkeys.delta.batch import ENTRIES
    from fedkeys.errors import FedkeysError, FormatError

    message = seal(data)
    try:
        delta = Delta.from_bytes(message)
    except FormatError:
        return
    import msgpack

    batch = Batch.of([message])
    entries, again = (
        dict(zip(ENTRIES, msgpack.unpackb(bytes_), strict=True))
        for bytes_ in (message, batch.to_messages()[0])
    )
    for name in ENTRIES[:-2]:
        assert entries[name] == again[name], name
    assert zlib.decompress(entries["body"], -15) == zlib.decompress(again["body"], -15)
    assert all(np.all(level.counts >= level.phones) for level in delta.counts.levels)
    assert all(np.all(rows >= 0) for rows in delta.counts.suffix_rows)
    aggregator = Aggregator(delta.federation, [Vocabulary(BASE)])
    try:
        aggregator.add(delta)
    except FedkeysError:
        return
    # A count of 0 stands for what a phone has sent before, which this one has not.
    assert all(np.all(level.counts >= 1) for level in delta.counts.levels)
    assert len(aggregator.release(1).vocabulary) <= int(np.count_nonzero(delta.ids >= 2))
    assert not len(aggregator.release(2).vocabulary)
    aggregator.close()


def changed(data: bytes, most: int, chance: random.Random, mutate: Any) -> bytes:
    """Change a message: its bytes as they are, or one of its values, or its columns under the deflation."""
    import msgpack

    try:
        entries = msgpack.unpackb(data + bytes(SEAL_SIZE))
        body = zlib.decompress(entries[12], -15)
    except (ValueError, TypeError, IndexError, zlib.error, msgpack.UnpackException):
        return bytes(mutate(data, most))
    kind = chance.randrange(8)
    if kind == 0:
        return bytes(mutate(data, most))
    if kind <= 4:
        compressor = zlib.compressobj(wbits=-15)
        entries[12] = compressor.compress(mutate(body, len(body) + 8)) + compressor.flush()
    elif kind == 5 and isinstance(entries[11], list):
        entries[11] = [
            size + chance.choice((0, 0, -1, 1, 2**20)) if isinstance(size, int) else size
            for size in entries[11]
        ]
    else:
        place = chance.randrange(2, 12)
        entries[place] = chance.choice(
            (None, -1, 0, 1, 4, 2**32, b"", b"x" * 16, "word", [], ["zebra"], ["b", "a"], {"max_ngrams": 3})
        )
    try:
        return bytes(msgpack.packb(entries)[:-SEAL_SIZE])[:most]
    except (OverflowError, ValueError):
        return bytes(mutate(data, most))


def main() -> None:
    """Fuzz for a while; libFuzzer says what it did."""
    parser = argparse.ArgumentParser(description="Fuzz the decoder of deltas.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["fedkeys"]):
        import fedkeys.aggregator
        import fedkeys.delta
        import fedkeys.phone  # noqa: F401

    with TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds()):
            (Path(corpus) / f"{number:02}").write_bytes(data)
        arguments = [
            sys.argv[0],
            f"-max_total_time={given.seconds}",
            f"-seed={given.seed}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-max_len=4096",
            "-print_final_stats=1",
            "-verbosity=0",
            f"-artifact_prefix={gettempdir()}/fedkeys-fuzz-",
            corpus,
        ]
        atheris.Setup(
            arguments,
            one_input,
            custom_mutator=lambda data, most, seed: changed(data, most, random.Random(seed), atheris.Mutate),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
