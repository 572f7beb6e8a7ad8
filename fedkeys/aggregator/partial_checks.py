"""When a partial aggregate may be merged.

In: a sound partial, and what this aggregator has and holds phones to. Out: nothing, or why it must not be
merged. Law: what is added up cannot be taken apart, so a partial is merged whole or not at all, and never
together with a delta that is in it.
"""

from fedkeys.aggregator.ledger import Overlap
from fedkeys.aggregator.partial_reading import Partial
from fedkeys.delta import Bounds
from fedkeys.errors import RefusedError


def check_account(partial: Partial, federation: str, bounds: Bounds | None, enrolled: bool) -> None:
    """Refuse a partial that was made under other rules than are kept here.

    Raises:
        RefusedError: it is of another federation, under other bounds, or of phones that nobody enrolled.
    """
    account = partial.account
    if account.federation != federation:
        raise RefusedError(
            f"belongs to the federation {account.federation!r}, not to {federation!r}",
            remedy="name the federation with --federation",
        )
    if bounds is not None and any(kept != bounds.as_map() for kept in account.bounds):
        raise RefusedError(
            f"was merged under other bounds than {bounds.as_map()}",
            remedy="give the bounds that it was made with, or merge its deltas again",
        )
    if enrolled and not account.enrolled:
        raise RefusedError("was merged without enrolment", remedy="make it with --enrolled")


def check_overlap(overlap: Overlap) -> None:
    """Refuse a partial that shares only some of its deltas with what is merged.

    Raises:
        RefusedError: it does.
    """
    remedy = "merge the deltas themselves instead: each of them counts once"
    if overlap.contrary:
        raise RefusedError(
            f"{overlap.contrary} of its deltas are others here, or were withdrawn on one side only",
            remedy=remedy,
        )
    if overlap.same and overlap.new:
        raise RefusedError(
            f"{overlap.same} of its deltas are merged already and {overlap.new} are not", remedy=remedy
        )
    if overlap.phones and overlap.new:
        raise RefusedError(
            f"{overlap.phones} of its phones have other deltas here, so that their bounds cannot be checked",
            remedy="give all deltas of a phone to one aggregator",
        )
