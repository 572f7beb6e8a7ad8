"""The corpora that come with fedkeys."""

from pathlib import Path

from fedkeys.errors import SourceError

_PACKAGE = Path(__file__).parents[1]


def shipped_corpus() -> Path:
    """Give the directory of the shipped phones: inside an installed package, or beside it in a checkout.

    Raises:
        SourceError: it is in neither.
    """
    places = (_PACKAGE / "_corpora" / "phones", _PACKAGE.parent / "corpora" / "phones")
    for place in places:
        if place.is_dir():
            return place
    raise SourceError("the shipped corpora are missing", file=places[0], remedy="install fedkeys again")
