"""Events: what was done with private sums, apart from what it costs.

In: the numbers of a mechanism. Out: frozen records that go into a state and a header, and come back. Law: an event
that is not known is refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from fedkeys.errors import FormatError

_NAME = "noisy_release"


@dataclass(frozen=True, slots=True)
class NoisyRelease:
    """Sums were told with Gaussian noise, those that are not above a threshold not at all.

    Attributes:
        multiplier: standard deviation of the noise, in lengths (2-norms) that one phone can move the sums by.
        threshold_delta: for any one phone the chance, at the most, that anything is told that it alone has sent.
    """

    multiplier: float
    threshold_delta: float

    def __post_init__(self) -> None:
        if not (isfinite(self.multiplier) and self.multiplier > 0 and 0 < self.threshold_delta < 1):
            raise FormatError("a noisy release has a multiplier above 0, and a chance between 0 and 1")

    def as_map(self) -> dict[str, Any]:
        """Give what a header and a state say of it."""
        return {"event": _NAME, **asdict(self)}


def event_from(found: Mapping[str, Any]) -> NoisyRelease:
    """Read an event.

    Raises:
        FormatError: it is of a kind that this version does not know, or lacks something.
    """
    numbers = {name: found.get(name) for name in ("multiplier", "threshold_delta")}
    if found.get("event") != _NAME or set(found) != {"event", *numbers}:
        raise FormatError(f"an event that this version of fedkeys cannot price: {found.get('event')!r}")
    if not all(isinstance(number, float) for number in numbers.values()):
        raise FormatError("the numbers of an event are no numbers")
    return NoisyRelease(**numbers)  # type: ignore[arg-type]  # looked at above
