"""The keyboard: everyone's model with its owner's habits, in the forms that people write."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import Keyboard, Phone, aggregate
from fedkeys.phone import PassedOver, Prior
from fedkeys.words import fold
from tests.strategies import messages

EVERYONE = [["see you tomorrow", "see you soon", "see you tomorrow", "in London I think", "to London"]] * 2


def keyboard() -> Keyboard:
    return Keyboard(aggregate([Phone(texts).delta() for texts in EVERYONE]))


def offered(keyboard: Keyboard, text: str, k: int = 3) -> list[str]:
    return [suggestion.word for suggestion in keyboard.suggest(text, k)]


def test_next_words_and_completions() -> None:
    assert offered(keyboard(), "See you ")[:2] == ["tomorrow", "soon"]
    assert offered(keyboard(), "see you s") == ["soon", "see"]
    assert offered(keyboard(), "tell me. se") == ["see"]


def test_the_word_as_typed_is_no_suggestion_but_its_usual_form_is() -> None:
    assert offered(keyboard(), "see you soon") == []
    assert offered(keyboard(), "in london") == ["London"]
    assert "I" in offered(keyboard(), "in i")


def test_typed_capitals_are_kept() -> None:
    assert offered(keyboard(), "Tom") == ["Tomorrow"]
    assert offered(keyboard(), "TOM") == ["TOMORROW"]


def test_a_sentence_begins_with_a_capital_if_its_owner_wants_one() -> None:
    mine = keyboard()
    for start in ("", "see you! ", "see you\n"):
        assert "See" in offered(mine, start, 9)
    assert offered(mine, "se", 1) == ["see"]
    assert "see" in offered(mine, "ok so ", 9)
    for text in ("see you", "ok. see you", "👍 see you"):  # three beginnings, and one that is no letter
        mine.learn(text)
    assert "see" in offered(mine, "")
    for _ in range(3):
        mine.learn("See you")
    assert "See" in offered(mine, "")


def test_a_word_with_a_capital_of_its_own_keeps_it() -> None:
    mine = keyboard()
    for _ in range(9):
        mine.learn("eBay it is")
        mine.learn("the eBay way")
    assert offered(mine, "", 1) == ["eBay"]


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


def test_incognito_it_learns_nothing_and_offers_what_it_knows() -> None:
    mine = keyboard()
    mine.learn("see you pancakes")
    mine.incognito = True
    mine.learn("see you waffles")
    assert offered(mine, "see you pan") == ["pancakes"]
    assert offered(mine, "see you waf") == []
    mine.incognito = False
    mine.learn("see you waffles")
    assert offered(mine, "see you waf") == ["waffles"]


def test_what_was_forgotten_is_not_offered_from_memory() -> None:
    """A keyboard keeps the last situation; the personal model must not look the same again."""
    mine = keyboard()
    mine.suggest("see you ")
    mine.learn("see you pancakes")
    assert "pancakes" in offered(mine, "see you ")
    mine.personal.forget_all()
    assert "pancakes" not in offered(mine, "see you ")
    mine.learn("see you soon")
    assert "pancakes" not in offered(mine, "see you ")


def test_what_was_passed_over_is_not_offered_again_for_the_word() -> None:
    mine = keyboard()
    first = offered(mine, "see you ")
    assert not set(first) & {one.word for one in mine.suggest("see you t", 3, first)}
    passed = PassedOver()
    passed.shown("see you ", first)
    assert passed.at("see you t") == set(first)
    assert passed.at("see you ") == set()
    assert passed.at("see you t x") == set()


def test_as_many_others_are_offered_as_were_passed_over() -> None:
    names = [f"b{first}{second}" for first in "aeiouy" for second in "aeiouy"]
    mine = Keyboard(aggregate([Phone([f"see {name}" for name in names]).delta() for _ in range(2)]))
    offers: list[str] = []
    for _ in range(len(names) // 3):
        words = [one.word for one in mine.suggest("see b", 3, offers)]
        assert len(words) == 3
        assert not set(words) & set(offers)
        offers += words
    assert sorted(offers) == sorted(names)


def test_passed_over_public_words_make_room_for_others() -> None:
    public = Keyboard(aggregate([Phone(["a hat"]).delta()], 1), prior=Prior.load())
    shown = offered(public, "a photog")
    assert len([one.word for one in public.suggest("a photog", 3, shown)]) == 3


@pytest.mark.parametrize(
    "after", ["see y.", "see y-", "see y-o", "see yo ", "see y, x", "see x", "see ", "see y"]
)
def test_what_was_passed_over_comes_back_where_another_word_begins(after: str) -> None:
    passed = PassedOver()
    passed.shown("see y", ["you"])
    assert passed.at(after) == set()


def test_a_word_that_was_passed_over_is_offered_again_for_a_slip() -> None:
    """It stood in the strip while it was typed, unread or not taken; then a letter went wrong."""
    mine = Keyboard(aggregate([Phone(["see you tomorrow", "see you soon"]).delta()], 1))
    passed = PassedOver()
    for length in range(len("see you "), len("see you tomorow")):
        text = "see you tomorow"[:length]
        words = [one.word for one in mine.suggest(text, 3, passed.at(text))]
        passed.shown(text, words)
        assert ("tomorrow" in words) == (text in ("see you ", "see you tomoro"))
    text = "see you tomorow"
    assert "tomorrow" in passed.at(text)
    assert [one.word for one in mine.suggest(text, 3, passed.at(text))] == ["tomorrow"]


def test_what_was_passed_over_is_the_same_asked_twice() -> None:
    passed = PassedOver()
    passed.shown("see ", ["soon"])
    passed.shown("see y", ["you"])
    for text in ("see y", "see you?", "see y", ""):
        passed.at(text)
    assert passed.at("see y") == {"soon"}
    assert passed.at("see yo") == passed.at("see yo\u0301") == passed.at("see yo'") == {"soon", "you"}


def test_what_was_passed_over_comes_back_when_letters_are_taken_back() -> None:
    passed = PassedOver()
    passed.shown("see ", ["soon"])
    passed.shown("see y", ["you"])
    passed.back_at("see y")
    assert passed.at("see yo") == {"soon"}
    passed.back_at("")
    assert passed.at("see yo") == set()


def test_a_slip_of_the_finger_is_offered_where_a_slot_is_free() -> None:
    assert "tomorrow" in offered(keyboard(), "see you tomm")
    assert offered(keyboard(), "see you tom") == ["tomorrow"]


def test_an_adapting_keyboard_weighs_anew() -> None:
    mine = Keyboard(keyboard().model, adapts=True)
    before = mine.mix
    mine.learn("see you pancakes")
    assert mine.mix is not before
    assert "pancakes" in offered(mine, "see you ")


def test_an_adapting_keyboard_learns_all_of_a_long_message() -> None:
    mine = Keyboard(keyboard().model, adapts=True)
    mine.learn(" ".join(["see you"] * 300 + ["pancakes"]))
    assert dict(mine.personal.learnt()) == {"see": 300, "you": 300, "pancakes": 1}


@pytest.mark.parametrize("text", ["see you ", "see you t", "i"])
def test_public_words_gained_within_a_word_count_at_once(text: str) -> None:
    """A keyboard keeps the last situation, which was looked up without them."""
    mine, prior = keyboard(), Prior.load()
    without = mine.suggest(text, 9)
    mine.gain(prior)
    assert mine.suggest(text, 9) == Keyboard(mine.model, prior=prior).suggest(text, 9) != without


def test_a_frequent_word_typed_with_a_slip_comes_before_a_rare_public_one() -> None:
    mine = Keyboard(aggregate([Phone(["the cat", "see the cat"]).delta()], 1), prior=Prior.load())
    assert offered(mine, "teh") == ["the", "tehran", "tehuantepec"]
    assert offered(mine, "tehra") == ["tehran"]
    alone = Keyboard(aggregate([Phone(["the cat", "see the cat"]).delta()], 1))
    assert offered(alone, "teh") == ["the"]


def test_its_owners_words_are_found_behind_a_slip() -> None:
    mine = Keyboard(aggregate([Phone(["see you"]).delta()], 1))
    assert offered(mine, "wihskers") == []
    mine.learn("Give Whiskers some milk")
    assert offered(mine, "wihskers") == ["Whiskers"]
    assert offered(mine, "give whikser") == ["Whiskers"]
    mine.learn("tech talk")
    frequent = Keyboard(aggregate([Phone(["the cat", "see the cat"]).delta()], 1), mine.personal)
    assert offered(frequent, "teh")[0] == "the"  # one message is no measure of what is typed most
    mine.personal.forget("whiskers")
    assert offered(mine, "wihskers") == []
