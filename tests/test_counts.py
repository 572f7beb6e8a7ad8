"""Counting is a sum; selections are closed; tries hold what dictionaries would."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.counts import FIRST_WORD, GAP_ID, Level, NgramCounts, Vocabulary, count_ngrams, merge
from tests.strategies import sequences


def count_plainly(sequence: list[int], order: int) -> Counter[tuple[int, ...]]:
    """The same counts from the definition, in dictionaries."""
    effective: list[int] = []
    for at, id_ in enumerate(sequence):
        if id_ in (0, 1):
            run = at
            while run + 1 < len(sequence) and sequence[run + 1] in (0, 1):
                run += 1
            if at != run or run + 1 == len(sequence) or sequence[run + 1] == GAP_ID:
                continue
            start = at
            while start and sequence[start - 1] in (0, 1):
                start -= 1
            id_ = 0 if 0 in sequence[start : run + 1] else 1
        effective.append(id_)
    found: Counter[tuple[int, ...]] = Counter()
    for n in range(1, order + 1):
        for at in range(len(effective) - n + 1):
            ngram = tuple(effective[at : at + n])
            if ngram[0] != GAP_ID and all(FIRST_WORD <= id_ != GAP_ID for id_ in ngram[1:]):
                found[ngram] += 1
    return found


def as_counter(counts: NgramCounts) -> Counter[tuple[int, ...]]:
    return Counter({ids: count for ids, count, _ in counts.rows()})


@given(sequences, st.integers(2, 4))
def test_counts_are_those_of_the_definition(sequence: np.ndarray, order: int) -> None:
    assert as_counter(count_ngrams(sequence, order)) == count_plainly(sequence.tolist(), order)


@given(st.lists(sequences, min_size=1, max_size=5), st.integers(2, 4), st.randoms())
def test_counting_is_a_sum(parts: list[np.ndarray], order: int, random: object) -> None:
    """counts(a) + counts(b) == counts(a + b), in any order and any tree of partial merges."""
    whole = count_ngrams(
        np.concatenate([[*part.tolist(), GAP_ID] for part in parts]).astype(np.uint32), order
    )
    counts = [count_ngrams(part, order) for part in parts]
    while len(counts) > 1:
        random.shuffle(counts)  # type: ignore[attr-defined]
        counts = [counts[0] + counts[1], *counts[2:]]
    assert as_counter(counts[0]) == as_counter(whole)
    assert len(parts) == 1 or all(
        np.array_equal(mine.keys, theirs.keys)
        for mine, theirs in zip(counts[0].levels, whole.levels, strict=True)
    )


@given(sequences)
def test_merging_one_changes_nothing(sequence: np.ndarray) -> None:
    counts = count_ngrams(sequence, 3)
    assert merge([counts]) == counts
    assert merge([counts, NgramCounts.empty(3)]) == counts


@given(sequences, st.permutations(range(7)))
def test_renumbering_renames_and_nothing_else(sequence: np.ndarray, new: list[int]) -> None:
    counts = count_ngrams(sequence, 3)
    ids = np.array(new, np.uint32)
    expected = Counter(
        {tuple(new[id_] for id_ in ngram): count for ngram, count in as_counter(counts).items()}
    )
    renumbered = counts.renumbered(ids)
    assert as_counter(renumbered) == expected
    for level in renumbered.levels:
        assert np.all(level.keys[1:] > level.keys[:-1])


@given(sequences, sequences)
def test_find_gives_the_row_of_each_ngram(one: np.ndarray, other: np.ndarray) -> None:
    counts, sought = count_ngrams(one, 3), count_ngrams(other, 3)
    for order, rows in enumerate(counts.find(sought), 1):
        present = {tuple(ngram): row for row, ngram in enumerate(counts.ngrams(order).tolist())}
        assert rows.tolist() == [present.get(tuple(ngram), -1) for ngram in sought.ngrams(order).tolist()]


@given(sequences)
def test_suffix_rows_and_child_offsets(sequence: np.ndarray) -> None:
    counts = count_ngrams(sequence, 4)
    for order in range(2, 5):
        shorter = [tuple(ngram) for ngram in counts.ngrams(order - 1).tolist()]
        ngrams = [tuple(ngram) for ngram in counts.ngrams(order).tolist()]
        assert [shorter[row] for row in counts.suffix_rows[order - 1].tolist()] == [
            ngram[1:] for ngram in ngrams
        ]
        offsets = counts.child_offsets(order - 1).tolist()
        for row, prefix in enumerate(shorter):
            assert all(ngram[:-1] == prefix for ngram in ngrams[offsets[row] : offsets[row + 1]])


@given(sequences, st.data())
def test_a_selection_is_closed(sequence: np.ndarray, data: st.DataObject) -> None:
    counts = count_ngrams(sequence, 3)
    masks = [
        np.array(data.draw(st.lists(st.booleans(), min_size=len(level), max_size=len(level))), np.bool_)
        for level in counts.levels
    ]
    selected = as_counter(counts.select(counts.closed(masks)))
    everything = as_counter(counts)
    for ngram, count in selected.items():
        assert everything[ngram] == count
        assert len(ngram) == 1 or (ngram[:-1] in selected and ngram[1:] in selected)


def test_a_selection_keeps_all_that_can_stay() -> None:
    counts = count_ngrams(np.array([2, 3, 4], np.uint32), 3)
    masks = [np.ones(len(level), np.bool_) for level in counts.levels]
    masks[1][0] = False  # (2, 3): with it goes (2, 3, 4), but not (3, 4)
    kept = as_counter(counts.select(counts.closed(masks)))
    assert kept == {(2,): 1, (3,): 1, (4,): 1, (3, 4): 1}


def test_merge_wants_parts_of_one_order() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        merge([])
    with pytest.raises(ValueError, match="one order"):
        merge([NgramCounts.empty(2), NgramCounts.empty(3)])


def test_marks_and_counts_add() -> None:
    keys = np.array([5, 5, 3], np.uint64)
    level = Level.summed(keys, np.array([1, 2, 4]), np.array([1, 1, 0]))
    assert (level.keys.tolist(), level.counts.tolist(), level.phones.tolist()) == ([3, 5], [4, 3], [0, 2])


words = st.lists(st.text("abcé👍", min_size=1, max_size=4), max_size=12)


@given(words, st.text("abcé👍", max_size=3))
def test_a_vocabulary_is_alphabetical_and_a_prefix_is_a_range(words: list[str], prefix: str) -> None:
    vocabulary = Vocabulary(words)
    assert list(vocabulary.words) == sorted(set(words), key=lambda word: word.encode())
    first, last = vocabulary.prefix_range(prefix)
    assert [vocabulary.word(id_) for id_ in range(first, last)] == [
        word for word in vocabulary.words if word.startswith(prefix)
    ]
    for word in words:
        assert vocabulary.find(word) == vocabulary.ids[word]
        assert vocabulary.word(vocabulary.ids[word]) == word
    assert vocabulary.find("never") is None
    assert vocabulary.digest == Vocabulary(reversed(words)).digest
