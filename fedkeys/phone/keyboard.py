"""`Keyboard`: everyone's model and its owner's, together.

In: a message as typed so far. Out: suggestions, at every key. Law: the same model and the same messages
learnt give the same suggestions.

The mix is a hierarchy of Dirichlet priors (MacKay and Peto 1995): the estimate from everyone is the prior of
what the owner typed anywhere, that is the prior of what she typed after one word, and so on:

    p_0(w) = p(w | context; everyone)
    p_n(w) = (count of w after the last n - 1 words + strength_n p_(n-1)(w)) / (all counts there + strength_n)
"""

from collections.abc import Sequence

from fedkeys.model import Model, Suggestion
from fedkeys.model.search import Match
from fedkeys.phone.personal import Followers, PersonalModel
from fedkeys.words import at_cursor, fold

# For no context, one word, two words. Tuned for top-1 plus top-3 recall of 60 users of ubuntu_irc with 300 words
# or more; `python -m tests.bench.tune_personal CORPUS --users 60 --min-words 300 --seed 2` does it again.
STRENGTHS = (8000.0, 40.0, 8.0)

_FROM_EVERYONE = 8  # candidates of everyone's model for each slot beyond those asked for


class Keyboard:
    """Suggests words while a message is typed, and learns each message that is sent.

    Args:
        model: everyone's model.
        personal: its owner's; a new one when not given.

    >>> from fedkeys import Phone, aggregate
    >>> model = aggregate([Phone(["see you soon", "see you later"]).delta()], min_phones=1)
    >>> [suggestion.word for suggestion in Keyboard(model).suggest("See you l")]
    ['later']
    """

    def __init__(self, model: Model, personal: PersonalModel | None = None) -> None:
        self.model = model
        self.personal = personal or PersonalModel()

    def learn(self, message: str) -> None:
        """Count a sent message in the personal model."""
        self.personal.learn(message)

    def suggest(self, text: str, k: int = 3) -> list[Suggestion]:
        """Give the k best words at the end of a message as typed so far, best first.

        After white space these are next words, within a word its completions; the word as typed is none
        of them. There are none while an address, a number or a code is being typed.
        """
        cursor = at_cursor(text)
        if cursor.prefix is None or k < 1:
            return []
        context = [fold(item) for item in cursor.items]
        matches = self.model.matches(context)
        everyone = dict(self.model.rank(matches, cursor.prefix, k + _FROM_EVERYONE))
        prior = {self.model.vocabulary.word(id_): p for id_, p in everyone.items()}
        followers = list(self.personal.followers(context))
        for word in self.personal.candidates(followers, fold(cursor.prefix), k + 1):
            if word not in prior:
                prior[word] = self._probability(matches, word)
        ranked = self._mixed(prior, followers)
        return self._written(ranked, cursor.prefix, k)

    def _probability(self, matches: Sequence[Match], word: str) -> float:
        id_ = self.model.vocabulary.find(word)
        return 0.0 if id_ is None else self.model.probability(matches, id_)

    def _mixed(self, prior: dict[str, float], followers: Sequence[Followers]) -> list[tuple[str, float]]:
        mixed = dict(prior)
        for after, strength in zip(followers, STRENGTHS, strict=False):
            for word, p in mixed.items():
                mixed[word] = (after.counts.get(word, 0) + strength * p) / (after.total + strength)
        return sorted(mixed.items(), key=lambda item: (-item[1], item[0]))

    def _written(self, ranked: Sequence[tuple[str, float]], typed: str, k: int) -> list[Suggestion]:
        found: list[Suggestion] = []
        for word, probability in ranked:
            form = _as_typed(self.personal.written(word) or self._usual_form(word), typed)
            if form != typed:
                found.append(Suggestion(form, probability))
                if len(found) == k:
                    break
        return found

    def _usual_form(self, word: str) -> str:
        id_ = self.model.vocabulary.find(word)
        return word if id_ is None else self.model.written_form(id_)


def _as_typed(form: str, typed: str) -> str:
    """Keep the capitals that were typed: "Tom" becomes "Tomorrow", "TOM" becomes "TOMORROW"."""
    if sum(letter.isupper() for letter in typed) > 1 and typed.isupper():
        return form.upper()
    return form[:1].upper() + form[1:] if typed[:1].isupper() else form
