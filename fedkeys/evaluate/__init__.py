"""How good the suggestions are, on text that the model has not seen.

In: a corpus, and optionally a model made elsewhere. Out: recall, keystroke savings and latency, beside
baselines that saw the same text in the same run. Laws: each user's last messages are replayed in time order
and learnt only after they were predicted; every system is asked the same words.
"""

from fedkeys.evaluate.evaluation import Evaluation, evaluate
from fedkeys.evaluate.replay import Score, replay
from fedkeys.evaluate.report import Report

__all__ = ["Evaluation", "Report", "Score", "evaluate", "replay"]
