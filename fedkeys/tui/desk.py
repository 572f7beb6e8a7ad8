"""The desk: whose phone is held, and which others could be.

In: a keyboard, and maybe a corpus of phones. Out: the same keyboard, as another owner's. Law: what is typed as one
owner teaches that owner's personal model and no other; a phone that is held again is as it was left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fedkeys.phone import Keyboard, PersonalModel
from fedkeys.sources import Corpus
from fedkeys.words import fold, tokens

NEW = "a new phone"
OWN = "your own phone"
CHATS = "your own chats ..."  # as they stand in an export


@dataclass(frozen=True, slots=True)
class Held:
    """A phone, in hand.

    Attributes:
        name: of the phone; `OWN` or `NEW`, or as its corpus has it.
        personal: what it has learnt.
        sent: what its owner sent, oldest first.
        is_of_corpus: whether it is one of the corpus.
    """

    name: str
    personal: PersonalModel
    sent: list[str] = field(default_factory=list)
    is_of_corpus: bool = False

    @property
    def title(self) -> str:
        """Whose phone it is."""
        if self.is_of_corpus:
            return f"{self.name}'s phone"
        return self.name if len(self.personal) or self.sent else NEW


class Desk:
    """The keyboard that is typed on, and the phones that can be held.

    Args:
        keyboard: everyone's model with a personal one.
        phone: the name of the phone that is held; None for a new one, or one's own.
        sent: messages that its owner sent before, oldest first.
        corpus: whose phones can be held instead; None for none.
        spec: what `open_corpus` was told, for a federation of these phones; None for none.

    Attributes:
        held: the phone in hand.
    """

    def __init__(
        self,
        keyboard: Keyboard,
        phone: str | None = None,
        sent: Sequence[str] = (),
        corpus: Corpus | None = None,
        spec: str | None = None,
    ) -> None:
        self.keyboard = keyboard
        self.corpus = corpus
        self.spec = spec
        self.held = Held(phone or OWN, keyboard.personal, list(sent), phone is not None)
        self._first = self.held
        self._known: dict[str, Held] = {self.held.name: self.held}
        self._brought: list[str] = []

    def names(self) -> list[str]:
        """Name the phones that can be held, first those that are of no corpus; in any thread."""
        first = [] if self._first.is_of_corpus else [self._first.name]
        others = sorted(self.corpus.names()) if self.corpus is not None else []
        return [*first, NEW, *self._brought, *others]

    def read(self, name: str) -> Held:
        """Read a phone, as it was left or from its corpus; in any thread.

        Raises:
            FedkeysError: the corpus cannot be read.
        """
        known = self._known.get(name)
        if known is not None and name != NEW:
            return known
        if name == NEW or self.corpus is None:
            return Held(NEW, PersonalModel())
        texts = next((phone.texts for phone in self.corpus.phones() if phone.name == name), ())
        return _taught(name, texts)

    def hold(self, held: Held) -> None:
        """Take a phone in hand: from now on the keyboard is its owner's."""
        self.held = held
        self._known[held.name] = held
        self.keyboard.hold(held.personal)

    def bring(self, name: str, texts: Sequence[str]) -> Held:
        """Make a phone of somebody's own messages, to be held; in any thread."""
        others = self.names()
        while name in others:
            name += " (yours)"
        return _taught(name, texts)

    def keep(self, held: Held) -> None:
        """Keep a phone that was brought, to be held again."""
        self._brought.append(held.name)
        self.hold(held)

    def forget(self, word: str) -> None:
        """Forget a word on the phone in hand, and the messages that have it.

        Raises:
            FedkeysError: what it has learnt is to last, and cannot be written.
        """
        self.held.personal.forget(word)
        self.held.sent[:] = [text for text in self.held.sent if fold(word) not in map(fold, tokens(text))]


def _taught(name: str, texts: Sequence[str]) -> Held:
    """Give a phone that has learnt messages."""
    personal = PersonalModel()
    for text in texts:
        personal.learn(text)
    return Held(name, personal, list(texts), is_of_corpus=True)
