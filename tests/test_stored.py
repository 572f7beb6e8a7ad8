"""Model files: what is read is what was laid out but for rounding, and any bytes are a sound model or refused."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedkeys import Model, Phone, aggregate, predict_next_word
from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.counts import FIRST_WORD
from fedkeys.errors import FormatError, VersionError
from fedkeys.model import stored
from fedkeys.model.arpa import write_arpa
from fedkeys.model.mix import Mix, size
from fedkeys.model.model import MODEL_FORMAT, MODEL_VERSION
from fedkeys.model.stored import laid_out, rounded, store, unrounded
from fedkeys.words import MESSAGE_START, SENTENCE_START
from tests.strategies import fleets
from tests.test_model import TOY, laid_out_of, model_of

VECTORS = Path(__file__).parent / "vectors" / "models"
ROUNDING = 2**-12

chances = hnp.arrays(
    np.float32,
    st.integers(0, 40),
    elements=st.just(0.0) | st.floats(2**-30, 1, width=32) | st.sampled_from([0.5, 0.25, 1.0]),
)


@given(chances)
def test_rounding_keeps_zeros_and_order_and_moves_nothing_far(values: np.ndarray[Any, Any]) -> None:
    codes, least, shift = rounded(values)
    assert int(codes.max(initial=0)) < 1 << 16
    again = unrounded(codes, least, shift)
    assert np.all(np.abs(again - values) <= values * 2.0 ** (shift - 24))
    assert shift <= 12
    assert np.array_equal(again == 0, values == 0)
    assert np.all(np.diff(again[np.argsort(values, kind="stable")]) >= 0)
    assert np.array_equal(unrounded(*rounded(again)), again)


def test_few_numbers_lose_nothing() -> None:
    values = np.array([0.3, 0.3 + 1e-6, 0.3 + 1e-5], np.float32)
    assert np.array_equal(unrounded(*rounded(values)), values)
    assert rounded(np.zeros(2, np.float32))[1:] == (0, 0)


@given(fleets, st.integers(2, 4))
def test_a_file_holds_what_was_laid_out_but_for_rounding(fleet: list[list[str]], order: int) -> None:
    exact, model = laid_out_of(fleet, order), model_of(fleet, order=order)
    assert list(model.arrays) == list(exact)
    for name, array in exact.items():
        read = model.arrays[name]
        assert read.dtype == array.dtype
        if name.startswith(("weight", "probability")):
            assert np.allclose(read, array, rtol=ROUNDING, atol=0)
        else:
            assert np.array_equal(read, array), name
    again = Model.from_arrays(model.header, model.arrays)
    assert all(np.array_equal(again.arrays[name], array) for name, array in model.arrays.items())
    assert again.to_bytes() == model.to_bytes() or any(
        not np.array_equal(exact[name], model.arrays[name]) for name in exact
    )


def numbered(at: int) -> str:
    """A word for a number, in their order."""
    return f"w{at:07}".translate(str.maketrans("0123456789", "abcdefghij"))


def big(words: int, bigrams: int, rng: np.random.Generator) -> dict[str, Any]:
    """Arrays of order 2, of more words than 16 bits count, one of which has very many successors."""
    children = np.zeros(words + FIRST_WORD, np.int64)
    children[rng.integers(0, len(children), 1000)] = rng.integers(1, 300, 1000)
    children[5] = bigrams
    successors = [rng.choice(words, count, replace=False) + FIRST_WORD for count in children if count]
    count = int(children.sum())
    unigram = rng.choice([0.5, 0.125, 2.0**-20], words).astype(np.float32)
    return {
        "words": np.frombuffer("\n".join(map(numbered, range(words))).encode(), np.uint8),
        "form_ids": np.array([FIRST_WORD + 7], np.uint32),
        "forms": np.frombuffer(numbered(7).upper().encode(), np.uint8),
        "unigram": unigram,
        "by_probability": stored.ranked(unigram),
        "after": rng.integers(FIRST_WORD, words + FIRST_WORD, words + FIRST_WORD).astype(np.uint32),
        "first_1": np.append(0, np.cumsum(children)).astype(np.uint32),
        "weight_1": np.where(children, 0.5, 0).astype(np.float32),
        "successor_1": np.concatenate(successors).astype(np.uint32),
        "probability_1": rng.choice([0.5, 0.25, 2.0**-9], count).astype(np.float32),
    }


def test_many_words_and_many_successors() -> None:
    arrays = big(70_000, 66_000, np.random.default_rng(1))
    in_file = store(arrays, 2)
    assert in_file["many_1"].max() == 66_000
    assert in_file["successor_high_1"].dtype == np.uint16
    assert in_file["after"].dtype == np.uint32
    read = laid_out(in_file, 2)
    assert all(np.array_equal(read[name], array) for name, array in arrays.items())
    header = {**model_of(TOY).header, "order": 2}
    model = Model.from_bytes(Model.from_arrays(header, arrays).to_bytes())
    assert [one.word for one in model.suggest([numbered(3)], numbered(7), 1)] == [numbered(7).upper()]


def in_version_1(model: Model) -> bytes:
    """The same numbers as version 1 wrote them, by its definition: contexts by key, each with its successors."""
    arrays: dict[str, Any] = {name: array for name, array in model.arrays.items() if not name[-1].isdigit()}
    places = [(at, 0 << 32 | at) for at in range(len(model.vocabulary) + FIRST_WORD)]  # laid out at, key
    for m in range(1, model.order):
        first, weight = model.arrays[f"first_{m}"].tolist(), model.arrays[f"weight_{m}"]
        contexts = sorted((key, at) for at, key in places if first[at] < first[at + 1])
        rows = [list(range(first[at], first[at + 1])) for _, at in contexts]
        every = np.array([row for own in rows for row in own], np.int64)
        arrays[f"context_{m}"] = np.array([key for key, _ in contexts], np.uint64)
        arrays[f"first_{m}"] = np.append(0, np.cumsum([len(own) for own in rows])).astype(np.uint32)
        arrays[f"weight_{m}"] = weight[np.array([at for _, at in contexts], np.int64)]
        for kind in ("successor", "probability"):
            arrays[f"{kind}_{m}"] = model.arrays[f"{kind}_{m}"][every]
        words = model.arrays[f"successor_{m}"].tolist()
        places = [(row, place << 32 | words[row]) for place, own in enumerate(rows) for row in own]
    return pack_arrays(MODEL_FORMAT, 1, model.header, arrays)


@given(fleets, st.integers(2, 4))
def test_version_1_says_the_same(fleet: list[list[str]], order: int) -> None:
    model = model_of(fleet, order=order)
    old = Model.from_bytes(in_version_1(model))
    assert list(old.arrays) == list(model.arrays)
    for name, array in model.arrays.items():
        assert old.arrays[name].dtype == array.dtype
        assert np.array_equal(old.arrays[name], array), name


def test_a_file_that_version_1_wrote() -> None:
    """Written by the last fedkeys that wrote version 1, with what it answered then."""
    vector = json.loads((VECTORS / "version_1.json").read_text(encoding="utf-8"))
    model = Model.load(VECTORS / "version_1.model")
    for asked in vector["answers"]:
        found = model.suggest(asked["words"], asked["prefix"], 4)
        assert sorted([one.word, one.probability] for one in found) == sorted(asked["suggestions"])
        assert [one.probability for one in found] == [value for _, value in asked["suggestions"]]
    for word, after in vector["after"].items():
        assert model.most_frequent_after(word) == after
    assert model.to_bytes() == (VECTORS / "version_1.model").read_bytes()
    now = aggregate([Phone(texts, order=4).delta() for texts in vector["messages"]], 1)
    for name, array in model.arrays.items():
        assert np.allclose(now.arrays[name], array, rtol=ROUNDING, atol=0), name
    mixed = model.with_mix(Mix(3, np.ones(size(3))), {"version": 1})
    assert Model.from_bytes(mixed.to_bytes()).mix is not None
    assert unpack_arrays(mixed.to_bytes(), MODEL_FORMAT, MODEL_VERSION).version == 1


def test_version_3_is_refused() -> None:
    whole = unpack_arrays(model_of(TOY).to_bytes(), MODEL_FORMAT, MODEL_VERSION)
    with pytest.raises(VersionError, match="version 3 is newer than the 2"):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, 3, whole.header, whole.arrays))


def asked_everything(model: Model) -> None:
    """Ask a model all that can be asked of it."""
    words = [*model.vocabulary.words, MESSAGE_START, SENTENCE_START, "zebra"][-12:]
    contexts = [[], *([one] for one in words), *([one, other] for one in words[:4] for other in words)]
    ids = np.array([0, *model.vocabulary.ids.values()], np.int64)
    for context in [*contexts, *([*words[:2], word] for word in words)]:
        state = model.state(context)
        for prefix in ("", "h", "zz"):
            found = model.suggest(context, prefix)
            assert all(0 <= one.probability <= 1 + 1e-6 for one in found)
        assert model.levels(state, ids).shape == (model.order, len(ids))
        for id_ in ids[1:].tolist():
            assert 0 <= model.probability(state, id_) <= 1 + 1e-6
    for word in words:
        predict_next_word(word, model)
    write_arpa(model, io.BytesIO())
    assert Model.from_arrays(model.header, model.arrays).ngrams == model.ngrams


FORGED = [
    ("words", lambda array: array[::-1]),
    ("words", lambda array: np.where(array == ord("w"), 27, array).astype(np.uint8)),
    ("words", lambda array: np.where(array == ord("w"), 255, array).astype(np.uint8)),
    ("words", lambda array: array.astype(np.uint32)),
    ("form_ids", lambda array: np.append(array, np.uint32(2))),
    ("unigram", lambda array: array[1:]),
    ("unigram", lambda array: array * np.float32("nan")),
    ("after", lambda array: array + 99),
    ("after", lambda array: array[1:]),
]
FORGED_NOW = [
    ("successor_high_1", lambda array: array + 1),
    ("successor_low_1", lambda array: array + 99),
    ("successor_low_2", lambda array: array[:-1]),
    ("probability_low_2", lambda array: array[:-1]),
    ("probability_high_2", lambda array: np.append(array, array)),
    ("weight_low_1", lambda array: array[1:]),
    ("grid_1", lambda array: array[1:]),
    ("grid_1", lambda array: array + np.uint32(1 << 20)),
    ("grid_1", lambda array: array * 0 + np.uint32(2**32 - 1)),
    ("children_1", lambda array: array + 1),
    ("children_2", lambda array: array * 0),
    ("children_2", lambda array: np.append(array, array)),
    ("many_1", lambda array: np.append(array, np.uint32(2**32 - 1))),
    ("children_1", lambda array: array.astype(np.uint32)),
]
FORGED_THEN = [
    ("by_probability", lambda array: array * 0 + 2),
    ("successor_1", lambda array: array + 9999),
    ("successor_1", lambda array: array * 0),
    ("probability_2", lambda array: array[:-1]),
    ("probability_1", lambda array: array * np.float32("nan")),
    ("weight_1", lambda array: array - 2),
    ("first_1", lambda array: array + 9999),
    ("first_2", lambda array: array[::-1]),
    ("context_1", lambda array: array[::-1]),
    ("context_1", lambda array: np.append(array[:-1], np.uint64(99))),
    ("context_2", lambda array: array + np.uint64(100)),
    ("context_2", lambda array: array + (np.uint64(99) << np.uint64(32))),
]


@pytest.mark.parametrize(
    ("version", "name", "forge"),
    [
        *((version, *forged) for version in (1, 2) for forged in FORGED),
        *((2, *forged) for forged in FORGED_NOW),
        *((1, *forged) for forged in FORGED_THEN),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(version: int, name: str, forge: Any) -> None:
    model = model_of(TOY)
    data = model.to_bytes() if version == 2 else in_version_1(model)
    whole = unpack_arrays(data, MODEL_FORMAT, MODEL_VERSION)
    assert whole.version == version
    with pytest.raises(FormatError):
        Model.from_bytes(
            pack_arrays(
                MODEL_FORMAT, version, whole.header, {**whole.arrays, name: forge(whole.arrays[name])}
            )
        )


def test_forms_that_are_no_text_are_refused() -> None:
    whole = unpack_arrays(model_of([["so I see", "so I see"]]).to_bytes(), MODEL_FORMAT, MODEL_VERSION)
    assert bytes(whole.arrays["forms"]) == b"I"
    arrays = {**whole.arrays, "forms": np.array([0xFF], np.uint8)}
    with pytest.raises(FormatError, match="not UTF-8"):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, 2, whole.header, arrays))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("forms", "ATTACK \u202ehttp://evil"),
        ("forms", "Paris"),
        ("forms", ""),
        ("forms", "London" + "\ufe0f" * 100),
        ("words", "\nlondon\nsee"),
        ("words", "in\nlondon\nsee you"),
        ("words", "in\nlondon\nsee\u202e"),
        ("words", "in\nlondon\nt@x.org"),
        ("words", "in\nlondon\nseE"),
        ("words", "in\nlondon\n" + "s" * 100),
    ],
)
def test_words_and_forms_that_nobody_types_are_refused(version: int, name: str, text: str) -> None:
    model = model_of([["see in London", "see in London"]])
    data = model.to_bytes() if version == 2 else in_version_1(model)
    whole = unpack_arrays(data, MODEL_FORMAT, MODEL_VERSION)
    assert bytes(whole.arrays["forms"]) == b"London"
    assert bytes(whole.arrays["words"]) == b"in\nlondon\nsee"
    arrays = {**whole.arrays, name: np.frombuffer(text.encode(), np.uint8)}
    with pytest.raises(FormatError, match=r"is not one as it is counted|no way to write|one written form"):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, version, whole.header, arrays))


@given(st.sampled_from([1, 2]), st.data())
def test_any_arrays_are_a_sound_model_or_refused(version: int, data: st.DataObject) -> None:
    """Whatever passes the checks answers anything without an error."""
    model = model_of(TOY, order=4)
    whole = unpack_arrays(
        model.to_bytes() if version == 2 else in_version_1(model), MODEL_FORMAT, MODEL_VERSION
    )
    arrays = {name: array.copy() for name, array in whole.arrays.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from([name for name in arrays if len(arrays[name])]))
        bytes_ = arrays[name].view(np.uint8)
        at = data.draw(st.integers(0, len(bytes_) - 1))
        bytes_[at] = data.draw(st.sampled_from([0, 1, 2, 3, 127, 128, 255]) | st.integers(0, 255))
    try:
        forged = Model.from_bytes(pack_arrays(MODEL_FORMAT, version, whole.header, arrays))
    except FormatError:
        return
    asked_everything(forged)
