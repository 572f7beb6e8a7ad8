"""Differential privacy of a release: noise, thresholds, and what they cost.

In: sums of what phones have sent, each phone held to bounds. Out: those of them that may be told, with noise, and
the epsilon that telling them has cost. Law: nothing here knows words, phones or files: it sees arrays and numbers.

The unit of privacy is one phone with all that it ever sends; two fleets are neighbours if in one of them the
deltas of one phone say nothing (`ZERO_OUT`: that it took part is no secret, so how many phones and deltas there
were may be told).

    histogram     the mechanism: noise on sums, and a threshold below which a sum is not told
    events        what was done, as frozen records
    accounting    what it costs, all in all

And sums of which only the sum is seen, and keys that nobody knows beforehand.

    masks         long vectors of short secrets; shares: secrets in parts; neighbours: who masks with whom
"""

from fedkeys.privacy.accounting import epsilon_of, multiplier_for
from fedkeys.privacy.events import NoisyRelease, event_from
from fedkeys.privacy.histogram import Histogram

ZERO_OUT = "zero_out"

__all__ = ["ZERO_OUT", "Histogram", "NoisyRelease", "epsilon_of", "event_from", "multiplier_for"]
