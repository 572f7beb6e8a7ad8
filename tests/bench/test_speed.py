"""How fast the hot paths are, beside plain Python doing the same: `pytest tests/bench --benchmark-enable`.

Each group has a baseline in the same run; the figure in brackets behind a time is its ratio to the fastest of
the group. Without --benchmark-enable each runs once, as a test. Text: ubuntu_irc where it is beside this
checkout, else the shipped phones.
"""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fedkeys import Aggregator, Delta, Keyboard, Model, Phone
from fedkeys.aggregator.state import State
from fedkeys.aggregator.sums import Sums
from fedkeys.delta import Batch
from fedkeys.sources import open_corpus, shipped_corpus
from fedkeys.words import at_cursor, fold, tokens

CHAT = Path(__file__).parents[3] / "shared" / "data" / "ubuntu_irc.jsonl.gz"
PHONES = 1500


@cache
def fleet() -> list[list[str]]:
    corpus = open_corpus(CHAT if CHAT.exists() else shipped_corpus())
    return [list(texts) for _, (_, texts) in zip(range(PHONES), corpus.phones(), strict=False)]


@cache
def model() -> Model:
    aggregator = Aggregator()
    for texts in fleet():
        aggregator.add(Phone(texts).delta())
    return aggregator.release(1)


@cache
def deltas() -> list[bytes]:
    """Deltas against a known vocabulary, as of a later round."""
    base = model().vocabulary
    return [Phone(texts).delta(base).to_bytes() for texts in fleet()]


def plain_counts(texts: list[str], order: int = 3) -> Counter[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        words = [fold(item) for item in tokens(text)]
        for n in range(1, order + 1):
            counts.update(zip(*(words[at:] for at in range(n)), strict=False))
    return counts


@pytest.mark.benchmark(group="count orders 1-3 of all messages")
def test_count(benchmark: Any) -> None:
    everything = [text for texts in fleet() for text in texts]
    counted = benchmark(lambda: Phone(everything).delta().counts)
    assert len(counted) > 10_000


@pytest.mark.benchmark(group="count orders 1-3 of all messages")
def test_count_in_dictionaries(benchmark: Any) -> None:
    everything = [text for texts in fleet() for text in texts]
    assert len(benchmark(plain_counts, everything)) > 10_000


def merged(batches: list[Batch]) -> int:
    sums = Sums(State(None, "fedkeys"))
    sums.know(model().vocabulary)
    for batch in batches:
        sums.add(batch)
    return len(sums._gathered())


def merged_in_dictionaries(read: list[dict[str, dict[str, int]]]) -> int:
    counts: dict[str, dict[str, int]] = {}
    for table in read:
        for context, after in table.items():
            into = counts.setdefault(context, {})
            for word, count in after.items():
                into[word] = into.get(word, 0) + count
    return sum(map(len, counts.values()))


@cache
def tables() -> list[dict[str, dict[str, int]]]:
    """The n-grams of each delta as a dictionary of contexts, as a plain program would hold them."""
    found = []
    for data in deltas():
        delta = Delta.from_bytes(data)
        table: dict[str, dict[str, int]] = {}
        for ids, count, _ in delta.counts.rows():
            table.setdefault(" ".join(map(str, ids[:-1])), {})[str(ids[-1])] = count
        found.append(table)
    return found


@pytest.mark.benchmark(group="merge the deltas of all phones")
def test_merge(benchmark: Any) -> None:
    assert benchmark(merged, [Batch.of(deltas())]) > 10_000


@pytest.mark.benchmark(group="merge the deltas of all phones")
def test_decode_and_merge(benchmark: Any) -> None:
    assert benchmark(lambda: merged([Batch.of(deltas())])) > 10_000


@pytest.mark.benchmark(group="merge the deltas of all phones")
def test_merge_in_dictionaries(benchmark: Any) -> None:
    assert benchmark(merged_in_dictionaries, tables()) > 10_000


@cache
def typed() -> list[str]:
    """Messages as typed so far, at each key."""
    return [text[:at] for texts in fleet()[:40] for text in texts[:5] for at in range(min(len(text), 60))]


@cache
def cursors() -> list[Any]:
    return [cursor for cursor in map(at_cursor, typed()) if cursor.prefix is not None]


@pytest.mark.benchmark(group="suggest at every key of 40 users' messages")
def test_model_suggests(benchmark: Any) -> None:
    model().suggest([])
    benchmark(lambda: [model().suggest(cursor.items, cursor.prefix) for cursor in cursors()])


@pytest.mark.benchmark(group="suggest at every key of 40 users' messages")
def test_keyboard_suggests(benchmark: Any) -> None:
    keyboard = Keyboard(model())
    for text in fleet()[0][:200]:
        keyboard.learn(text)
    benchmark(lambda: [keyboard.suggest(text) for text in typed()])


@pytest.mark.benchmark(group="suggest at one key")
def test_model_suggests_once(benchmark: Any) -> None:
    words = model().vocabulary.words
    benchmark(lambda: model().suggest([words[0], "the"]))


@pytest.mark.benchmark(group="suggest at one key")
def test_ranking_every_word_once(benchmark: Any) -> None:
    def rank() -> list[tuple[float, int]]:
        matches = model().matches([model().vocabulary.words[0], "the"])
        ids = range(2, 2 + len(model().vocabulary))
        return sorted((-model().probability(matches, id_), id_) for id_ in ids)[:3]

    benchmark.pedantic(rank, rounds=3)
