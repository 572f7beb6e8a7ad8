"""The model: probabilities by the book, search that is exact, files that bear witness."""

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Model, Phone, aggregate, predict_next_word
from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.counts import FIRST_WORD, MESSAGE_START_ID, count_ngrams
from fedkeys.errors import DamagedError, FedkeysError, FormatError, VersionError
from fedkeys.model.kneser_ney import estimate, modified_discounts
from fedkeys.model.model import MODEL_FORMAT, MODEL_VERSION
from fedkeys.model.search import Search, State
from fedkeys.words import MESSAGE_START, SENTENCE_START, fold, tokens
from tests.strategies import fleets

TOY = [["hello world", "hello there"], ["world news", "hello friend"], ["my friend", "hello world"]]


def model_of(fleet: list[list[str]], min_phones: int = 1, order: int = 3) -> Model:
    return aggregate([Phone(texts, order=order).delta() for texts in fleet], min_phones)


def test_the_toy_example() -> None:
    model = model_of(TOY)
    assert predict_next_word("hello", model) == "world"
    assert predict_next_word("Hello", model) == "world"
    assert predict_next_word("never", model) is None
    assert predict_next_word("news", model) is None
    assert predict_next_word("", model) is None
    assert predict_next_word("me@example.org", model) is None


def test_ties_go_to_the_alphabetical_first() -> None:
    model = model_of([["go west", "go east", "go north"]])
    assert predict_next_word("go", model) == "east"
    assert [s.word for s in model.suggest(["go"])] == ["east", "north", "west"]


def test_any_written_form_is_known() -> None:
    model = model_of([["I don't know", "I don't know"]])
    assert [s.word for s in model.suggest(["DON’T"], k=1)] == ["know"]
    assert [s.word for s in model.suggest([], "don’")] == ["don't"]


def laid_out_of(fleet: list[list[str]], order: int) -> dict[str, Any]:
    """What a release lays out, before it is rounded for a file."""
    with patch.object(Model, "from_arrays", side_effect=lambda _, arrays: arrays):
        arrays: Any = model_of(fleet, order=order)
    return dict(arrays)


class Reference:
    """Interpolated modified Kneser-Ney from the definition, in dictionaries (Chen and Goodman 1998)."""

    def __init__(self, fleet: list[list[str]], order: int) -> None:
        self.order = order
        self.counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
        before: list[dict[tuple[str, ...], set[str]]] = [defaultdict(set) for _ in range(order)]
        for texts in fleet:
            for text in texts:
                for run in runs(text):
                    for n in range(1, order + 1):
                        for at in range(len(run) - n + 1):
                            ngram = tuple(run[at : at + n])
                            self.counts[n - 1][ngram] += 1
                            # Nothing before it, after a gap, is one more thing that it can follow.
                            before[n - 1][ngram].add(run[at - 1] if at else "\x00")
        while order > 2 and not self.counts[order - 1]:  # no message was so long
            order -= 1
        self.adjusted = [
            {
                ngram: count if n == order - 1 or ngram[0] < "\x04" else len(before[n][ngram])
                for ngram, count in counts.items()
                if ngram[-1] > "\x03"
            }
            for n, counts in enumerate(self.counts)
        ]
        self.words = sorted({ngram[0] for ngram in self.adjusted[0]})
        self.discounts = [self._discounts(list(adjusted.values())) for adjusted in self.adjusted]

    @staticmethod
    def _discounts(values: list[int]) -> list[float]:
        n1, n2, n3, n4 = (values.count(times) for times in (1, 2, 3, 4))
        if n1 and n2 and n3 and n4:
            y = n1 / (n1 + 2 * n2)
            found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if all(0 < value <= times for times, value in enumerate(found, 1)):
                return [0.0, *found]
        return [0.0, 0.5, 1.0, 1.5]

    def p(self, word: str, context: tuple[str, ...]) -> float:
        n = len(context)
        own = {ngram[-1]: count for ngram, count in self.adjusted[n].items() if ngram[:-1] == context}
        lower = self.p(word, context[1:]) if n else 1 / len(self.words)
        if not own:
            return lower
        total = sum(own.values())
        kept = {key: count - self.discounts[n][min(count, 3)] for key, count in own.items()}
        left = 1 - sum(kept.values()) / total
        return kept.get(word, 0) / total + left * lower


def runs(text: str) -> list[list[str]]:
    """Stretches without a gap; a mark begins a new one and is its first word."""
    found: list[list[str]] = []
    for item in tokens(text):
        if item == "\x00":
            found.append([])
        elif item in (MESSAGE_START, SENTENCE_START):
            if not (found and found[-1] == [MESSAGE_START]):
                found.append([item])
        else:
            found[-1].append(fold(item))
    return [run for run in found if run and run not in ([MESSAGE_START], [SENTENCE_START])]


@given(fleets, st.integers(2, 4), st.data())
def test_probabilities_are_those_of_the_definition(
    fleet: list[list[str]], order: int, data: st.DataObject
) -> None:
    """To single precision as they are laid out, and to what rounding may do to each factor in the file."""
    model, reference = model_of(fleet, order=order), Reference(fleet, order)
    exact = Search(laid_out_of(fleet, order), model.order)
    assert list(model.vocabulary.words) == reference.words
    if not reference.words:
        return
    known = [*reference.words, MESSAGE_START, SENTENCE_START]
    context = tuple(data.draw(st.lists(st.sampled_from(known), max_size=order - 1)))
    state, exact_state = model.state(context), State()
    for word in context:
        id_ = model.id(word)
        assert id_ is not None
        exact_state = exact.advance(exact_state, id_)
    for word in reference.words:
        id_ = model.vocabulary.ids[word]
        expected = reference.p(word, context)
        assert math.isclose(exact.probability(exact_state, id_), expected, rel_tol=1e-5)
        assert math.isclose(model.probability(state, id_), expected, rel_tol=order * 2**-12)


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6), min_size=1), st.integers(2, 4))
def test_probabilities_are_those_of_nltk(messages: list[list[str]], order: int) -> None:
    """Of nltk.lm as far as it goes: one discount for all counts, none for words, and no context with a mark."""
    from nltk.lm.models import KneserNeyInterpolated
    from nltk.util import everygrams

    ids = {MESSAGE_START: MESSAGE_START_ID, **{word: id_ for id_, word in enumerate("abcd", FIRST_WORD)}}
    sentences = [[MESSAGE_START, *words] for words in messages]
    sequence = np.array([ids[word] for words in sentences for word in words], np.uint32)
    discounts = [(0.0, 0.0, 0.0), *[(0.75, 0.75, 0.75)] * (order - 1)]
    with patch("fedkeys.model.kneser_ney.modified_discounts", side_effect=discounts):
        found = estimate(count_ngrams(sequence, order).levels, lambda _, rows: np.ones(len(rows), np.bool_))
    reference = KneserNeyInterpolated(order, discount=0.75)
    reference.fit([everygrams(words, max_len=order) for words in sentences], vocabulary_text=list(ids))
    written = {id_: word for word, id_ in ids.items()}
    for n, probabilities in enumerate(found.probabilities, 1):
        for ngram, probability in zip(found.counts.ngrams(n).tolist(), probabilities, strict=True):
            *context, word = (written[id_] for id_ in ngram)
            if MESSAGE_START not in (*context, word):
                assert math.isclose(probability, reference.score(word, context), rel_tol=1e-9)


@given(fleets, st.integers(1, 2), st.data())
def test_probabilities_sum_to_one_and_search_is_exact(
    fleet: list[list[str]], min_phones: int, data: st.DataObject
) -> None:
    """Whatever the release withholds; and the k best are those that ranking every word gives."""
    model = model_of(fleet, min_phones)
    words = model.vocabulary.words
    if not words:
        assert model.suggest([]) == []
        return
    context = data.draw(
        st.lists(st.sampled_from([*words, MESSAGE_START, SENTENCE_START, "zebra"]), max_size=4)
    )
    prefix = data.draw(st.sampled_from(["", "l", "lo", "Hel", "t", "zz"]))
    k = data.draw(st.integers(1, 5))
    state = model.state(context)
    everything = {word: model.probability(state, model.vocabulary.ids[word]) for word in words}
    assert math.isclose(sum(everything.values()), 1, rel_tol=3 * 2**-12)
    ranked = [word for word in ranking(model, state) if word.startswith(prefix.lower())][:k]
    suggested = model.suggest(context, prefix, k)
    assert [fold(suggestion.word) for suggestion in suggested] == ranked
    assert [suggestion.probability for suggestion in suggested] == [everything[word] for word in ranked]


def ranking(model: Model, state: State) -> list[str]:
    """All words as the definition ranks them: by probability, then by list, longest first, then as listed."""

    def key(word: str) -> tuple[float, int, int]:
        id_ = model.vocabulary.ids[word]
        for number, match in enumerate(state.matches):
            if id_ in match.successors:
                return -model.probability(state, id_), number, match.successors.tolist().index(id_)
        return -model.probability(state, id_), len(state.matches), by_probability.index(id_)

    by_probability = model.arrays["by_probability"].tolist()
    return sorted(model.vocabulary.words, key=key)


@given(fleets, st.data())
def test_search_is_exact_whatever_the_probabilities(fleet: list[list[str]], data: st.DataObject) -> None:
    """Even where a shorter context gives a word more than the longest that has it, and where many are equal."""
    model = model_of(fleet, order=4)
    if not model.vocabulary.words:
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrays = dict(model.arrays)
    for m in range(1, model.order):
        parents = np.repeat(np.arange(len(arrays[f"weight_{m}"])), np.diff(arrays[f"first_{m}"].astype(int)))
        chances = rng.choice([0.125, 0.25, 0.5, 0.75], len(parents))
        arrays[f"probability_{m}"] = chances[np.lexsort((-chances, parents))].astype(np.float32)
        arrays[f"weight_{m}"] = rng.choice([0.5, 1.0], len(arrays[f"weight_{m}"])).astype(np.float32)
    changed = Model.from_arrays(model.header, arrays)
    known = [*model.vocabulary.words, MESSAGE_START, SENTENCE_START]
    state = changed.state(data.draw(st.lists(st.sampled_from(known), max_size=3)))
    k = data.draw(st.integers(1, 4))
    ids = changed.vocabulary.ids
    for prefix in ("", "l", "t"):
        ranked = [word for word in ranking(changed, state) if word.startswith(prefix)][:k]
        assert [id_ for id_, _ in changed.rank(state, prefix, k)] == [ids[word] for word in ranked]


def test_an_unknown_word_ends_the_context() -> None:
    model = model_of(TOY)
    assert model.suggest(["my", "zebra"]) == model.suggest([])
    assert model.suggest(["zebra", "my"]) == model.suggest(["my"])


def test_long_lists_are_searched_to_their_end() -> None:
    """More successors, and more words, than the head that is looked at first."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [one + two + three for one in letters for two in letters for three in "bcd"]
    texts = [f"x {word}" for word in words for _ in range(2)] + ["x zzq"]
    model = model_of([texts])
    assert [s.word for s in model.suggest(["x"], "zzq")] == ["zzq"]
    assert [s.word for s in model.suggest([], "zzq")] == ["zzq"]
    assert [s.word for s in model.suggest(["x"], "zz")] == ["zzb", "zzc", "zzd"]


def test_modified_discounts_fall_back_where_counts_of_counts_give_none() -> None:
    assert modified_discounts([2, 1, 0, 0]) == (0.5, 1.0, 1.5)
    assert modified_discounts([2, 2, 9, 1]) == (0.5, 1.0, 1.5)


@given(fleets)
def test_a_model_comes_back_from_its_bytes(fleet: list[list[str]]) -> None:
    model = model_of(fleet)
    read = Model.from_bytes(model.to_bytes())
    assert read.to_bytes() == model.to_bytes()
    assert read.header == model.header
    assert read.vocabulary.digest == model.vocabulary.digest
    assert read.suggest(["see"], "y") == model.suggest(["see"], "y")


def test_same_inputs_same_bytes_whoever_the_phones_are() -> None:
    assert model_of(TOY).to_bytes() == model_of(TOY).to_bytes()


def test_the_header_bears_witness() -> None:
    header = model_of(TOY, min_phones=2).header
    assert header["release"] == {"min_phones": 2}
    assert (header["phones"], header["deltas"], header["rounds"], header["order"]) == (3, 3, 1, 3)
    assert header["ngrams"] == [3, 2, 1]
    assert header["epsilon"] is None


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    model = model_of(TOY)
    model.save(path)
    assert Model.load(path).suggest(["hello"]) == model.suggest(["hello"])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FormatError, match=r"a\.model"):
        Model.load(path)
    with pytest.raises(FedkeysError, match="cannot be read"):
        Model.load(tmp_path / "none.model")
    with pytest.raises(FormatError, match=r"does not begin as one|not an array"):
        Model.from_bytes(Phone(["hello"]).delta().to_bytes())


@pytest.mark.parametrize(
    "changes",
    [
        {"release": None},
        {"deltas": "x"},
        {"phones": -1},
        {"federation": "\x1b]0;title\x07"},
        {"fedkeys": b"1"},
    ],
    ids=str,
)
def test_a_header_that_does_not_account_for_the_model_is_refused(changes: dict[str, Any]) -> None:
    container = unpack_arrays(model_of(TOY).to_bytes(), MODEL_FORMAT, MODEL_VERSION)
    forged = {**container.header, **changes}
    with pytest.raises(FormatError, match="header"):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, MODEL_VERSION, forged, container.arrays))


def test_damaged_and_newer_models_are_refused() -> None:
    data = model_of(TOY).to_bytes()
    changed = bytearray(data)
    changed[-100] ^= 1
    with pytest.raises(DamagedError, match="get it again"):
        Model.from_bytes(bytes(changed))
    container = unpack_arrays(data, MODEL_FORMAT, MODEL_VERSION)
    newer = pack_arrays(MODEL_FORMAT, MODEL_VERSION + 1, container.header, container.arrays)
    with pytest.raises(VersionError, match="upgrade"):
        Model.from_bytes(newer)
    for name in container.arrays:
        rest = {other: array for other, array in container.arrays.items() if other != name}
        with pytest.raises(FormatError, match=f"{name}' is missing"):
            Model.from_bytes(pack_arrays(MODEL_FORMAT, MODEL_VERSION, container.header, rest))
    with pytest.raises(FormatError, match="order"):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, MODEL_VERSION, {}, container.arrays))
