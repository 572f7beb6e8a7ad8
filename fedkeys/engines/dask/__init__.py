"""Merging on many processes, and many machines: Dask moves the parts, the aggregator's code adds them up.

In: deltas in files or behind URLs, the rules of a merge, and of a release. Out: what one machine gives, the same
bytes. Laws: a task is a pure function of files and arguments, so that what a worker has lost is made again; no
process ever holds the whole vocabulary or one table of all n-grams, and who asks what is released, and counts.

The way of a merge, each step a module:

    storage       what is behind a URL
    inputs        files and URLs, cut into spans that one task reads
    reading       messages of some spans, dealt out into buckets by phone
    taking        one bucket, all deltas of its phones: an ordinary `Aggregator` checks and adds up
    words         the words of all buckets, range by range, so that each gets its alphabetical number
    ranges        order 1 and written forms, added up by ranges of words
    partitions    n-grams by their first two words, added up, and what of them may be released
    releasing     the selection, put together by who asks, estimated and laid out as on one machine
    merging, selecting    which task waits for which
    engine, cluster       who runs the tasks: this process, or Dask
    installed             whether all have the same fedkeys
    reaching, local       whether a scheduler answers; or one on this machine, with a worker a core
"""

from fedkeys.engines.dask.cluster import dask_engine, require_dask
from fedkeys.engines.dask.engine import Engine, Here
from fedkeys.engines.dask.inputs import Source, sources_of
from fedkeys.engines.dask.merging import Merge, merge_deltas
from fedkeys.engines.dask.selecting import Scale
from fedkeys.engines.dask.storage import is_url, shown
from fedkeys.engines.dask.taking import Rules

__all__ = [
    "Engine",
    "Here",
    "Merge",
    "Rules",
    "Scale",
    "Source",
    "dask_engine",
    "is_url",
    "merge_deltas",
    "require_dask",
    "shown",
    "sources_of",
]
