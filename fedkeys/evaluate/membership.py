"""Membership: whether what is released tells that one phone took part.

In: a release rule under differential privacy. Out: how well an attacker tells fleets with a phone from fleets
without it, and how much noise there is. Law: an attack that is tried proves what it finds; it never proves that
there is no better one. What was promised is made of epsilon, delta and bounds alone, not of what the mechanism
says of itself.

The attacker is the one that the promise is against, who knows everything but whether the phone took part. He is
shown the noisy sums of which a model is made. The phone says what is easiest to see: words and pairs of words
that it has in common with just so many phones that all are told, each as loudly as it may. A coin decides
whether it takes part, and noise is drawn, again and again; half of the trials choose where to draw the line,
the other half count (Jagielski, Ullman and Oprea 2020, "Auditing differentially private machine learning",
algorithm 2). Nothing of that supposes what kind of noise it is. That it is Gaussian, as was said, gives closer
bounds: by mu, the distance of the two fleets in standard deviations, in the sense of Dong, Roth and Su 2022,
"Gaussian differential privacy", as Nasr et al. 2023 do ("Tight auditing of differentially private machine
learning"); and by the noise itself, since the crowd's sums are all equal, so that their differences are nothing
else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from math import ceil, exp
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator import Budget
from fedkeys.aggregator.budget import histogram_of
from fedkeys.aggregator.private_release import tell
from fedkeys.counts import Vocabulary
from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.evaluate.canaries import invented
from fedkeys.evaluate.crafted import crafted, merged
from fedkeys.phone import DEFAULT_FEDERATION
from fedkeys.privacy import Histogram
from fedkeys.privacy.accounting import mu_of

CONFIDENCE = 0.999  # of each of three bounds: whoever keeps his promises is hardly ever accused
LEAST_TRIALS = 100
MOST_CROWD = 100_000  # phones; with more an audit takes hours

_CLEAR = 5.0  # standard deviations of the noise that the crowd's sums stand above the threshold
_MOST_NGRAMS = 400  # of the phone, so that its delta is short
_LINES = 20
_TINY = 1e-300

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Membership:
    """What the attack found.

    Attributes:
        trials: how many there were.
        advantage: how much more often a fleet with the phone is taken for one than a fleet without it, measured on
            half of them; `least_advantage` is its bound from below.
        most_advantage: what epsilon allows: (e^epsilon - 1 + 2 delta) / (e^epsilon + 1), from the region of
            Kairouz, Oh and Viswanath 2015, "The composition theorem for differential privacy".
        least_epsilon: the mechanism has at least this epsilon, whatever its noise; `most_provable`: so many
            trials could not prove more if there were no noise at all.
        mu: how far the two fleets are apart at the most, by what was promised; `least_mu` is what was found,
            from below.
        noise: the standard deviation that was measured, in lengths of what one phone can add; `least_noise` is
            promised; `freedom`: of
            how many independent differences.
    """

    trials: int
    advantage: float
    least_advantage: float
    most_advantage: float
    least_epsilon: float
    most_provable: float
    mu: float
    least_mu: float
    noise: float
    least_noise: float
    freedom: int

    @property
    def is_too_quiet(self) -> bool:
        """Whether there is less noise than was promised, by a bound on it from above."""
        from scipy.stats import chi2

        if not self.freedom:
            return False
        within = float(chi2.ppf(1 - CONFIDENCE, self.freedom)) / self.freedom
        return bool(self.noise < self.least_noise * within**0.5)


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
        trials: how many, `LEAST_TRIALS` or more.
        rng: draws the words and the coins; noise is the operating system's.
        on_trial: told what part of the trials is done.

    Raises:
        UsageError: the extra `privacy` is not installed, or sums are only told of so many phones that an audit
            takes hours.
    """
    _beta()
    norm = bounds.max_norm or int(bounds.max_count * bounds.max_ngrams**0.5) + 1
    loud = min(bounds.max_count, norm)
    ngrams = min(_MOST_NGRAMS, bounds.max_ngrams, norm**2 // loud**2)
    words = Vocabulary(islice(invented(rng, ()), ngrams // 2 + 1))
    event = budget.event()
    histogram = histogram_of(event, bounds, min_phones)
    crowd = crowd_for(histogram, loud)
    messages = [
        crafted(words, loud, phone.to_bytes(16), bounds, DEFAULT_FEDERATION, pairs=ngrams - len(words))
        for phone in range(crowd + 1)
    ]
    fleets = [merged(messages[:size], bounds, [words]).totals() for size in (crowd, crowd + 1)]
    coins = rng.random(trials) < 0.5
    scores, spreads = np.zeros((2, trials))
    none = np.zeros(0, np.uint32)
    for trial, is_there in enumerate(coins.tolist()):
        told = tell(fleets[is_there], histogram, none, None)
        sums = np.concatenate([level.counts for level in told.counts.levels])
        scores[trial], spreads[trial] = sums.sum(), sums.var(ddof=1) if len(sums) > 1 else 0.0
        on_trial((trial + 1) / trials)
    least_noise = 1 / mu_of(budget.epsilon, budget.dp_delta)
    mu = loud * ngrams**0.5 / norm / least_noise
    noise = float(spreads.mean() ** 0.5) / norm if ngrams > 1 else least_noise
    return _found(scores, coins, budget, mu, noise, least_noise, trials * (ngrams - 1))


def crowd_for(histogram: Histogram, loud: int) -> int:
    """Give how many phones, each as loud as that, make a sum that is surely told.

    Raises:
        UsageError: so many that an audit of them takes hours.
    """
    crowd = ceil((histogram.threshold + _CLEAR * histogram.scale) / loud)
    if crowd > MOST_CROWD:
        raise UsageError(
            f"it takes {crowd:,} phones for a sum to be told, and an audit has up to {MOST_CROWD:,}",
            remedy="lower --min-phones, or give a greater --max-count or epsilon",
        )
    return crowd


def _found(
    scores: Scores,
    coins: NDArray[np.bool_],
    budget: Budget,
    mu: float,
    noise: float,
    least_noise: float,
    freedom: int,
) -> Membership:
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
        most_provable=_most_provable(coins[half:], delta),
        mu=mu,
        least_mu=at_best(_Rates.mu),
        noise=noise,
        least_noise=least_noise,
        freedom=freedom,
    )


def _most_provable(coins: NDArray[np.bool_], delta: float) -> float:
    """The epsilon that is proved if every fleet is taken for what it is."""
    rates = _Rates.of(coins.astype(np.float64), coins, np.ones(1))
    return float(rates.epsilon(delta)[0])


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
