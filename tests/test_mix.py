"""The mix: its gradient, its features, its place in a model, and that federated training teaches it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys import FedkeysError, Keyboard, Model, Phone, aggregate
from fedkeys.container import pack_arrays, unpack_arrays
from fedkeys.errors import FormatError
from fedkeys.model.mix import HIDDEN, Choices, Mix, initial, loss_and_gradient, size
from fedkeys.model.model import MODEL_FORMAT, MODEL_VERSION
from fedkeys.phone import MixTrainer, PersonalModel, default_mix, hand_mixed
from fedkeys.phone.mixing import candidates_at
from fedkeys.phone.situation import FEATURES, FEATURES_VERSION, Situation
from fedkeys.simulate import MixPlan, train_mix
from fedkeys.words import at_cursor, fold
from tests.strategies import messages

FLEET = [["see you tomorrow", "see you soon", "on my way home", "see you later"]] * 3


def model() -> Model:
    return aggregate([Phone(texts).delta() for texts in FLEET])


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 5)).astype(np.float32)
    choices = Choices(rows, np.array([0, 4]), np.array([2, 8]))
    weights = initial(5, rng) + rng.normal(0, 0.1, size(5))
    bias = weights[-2 * HIDDEN : -HIDDEN]
    bias[:] = np.where(np.arange(HIDDEN) % 2, 8, -8)  # no unit turns on or off in a step
    _, gradient = loss_and_gradient(weights, choices)
    for at in range(0, size(5), 7):
        step = np.zeros(size(5))
        step[at] = 1e-2
        up, down = (loss_and_gradient(weights + sign * step, choices)[0] for sign in (1, -1))
        assert gradient[at] == pytest.approx((up - down) / 2e-2, abs=2e-3)


@given(st.lists(messages, max_size=8), messages)
def test_features_are_finite_and_the_last_row_stands_for_all_others(texts: list[str], typed: str) -> None:
    personal = PersonalModel()
    for text in texts:
        personal.learn(text)
    cursor = at_cursor(typed)
    if cursor.prefix is None:
        return
    situation = Situation(model(), personal, None, cursor)
    found = candidates_at(situation, fold(cursor.prefix))
    rows = situation.features(found, len(cursor.prefix))
    assert rows.shape == (len(found) + 1, FEATURES)
    assert np.isfinite(rows).all()
    assert rows[:, -1].tolist() == [0.0] * len(found) + [1.0]


def test_after_a_pause_words_are_offered_that_begin_a_message() -> None:
    """Of "zed: " nobody knows what follows, but people begin with "could", so it may come."""
    everyone = aggregate(
        [Phone([f"could {word} {word}" for word in ("we", "you", "it", "they")]).delta()], min_phones=1
    )
    personal = PersonalModel()
    personal.learn("shall be")

    def offered(text: str) -> dict[str, list[float]]:
        situation = Situation(everyone, personal, None, at_cursor(text))
        found = situation.candidates("", 3, 1)
        rows = situation.features(found, 0)
        return dict(zip(found, rows.tolist(), strict=False))

    assert "could" not in offered("zed ")
    after = offered("zed: ")
    assert {"could", "shall"} <= after.keys()
    assert after["could"] != offered("zed; ")["could"]


def test_weighed_by_hand_and_with_nothing_learnt_the_keyboard_ranks_as_the_model() -> None:
    everyone = model()
    keyboard = Keyboard(everyone, mix=hand_mixed())
    for text in ("", "see ", "see you ", "on ", "s", "see you t"):
        cursor = at_cursor(text)
        ranked = [one.word for one in everyone.suggest(cursor.items, cursor.prefix or "")]
        assert [one.word.lower() for one in keyboard.suggest(text)] == ranked  # it writes the first one large


def test_a_message_is_learnt_after_it_was_predicted_if_at_all() -> None:
    """What a first message is predicted by is nobody's but everyone's; what the second is by, may be learnt."""

    def loss(messages: list[str], learns: bool) -> float:
        personal = PersonalModel()
        trainer = MixTrainer("ann", model(), personal, None, messages, learns=learns)
        assert (len(personal) > 0) == learns
        return trainer.loss(default_mix().weights)

    first, second = "see you quagga quagga", "see you quagga"
    assert loss([first], learns=True) == loss([first], learns=False)
    assert loss([first, second], learns=True) < 0.9 * loss([first, second], learns=False)


def test_federated_training_teaches_what_an_owner_repeats() -> None:
    """Each phone always writes its own word, which nobody else does: a mix must learn to trust the owner."""
    everyone = model()
    trainers = [
        MixTrainer(name, everyone, PersonalModel(), None, [f"see you {name}"] * 10)
        for name in ("anna", "bert", "carl", "dora")
    ]
    before = [trainer.loss(hand_mixed().weights) for trainer in trainers]
    mix = train_mix(trainers, MixPlan(rounds=60, cohort=3), seed=1)
    after = [trainer.loss(mix.weights) for trainer in trainers]
    assert max(after) < 0.5 * min(before)
    keyboard = Keyboard(everyone, mix=mix)
    for _ in range(3):
        keyboard.learn("see you emil")
    assert keyboard.suggest("see you ")[0].word == "emil"


def test_an_apostrophe_or_letter_written_otherwise_is_trained_on_as_the_same_word() -> None:
    plain, otherwise = (
        MixTrainer("own", model(), PersonalModel(), None, [text] * 3)
        for text in ("see you at the caf\u00e9, I don't know", "see you at the cafe\u0301, I don\u2019t know")
    )
    weights = default_mix().weights
    assert plain.samples == otherwise.samples > 0
    assert plain.loss(weights) == otherwise.loss(weights)


def test_few_phones_train_for_fewer_rounds() -> None:
    plan = MixPlan(rounds=300, cohort=40, times=40)
    assert [plan.rounds_of(phones) for phones in (1, 15, 40, 100, 500, 5000)] == [40, 40, 40, 100, 300, 300]


def test_a_mix_travels_inside_a_model() -> None:
    everyone = model()
    mix = Mix(FEATURES, np.linspace(-1, 1, size(FEATURES)))
    carrier = Model.from_bytes(everyone.with_mix(mix, {"version": FEATURES_VERSION}).to_bytes())
    assert carrier.mix is not None
    assert np.allclose(carrier.mix.weights, mix.weights)
    assert np.array_equal(Keyboard(carrier).mix.weights, carrier.mix.weights)
    assert Keyboard(everyone).mix is default_mix()
    newer = everyone.with_mix(mix, {"version": FEATURES_VERSION + 1})
    assert Keyboard(newer).mix is default_mix()
    smaller = everyone.with_mix(Mix(5, np.zeros(size(5))), {"version": FEATURES_VERSION})
    assert Keyboard(smaller).suggest("see ") == Keyboard(everyone).suggest("see ")


@pytest.mark.parametrize("weight", [1001, -1001, 3e38])
def test_weights_with_which_a_score_might_be_no_number_are_refused(weight: float) -> None:
    everyone, weights = model(), np.full(size(FEATURES), np.sign(weight) * 1000)
    suggestions = Keyboard(everyone.with_mix(Mix(FEATURES, weights), {"version": FEATURES_VERSION})).suggest(
        "s"
    )
    assert suggestions
    assert all(0 <= suggestion.probability <= 1 for suggestion in suggestions)
    weights[-1] = weight
    with pytest.raises(FormatError, match="beyond 1000"):
        everyone.with_mix(Mix(FEATURES, weights), {"version": FEATURES_VERSION})


@pytest.mark.parametrize(
    "account", [None, {}, {"version": 1, "features": "x"}, {"version": 1, "features": 3}]
)
def test_a_mix_that_is_none_is_refused(account: object) -> None:
    whole = unpack_arrays(model().to_bytes(), MODEL_FORMAT, MODEL_VERSION)
    arrays = {**whole.arrays, "mix": np.zeros(7, np.float32)}
    with pytest.raises(FedkeysError):
        Model.from_bytes(pack_arrays(MODEL_FORMAT, MODEL_VERSION, {**whole.header, "mix": account}, arrays))
