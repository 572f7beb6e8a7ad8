"""Does a generated fleet look like a real one? `python -m tests.bench.fleet_beside_chat`

Prints, for the phones of ubuntu_irc that have 200 to 450 n-grams and for as many generated ones, what a phone
sends and how many distinct n-grams there are among more and more of them.
"""

from itertools import islice
from pathlib import Path

from fedkeys import Aggregator, Phone
from fedkeys.counts import Vocabulary
from fedkeys.delta import Batch
from fedkeys.simulate import Fleet
from fedkeys.sources import open_corpus

CHAT = Path(__file__).parents[3] / "shared" / "data" / "ubuntu_irc.jsonl.gz"


def real() -> tuple[Vocabulary, list[bytes]]:
    """Their deltas, against the vocabulary that 1,500 phones release."""
    phones = [list(texts) for _, texts in islice(open_corpus(CHAT).phones(), 1500)]
    aggregator = Aggregator()
    sizes = []
    for texts in phones:
        delta = Phone(texts).delta()
        aggregator.add(delta)
        sizes.append(len(delta.counts))
    base = aggregator.release(2).vocabulary
    chosen = [texts for texts, size in zip(phones, sizes, strict=True) if 200 < size < 450]
    return base, [Phone(texts).delta(base).to_bytes() for texts in chosen]


def account(name: str, base: Vocabulary, deltas: list[bytes]) -> None:
    """Print what the deltas are like."""
    batch = Batch.of(deltas)
    count = len(deltas)
    rows = "/".join(f"{len(level) / count:.0f}" for level in batch.counts.levels)
    new = sum(len(head.words) for head in batch.heads) / count
    forms, bytes_ = len(batch.forms) / count, sum(map(len, deltas)) / count
    print(
        f"{name}: {rows} n-grams a phone, {new:.1f} new words, {forms:.1f} written forms, {bytes_:.0f} bytes"
    )
    aggregator = Aggregator(bases=[base])
    for phones in (30, 100, 200, count):
        aggregator.add_messages(deltas[:phones])
        print(f"  of {phones:3} phones", *aggregator.release(1).ngrams)


def main() -> None:
    """Print both."""
    base, deltas = real()
    account("ubuntu_irc", base, deltas)
    fleet = Fleet(
        len(deltas), round(sum(sum(head.sizes[:-1]) for head in Batch.of(deltas).heads) / len(deltas))
    )
    account("generated", fleet.base, fleet.batch(0))


if __name__ == "__main__":
    main()
