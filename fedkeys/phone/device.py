"""`Phone`: what one device does for a federation.

In: private messages, in the order in which they were typed. Out: deltas of what is new. Laws: a delta that
may have been delivered is sent again unchanged until its fate is known; an n-gram is marked the first time it
is sent and never again; nothing else of a phone can be pickled.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from fedkeys.counts import FIRST_WORD, Level, NgramCounts, Vocabulary, count_ngrams, merge
from fedkeys.counts.ngrams import Ids, pack_keys
from fedkeys.delta import Bounds, Delta
from fedkeys.delta.checks import PHONE_SIZE, check_identity
from fedkeys.errors import RefusedError, UsageError
from fedkeys.phone.bounds import bounded
from fedkeys.phone.lexicon import Lexicon
from fedkeys.phone.votes import voted
from fedkeys.words import OTHER, fold, style_of

DEFAULT_FEDERATION = "fedkeys"
DEFAULT_ORDER = 4

_NO_VOCABULARY = Vocabulary([])
_SHRINK = 0.97  # of what would fit if all n-grams took as many bytes


@dataclass(frozen=True, slots=True)
class _Sent:
    """A delta, and what it has sent once it is accepted."""

    delta: Delta
    messages: int
    counts: NgramCounts
    forms: Mapping[str, int]


class Phone:
    """One phone: it counts its private messages and tells the aggregator what is new.

    Args:
        texts: messages typed so far, oldest first.
        order: the highest order of n-grams to count, 2 to 4.
        federation: the federation that it takes part in.
        pseudonym: 16 bytes that name it there; drawn from the operating system's source when not given.
        bounds: the most that it contributes in its life there; None for no bounds.
        rounds: how many deltas it means to send, over which it spreads its votes where they are bounded in length.

    Raises:
        UsageError: the order is none of these, or there are no rounds.
        FormatError: no delta could carry this federation or pseudonym.

    >>> phone = Phone(["hello world", "hello there"])
    >>> delta = phone.delta()
    >>> delta.words
    ('hello', 'there', 'world')
    >>> phone.accepted()
    >>> len(phone.delta().counts)
    0
    """

    def __init__(
        self,
        texts: Iterable[str] = (),
        *,
        order: int = DEFAULT_ORDER,
        federation: str = DEFAULT_FEDERATION,
        pseudonym: bytes | None = None,
        bounds: Bounds | None = None,
        rounds: int = 1,
    ) -> None:
        if rounds < 1:
            raise UsageError(f"{rounds} rounds", remedy="choose 1 or more")
        if not 2 <= order <= 4:
            raise UsageError(f"an order of {order} was asked for", remedy="choose 2, 3 or 4")
        self.order = order
        self.federation = federation
        self.pseudonym = secrets.token_bytes(PHONE_SIZE) if pseudonym is None else pseudonym
        check_identity(self.federation, self.pseudonym)
        self.bounds = bounds
        self.rounds = rounds
        self.sequence = 0
        self._waiting: list[str] = _messages(texts)
        self._pending: _Sent | None = None
        self._bound: bytes | None = None
        self._run: bytes | None = None
        self._lexicon = Lexicon()
        self._accepted: list[_Sent] = []
        self._sent = NgramCounts.empty(order)
        self._sent_forms: Counter[str] = Counter()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a phone cannot be pickled or copied: only its deltas may leave it")

    @property
    def waiting(self) -> int:
        """How many messages no accepted delta has counted yet."""
        return len(self._waiting)

    @property
    def may_send(self) -> bool:
        """Whether there is something new, and its bounds let it send another delta."""
        most = self.bounds.max_deltas if self.bounds else None
        return bool(self._waiting) and (most is None or len(self._accepted) < most)

    @property
    def bound(self) -> bytes | None:
        """The name of the deltas of a sum to which shares opened the last delta; it is never part of another."""
        return self._bound

    def join(self, run: bytes) -> None:
        """Take part in a sum with the last delta; what was begun before with it goes no further.

        Args:
            run: its name.
        """
        self._run = run

    @property
    def run(self) -> bytes | None:
        """The run that the last delta takes part in."""
        return self._run

    def rejoin(self, run: bytes | None, bound: bytes | None) -> None:
        """Take up what `run` and `bound` were when the phone was made again from its texts."""
        self._run, self._bound = run, bound

    def check_in(self, run: bytes) -> None:
        """Refuse a step of a run that this phone is in no more.

        Raises:
            RefusedError: it has begun another since, or its delta has met its fate.
        """
        if self._run != run:
            raise RefusedError("a run that this phone is in no more")

    def bind(self, name: bytes, run: bytes) -> None:
        """Note that shares are about to be given away of a sum that the last delta is in.

        Args:
            name: of the deltas of that sum (`fedkeys.delta.secure`).
            run: that it is made in.

        Raises:
            RefusedError: shares were given away of another sum with it, or it is no more in that run: then none
                may be given of this one.
        """
        self.check_in(run)
        if self._bound not in (None, name):
            raise RefusedError("another sum of what was summed up before, and the difference would tell")
        self._bound = name

    def type(self, texts: Iterable[str]) -> None:
        """Add messages, oldest first; the next new delta counts them."""
        self._waiting.extend(_messages(texts))

    def delta(self, base: Vocabulary | None = None, round: int = 0) -> Delta:
        """Give the delta of what is new since the last accepted one.

        Until `accepted` or `refused` says what became of it, the same delta comes again: it may have been
        delivered though the answer was lost, and a second one under its identity would be refused.

        Args:
            base: the released vocabulary to write word ids against; without it all words go as strings.
            round: the number of the round that asks.
        """
        if self._pending is None:
            self._pending = self._new_delta(base or _NO_VOCABULARY, round)
        return self._pending.delta

    def upload(self, base: Vocabulary | None = None, round: int = 0) -> list[bytes]:
        """Give all messages that go to the aggregator: the delta, and before it what a bounded phone shows again.

        Its earlier deltas prove that it keeps its bounds, and marks nothing twice, to an aggregator that
        keeps of them only digests.

        Raises:
            UsageError: the delta is in a sum that was opened: seen alone, it would tell of the others too.
        """
        if self._bound is not None:
            raise UsageError(
                "a delta of a sum that was opened is not sent alone", remedy="say what became of it"
            )
        shown = [sent.delta.data for sent in self._accepted] if self.bounds else []
        return [*shown, self.delta(base, round).data]

    def accepted(self) -> None:
        """The aggregator has merged the last delta: never count its messages again.

        Raises:
            UsageError: there is no delta whose fate is unknown.
        """
        done = self._settled()
        del self._waiting[: done.messages]
        self._accepted.append(done)
        self._sent = merge([self._sent, done.counts])
        self._sent_forms.update(done.forms)
        self.sequence += 1

    def refused(self) -> None:
        """The aggregator will never merge the last delta: its messages count as new again.

        Raises:
            UsageError: there is no delta whose fate is unknown, or it is in a sum that was opened, and its
                messages must not come again in another.
        """
        if self._bound is not None:
            raise UsageError("a delta of a sum that was opened cannot be taken back", remedy="call spent()")
        self._settled()

    def spent(self) -> None:
        """The last delta is in a sum that was opened and could not be read: nothing that it said was ever sent.

        Its messages are not counted again, and its number is not used again: whoever saw that sum could tell from
        another one with them what the difference is.
        """
        self.accepted()
        self.withdrawn()

    def withdrawn(self, deltas: int = 1) -> None:
        """The aggregator has taken back this many of the last accepted deltas: what they said was never sent.

        Their messages are not counted again, and their numbers are not used again.

        Raises:
            UsageError: fewer deltas were accepted, or one is under way.
        """
        if self._pending is not None or not 0 <= deltas <= len(self._accepted):
            raise UsageError(
                f"{deltas} deltas cannot be withdrawn of {len(self._accepted)}",
                remedy="let the one under way be accepted or refused first" if self._pending else None,
            )
        del self._accepted[len(self._accepted) - deltas :]
        self._add_up()

    def _add_up(self) -> None:
        """Add up what was sent."""
        self._sent = merge([NgramCounts.empty(self.order), *(sent.counts for sent in self._accepted)])
        self._sent_forms.clear()
        for sent in self._accepted:
            self._sent_forms.update(sent.forms)

    def _settled(self) -> _Sent:
        if self._pending is None:
            raise UsageError("no delta is under way", remedy="call delta() first")
        pending = self._pending
        self._pending = self._bound = self._run = None
        return pending

    def _new_delta(self, base: Vocabulary, round: int) -> _Sent:
        reading = self._lexicon.read(self._waiting)
        new = count_ngrams(reading.sequence, self.order)
        most = len(new) + len(reading.forms)
        while True:
            counts, forms = self._to_send(new, reading.forms, most)
            delta = self._written(counts, forms, base, round)
            excess = len(delta.data) / self.bounds.max_bytes if self.bounds else 0.0
            if excess <= 1.0:
                return _Sent(delta, len(self._waiting), counts, forms)
            most = int(min(most, len(counts) + len(forms)) * _SHRINK / excess)

    def _written(self, counts: NgramCounts, forms: Mapping[str, int], base: Vocabulary, round: int) -> Delta:
        ids, words, local = self._numbered(counts.levels[0].words, base)
        form_level, other_forms = self._forms(forms, local)
        return Delta(
            federation=self.federation,
            phone=self.pseudonym,
            sequence=self.sequence,
            round=round,
            base=base.reference,
            known=len(base),
            bounds=self.bounds.as_map() if self.bounds else None,
            words=words,
            ids=ids,
            counts=merge([counts], [local]),
            forms=form_level,
            other_forms=other_forms,
        )

    def _to_send(
        self, new: NgramCounts, forms: Mapping[str, int], most: int
    ) -> tuple[NgramCounts, Mapping[str, int]]:
        """Give what is sent of what is new, with first-time marks, with room for so many n-grams and forms."""
        if self.bounds is None:
            return self._marked(new), forms
        rows = {word: row for row, word in enumerate(new.levels[0].words.tolist())}
        parents = np.array([rows[self._lexicon.id(fold(form))] for form in forms], np.int64)
        counted = np.fromiter(forms.values(), np.int64, len(forms))
        level = Level(pack_keys(parents, np.zeros(len(forms), np.uint32)), counted, np.zeros_like(counted))
        before = np.array([self._sent_forms[form] for form in forms], np.int64)
        left = self.bounds.max_ngrams - len(self._sent) - len(self._sent_forms)
        budget = self._budget(self.bounds.max_norm)
        most = most if budget is None else min(most, budget)
        counts, times = bounded(new, level, self._sent, before, self.bounds, left, most)
        if budget is not None:
            words = counts.levels[0].words
            word_rows = np.searchsorted(words, new.levels[0].words[parents[times > 0]])
            votes = np.zeros_like(times)
            counts, votes[times > 0] = voted(
                counts, before[times > 0] == 0, word_rows, budget, self.bounds.max_count
            )
            times = votes
        return counts, {form: count for form, count in zip(forms, times.tolist(), strict=True) if count}

    def _budget(self, norm: int | None) -> int | None:
        """What the squares of the votes of one delta may add up to: an even part of what is left."""
        if norm is None:
            return None
        spent = sum(int(level.counts @ level.counts) for level in self._sent.levels)
        spent += sum(count * count for count in self._sent_forms.values())
        return (norm * norm - spent) // max(1, self.rounds - len(self._accepted))

    def _marked(self, counts: NgramCounts) -> NgramCounts:
        """Clear the first-time mark of every n-gram that was sent before."""
        if not len(self._sent):
            return counts
        return NgramCounts(
            tuple(
                Level(level.keys, level.counts, (rows < 0).astype(np.int64))
                for level, rows in zip(counts.levels, self._sent.find(counts), strict=True)
            )
        )

    def _numbered(self, own: Ids, base: Vocabulary) -> tuple[Ids, tuple[str, ...], Ids]:
        """Number the used words as a delta does: marks, known words, then new ones in their order.

        Returns the ids in vocabulary and new words, the new words, and the map from own to local ids.
        """
        marks = [(id_, id_) for id_ in own.tolist() if id_ < FIRST_WORD]
        named = [(self._lexicon.words[id_ - FIRST_WORD], id_) for id_ in own.tolist() if id_ >= FIRST_WORD]
        known = sorted((base.ids[word], id_) for word, id_ in named if word in base.ids)
        new = sorted((word, id_) for word, id_ in named if word not in base.ids)
        first_new = FIRST_WORD + len(base)
        order = [*marks, *known, *((first_new + place, id_) for place, (_, id_) in enumerate(new))]
        ids = np.array([global_ for global_, _ in order], np.uint32)
        local = np.zeros(FIRST_WORD + len(self._lexicon), np.uint32)
        local[[id_ for _, id_ in order]] = np.arange(len(order), dtype=np.uint32)
        return ids, tuple(word for word, _ in new), local

    def _forms(self, forms: Mapping[str, int], local: Ids) -> tuple[Level, tuple[str, ...]]:
        """Lay written forms out as rows of (local word, style), those without a style in their order."""
        rows = sorted(
            (int(local[self._lexicon.id(fold(form))]), style_of(form, fold(form)), form) for form in forms
        )
        others = [form for _, style, form in rows if style == OTHER]
        places = {form: OTHER + place for place, form in enumerate(others)}
        keys = pack_keys(
            np.array([row for row, _, _ in rows], np.int64),
            np.array([places.get(form, style) for _, style, form in rows], np.uint32),
        )
        counts = np.array([forms[form] for _, _, form in rows], np.int64)
        marks = np.array([form not in self._sent_forms for _, _, form in rows], np.int64)
        return Level(keys, counts, marks), tuple(others)


def _messages(texts: Iterable[str]) -> list[str]:
    """Refuse what is no list of messages; one string would be taken for messages of one letter each."""
    messages = [] if isinstance(texts, str | bytes) else list(texts)
    if isinstance(texts, str | bytes) or not all(isinstance(text, str) for text in messages):
        raise TypeError("a phone takes a list of messages, each a str")
    return messages
