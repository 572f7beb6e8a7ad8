"""`Federation`: rounds of selecting, counting, sending, merging and releasing.

In: a corpus and a `Plan`. Out: one `Round` after the other. Laws: each phone's messages are split in time
over the rounds, and a phone that is not asked, or is lost on the way, sends what it has when it is next
asked; nothing is lost or counted twice. Every draw of a round comes from the seed and the round's number, so
the round after a resumption is the one that would have been.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator import (
    Aggregator,
    Answer,
    Enrolment,
    Fate,
    Upload,
    collect,
    select,
)
from fedkeys.counts import Vocabulary
from fedkeys.delta.keys import PhoneKey
from fedkeys.errors import UsageError
from fedkeys.model import Model
from fedkeys.phone import Prior
from fedkeys.simulate.checkpoint import Checkpoint
from fedkeys.simulate.keyring import Keyring
from fedkeys.simulate.lesson import Lesson, OnStep, give_lesson
from fedkeys.simulate.member import Member, Record
from fedkeys.simulate.mixing import MixPlan
from fedkeys.simulate.plan import CHANGEABLE, Plan
from fedkeys.simulate.round import Round
from fedkeys.simulate.steps import STEPS, OnMessage
from fedkeys.simulate.summing import Participant, Summing
from fedkeys.sources import Corpus, PhoneTexts

_MIDDLING_SECONDS = 30.0  # of a phone, from being asked to its upload's arrival
_SPREAD = 1.0  # the standard deviation of its logarithm

OnPhone = Callable[[int, float], None]
OnFate = Callable[[str, str], None]


class _Fates(NamedTuple):
    """What chance has in store for each phone of a round; one entry a phone."""

    available: NDArray[np.bool_]
    lost_before: NDArray[np.bool_]
    lost_after: NDArray[np.bool_]
    seconds: NDArray[np.float64]


class Federation:
    """Phones of a corpus, and their aggregator.

    Args:
        corpus: the phones' messages.
        plan: how the rounds go.
        rng: draws the seed of all rounds.
        checkpoint: directory that keeps what was reached after each round; None to keep nothing.
        resume: go on with the rounds that the checkpoint holds.
        prior: public words that phones train the mix with.
        on_message: told all that one phone of each sum under masks sends and is told.
        on_fate: told of each phone of a round, by its name, that it is "asked", then that it has "sent", or is
            "lost", and what became of what it sent: a value of `Fate`.

    Attributes:
        lesson: what came of training the mix; None before that, and where too few phones could train it.

    Raises:
        UsageError: the corpus has no phones; there is a checkpoint and none is to be resumed, or none and one
            is; it was made with another plan or seed, or of other phones.
        FormatError: the checkpoint is damaged.
    """

    def __init__(
        self,
        corpus: Corpus,
        plan: Plan,
        rng: np.random.Generator,
        checkpoint: Path | None = None,
        resume: bool = False,
        prior: Prior | None = None,
        on_message: OnMessage = lambda _: None,
        on_fate: OnFate = lambda *_: None,
    ) -> None:
        self._corpus = corpus
        self._on_fate = on_fate
        self._plan = plan
        self._prior = prior
        self._on_message = on_message
        self.lesson: Lesson | None = None
        self._names = sorted(corpus.names())
        if not self._names:
            raise UsageError("the corpus has no phones")
        self._seed = int(rng.integers(1 << 62))
        if checkpoint and plan.budget:
            raise UsageError(
                "rounds under a budget cannot be resumed: their noise does not come again",
                remedy="leave the checkpoint out, or the budget",
            )
        if checkpoint and plan.together:
            raise UsageError(
                "rounds whose sums nobody sees into cannot be resumed: masks do not come again",
                remedy="leave the checkpoint out, or the masks",
            )
        self._checkpoint = Checkpoint(checkpoint) if checkpoint else None
        if self._checkpoint and resume:
            self._checkpoint.resume(plan, self._names, self._seed)
        elif self._checkpoint:
            self._checkpoint.begin(plan, self._names, self._seed)
        self._key = np.random.default_rng([self._seed, 0]).bytes(32)
        state = self._checkpoint.state if self._checkpoint else None
        self._keyring = Keyring(self._key, self._names, plan.federation) if plan.together else None
        self.aggregator = Aggregator(
            plan.federation,
            state=state,
            all_or_nothing=True,
            bounds=plan.bounds,
            enrolment=Enrolment(self._keyring.public.values(), plan.federation) if self._keyring else None,
        )
        self._members: dict[str, Member] = {}
        self._records: dict[str, Record] = {}
        self._model: Model | None = None
        if self._checkpoint and self.aggregator.round:
            self._records = self._checkpoint.records(self.aggregator.round)
            self._model = self._checkpoint.model(self.aggregator.round)

    def run(self, on_phone: OnPhone = lambda *_: None, on_step: OnStep = lambda *_: None) -> Iterator[Round]:
        """Run the rounds that are left.

        Args:
            on_phone: called with the round's number, and the part of its phones that is done.
            on_step: called, while the mix is trained, with the name of a step and the part of it that is done.
        """
        for number in range(self.aggregator.round + 1, self._plan.all_rounds + 1):
            if self._plan.mix is not None and number > self._plan.rounds and self._model is not None:
                self._train(self._model, self._plan.mix, number, on_step)
            yield self._round(number, on_phone)

    def change(self, **changes: Any) -> None:
        """Go about the rounds that are left in another way.

        Args:
            changes: attributes of `Plan` among `CHANGEABLE`, which leave what was sent as it is.

        Raises:
            UsageError: an attribute is none of these, or out of its range; or rounds that a checkpoint keeps are
                to go on in another way than they began.
        """
        wrong = sorted(changes.keys() - set(CHANGEABLE))
        if wrong or self._checkpoint is not None:
            raise UsageError(
                f"{', '.join(wrong)} cannot change between rounds"
                if wrong
                else "rounds with a checkpoint go on as they began"
            )
        self._plan = replace(self._plan, **changes)

    def _train(self, model: Model, plan: MixPlan, number: int, on_step: OnStep) -> None:
        """Train the mix; from then on models bring it."""
        seed = int(np.random.default_rng([self._seed, number, 1]).integers(1 << 32))
        reach, loss = self._plan.available, self._plan.dropout
        self.lesson = give_lesson(self._corpus, model, self._prior, plan, seed, reach, loss, on_step)
        self._model = self._with_mix(model)

    def _round(self, number: int, on_phone: OnPhone) -> Round:
        started = time.perf_counter()
        rng = np.random.default_rng([self._seed, number])
        fates = self._fates(rng)
        available = np.flatnonzero(fates.available).tolist()
        chosen = select(available, self._plan.rule, rng) or []
        cohort = {self._names[place]: place for place in chosen}
        if cohort:
            self.aggregator.begin_round(number)
        for name in cohort:
            self._on_fate(name, "asked")
        sizes: list[int] = []
        if self._plan.together is None:
            uploads = self._uploads(number, cohort, fates, sizes, on_phone)
            answers = collect(self.aggregator, uploads, self._plan.rule)
        else:
            answers = self._summed(number, cohort, fates, sizes, rng, on_phone)
        tally = dict.fromkeys(Fate, 0)
        messages = 0
        failure: str | None = None
        for answer in answers:
            tally[answer.fate] += 1
            self._on_fate(answer.name, answer.fate.value)
            if answer.fate in (Fate.FAILED, Fate.SPENT) and answer.reason is not None:
                failure = str(answer.reason)
            messages += self._carry(number, answer, cohort, fates)
        if cohort:
            self._release()
        return Round(
            number=number,
            phones=len(self._names),
            available=len(available),
            sampled=len(cohort),
            lost=int((fates.lost_before | fates.lost_after)[chosen].sum()),
            late=tally[Fate.LATE],
            known=tally[Fate.KNOWN],
            refused=tally[Fate.REFUSED],
            failed=tally[Fate.FAILED],
            spent=tally[Fate.SPENT],
            failure=failure,
            deltas=tally[Fate.MERGED],
            messages=messages,
            bytes_up=np.array(sizes, np.int64),
            bytes_down=len(self._model.to_bytes()) if self._model and cohort else 0,
            seconds=time.perf_counter() - started,
            model=self._model,
        )

    def _fates(self, rng: np.random.Generator) -> _Fates:
        reach, loss, half = rng.random((3, len(self._names)))
        is_lost = loss < self._plan.dropout
        seconds = _MIDDLING_SECONDS * np.exp(_SPREAD * rng.standard_normal(len(self._names)))
        return _Fates(reach < self._plan.available, is_lost & (half < 0.5), is_lost & (half >= 0.5), seconds)

    def _uploads(
        self,
        number: int,
        cohort: Mapping[str, int],
        fates: _Fates,
        sizes: list[int],
        on_phone: OnPhone,
    ) -> Iterator[Upload[str]]:
        """Give what the phones of a cohort send; notes how many bytes."""
        for done, (name, place, member) in enumerate(self._asked(number, cohort), 1):
            if member.phone.may_send and not fates.lost_before[place]:
                upload = member.upload(self._base, number)
                self._records[name] = member.record
                sizes.append(sum(map(len, upload)))
                self._on_fate(name, "sent")
                yield Upload(name, float(fates.seconds[place]), upload)
            else:
                self._on_fate(name, "lost" if fates.lost_before[place] else "idle")
                if number == self._plan.all_rounds:
                    del self._members[name]
            on_phone(number, done / len(cohort))

    def _asked(self, number: int, cohort: Mapping[str, int]) -> Iterator[tuple[str, int, Member]]:
        """Give the phones of a cohort with their places, each having typed what it has by this round."""
        for texts in self._corpus.phones() if cohort else ():
            place = cohort.get(texts.name)
            if place is not None:
                member = self._member(texts)
                member.type_up_to(texts.texts, self._plan.typed_by(number, len(texts.texts)))
                yield texts.name, place, member

    def _summed(
        self,
        number: int,
        cohort: Mapping[str, int],
        fates: _Fates,
        sizes: list[int],
        rng: np.random.Generator,
        on_phone: OnPhone,
    ) -> Iterator[Answer[str]]:
        """Add phones of a cohort up, so many together, and give an answer to each."""
        assert self._plan.together is not None
        assert self._keyring is not None
        summing = Summing(self.aggregator, self._keyring.public, rng, self._on_message)
        together = self._plan.together
        waiting: list[Participant] = []
        typed = said = 0

        def tell() -> None:
            """Of the work a tenth is typing, and the rest five messages of each phone."""
            on_phone(number, 0.1 * typed / len(cohort) + 0.89 * min(1.0, said / (len(STEPS) * len(cohort))))

        def on_sent() -> None:
            nonlocal said
            said += 1
            tell()

        summing.on_sent = on_sent

        def add_up(phones: int) -> Iterator[Answer[str]]:
            some, waiting[:phones] = waiting[:phones], []
            yield from summing.summed(some, self._base, number)
            sizes.extend(one.sent for one in some if one.sent)

        for name, place, member in self._asked(number, cohort):
            typed += 1
            if member.phone.may_send:
                self._on_fate(name, "lost" if fates.lost_before[place] else "sent")
                signer = self._keyring.of(name)
                waiting.append(self._participant(name, place, member, signer, fates, rng))
            else:
                self._on_fate(name, "idle")
                if number == self._plan.all_rounds:
                    del self._members[name]
            if (
                len(waiting) == 3 * together
            ):  # as many again are left for the last sums, so that none is small
                yield from add_up(together)
            tell()
        for left in range(max(1, len(waiting) // together), 0, -1):
            yield from add_up(len(waiting) // left)
        if cohort:
            on_phone(number, 1.0)

    def _participant(
        self,
        name: str,
        place: int,
        member: Member,
        signer: PhoneKey,
        fates: _Fates,
        rng: np.random.Generator,
    ) -> Participant:
        """Decide at which step a phone is lost, if it is."""
        deadline = self._plan.deadline
        is_late = deadline is not None and bool(fates.seconds[place] > deadline)
        at = None
        if fates.lost_before[place] or is_late:
            at = STEPS[int(rng.integers(0, 3))]
        elif fates.lost_after[place]:
            at = STEPS[int(rng.integers(3, 5))]
        return Participant(name, member, signer, at, is_late and not fates.lost_before[place])

    def _carry(self, number: int, answer: Answer[str], cohort: Mapping[str, int], fates: _Fates) -> int:
        """Carry an answer back to its phone, unless it is lost; gives how many messages were merged."""
        member = self._members[answer.name]
        merged = member.pending_messages if answer.fate is Fate.MERGED else 0
        if not fates.lost_after[cohort[answer.name]]:
            if answer.fate in (Fate.MERGED, Fate.KNOWN):
                member.accepted()
            elif answer.fate is Fate.REFUSED:
                member.refused()
            elif answer.fate is Fate.SPENT:
                member.spent()
            self._records[answer.name] = member.record
        if number == self._plan.all_rounds:  # nobody asks it again
            del self._members[answer.name]
        return merged

    def _release(self) -> None:
        """Release a model, and make the round last."""
        self._model = self._with_mix(self._plan.release_of(self.aggregator))
        self.aggregator.know(self._model.vocabulary)
        if self._checkpoint:
            self._checkpoint.keep(self.aggregator.round, self._model, self._records)
        self.aggregator.commit()

    def _with_mix(self, model: Model) -> Model:
        return self.lesson.into(model) if self.lesson else model

    @property
    def _base(self) -> Vocabulary | None:
        return self._model.vocabulary if self._model else None

    def _member(self, texts: PhoneTexts) -> Member:
        """Give a phone as it was left, or as the checkpoint says."""
        name = texts.name
        if name not in self._members:
            plan = self._plan
            pseudonym = (
                self._keyring.of(name).public.pseudonym(plan.federation)
                if self._keyring
                else blake2b(name.encode(), key=self._key, digest_size=16).digest()
            )
            member = self._members[name] = Member(
                plan.order, plan.federation, pseudonym, plan.bounds, plan.rounds
            )
            if self._checkpoint and name in self._records:
                merged = self.aggregator.merged_of(pseudonym)
                base_of = self._checkpoint.base_of
                member.resume(texts.texts, self._records[name], lambda sent: base_of(sent.round), merged)
        return self._members[name]
