"""The public prior: its arithmetic by hand, search against ranking everything, and what it does to its file."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.container import pack_arrays
from fedkeys.errors import SourceError
from fedkeys.phone import prior_lists
from fedkeys.phone.adult import cleaned
from fedkeys.phone.prior import Prior
from fedkeys.phone.prior_lists import MIX, Lists, laid_out, mended
from fedkeys.words import is_word
from tests.strategies import any_text

WORDS = ("am", "an", "and", "ant", "do", "don't", "i", "not", "see", "you")


def lists(counts: list[int], pairs: dict[tuple[str, str], int]) -> Lists:
    first = np.array([WORDS.index(v) for v, _ in pairs], np.int64)
    second = np.array([WORDS.index(w) for _, w in pairs], np.int64)
    return Lists(WORDS, np.array(counts, float), first, second, np.array([*pairs.values()], float))


@st.composite
def small_lists(draw: st.DrawFn) -> Lists:
    counts = draw(st.lists(st.integers(1, 10**9), min_size=len(WORDS), max_size=len(WORDS)))
    pair = st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS))
    return lists(counts, draw(st.dictionaries(pair, st.integers(100_000, 10**8), max_size=30)))


@pytest.fixture(scope="module")
def english() -> Prior:
    return Prior.load()


def test_the_arithmetic() -> None:
    prior = Prior(laid_out(lists([10] * 10, {("see", "you"): 300_000, ("see", "an"): 100_000})))
    expected = [MIX * 0.75 + (1 - MIX) * 0.1, MIX * 0.25 + (1 - MIX) * 0.1, (1 - MIX) * 0.1, (1 - MIX) * 0.05]
    assert prior.probabilities("see", ["you", "an", "do", "zebra"]) == pytest.approx(expected)
    for nothing in (None, "", "you", "zebra", "\x02"):
        assert prior.probabilities(nothing, ["you", "zebra"]) == pytest.approx([0.1, 0.05])
    assert prior.complete("see", "an", 2) == [
        ("an", pytest.approx(expected[1])),
        ("and", pytest.approx(expected[2])),
    ]


def test_a_contraction_counts_as_often_as_in_full() -> None:
    given_ = lists(
        [4_000_000] * 10,
        {("do", "not"): 600_000, ("do", "you"): 200_000, ("i", "do"): 400_000, ("you", "do"): 120_000},
    )
    given_.counts[WORDS.index("don't")] = 7
    mend = mended(given_)
    assert mend.counts[WORDS.index("don't")] == pytest.approx(3_000_000)
    added = list(zip(mend.first[4:].tolist(), mend.second[4:].tolist(), mend.pairs[4:].tolist(), strict=True))
    assert added == [(WORDS.index("i"), WORDS.index("don't"), pytest.approx(300_000))]  # 90,000 are too few

    prior = Prior(laid_out(lists([10] * 10, {("do", "not"): 100_000, ("not", "see"): 100_000})))
    assert prior.probabilities("don't", WORDS) == pytest.approx(prior.probabilities("not", WORDS))


def test_a_contraction_with_pairs_of_its_own_is_left() -> None:
    given_ = lists([4_000_000] * 10, {("do", "not"): 600_000, ("i", "do"): 400_000, ("i", "don't"): 900_000})
    mend = mended(given_)
    assert mend.counts.tolist() == given_.counts.tolist()
    assert mend.pairs.tolist() == given_.pairs.tolist()


@given(small_lists(), st.sampled_from([*WORDS, None, "zebra"]))
def test_probabilities_sum_to_one(given_: Lists, previous: str | None) -> None:
    prior = Prior(laid_out(mended(given_)))
    assert prior.probabilities(previous, WORDS).sum() == pytest.approx(1, abs=1e-6)


@given(
    small_lists(),
    st.sampled_from([*WORDS, None]),
    st.sampled_from(["", "a", "an", "do", "z"]),
    st.integers(0, 12),
)
def test_search_is_ranking_everything(given_: Lists, previous: str | None, prefix: str, k: int) -> None:
    prior = Prior(laid_out(mended(given_)))
    words = [word for word in WORDS if word.startswith(prefix)]
    everything = dict(zip(words, prior.probabilities(previous, words), strict=True))
    found = prior.complete(previous, prefix, k)
    assert [p for _, p in found] == pytest.approx(sorted(everything.values(), reverse=True)[:k])
    assert all(everything[word] == pytest.approx(p) for word, p in found)
    assert len({word for word, _ in found}) == len(found)


def test_what_adult_sites_wrote_is_left_out_with_the_pairs_that_they_have_shaped() -> None:
    words = ["girls", "hot", "porn", "water"]
    counted = {
        ("hot", "water"): 900.0,
        ("hot", "girls"): 500.0,
        ("girls", "hot"): 40.0,
        ("hot", "porn"): 60.0,
    }
    counted |= {("girls", "porn"): 20.0, ("porn", "water"): 1.0}  # 60 of 1,500, 20 of 560, 1 of 901
    first, second = (np.array([words.index(pair[at]) for pair in counted]) for at in (0, 1))
    left = cleaned(Lists(words, np.array([5.0, 6, 7, 8]), first, second, np.array([*counted.values()])))
    assert left.words == ["girls", "hot", "water"]
    assert left.counts.tolist() == [5, 6, 8]
    assert [(left.words[v], left.words[w]) for v, w in zip(left.first, left.second, strict=True)] == [
        ("hot", "water")
    ]
    assert left.pairs.tolist() == [900]


def test_the_prior_offers_nothing_that_it_should_not(english: Prior) -> None:
    assert "porn" not in english.vocabulary.words
    after_hot = [word for word, _ in english.complete("hot", "", 20)]
    assert "water" in after_hot
    assert not {"girls", "babes", "teens"} & set(after_hot)


def test_english(english: Prior) -> None:
    words = english.vocabulary.words
    assert len(words) > 80_000
    assert all(map(is_word, words))
    assert [word for word in words if len(word) == 1] == ["a", "i"]
    assert "you" in [word for word, _ in english.complete("thank", "", 3)]
    assert [word for word, _ in english.complete("i", "d", 2)] == ["do", "don't"]
    for previous in (None, "the", "i", "don't", "zebra", "aardvark"):
        assert english.probabilities(previous, words).sum() == pytest.approx(1, abs=1e-6)


@given(any_text, any_text, st.lists(any_text, max_size=5))
def test_any_text_is_answered(english: Prior, previous: str, prefix: str, words: list[str]) -> None:
    assert all(0 < p <= 1 for p in english.probabilities(previous, words).tolist())
    assert all(word.startswith(prefix) for word, _ in english.complete(previous, prefix, 3))


@pytest.mark.parametrize("previous", [None, "the", "of", "i", "aardvark"])
@pytest.mark.parametrize("prefix", ["", "s", "th", "zy", "xq"])
def test_search_in_english(english: Prior, previous: str | None, prefix: str) -> None:
    words = [word for word in english.vocabulary.words if word.startswith(prefix)]
    everything = np.sort(english.probabilities(previous, words))[::-1][:5]
    assert [p for _, p in english.complete(previous, prefix, 5)] == pytest.approx(
        everything.tolist(), rel=1e-5
    )


def test_what_is_kept_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Prior.kept(tmp_path) is None
    made = Prior.load(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"fedkeys-prior-{prior_lists.VERSION}-{metadata.version('symspellpy')}"
    first = kept.read_bytes()
    arrays = {"unigram": np.ones(1, np.float32)}
    foreign = pack_arrays(
        "fedkeys-prior", 1, {"lists": f"symspellpy {metadata.version('symspellpy')}"}, arrays
    )
    for spoilt in (b"", first[:-1], first[:100_000] + b"x" + first[100_001:], foreign, b"something else"):
        kept.write_bytes(spoilt)
        assert Prior.kept(tmp_path) is None
        assert Prior.load(tmp_path).complete("see", "y", 3) == made.complete("see", "y", 3)
        assert kept.read_bytes() == first

    monkeypatch.setattr("fedkeys.phone.prior.read_lists", lambda: pytest.fail("the file is not read"))
    again = Prior.load(tmp_path)
    assert again.vocabulary.words == made.vocabulary.words
    assert again.complete("see", "y", 3) == made.complete("see", "y", 3)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Prior.load(tmp_path / "file" / "cache").complete(None, "th", 1)[0][0] == "the"


def test_without_the_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior_lists, "_PACKAGE", "no-such-package-here")
    with pytest.raises(SourceError, match="no-such-package-here, which is not installed; install it"):
        Prior.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "has no file"), ("the 5\nof", "not lines of 2 fields"), ("the many", "a count is")],
)
def test_other_lists_than_expected(
    content: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / prior_lists._SINGLES).write_text(content)
    (tmp_path / prior_lists._PAIRS).write_text("the of 640\n")
    monkeypatch.setattr(prior_lists.resources, "files", lambda _: tmp_path)
    with pytest.raises(SourceError, match=message):
        Prior.load()
