"""The keyboard: everyone's model with its owner's habits, in the forms that people write."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Keyboard, Phone, aggregate
from fedkeys.phone import PassedOver, PersonalModel
from fedkeys.words import MESSAGE_START, fold
from tests.strategies import messages

EVERYONE = [["see you tomorrow", "see you soon", "see you tomorrow", "in London I think", "to London"]] * 2


def keyboard() -> Keyboard:
    return Keyboard(aggregate([Phone(texts).delta() for texts in EVERYONE]))


def offered(keyboard: Keyboard, text: str, k: int = 3) -> list[str]:
    return [suggestion.word for suggestion in keyboard.suggest(text, k)]


def test_next_words_and_completions() -> None:
    assert offered(keyboard(), "See you ")[:2] == ["tomorrow", "soon"]
    assert offered(keyboard(), "see you s") == ["soon", "see"]
    assert offered(keyboard(), "", 1) == ["see"]


def test_the_word_as_typed_is_no_suggestion_but_its_usual_form_is() -> None:
    assert offered(keyboard(), "see you soon") == []
    assert offered(keyboard(), "in london") == ["London"]
    assert offered(keyboard(), "in i", 1) == ["I"]


def test_typed_capitals_are_kept() -> None:
    assert offered(keyboard(), "Tom") == ["Tomorrow"]
    assert offered(keyboard(), "TOM") == ["TOMORROW"]


def test_one_capital_and_an_apostrophe_are_not_capitals_throughout() -> None:
    mine = keyboard()
    mine.learn("so I'm here")
    assert offered(mine, "I'") == ["I'm"]


def test_a_personal_model_stays_on_its_phone() -> None:
    with pytest.raises(TypeError, match="stays on its phone"):
        pickle.dumps(keyboard().personal)


def test_it_learns_what_its_owner_types() -> None:
    mine = keyboard()
    assert "pancakes" not in offered(mine, "see you ")
    mine.learn("see you pancakes")
    assert "pancakes" in offered(mine, "see you ")
    for _ in range(20):
        mine.learn("see you pancakes")
    assert offered(mine, "see you ")[0] == "pancakes"
    assert offered(mine, "panc") == ["pancakes"]
    assert "pancakes" not in offered(keyboard(), "see you ")


def test_it_learns_how_its_owner_writes() -> None:
    mine = keyboard()
    for _ in range(2):
        mine.learn("off to eBay with MUM")
    assert offered(mine, "off to e", 1) == ["eBay"]
    assert offered(mine, "with mu", 1) == ["MUM"]


def test_what_must_not_be_sent_is_not_learnt_either() -> None:
    mine = keyboard()
    mine.learn("mail me@example.org or hunter2")
    assert offered(mine, "mail hun") == []
    assert offered(mine, "me@exam") == []


def test_an_empty_model_still_learns() -> None:
    alone = Keyboard(aggregate([]))
    assert offered(alone, "see ") == []
    alone.learn("see you")
    assert offered(alone, "see ")[:1] == ["you"]


@given(st.lists(messages, max_size=4), messages)
def test_suggestions_are_ranked_distinct_and_the_same_again(learnt: list[str], text: str) -> None:
    one, other = keyboard(), keyboard()
    for message in learnt:
        one.learn(message)
        other.learn(message)
    suggestions = one.suggest(text)
    assert suggestions == other.suggest(text)
    assert len(suggestions) <= 3
    probabilities = [suggestion.probability for suggestion in suggestions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= probability <= 1 for probability in probabilities)
    assert len({fold(suggestion.word) for suggestion in suggestions}) == len(suggestions)


@given(st.lists(messages, max_size=6))
def test_the_personal_model_counts_contexts(texts: list[str]) -> None:
    """Its most frequent followers, kept in order as they grow, are those of a plain ranking."""
    personal = PersonalModel()
    for text in texts:
        personal.learn(text)
    for after in personal.recall([MESSAGE_START, "hello"]).followers:
        ranked = sorted(after.counts, key=lambda word: (-after.counts[word], word))
        assert after.frequent == ranked[:10]
        assert after.total == sum(after.counts.values())


@given(st.lists(messages, max_size=12), st.data())
def test_a_forgotten_word_is_in_no_count(texts: list[str], data: st.DataObject) -> None:
    personal = PersonalModel()
    for text in texts:
        personal.learn(text)
    words = [word for word, _ in personal.learnt()]
    if words:
        gone = data.draw(st.sampled_from(words))
        assert personal.forget(gone)
        assert not personal.forget(gone)
        assert [word for word, _ in personal.learnt()] == [word for word in words if word != gone]
        for text in texts:
            for context in ([], [gone], [fold(text)]):
                for after in personal.recall(context).followers:
                    assert gone not in after.counts
                    assert after.total == sum(after.counts.values())
        assert len(personal.recall([gone]).followers) == 1


def test_a_full_personal_model_drops_what_was_typed_least_and_longest_ago() -> None:
    personal = PersonalModel(max_ngrams=60)
    for _ in range(5):
        personal.learn("see you soon")
    for number in range(40):
        personal.learn(f"{chr(97 + number % 26)}x and {chr(97 + number // 26)}y")
    assert len(personal) <= 60
    assert dict(personal.learnt())["soon"] == 5
    assert personal.recall(["see", "you"]).followers[-1].counts == {"soon": 5}


def test_what_was_passed_over_is_not_offered_again_for_the_word() -> None:
    mine = keyboard()
    first = offered(mine, "see you ")
    assert not set(first) & {one.word for one in mine.suggest("see you t", 3, first)}
    passed = PassedOver()
    passed.shown("see you ", first)
    assert passed.at("see you t") == set(first)
    assert passed.at("see you ") == set()
    assert passed.at("see you t x") == set()


def test_a_slip_of_the_finger_is_offered_where_a_slot_is_free() -> None:
    assert "tomorrow" in offered(keyboard(), "see you tomm")
    assert offered(keyboard(), "see you tom") == ["tomorrow"]


def test_an_adapting_keyboard_weighs_anew() -> None:
    mine = Keyboard(keyboard().model, adapts=True)
    before = mine.mix
    mine.learn("see you pancakes")
    assert mine.mix is not before
    assert "pancakes" in offered(mine, "see you ")
