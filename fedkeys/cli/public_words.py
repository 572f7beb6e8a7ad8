"""Public words, and the cache that keeps them from one run to the next."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedkeys.phone import Prior


def cache_directory() -> Path:
    """Name the directory of what can be made again."""
    from platformdirs import user_cache_path

    given = os.environ.get("FEDKEYS_CACHE_DIR")
    return Path(given) if given else user_cache_path("fedkeys", appauthor=False)


def public_prior() -> "Prior":
    """Give the public words, read at the first run, from the cache after that."""
    from fedkeys.phone import Prior

    return Prior.load(cache_directory())


def kept_prior() -> "Prior | None":
    """Give the public words if the cache has them."""
    from fedkeys.phone import Prior

    return Prior.kept(cache_directory())
