"""How fast the hot paths are, beside plain Python doing the same: `pytest tests/bench --benchmark-enable`.

Each group has a baseline in the same run; the figure in brackets behind a time is its ratio to the fastest of
the group. Without --benchmark-enable each runs once, as a test. Text: ubuntu_irc where it is beside this
checkout, else the shipped phones.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from fedkeys import Aggregator, Delta, Keyboard, Model, Phone
from fedkeys.aggregator import Enrolment
from fedkeys.aggregator.state import State
from fedkeys.aggregator.sums import Sums
from fedkeys.counts import Vocabulary
from fedkeys.delta import DEFAULT_BOUNDS, Batch
from fedkeys.delta.keys import PhoneKey
from fedkeys.phone import PersonalModel, PersonalStore
from fedkeys.simulate import Fleet
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


@cache
def generated(phones: int) -> tuple[Vocabulary, list[bytes]]:
    """A generated fleet's vocabulary and deltas: many phones, and n-grams as rare as in real chat."""
    fleet = Fleet(phones)
    return fleet.base, [delta for batch in fleet.deltas() for delta in batch]


def size(benchmark: Any) -> int:
    return 20_000 if benchmark.enabled else 300


def batches(phones: int) -> list[Batch]:
    _, deltas = generated(phones)
    return [Batch.of(deltas[start : start + 400]) for start in range(0, len(deltas), 400)]


def merged(base: Vocabulary, read: Iterable[Batch]) -> int:
    sums = Sums(State(None, "fedkeys"))
    sums.know(base)
    for batch in read:
        sums.add(batch)
    sums.settle()
    return sum(map(len, sums.totals().levels))


Table = dict[str, dict[str, tuple[int, int]]]


def tables(phones: int) -> list[Table]:
    """What each delta says as a plain program would hold it: context -> word -> count and first-time mark."""
    base, deltas = generated(phones)
    found = []
    for data in deltas:
        delta = Delta.from_bytes(data)
        names = ["<s>", "</s>", *base.words, *delta.words]
        words = [names[id_] for id_ in delta.ids.tolist()]
        table: Table = {}
        for ids, count, mark in delta.counts.rows():
            table.setdefault(" ".join(words[id_] for id_ in ids[:-1]), {})[words[ids[-1]]] = count, mark
        found.append(table)
    return found


def merged_in_dictionaries(read: list[Table]) -> int:
    counts: dict[str, dict[str, int]] = {}
    phones: dict[str, dict[str, int]] = {}
    for table in read:
        for context, after in table.items():
            into, seen = counts.setdefault(context, {}), phones.setdefault(context, {})
            for word, (count, mark) in after.items():
                into[word] = into.get(word, 0) + count
                seen[word] = seen.get(word, 0) + mark
    return sum(map(len, counts.values()))


@pytest.mark.benchmark(group="merge the deltas of 20,000 phones")
def test_merge(benchmark: Any) -> None:
    read = batches(size(benchmark))
    assert benchmark(merged, generated(size(benchmark))[0], read) > 10_000


@pytest.mark.benchmark(group="merge the deltas of 20,000 phones")
def test_decode_and_merge(benchmark: Any) -> None:
    base, deltas = generated(size(benchmark))

    def both() -> int:
        aggregator = Aggregator(bases=[base], bounds=DEFAULT_BOUNDS)
        for start in range(0, len(deltas), 4096):
            assert all(result is True for result in aggregator.add_messages(deltas[start : start + 4096]))
        aggregator.settle()
        return aggregator.deltas

    assert benchmark(both) == len(deltas)


@pytest.mark.benchmark(group="merge the deltas of 20,000 phones")
def test_merge_in_dictionaries(benchmark: Any) -> None:
    read = tables(size(benchmark))
    expected = merged(generated(size(benchmark))[0], batches(size(benchmark)))
    assert benchmark.pedantic(merged_in_dictionaries, (read,), rounds=3) == expected


@cache
def enrolled(phones: int) -> tuple[list[bytes], list[bytes], Enrolment]:
    """The deltas of a generated fleet whose phones have keys, without signatures and with."""
    keys = [PhoneKey.draw() for _ in range(phones)]
    read = Batch.of(generated(phones)[1])
    heads = [
        head._replace(phone=key.public.pseudonym("fedkeys"))
        for head, key in zip(read.heads, keys, strict=True)
    ]
    plain = replace(read, heads=heads).to_messages()
    signed = [key.sign(data) for data, key in zip(plain, keys, strict=True)]
    return plain, signed, Enrolment(key.public for key in keys)


def merged_messages(base: Vocabulary, deltas: list[bytes], enrolment: Enrolment | None = None) -> int:
    aggregator = Aggregator(bases=[base], bounds=DEFAULT_BOUNDS, enrolment=enrolment)
    assert all(result is True for result in aggregator.add_messages(deltas))
    aggregator.settle()
    return aggregator.deltas


@pytest.mark.benchmark(group="decode and merge the deltas of 4,000 enrolled phones")
def test_merge_unsigned(benchmark: Any) -> None:
    phones = 4_000 if benchmark.enabled else 300
    plain, _, _ = enrolled(phones)
    assert benchmark(merged_messages, generated(phones)[0], plain) == phones


@pytest.mark.benchmark(group="decode and merge the deltas of 4,000 enrolled phones")
def test_verify_and_merge(benchmark: Any) -> None:
    phones = 4_000 if benchmark.enabled else 300
    _, signed, enrolment = enrolled(phones)
    assert benchmark(merged_messages, generated(phones)[0], signed, enrolment) == phones


@pytest.mark.benchmark(group="decode and merge the deltas of 4,000 enrolled phones")
def test_verify_alone(benchmark: Any) -> None:
    _, signed, enrolment = enrolled(4_000 if benchmark.enabled else 300)
    assert len(benchmark(lambda: [enrolment.open(data) for data in signed])) == len(signed)


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


@cache
def history() -> list[str]:
    """Messages of 50,000 words, of the users who wrote most."""
    wordy = sorted(fleet(), key=lambda texts: -sum(map(len, texts)))
    messages, words = [], 0
    for text in (text for texts in wordy for text in texts):
        if words < 50_000:
            messages.append(text)
            words += len(text.split())
    return messages


def taught(personal: PersonalModel, benchmark: Any) -> int:
    """Learn the history, where nothing is timed a tenth of it; tell how many n-grams are known then."""
    messages = history()
    for text in messages if benchmark.enabled else messages[: len(messages) // 10]:
        personal.learn(text)
    return len(personal)


@pytest.mark.benchmark(group="know what 50,000 words say")
def test_learn_in_memory(benchmark: Any) -> None:
    assert benchmark.pedantic(lambda: taught(PersonalModel(), benchmark), rounds=3) > 1_000


@pytest.mark.benchmark(group="know what 50,000 words say")
def test_learn_and_keep(benchmark: Any, tmp_path: Path) -> None:
    """Each message is flushed to the disk; of that processor time counts here, not what the disk takes."""

    def learn() -> int:
        with PersonalStore(Path(mkdtemp(dir=tmp_path))) as store:
            return taught(store, benchmark)

    assert benchmark.pedantic(learn, rounds=3) > 1_000


@pytest.mark.benchmark(group="know what 50,000 words say")
def test_open_a_store(benchmark: Any, tmp_path: Path) -> None:
    with PersonalStore(tmp_path / "store") as store:
        taught(store, benchmark)
        store.export(tmp_path / "exported.jsonl")
    with PersonalStore(tmp_path / "other") as store:
        store.import_(tmp_path / "exported.jsonl")

    def open_() -> int:
        with PersonalStore(tmp_path / "other") as store:
            return len(store)

    assert benchmark.pedantic(open_, rounds=5) > 1_000


@pytest.mark.benchmark(group="suggest at one key")
def test_model_suggests_once(benchmark: Any) -> None:
    words = model().vocabulary.words
    benchmark(lambda: model().suggest([words[0], "the"]))


@pytest.mark.benchmark(group="suggest at one key")
def test_ranking_every_word_once(benchmark: Any) -> None:
    def rank() -> list[tuple[float, int]]:
        state = model().state([model().vocabulary.words[0], "the"])
        ids = range(2, 2 + len(model().vocabulary))
        return sorted((-model().probability(state, id_), id_) for id_ in ids)[:3]

    benchmark.pedantic(rank, rounds=3)
