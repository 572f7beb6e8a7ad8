"""`Keyboard`: everyone's model, its owner's and public words, together.

In: a message as typed so far. Out: suggestions, at every key. Law: the same model, mix and prior, and the same
messages learnt give the same suggestions.

Candidates come from everyone's model and the owner's, and a mix of all that is known of them ranks them
(`fedkeys.phone.situation`, `fedkeys.model.mix`). Slots that are left go to words of the public prior, which so
never stand above what somebody has typed, and to words that were meant if one letter is a slip of the finger, the
more probable ones first: after "teh" the slip of "the" comes before "Tehran".
"""

from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from functools import cache
from importlib.resources import files
from math import exp
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from fedkeys.container import unpack_arrays
from fedkeys.model import Model, Suggestion
from fedkeys.model.mix import Mix, size
from fedkeys.phone.mixing import MixTrainer, OwnSteps, candidates_at
from fedkeys.phone.personal import PersonalModel
from fedkeys.phone.prior import Prior, written
from fedkeys.phone.situation import FEATURES, FEATURES_VERSION, HAND_MIXED_FEATURE, Situation
from fedkeys.words import CAPITALISED, Cursor, at_cursor, fold, styled
from fedkeys.words.slips import reached

MIX_FORMAT = "fedkeys.mix"

# A word that only the prior knows is typed so many times as often as the prior says: of ubuntu_irc 0.6 % of the
# words are of those, which have 17 % of the prior. A little more, since they can be completed in no other way.
_ONLY_PUBLIC = 0.2


class Source(Enum):
    """Who knows a word that is offered."""

    EVERYONE = "everyone"
    OWN = "you"
    BOTH = "both"
    PUBLIC = "public"


class Keyboard:
    """Suggests words while a message is typed, and learns each message that is sent.

    Args:
        model: everyone's.
        personal: its owner's; a new one in memory when not given (`PersonalStore` is one that lasts).
        prior: public words; none when not given.
        mix: how all that is known is weighed; the model's own when not given, or else `default_mix()`.
        adapts: whether the mix goes on learning from the messages sent, on this phone alone.
        incognito: whether what is sent teaches it nothing; what is known is offered as ever.

    >>> from fedkeys import Phone, aggregate
    >>> model = aggregate([Phone(["see you soon", "see you later"]).delta()], min_phones=1)
    >>> [suggestion.word for suggestion in Keyboard(model).suggest("See you l")]
    ['later']
    """

    def __init__(
        self,
        model: Model,
        personal: PersonalModel | None = None,
        prior: Prior | None = None,
        mix: Mix | None = None,
        adapts: bool = False,
        incognito: bool = False,
    ) -> None:
        self.model = model
        self.personal = PersonalModel() if personal is None else personal
        self.prior = prior
        self.mix = mix or mix_of(model)
        self.adapts = adapts
        self.incognito = incognito
        self._last: Situation | None = None

    def gain(self, prior: Prior) -> None:
        """Know public words too from now on."""
        self.prior = prior
        self._last = None

    def hold(self, personal: PersonalModel) -> None:
        """Be another owner's from now on."""
        self.personal = personal
        self._last = None

    def take(self, model: Model) -> None:
        """Have another model of everyone's from now on, and the mix that it brings."""
        self.model = model
        self.mix = mix_of(model)
        self._last = None

    def source(self, word: str) -> Source:
        """Tell who knows a word, in any written form: everyone's model, its owner's, both, or neither."""
        folded = fold(word)
        own = self.personal.after(())
        is_own = own is not None and folded in own.counts
        if self.model.vocabulary.find(folded):
            return Source.BOTH if is_own else Source.EVERYONE
        return Source.OWN if is_own else Source.PUBLIC

    def learn(self, message: str) -> None:
        """Count a sent message in the personal model; a keyboard that adapts weighs anew what predicted it.

        Raises:
            StorageError: the personal model is to last, and cannot be written.
        """
        if self.incognito:
            return
        if self.adapts:
            trainer = MixTrainer("own", self.model, self.personal, self.prior, [message])
            if trainer.samples:
                weights = trainer.train(None, self.mix.weights, OwnSteps(), 0, np.random.default_rng(0))
                self.mix = Mix(FEATURES, weights)
        else:
            self.personal.learn(message)

    def suggest(self, text: str, k: int = 3, passed_over: Collection[str] = ()) -> list[Suggestion]:
        """Give the k best words at the end of a message as typed so far, best first.

        Args:
            text: what stands before the cursor.
            k: how many.
            passed_over: words, in any written form, that are not offered again as completions (`PassedOver`
                keeps them); for what a slip has made of them they are.

        After white space these are next words, within a word its completions; the word as typed is none
        of them. There are none while an address, a number or a code is being typed. The first word of a sentence
        has a capital, unless its owner begins them without one, or has typed a small letter. Probabilities are of
        coming next, or of being the word whose letters are typed; 0 for words that are offered to fill the strip.
        """
        cursor = at_cursor(text)
        if cursor.prefix is None or k < 1:
            return []
        # What the letters typed do not begin may be meant all the same: one of them may be a slip.
        left_out = {word for word in map(fold, passed_over) if word.startswith(fold(cursor.prefix))}
        begins = not cursor.prefix and cursor.begins_sentence and self.personal.capitalises
        found: list[Suggestion] = []
        known: set[str] = set()
        for word, form, probability in self._ranked(self._situation(cursor), cursor.prefix, k, left_out):
            shown = _capitalised(form) if begins else _as_typed(form, cursor.prefix)
            if word not in known and word not in left_out and shown != cursor.prefix:
                found.append(Suggestion(shown, probability))
                if len(found) == k:
                    break
            known.add(word)
        return found

    def _ranked(
        self, situation: Situation, typed: str, k: int, left_out: Collection[str]
    ) -> Iterator[tuple[str, str, float]]:
        """Give words, their written forms and their probabilities, best first; some words come twice.

        Among them are k that are not left out, if there are so many.
        """
        prefix = fold(typed)
        candidates = candidates_at(situation, prefix, len(left_out))
        for word in left_out:
            candidates.pop(word, None)
        if prefix in candidates and _as_typed(self._form(prefix, candidates[prefix]), typed) == typed:
            del candidates[prefix]
        k += len(left_out)
        chances = self._chances(situation, candidates, len(prefix))
        # Twice, as that is faster than by both at once.
        ranked = sorted(zip(candidates, chances, strict=True))
        ranked.sort(key=itemgetter(1), reverse=True)
        for word, chance in ranked:
            yield word, self._form(word, candidates[word]), chance
        fillers = self._slipped(situation, prefix, k)
        if self.prior is not None:
            last = situation.context[-1] if situation.context else None
            for word, probability in self.prior.complete(last, prefix, k + len(candidates)):
                fillers[word] = _ONLY_PUBLIC * probability
        for word in sorted(fillers, key=lambda word: (-fillers[word], word)):
            id_ = self.model.vocabulary.find(word) or 0
            yield word, self._form(word, id_) if id_ else self.personal.written(word) or written(word), 0.0

    def _chances(self, situation: Situation, candidates: dict[str, int], letters: int) -> list[float]:
        scores = self.mix.scores(situation.features(candidates, letters))
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        shown: list[float] = chances[:-1].tolist()
        return shown

    def _slipped(self, situation: Situation, prefix: str, k: int) -> dict[str, float]:
        """The words that may have been meant if one letter is a slip, each with how probable that is."""
        values: dict[str, float] = {}
        for words, best in (
            (self.model.vocabulary.words, situation.everyone),
            (self.personal.words, situation.own),
        ):
            for slip in reached(prefix, words):
                for word, probability in best(slip.prefix, k):
                    values[word] = max(values.get(word, 0.0), probability * exp(slip.penalty))
        return values

    def _situation(self, cursor: Cursor) -> Situation:
        """What is known at a cursor: looked up once a word."""
        if self._last is None or not self._last.is_at(cursor):
            self._last = Situation(self.model, self.personal, self.prior, cursor)
        return self._last

    def _form(self, word: str, id_: int) -> str:
        return self.personal.written(word) or (self.model.written_form(id_) if id_ else word)


class PassedOver:
    """Words that stood in the strip while their owner typed on, so that they are not what is meant.

    They come back with the next word, and for good when the letters are taken back.

    >>> passed = PassedOver()
    >>> passed.shown("see y", ["you", "your"])
    >>> sorted(passed.at("see yo")), sorted(passed.at("see y")), sorted(passed.at("see y."))
    (['you', 'your'], [], [])
    """

    def __init__(self) -> None:
        self._strips: list[_Strip] = []

    def shown(self, text: str, words: Sequence[str]) -> None:
        """Note what was offered, and read, for a message as typed so far; forget what does not lead there."""
        start = _word_start(text)
        self._strips = [
            strip for strip in self._strips if strip.start == start and text.startswith(strip.text)
        ]
        self._strips.append(_Strip(text, start, words))

    def at(self, text: str) -> set[str]:
        """Give what was passed over on the way to a message as typed so far."""
        passed = [strip for strip in self._strips if strip.leads_to(text)]
        start = _word_start(text) if passed else 0
        return {word for strip in passed if strip.start == start for word in strip.words}

    def back_at(self, text: str) -> None:
        """Forget what was passed over after this: letters were taken back, or the cursor has gone elsewhere."""
        self._strips = [strip for strip in self._strips if strip.leads_to(text)]


class _Strip(NamedTuple):
    """What was offered for a text whose last word starts at a character."""

    text: str
    start: int
    words: Sequence[str]

    def leads_to(self, text: str) -> bool:
        return text != self.text and text.startswith(self.text)


def _word_start(text: str) -> int:
    return len(text) - at_cursor(text).typed


def mix_of(model: Model) -> Mix:
    """Give the mix that a model brings if it weighs these features, or else the one that comes with fedkeys."""
    own = model.mix
    if own is None or own.features != FEATURES or model.header["mix"]["version"] != FEATURES_VERSION:
        return default_mix()
    return own


@cache
def default_mix() -> Mix:
    """Give the mix that comes with fedkeys (`python -m tests.bench.train_mix` makes it)."""
    data = (files("fedkeys.phone") / "default.mix").read_bytes()
    container = unpack_arrays(data, MIX_FORMAT, FEATURES_VERSION)
    return Mix(FEATURES, container.arrays["mix"])


@cache
def hand_mixed() -> Mix:
    """Give the mix without learned weights: what p_n of `fedkeys.phone.situation` ranks highest."""
    weights = np.zeros(size(FEATURES))
    weights[HAND_MIXED_FEATURE] = 2  # it is half a logarithm
    return Mix(FEATURES, weights)


def _capitalised(form: str) -> str:
    """Write a word as a sentence begins: with a capital, if it has none ("eBay" has)."""
    return styled(form, CAPITALISED) if form == form.lower() else form


def _as_typed(form: str, typed: str) -> str:
    """Keep the capitals that were typed: "Tom" becomes "Tomorrow", "TOM" becomes "TOMORROW"."""
    if sum(letter.isupper() for letter in typed) > 1 and typed.isupper():
        return form.upper()
    return form[:1].upper() + form[1:] if typed[:1].isupper() else form
