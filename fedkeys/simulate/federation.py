"""`Federation`: rounds of sampling, counting, sending, merging and releasing.

In: a corpus and a `Plan`. Out: one `Round` after the other. Law: each phone's messages are split in time over
the rounds, and a phone that is not sampled sends what it has when it next is; nothing is counted twice.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.counts import Vocabulary
from fedkeys.errors import FedkeysError, UsageError
from fedkeys.model import Model
from fedkeys.phone import DEFAULT_FEDERATION, DEFAULT_ORDER, Phone
from fedkeys.sources import Corpus, PhoneTexts

_SENT_TOGETHER = 256  # deltas; the aggregator reads that many at once faster than one by one


@dataclass(frozen=True, slots=True)
class Plan:
    """How a simulated federation goes.

    Attributes:
        rounds: how many.
        cohort: how many phones take part in a round; None for all.
        min_phones: what a release needs.
        order: the highest order of n-grams.
        federation: its name.
    """

    rounds: int = 1
    cohort: int | None = None
    min_phones: int = 2
    order: int = DEFAULT_ORDER
    federation: str = DEFAULT_FEDERATION

    def __post_init__(self) -> None:
        for name, value in (
            ("rounds", self.rounds),
            ("cohort", self.cohort),
            ("min_phones", self.min_phones),
        ):
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}", remedy="choose 1 or more")


class Round(NamedTuple):
    """What happened in one round.

    Attributes:
        number: from 1.
        phones: how many there are; sampled: how many took part.
        deltas: how many were merged; a phone with nothing new sends none.
        messages: how many messages they counted.
        bytes_up: bytes of each delta, in the order in which they came.
        bytes_down: bytes of the released model.
        seconds: how long it took, by the wall clock.
        model: the release.
    """

    number: int
    phones: int
    sampled: int
    deltas: int
    messages: int
    bytes_up: np.ndarray[tuple[int], np.dtype[np.int64]]
    bytes_down: int
    seconds: float
    model: Model


class Federation:
    """Phones of a corpus, and their aggregator.

    Args:
        corpus: the phones' messages.
        plan: how the rounds go.
        rng: draws the cohorts and the phones' pseudonyms.
    """

    def __init__(self, corpus: Corpus, plan: Plan, rng: np.random.Generator) -> None:
        self._corpus = corpus
        self._plan = plan
        self._rng = rng
        self._key = rng.bytes(32)
        self._names = corpus.names()
        if not self._names:
            raise UsageError("the corpus has no phones")
        self.aggregator = Aggregator(plan.federation)
        self._phones: dict[str, Phone] = {}
        self._base: Vocabulary | None = None

    def run(self, on_phone: Callable[[int], None] = lambda _: None) -> Iterator[Round]:
        """Run the rounds.

        Args:
            on_phone: called with the round's number after each phone.
        """
        for number in range(1, self._plan.rounds + 1):
            yield self._round(number, on_phone)

    def _round(self, number: int, on_phone: Callable[[int], None]) -> Round:
        started = time.perf_counter()
        sampled = self._sample()
        sizes: list[int] = []
        sent: list[tuple[Phone, bytes]] = []
        messages = 0
        for texts in self._corpus.phones():
            phone = self._phone(texts, number)
            if texts.name in sampled and phone.waiting:
                sent.append((phone, phone.delta(self._base, number).to_bytes()))
                sizes.append(len(sent[-1][1]))
                messages += phone.waiting
            if len(sent) == _SENT_TOGETHER:
                self._carry(sent)
            on_phone(number)
        self._carry(sent)
        model = self.aggregator.release(self._plan.min_phones)
        self._base = model.vocabulary
        self.aggregator.know(model.vocabulary)
        return Round(
            number=number,
            phones=len(self._names),
            sampled=len(sampled),
            deltas=len(sizes),
            messages=messages,
            bytes_up=np.array(sizes, np.int64),
            bytes_down=len(model.to_bytes()),
            seconds=time.perf_counter() - started,
            model=model,
        )

    def _sample(self) -> set[str]:
        names = sorted(self._names)
        if self._plan.cohort is None:
            return set(names)
        chosen = self._rng.choice(len(names), min(self._plan.cohort, len(names)), replace=False)
        return {names[place] for place in chosen.tolist()}

    def _phone(self, texts: PhoneTexts, number: int) -> Phone:
        """Give a phone, with its messages up to this round typed. The last round lets it go again."""
        phone = self._phones.pop(texts.name, None)
        if phone is None:
            name = texts.name.encode()
            pseudonym = blake2b(name, key=self._key, digest_size=16).digest()
            phone = Phone(order=self._plan.order, federation=self._plan.federation, pseudonym=pseudonym)
        if number < self._plan.rounds:
            self._phones[texts.name] = phone
        count, rounds = len(texts.texts), self._plan.rounds
        phone.type(texts.texts[count * (number - 1) // rounds : count * number // rounds])
        return phone

    def _carry(self, sent: list[tuple[Phone, bytes]]) -> None:
        """Carry phones' deltas to the aggregator as bytes, and its answers back."""
        results = self.aggregator.add_messages([data for _, data in sent])
        for (phone, _), result in zip(sent, results, strict=True):
            if isinstance(result, FedkeysError):
                raise result
            phone.accepted()
        sent.clear()
