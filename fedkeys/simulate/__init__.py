"""A whole federation on one machine.

In: a corpus, and how a round goes. Out: after each round a model and an account of it. Law: phones and
aggregator meet only in bytes: what is measured here is what would cross a network.
"""

from fedkeys.simulate.federation import Federation
from fedkeys.simulate.fleet import Fleet
from fedkeys.simulate.lesson import Lesson
from fedkeys.simulate.mixing import MixPlan, train_mix
from fedkeys.simulate.plan import Plan
from fedkeys.simulate.round import Round

__all__ = ["Federation", "Fleet", "Lesson", "MixPlan", "Plan", "Round", "train_mix"]
