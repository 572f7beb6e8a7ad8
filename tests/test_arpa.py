"""ARPA files: what others read from them is what the model says."""

import io
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Model, Phone, aggregate
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.errors import FormatError
from fedkeys.model.arpa import write_arpa
from fedkeys.simulate import Federation, Plan
from fedkeys.sources import PhoneTexts, open_corpus, shipped_corpus
from fedkeys.words import MESSAGE_START, SENTENCE_START
from tests.strategies import fleets

CHAT = Path(__file__).parents[2] / "shared" / "data" / "ubuntu_irc.jsonl.gz"
WRITTEN = {MESSAGE_START: "<s>", SENTENCE_START: "<sentence>"}
TOY = [["see you. bye", "see you tomorrow"], ["see them", "bye"]]


class Arpa:
    """A reader of ARPA files, by the book."""

    def __init__(self, text: str) -> None:
        before, body = text.split("\\data\\\n")
        assert all(line.startswith("#") for line in before.splitlines() if line)
        self.counts: list[int] = []
        self.logs: dict[tuple[str, ...], float] = {}
        self.weights: dict[tuple[str, ...], float] = {}
        order, ended = 0, False
        for line in filter(None, body.split("\n")):
            assert not ended
            if line.startswith("ngram "):
                length, count = line.removeprefix("ngram ").split("=")
                self.counts.append(int(count))
                assert int(length) == len(self.counts)
            elif line.startswith("\\"):
                order += 1
                ended = line == "\\end\\"
                assert ended or line == f"\\{order}-grams:"
            else:
                log, words, *weight = line.split("\t")
                ngram = tuple(words.split(" "))
                assert len(ngram) == order
                assert ngram not in self.logs
                self.logs[ngram] = float(log)
                if weight:
                    assert order < len(self.counts)
                    self.weights[ngram] = float(weight[0])
        assert ended
        assert order == len(self.counts) + 1
        found = [sum(len(ngram) == n for ngram in self.logs) for n in range(1, order)]
        assert found == self.counts

    def log(self, context: tuple[str, ...], word: str) -> float:
        """log10 p(word | context)."""
        if (*context, word) in self.logs:
            return self.logs[*context, word]
        return self.weights.get(context, 0.0) + self.log(context[1:], word)


def model_of(fleet: list[list[str]], min_phones: int = 1, order: int = 3) -> Model:
    return aggregate([Phone(texts, order=order).delta() for texts in fleet], min_phones)


def arpa_of(model: Model) -> str:
    file = io.BytesIO()
    write_arpa(model, file)
    return file.getvalue().decode()


def changed(model: Model, **arrays: Any) -> Model:
    return Model.from_arrays(model.header, {**model.arrays, **arrays})


@given(fleets, st.integers(1, 2), st.integers(2, 4))
def test_backing_off_by_the_book_gives_the_probabilities_of_the_model(
    fleet: list[list[str]], min_phones: int, order: int
) -> None:
    model = model_of(fleet, min_phones, order)
    arpa = Arpa(arpa_of(model))
    words, *above = model.ngrams
    assert arpa.counts == [words + 4, *above]
    for ngram in arpa.logs:
        assert len(ngram) == 1 or (ngram[:-1] in arpa.logs and ngram[1:] in arpa.logs)
    contexts = {context for context in arpa.weights if len(context) < model.order} | {(), ("<unk>",)}
    asked = {text: mark for mark, text in WRITTEN.items()} | {"<unk>": "zebra"}
    for context in contexts:
        state = model.state([asked.get(text, text) for text in context])
        for word, id_ in model.vocabulary.ids.items():
            expected = np.log10(model.probability(state, id_))
            assert arpa.log(context, word) == pytest.approx(expected, abs=1e-6)


def test_what_arpa_has_no_words_for() -> None:
    arpa = Arpa(arpa_of(model_of(TOY)))
    assert {word: arpa.logs[word,] for word in ("<s>", "<sentence>", "</s>", "<unk>")} == dict.fromkeys(
        ("<s>", "<sentence>", "</s>", "<unk>"), -99
    )
    assert {("<s>",), ("<sentence>",)} < set(arpa.weights)
    assert {("</s>",), ("<unk>",), ("tomorrow",)}.isdisjoint(arpa.weights)  # nothing follows them
    assert ("<sentence>", "bye") in arpa.logs


def test_nothing_is_above_one_and_what_is_0_is_written_as_arpa_writes_it() -> None:
    model = model_of([["go west"]])
    arrays = dict(model.arrays)
    arpa = Arpa(
        arpa_of(
            changed(
                model,
                weight_1=arrays["weight_1"] * np.float32(0),
                probability_1=arrays["probability_1"] * np.float32(0) + np.float32(1 + 1e-7),
            )
        )
    )
    assert arpa.logs["go", "west"] == 0
    assert arpa.weights["go",] == -99


def test_the_head_accounts_for_the_model() -> None:
    model = model_of(TOY)
    first = arpa_of(model).split("\n")[0]
    assert json.loads(first[first.index("{") :]) == model.header


@pytest.mark.parametrize("word", ["a b", "a\u00a0b", "\u2003", "</s>", "<unk>", "<sentence>"])
def test_no_model_has_a_word_that_arpa_cannot_hold(word: str) -> None:
    model = model_of([["go"]])
    with pytest.raises(FormatError, match="a word is not one"):
        changed(model, words=np.frombuffer(word.encode(), np.uint8))


def test_long_models_are_written_piece_by_piece() -> None:
    """More n-grams than are put into words together; no piece holds them all, and the last one ends it."""
    texts = [
        f"{one}{two} {three}x" for one, two, three in itertools.product("abcdefghij", "klmnopqrst", LETTERS)
    ]
    model = model_of([texts])
    pieces: list[bytes] = []
    parts: list[float] = []

    class File(io.BytesIO):
        def write(self, data: Any) -> int:
            pieces.append(bytes(data))
            return len(pieces[-1])

    write_arpa(model, File(), parts.append)
    assert max(map(len, pieces)) < sum(map(len, pieces)) / 2
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert Arpa(b"".join(pieces).decode()).counts[1:] == model.ngrams[1:]


LETTERS = [one + two for one in "abcdefghijklmnopq" for two in "abcdefghijkl"]


class _Some:
    """The first phones of a corpus."""

    def __init__(self, phones: Sequence[PhoneTexts]) -> None:
        self._phones = phones

    def names(self, *_: Any) -> list[str]:
        return [phone.name for phone in self._phones]

    def phones(self) -> Iterator[PhoneTexts]:
        yield from self._phones


def federated(corpus: str, phones: int | None = None, order: int = 3) -> Model:
    some = _Some(list(itertools.islice(open_corpus(corpus).phones(), phones)))
    plan = Plan(bounds=DEFAULT_BOUNDS, order=order)
    (only,) = Federation(some, plan, np.random.default_rng(0)).run()
    assert only.model is not None
    return only.model


def kenlm_of(model: Model, directory: Path) -> Any:
    kenlm = pytest.importorskip("kenlm", reason="kenlm is not installed: pip install '.[baselines]'")
    path = directory / "a.arpa"
    path.write_text(arpa_of(model), encoding="utf-8")
    config = kenlm.Config()
    config.show_progress = False
    return kenlm.Model(str(path), config)


def kenlm_log(kenlm_model: Any, context: Sequence[str], word: str) -> float:
    import kenlm

    state, out = kenlm.State(), kenlm.State()
    kenlm_model.NullContextWrite(state)
    for before in context:
        kenlm_model.BaseScore(state, WRITTEN.get(before, before), out)
        state, out = out, state
    return float(kenlm_model.BaseScore(state, word, out))


@pytest.mark.parametrize(("which", "order"), [("shipped", 3), ("shipped", 4), ("chat", 3)])
def test_kenlm_scores_the_same(which: str, order: int, tmp_path: Path) -> None:
    """Each word that was seen after a context, and some that were not, after every context of a real model."""
    pytest.importorskip("kenlm", reason="kenlm is not installed: pip install '.[baselines]'")
    if which == "chat" and not CHAT.exists():
        pytest.skip(f"{CHAT} is not there")
    model = (
        federated(str(CHAT), 300, order) if which == "chat" else federated(str(shipped_corpus()), None, order)
    )
    other = kenlm_of(model, tmp_path)
    assert other.order == order
    texts = {id_: word for word, id_ in model.vocabulary.ids.items()}
    rng = np.random.default_rng(0)
    contexts = list(Arpa(arpa_of(model)).weights)
    assert len(contexts) > 1000
    marks = {text: mark for mark, text in WRITTEN.items()}
    worst = 0.0
    for written in [(), *contexts, ("see", "zebra"), ("zebra", "you"), ("you", "<s>", "i")]:
        context = [marks.get(text, text) for text in written]
        state = model.state(context)
        seen = state.matches[0].successors.tolist() if state.matches else []
        others = rng.integers(2, 2 + len(texts), 10).tolist()
        for id_ in {*seen, *others}:
            expected = np.log10(model.probability(state, id_))
            worst = max(worst, abs(kenlm_log(other, written, texts[id_]) - expected))
    assert worst < 1e-4
    assert kenlm_log(other, ["see"], "zebra") < -90


@pytest.mark.parametrize("fleet", [[["hello"]], [["hello there"]], [[""]]], ids=["word", "two", "nothing"])
def test_kenlm_reads_the_smallest_models(fleet: list[list[str]], tmp_path: Path) -> None:
    model = model_of(fleet, order=4)
    other = kenlm_of(model, tmp_path)
    for word, id_ in model.vocabulary.ids.items():
        expected = np.log10(model.probability(model.state([MESSAGE_START]), id_))
        assert kenlm_log(other, [MESSAGE_START], word) == pytest.approx(expected, abs=1e-4)


def test_the_command(fedkeys: Any, tmp_path: Path) -> None:
    model = model_of(TOY)
    model.save(tmp_path / "toy.model")
    result = fedkeys("export", "toy.model", "--format", "arpa", "-o", "toy.arpa")
    assert (result.returncode, result.stdout) == (0, "")
    assert "toy.arpa" in result.stderr
    assert (tmp_path / "toy.arpa").read_text(encoding="utf-8") == arpa_of(model)
    assert fedkeys("export", "toy.model").stdout == arpa_of(model)
    refused = fedkeys("export", "toy.model", "-o", "toy.model")
    assert (refused.returncode, "does not end in .arpa" in refused.stderr) == (2, True)
