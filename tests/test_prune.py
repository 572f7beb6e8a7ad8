"""Pruning: to a size, closed, whole in its probabilities, and least where the model needs it most."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Model, Phone, aggregate, predict_next_word
from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.counts import FIRST_WORD, Level, count_ngrams
from fedkeys.errors import FormatError, UsageError
from fedkeys.model.kneser_ney import Estimate, estimate
from fedkeys.model.model import MODEL_FORMAT, MODEL_VERSION
from fedkeys.model.prune import losses, most_missed, pruned, without
from fedkeys.simulate import Plan
from fedkeys.words import MESSAGE_START, SENTENCE_START, fold
from tests.strategies import fleets, sequences


def model_of(fleet: list[list[str]], min_phones: int = 1, order: int = 3, prune: int | None = None) -> Model:
    return aggregate([Phone(texts, order=order).delta() for texts in fleet], min_phones, prune)


def estimate_of(sequence: np.ndarray, order: int, least: int) -> Estimate:
    """Of what was counted so often."""

    def allowed(n: int, rows: Level) -> np.ndarray:
        return (rows.counts >= least) | ((n == 0) & (rows.words < FIRST_WORD))

    return estimate(count_ngrams(sequence, order).levels, allowed)


estimates = st.builds(estimate_of, sequences, st.integers(2, 4), st.integers(1, 2))


def ngrams_of(found: Estimate) -> set[tuple[int, ...]]:
    return {ids for ids, _, _ in found.counts.rows()}


def above_words(found: Estimate) -> int:
    return sum(map(len, found.counts.levels[1:]))


class Backing:
    """An estimate in dictionaries, to ask for the probability of a word after a context."""

    def __init__(self, found: Estimate) -> None:
        self.p: dict[tuple[int, ...], float] = {}
        self.weights: dict[tuple[int, ...], float] = {}
        counts = found.counts
        for n, probabilities in enumerate(found.probabilities):
            ngrams = [tuple(ids) for ids in counts.ngrams(n + 1).tolist()]
            self.p |= dict(zip(ngrams, probabilities.tolist(), strict=True))
            if n < len(found.weights):
                self.weights |= dict(zip(ngrams, found.weights[n].tolist(), strict=True))
        self.words = [ids[0] for ids in self.p if len(ids) == 1 and ids[0] >= FIRST_WORD]

    def after(self, context: tuple[int, ...]) -> dict[int, float]:
        if not context:
            return {word: self.p[word,] for word in self.words}
        weight, lower = self.weights.get(context, 1.0), self.after(context[1:])
        return {word: self.p.get((*context, word), weight * lower[word]) for word in self.words}


@given(estimates, st.data())
def test_what_stays_is_closed_and_as_much_as_was_asked_for(found: Estimate, data: st.DataObject) -> None:
    total = above_words(found)
    fewer, more = sorted(data.draw(st.tuples(*[st.integers(0, total + 1)] * 2)))
    small, large = pruned(found, fewer), pruned(found, more)
    assert above_words(small) == min(fewer, total)
    assert ngrams_of(small) <= ngrams_of(large) <= ngrams_of(found)
    assert small.counts.levels[0].keys.tolist() == found.counts.levels[0].keys.tolist()
    kept = ngrams_of(small)
    assert all(ids[:-1] in kept and ids[1:] in kept for ids in kept if len(ids) > 1)
    assert pruned(found, total) is found


@given(estimates, st.data())
def test_probabilities_after_any_context_sum_to_one(found: Estimate, data: st.DataObject) -> None:
    """And none is below what the shorter context gives, on which search relies."""
    small = Backing(pruned(found, data.draw(st.integers(0, above_words(found)))))
    if not small.words:
        return
    assert {ids for ids, p in small.p.items() if p == 0} <= {(0,), (1,)}
    for context in Backing(found).weights:
        after, lower = small.after(context), small.after(context[1:])
        assert math.isclose(sum(after.values()), 1, rel_tol=1e-9)
        weight = small.weights.get(context, 1.0)
        assert 0 <= weight <= 1
        assert all(after[word] >= weight * lower[word] - 1e-12 for word in small.words)


@given(estimates)
def test_losses_are_by_the_definition(found: Estimate) -> None:
    """What was counted after a context, and how likely it is with and without one n-gram."""
    counts = found.counts
    times = {ids: count for ids, count, _ in counts.rows()}
    before, all_losses = Backing(found), losses(found)
    for n in range(1, counts.order):
        for row, ids in enumerate(map(tuple, counts.ngrams(n + 1).tolist())):
            context = ids[:-1]
            seen = {
                other[-1]: count for other, count in times.items() if len(other) > 1 and other[:-1] == context
            }
            needed = any(ids in (other[:-1], other[1:]) for other in times)
            if needed or len(seen) > 2:  # the others are looked at together
                continue
            masks = [np.ones(len(level), np.bool_) for level in counts.levels]
            masks[n][row] = False
            left = Backing(without(found, masks))
            p, q = before.after(context), left.after(context)
            unseen = times[context] - sum(seen.values())
            loss = sum(count * math.log(p[word] / q[word]) for word, count in seen.items())
            loss += unseen * math.log(before.weights[context] / left.weights[context])
            assert math.isclose(all_losses[n - 1][row], loss, rel_tol=1e-5, abs_tol=1e-5)


@given(estimates, st.data())
def test_nothing_that_is_missed_more_goes_before(found: Estimate, data: st.DataObject) -> None:
    """An n-gram is missed as much as the most missed of those made of it."""
    counts, loss = found.counts, losses(found)
    ngrams = data.draw(st.integers(0, above_words(found)))
    own = {
        tuple(ids): float(value)
        for n, values in enumerate(loss, 1)
        for ids, value in zip(counts.ngrams(n + 1).tolist(), values, strict=True)
    }

    def missed(ids: tuple[int, ...]) -> float:
        return max(
            value for other, value in own.items() if any(other[at : at + len(ids)] == ids for at in range(3))
        )

    masks = most_missed(counts, loss, ngrams)
    stay = {tuple(ids) for n, mask in enumerate(masks[1:], 1) for ids in counts.ngrams(n + 1)[mask].tolist()}
    assert len(stay) == ngrams
    if stay and len(stay) < len(own):
        assert min(map(missed, stay)) >= max(missed(ids) for ids in own if ids not in stay)


def test_of_equals_the_shorter_and_the_alphabetical_first_stay() -> None:
    counts = count_ngrams(np.array([0, 2, 3, 4, 0, 5, 6, 7], np.uint32), 3)
    equal = [np.zeros(len(level), np.float32) for level in counts.levels[1:]]
    bigrams, trigrams = most_missed(counts, equal, 3)[1:]
    assert bigrams.tolist() == [True, True, True, False, False, False]
    assert not trigrams.any()


def test_what_the_shorter_context_says_as_well_goes_before_what_is_rarer() -> None:
    """ "the" comes often after everything, "cisco" only after "san": counts alone would keep the former."""
    often = [f"{word} the" for word in ("at", "by", "in", "of", "on", "to") for _ in range(6)]
    model = model_of([[*often, *["san cisco"] * 4]], order=2, prune=7)
    assert [len(model.state([word]).matches) for word in (MESSAGE_START, "san", "of", "to")] == [1, 1, 0, 0]
    assert model.suggest(["san"], k=1)[0].word == "cisco"
    assert model.suggest(["of"], k=1)[0].word == "the"


@given(fleets, st.integers(1, 2), st.integers(2, 4), st.data())
def test_a_pruned_release(fleet: list[list[str]], min_phones: int, order: int, data: st.DataObject) -> None:
    whole = model_of(fleet, min_phones, order)
    ngrams = data.draw(st.integers(0, sum(whole.ngrams[1:]) + 1))
    model = model_of(fleet, min_phones, order, ngrams)
    words, *above = model.ngrams
    assert model.header["ngrams"] == model.ngrams
    assert model.header["release"] == {"min_phones": min_phones, "pruned_from": whole.ngrams}
    assert model.vocabulary.words == whole.vocabulary.words
    assert sum(above) == min(ngrams, sum(whole.ngrams[1:]))
    assert model.to_bytes() == model_of(fleet[::-1], min_phones, order, ngrams).to_bytes()
    assert Model.from_bytes(model.to_bytes()).header == model.header
    if sum(above) == sum(whole.ngrams[1:]):
        assert model.payload_digest == whole.payload_digest
    for word in model.vocabulary.words:
        assert predict_next_word(word, model) == predict_next_word(word, whole)
    if not words:
        return
    asked = [*model.vocabulary.words, MESSAGE_START, SENTENCE_START]
    context = data.draw(st.lists(st.sampled_from(asked), max_size=order))
    state = model.state(context)
    everything = {word: model.probability(state, id_) for word, id_ in model.vocabulary.ids.items()}
    assert math.isclose(sum(everything.values()), 1, rel_tol=1e-4)
    ranked = sorted(everything, key=lambda word: (-everything[word], word))[:3]
    assert [fold(suggestion.word) for suggestion in model.suggest(context)] == ranked


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="prune is -1"):
        model_of([["hello"]], prune=-1)
    with pytest.raises(UsageError, match="prune is -1"):
        Plan(prune=-1)


@pytest.mark.parametrize("forged", [None, [3, 2], [3, 2, -1], "321"])
def test_a_header_must_say_what_was_pruned(forged: Any) -> None:
    container = unpack_arrays(model_of([["see you soon"]], prune=1).to_bytes(), MODEL_FORMAT, MODEL_VERSION)
    header = {**container.header, "release": {"min_phones": 1, "pruned_from": forged}}
    with pytest.raises(FormatError, match="pruned from"):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, MODEL_VERSION, header, container.arrays))


def test_the_commands(fedkeys: Any, tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        Phone(["see you soon", "see you tomorrow"], pseudonym=name.encode().ljust(16)).delta().save(
            tmp_path / f"{name}.delta"
        )
    given_files = ("aggregate", "ann.delta", "bob.delta")
    assert fedkeys(*given_files, "--out", "all.model").returncode == 0
    before = Model.load(tmp_path / "all.model").ngrams
    result = fedkeys(*given_files, "--out", "few.model", "--prune", "3", "--json")
    report = json.loads(result.stdout)
    assert (report["pruned_from"], sum(report["ngrams"][1:])) == (before, 3)
    assert "pruned from" in result.stderr
    shown = fedkeys("inspect", "few.model").stdout
    assert f"pruned from {sum(before[1:])} n-grams" in shown
    assert json.loads(fedkeys("inspect", "few.model", "--json").stdout)["release"]["pruned_from"] == before
    assert "pruned" not in fedkeys("inspect", "all.model").stdout
    refused = fedkeys(*given_files, "--state", "s", "--prune", "3")
    assert (refused.returncode, "--prune is for a model" in refused.stderr) == (2, True)
    simulated = fedkeys("simulate", "--rounds", "2", "--prune", "100", "--json")
    assert [sum(round_["ngrams"][1:]) for round_ in json.loads(simulated.stdout)["rounds"]] == [100, 100]
