"""Asks Onboard's pypredict questions: `python3 onboard.py KIND SENTENCES SLOTS`, with Debian's own Python.

`driven.py` says what is read and written. Smoothing and recency are set as Onboard sets them when it predicts
(Onboard/WPEngine.py); its splitting of text into words is left out of the time.
"""

import sys
import time

_START = "<s>"
_RECENCY = {
    "recency_ratio": 0.811,
    "recency_halflife": 96,
    "recency_smoothing": "jelinek-mercer",
    "recency_lambdas": [0.404, 0.831, 0.444],
}


def main() -> None:
    from Onboard import pypredict

    kind, sentences, slots = sys.argv[1:]
    model = getattr(pypredict, kind)(3)
    model.smoothing = "abs-disc"
    if hasattr(model, "recency_ratio"):
        for name, value in _RECENCY.items():
            setattr(model, name, value)
    with open(sentences, encoding="utf-8") as file:  # noqa: PTH123 - as plain as can be
        for line in file:
            model.learn_tokens([_START, *line.split()])
    while count := sys.stdin.readline():
        contexts = [[_START, *sys.stdin.readline().rstrip("\n").split(" ")] for _ in range(int(count))]
        for context in contexts:
            began = time.thread_time_ns()
            words = [word for word, _ in model.predictp(context, int(slots))]
            print(time.thread_time_ns() - began, *words, sep="\t")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
