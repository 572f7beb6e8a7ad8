"""Membership: whether what is released tells that one phone took part.

In: a release rule under differential privacy. Out: how well an attacker tells fleets with a phone from fleets
without it, and the epsilon below which the rule cannot lie. Law: an attack that is tried proves what it finds;
it never proves that there is no better one.

The attacker is the one that the promise is against, who knows everything but whether the phone took part. He is
shown the noisy sums, of which a model is made and than which it says no more. The phone says what is easiest to
see: words that it has in common with just so many phones that all are told, each as loudly as it may. A coin
decides whether it takes part, and noise is drawn, again and again; half of the trials choose where to draw the
line, the other half count (Jagielski, Ullman and Oprea 2020, "Auditing differentially private machine
learning", algorithm 2). Nothing of that supposes what kind of noise it is. That it is Gaussian, as was said,
gives a closer bound (Nasr et al. 2023, "Tight auditing of differentially private machine learning", section
4.3): by mu, the distance of the two fleets in standard deviations, in the sense of Dong, Roth and Su 2022,
"Gaussian differential privacy".
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from math import ceil, exp
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator import Aggregator, Budget
from fedkeys.aggregator.budget import histogram_of
from fedkeys.aggregator.private_release import tell
from fedkeys.counts import FIRST_WORD, Level, NgramCounts
from fedkeys.counts.ngrams import pack_keys
from fedkeys.delta import Bounds, Delta
from fedkeys.errors import FedkeysError, UsageError
from fedkeys.evaluate.canaries import invented
from fedkeys.phone import DEFAULT_FEDERATION

CONFIDENCE = 0.999  # of each bound: whoever keeps his promises is accused in one audit of a thousand

_CLEAR = 4.0  # standard deviations of the noise that the crowd's sums stand above the threshold
_MOST_WORDS = 400  # of the phone, so that its delta is short
_LINES = 200
_TINY = 1e-300
_ORDER = 2  # the least there is

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Membership:
    """What the attack found.

    Attributes:
        trials: how many there were.
        advantage: how much more often a fleet with the phone is taken for one than a fleet without it, measured on
            half of them; `least_advantage` is its bound from below.
        most_advantage: what epsilon allows: (e^epsilon - 1 + 2 delta) / (e^epsilon + 1) (Kairouz, Oh and Viswanath
            2015, "The composition theorem for differential privacy", figure 1).
        least_epsilon: the mechanism has at least this epsilon, whatever its noise.
        mu: how far the two fleets are apart, by what was promised; `least_mu` is what was found, from below.
    """

    trials: int
    advantage: float
    least_advantage: float
    most_advantage: float
    least_epsilon: float
    mu: float
    least_mu: float


def membership(
    bounds: Bounds,
    budget: Budget,
    min_phones: int,
    trials: int,
    rng: np.random.Generator,
    on_trial: Callable[[float], None] = lambda _: None,
) -> Membership:
    """Attack a release again and again.

    Args:
        bounds: of every phone.
        budget: what releases may cost; one is attacked.
        min_phones: what is asked for beside noise.
        trials: how many, 100 or more.
        rng: draws the words and the coins; noise is the operating system's.
        on_trial: told what part of the trials is done.

    Raises:
        UsageError: there are too few trials, or the extra `privacy` is not installed.
    """
    if trials < 100:
        raise UsageError(f"{trials} trials tell nothing", remedy="choose 100 or more")
    event = budget.event()
    histogram = histogram_of(event, bounds, min_phones)
    loud = min(bounds.max_count, histogram.norm)
    number = min(_MOST_WORDS, bounds.max_ngrams, (histogram.norm // loud) ** 2)
    words = sorted(islice(invented(rng, ()), number))
    crowd = ceil((histogram.threshold + _CLEAR * histogram.scale) / loud)
    fleets = [_merged(words, loud, crowd + more, bounds).totals() for more in (0, 1)]
    coins = rng.random(trials) < 0.5
    scores = np.zeros(trials)
    none = np.zeros(0, np.uint32)
    for trial, is_there in enumerate(coins.tolist()):
        told = tell(fleets[is_there], histogram, none, None)
        scores[trial] = told.counts.levels[0].counts.sum()
        on_trial((trial + 1) / trials)
    mu = loud * len(words) ** 0.5 / histogram.norm / event.multiplier
    return _found(scores, coins, budget, mu)


def crafted(
    words: list[str],
    count: int,
    pseudonym: bytes,
    bounds: Bounds,
    federation: str = DEFAULT_FEDERATION,
    sequence: int = 0,
) -> bytes:
    """Write a delta by hand, as any phone can: of single words, whatever it has typed.

    Args:
        words: in alphabetical order.
        count: how often each is said to have been typed.
        pseudonym: 16 bytes.
        bounds: that it says it keeps.
        federation: its name.
        sequence: the delta's number.
    """
    places = np.arange(len(words), dtype=np.uint32)
    first = Level(
        pack_keys(np.zeros(len(words), np.int64), places),
        np.full(len(words), count, np.int64),
        np.ones(len(words), np.int64),
    )
    empty = Level.empty()
    ids = (places + FIRST_WORD).astype(np.uint32)
    counts = NgramCounts((first, *[empty] * (_ORDER - 1)))
    return Delta(
        federation, pseudonym, sequence, 0, b"", 0, bounds.as_map(), tuple(words), ids, counts, empty
    ).to_bytes()


def _merged(words: list[str], count: int, phones: int, bounds: Bounds) -> Aggregator:
    aggregator = Aggregator(bounds=bounds)
    messages = [crafted(words, count, phone.to_bytes(16), bounds) for phone in range(phones)]
    for result in aggregator.add_messages(messages):
        if isinstance(result, FedkeysError):
            raise result
    return aggregator


def _found(scores: Scores, coins: NDArray[np.bool_], budget: Budget, mu: float) -> Membership:
    """Draw lines by one half of the trials, and count by the other."""
    half = len(scores) // 2
    lines = np.unique(np.quantile(scores[:half], np.linspace(0, 1, _LINES)))
    chosen = _Rates.of(scores[:half], coins[:half], lines)
    counted = _Rates.of(scores[half:], coins[half:], lines)
    delta = budget.dp_delta

    def at_best(bound: Callable[["_Rates"], Scores]) -> float:
        return max(0.0, float(bound(counted)[np.argmax(bound(chosen))]))

    best = int(np.argmax(chosen.advantage()))
    odds = exp(min(budget.epsilon, 700.0))
    return Membership(
        trials=len(scores),
        advantage=float(counted.said[best] - counted.false[best]),
        least_advantage=at_best(_Rates.advantage),
        most_advantage=(odds - 1 + 2 * delta) / (odds + 1),
        least_epsilon=at_best(lambda rates: rates.epsilon(delta)),
        mu=mu,
        least_mu=at_best(_Rates.mu),
    )


@dataclass(frozen=True, slots=True)
class _Rates:
    """How often fleets come to each of some lines; float64, one number a line.

    Attributes:
        said: the part of fleets with the phone that do; least_said: its bound from below.
        false: the part of fleets without it that do; most_false: its bound from above.
    """

    said: Scores
    false: Scores
    least_said: Scores
    most_false: Scores

    @classmethod
    def of(cls, scores: Scores, coins: NDArray[np.bool_], lines: Scores) -> "_Rates":
        with_it, without = (
            np.sum(some[:, None] >= lines, axis=0) for some in (scores[coins], scores[~coins])
        )
        many, few = int(coins.sum()), int((~coins).sum())
        return cls(
            with_it / max(1, many),
            without / max(1, few),
            _from_below(with_it, many),
            1 - _from_below(few - without, few),
        )

    def advantage(self) -> Scores:
        return self.least_said - self.most_false

    def epsilon(self, delta: float) -> Scores:
        """By whoever says that the phone was there, and by whoever denies it."""
        saying = (self.least_said - delta) / np.maximum(self.most_false, _TINY)
        denying = (1 - self.most_false - delta) / np.maximum(1 - self.least_said, _TINY)
        return np.log(np.maximum(np.maximum(saying, denying), 1.0))

    def mu(self) -> Scores:
        normal = NormalDist()

        def quantile(part: float) -> float:
            return normal.inv_cdf(min(max(part, 1e-12), 1 - 1e-12))

        pairs = zip(self.least_said.tolist(), self.most_false.tolist(), strict=True)
        return np.array([quantile(said) - quantile(false) for said, false in pairs])


def _from_below(times: NDArray[np.int64], trials: int) -> Scores:
    """What a chance is at least, of which one saw so many of so many trials (Clopper and Pearson 1934).

    Half of what may go wrong is for this bound, and half for the one beside it.
    """
    beta = _beta()
    found = beta.ppf((1 - CONFIDENCE) / 2, times, trials - times + 1)
    return np.where(times > 0, found, 0.0)


def _beta() -> Any:
    try:
        from scipy.stats import beta
    except ImportError:
        raise UsageError(
            "bounds from trials want scipy", remedy="install it with: pip install 'fedkeys[privacy]'"
        ) from None
    return beta
