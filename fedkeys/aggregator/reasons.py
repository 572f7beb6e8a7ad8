"""The kinds of refusals, for counting them.

In: an error. Out: a word or two. Law: every refusal has one kind.
"""

from fedkeys.errors import DamagedError, FedkeysError, FormatError, RefusedError, VersionError

_REASONS = (
    (DamagedError, "damaged"),
    (VersionError, "newer version"),
    (FormatError, "not a sound delta"),
    (RefusedError, "not for this aggregator"),
)


def reason_of(error: FedkeysError) -> str:
    """Give the kind of a refusal, for counting."""
    for kind, name in _REASONS:
        if isinstance(error, kind):
            return name
    return "other"
