"""On the server: merging deltas exactly once, and releasing a model under a stated rule.

In: deltas. Out: a `Model`. Laws: any order and grouping of the same deltas gives the same payload; a delta
counts once however often it comes; what is bad is set aside with its reason and the rest is merged; nothing
here can reach a message (it imports neither `sources` nor `phone`).
"""

from fedkeys.aggregator.aggregator import Aggregator, aggregate
from fedkeys.aggregator.blocklist import read_blocklist
from fedkeys.aggregator.budget import Budget
from fedkeys.aggregator.enrolment import Enrolment
from fedkeys.aggregator.helpers import available_cores
from fedkeys.aggregator.intake import (
    MOST_NAMED,
    WITHDRAWAL_SUFFIX,
    Intake,
    delta_files,
    each_message,
    merge_files,
)
from fedkeys.aggregator.merged import Merged
from fedkeys.aggregator.partial import PARTIAL_SUFFIX
from fedkeys.aggregator.rounds import Answer, Fate, RoundRule, Upload, collect, select
from fedkeys.aggregator.state import is_state

__all__ = [
    "MOST_NAMED",
    "PARTIAL_SUFFIX",
    "WITHDRAWAL_SUFFIX",
    "Aggregator",
    "Answer",
    "Budget",
    "Enrolment",
    "Fate",
    "Intake",
    "Merged",
    "RoundRule",
    "Upload",
    "aggregate",
    "available_cores",
    "collect",
    "delta_files",
    "each_message",
    "is_state",
    "merge_files",
    "read_blocklist",
    "select",
]
