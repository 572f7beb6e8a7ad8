"""How good the suggestions are, on text that the model has not seen.

In: a corpus, and optionally another one or a model, to learn from. Out: recall, keystroke savings and latency,
beside baselines that saw the same text in the same run. Laws: each user's last messages are replayed in time order
and learnt only after they were predicted; every system is asked the same words.

    evaluation    what to evaluate; run: doing it
    users         whose messages train, who is replayed; training: the model and the mixes
    replay        the rules of the figures; figures: means, intervals, percentiles, latency
    systems       what is asked; backoff, scans: more baselines
    curves        recall against phones and messages
    report        all of it together

And whether a release keeps what is promised of it, on the same text.

    audit         what is promised, and what was found; canaries: sentences that nobody else has
    membership    guessing whether a phone took part
"""

from fedkeys.evaluate.audit import Audit, Finding, audit
from fedkeys.evaluate.curves import Curves
from fedkeys.evaluate.evaluation import Evaluation
from fedkeys.evaluate.replay import Score, replay
from fedkeys.evaluate.report import Report
from fedkeys.evaluate.run import evaluate

__all__ = ["Audit", "Curves", "Evaluation", "Finding", "Report", "Score", "audit", "evaluate", "replay"]
