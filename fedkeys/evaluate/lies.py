"""Lies: phones that go beyond their bounds, each in one way, and phones that all say the same.

In: how models are released, under bounds. Out: what became of the lies; what small fleets make of a model. Law:
but for the one bound that it breaks a lie keeps them all, so that nothing else can be what it is refused for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from fedkeys.aggregator import Aggregator
from fedkeys.aggregator.budget import histogram_of
from fedkeys.counts import Vocabulary
from fedkeys.delta import Bounds
from fedkeys.errors import RefusedError
from fedkeys.evaluate.canaries import invented
from fedkeys.evaluate.crafted import MOST_COUNT, crafted, merged
from fedkeys.evaluate.membership import crowd_for
from fedkeys.phone import Phone
from fedkeys.simulate import Plan

_LIARS = 5  # of each kind


@dataclass(frozen=True, slots=True)
class Lies:
    """What became of phones that lie.

    Attributes:
        by: what they lie about.
        told: how many there were; refused: how many were; released: of how many a word was told.
    """

    by: str
    told: int
    refused: int
    released: int


@dataclass(frozen=True, slots=True)
class _Lie:
    """One kind.

    Attributes:
        words: how many it takes.
        write: gives the messages of a phone, of a vocabulary and a pseudonym.
        honest: how many of these are no lie yet.
    """

    words: int
    write: Callable[[Vocabulary, bytes], Sequence[bytes]]
    honest: int = 0


def lies_told(plan: Plan, rng: np.random.Generator) -> list[Lies]:
    """Let phones lie.

    Args:
        plan: how models are released, under bounds.
        rng: draws words and pseudonyms.

    Raises:
        UsageError: there is an epsilon, and the extra `privacy` is not installed.
    """
    assert plan.bounds is not None
    found: list[Lies] = []
    for by, lie in _kinds(plan, plan.bounds).items():
        names = invented(rng, ())
        vocabularies = [Vocabulary(islice(names, lie.words)) for _ in range(_LIARS)]
        aggregator = Aggregator(plan.federation, vocabularies, bounds=plan.bounds)
        refused = 0
        for words in vocabularies:
            results = aggregator.add_messages(lie.write(words, rng.bytes(16)))
            refused += results[: lie.honest] == [True] * lie.honest and all(
                isinstance(result, RefusedError) for result in results[lie.honest :]
            )
        model = plan.release_of(aggregator)
        released = sum(any(model.id(word) is not None for word in words.words) for words in vocabularies)
        found.append(Lies(by, _LIARS, refused, released))
    return found


def _kinds(plan: Plan, bounds: Bounds) -> dict[str, _Lie]:
    """The lies that can be told under some bounds, by what they are about."""
    name = plan.federation
    loud = loudest(bounds)
    times = min(max(2, plan.min_phones), bounds.max_deltas + 1)
    found = {
        "how many n-grams they have": _Lie(
            bounds.max_ngrams + 1, lambda words, phone: [crafted(words, 1, phone, bounds, name)]
        ),
        "what they sent before": _Lie(
            1,
            lambda words, phone: [
                crafted(words, 1, phone, bounds, name, sequence=number) for number in range(times)
            ],
            honest=1,
        ),
    }
    many = min(MOST_COUNT, bounds.max_count * enough(plan, bounds))
    if many > bounds.max_count:
        found["how often they typed a word"] = _Lie(
            1, lambda words, phone: [crafted(words, many, phone, bounds, name)]
        )
    if bounds.max_norm is not None and (long := bounds.max_norm**2 // loud**2 + 1) <= bounds.max_ngrams:
        found["how long it all is"] = _Lie(
            long, lambda words, phone: [crafted(words, loud, phone, bounds, name)]
        )
    return found


def loudest(bounds: Bounds) -> int:
    """Give the most that a phone may say of one word."""
    return min(bounds.max_count, MOST_COUNT, bounds.max_norm or MOST_COUNT)


def enough(plan: Plan, bounds: Bounds) -> int:
    """How many phones are surely heard, each as loud as it may be."""
    if plan.budget is None:
        return max(2, plan.min_phones)
    return crowd_for(histogram_of(plan.budget.event(), bounds, plan.min_phones), loudest(bounds))


def is_told_apart(plan: Plan, bounds: Bounds) -> bool:
    """Tell whether a model shows if the last of so many phones as a word takes has taken part."""
    word = Vocabulary(["canary"])
    releases: list[list[int]] = []
    for phones in (plan.min_phones - 1, plan.min_phones):
        crowd = [crafted(word, 1, number.to_bytes(16), bounds, plan.federation) for number in range(phones)]
        releases.append(plan.release_of(merged(crowd, bounds, [word], plan.federation)).ngrams)
    return releases[0] != releases[1]


def is_form_told(plan: Plan, bounds: Bounds) -> bool:
    """Tell whether a word that so many phones have sent as it takes is written as one of them alone writes it."""
    own = [["we met a canary here"]] * (plan.min_phones - 1) + [["we met a cANARY here"] * 10]
    phones = (
        Phone(
            texts,
            order=plan.order,
            federation=plan.federation,
            pseudonym=number.to_bytes(16),
            bounds=bounds,
        )
        for number, texts in enumerate(own)
    )
    model = plan.release_of(merged((phone.delta().data for phone in phones), bounds, (), plan.federation))
    id_ = model.id("canary")
    return id_ is not None and model.written_form(id_) != "canary"


def is_noise_repeated(plan: Plan, bounds: Bounds) -> bool:
    """Tell whether two releases of the same sums have the same noise."""
    words = Vocabulary(["canary", "finch", "sparrow"])
    loud = min(loudest(bounds), max(1, int((bounds.max_norm or MOST_COUNT) / len(words) ** 0.5)))
    size = enough(plan, bounds) * -(-loudest(bounds) // loud)
    crowd = [crafted(words, loud, number.to_bytes(16), bounds, plan.federation) for number in range(size)]
    digests = [
        plan.release_of(merged(crowd, bounds, [words], plan.federation)).payload_digest for _ in range(2)
    ]
    return digests[0] == digests[1]
