"""`python -m tests.bench.peers CORPUS`: the table."""

import argparse
import gc
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fedkeys.evaluate.backoff import StupidBackoff
from fedkeys.evaluate.scans import KenLMScan, Missing
from fedkeys.sources import open_corpus
from tests.bench.peers.driven import OnboardEngine, PresageEngine
from tests.bench.peers.engines import (
    Answer,
    Engine,
    KeyboardEngine,
    ModelEngine,
    RankerEngine,
    train,
)
from tests.bench.peers.text import Question, Text, questions, read, written

_REFERENCE = "fedkeys: Model.suggest, order 4"


def engines(text: Text, scratch: Path) -> dict[str, Callable[[], Engine]]:
    """Name each engine and say how it is made."""
    model = train(text.learnt, 4)
    return {
        _REFERENCE: lambda: ModelEngine(model),
        "fedkeys: Model.suggest, order 3": lambda: ModelEngine(train(text.learnt, 3)),
        "fedkeys: Keyboard, order 4 and personal": lambda: KeyboardEngine(model),
        "Onboard pypredict: dynamic, order 3": lambda: OnboardEngine(text.learnt, scratch, cached=False),
        "Onboard pypredict: cached, order 3": lambda: OnboardEngine(text.learnt, scratch, cached=True),
        "Presage: smoothed n-grams, order 3": lambda: PresageEngine(text.learnt, scratch),
        "KenLM: scan of the same model": lambda: RankerEngine(KenLMScan(model)),
        "stupid back-off, order 4": lambda: RankerEngine(StupidBackoff(map(written, text.learnt), 4)),
    }


def compare(text: Text, scratch: Path) -> dict[str, dict[str, float]]:
    """Let the engines take turns; give the figures of each that is installed."""
    made: dict[str, Engine] = {}
    for name, make in engines(text, scratch).items():
        print(f"learning: {name}", file=sys.stderr)
        try:
            made[name] = make()
        except Missing as missing:
            print(f"left out: {missing}", file=sys.stderr)
    gc.collect()
    gc.freeze()  # or the collector would walk one engine's dictionaries in another one's time
    asked: list[Question] = []
    answers: dict[str, list[Answer]] = {name: [] for name in made}
    for at, user in enumerate(text.users, 1):
        asked += [question for message in user.asked for question in questions(message)]
        for name, engine in made.items():
            answers[name] += engine.ask(user)
        print(f"asked: {at} of {len(text.users)} users, {len(asked)} keys", file=sys.stderr)
    for engine in made.values():
        engine.close()
    return {name: figures(asked, of_engine) for name, of_engine in answers.items()}


def figures(asked: Sequence[Question], answers: Sequence[Answer]) -> dict[str, float]:
    """Microseconds of CPU time at the median and the 99th percentile, and recall as parts of 1."""
    pairs = list(zip(asked, answers, strict=True))
    following = [(question.wanted, answer) for question, answer in pairs if not question.prefix]
    completing = [answer.ns for question, answer in pairs if question.prefix]
    found: dict[str, float] = {"words": len(following), "completions": len(completing)}
    for name, ns in (("next", [answer.ns for _, answer in following]), ("completion", completing)):
        found[f"{name}_p50_us"], found[f"{name}_p99_us"] = (np.percentile(ns, [50, 99]) / 1000).tolist()
    found["top1"] = sum(wanted in answer.words[:1] for wanted, answer in following) / len(following)
    found["top3"] = sum(wanted in answer.words[:3] for wanted, answer in following) / len(following)
    return found


def show(table: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a line an engine."""
    reference = table[_REFERENCE]
    print(f"{reference['words']} next words, {reference['completions']} completions; us of CPU time")
    print(f"{'':42} {'next: median':>12} {'p99':>8} {'ratio':>7} ", end="")
    print(f"{'completion:':>12} {'p99':>8} {'ratio':>7} {'top-1':>6} {'top-3':>6}")
    for name, row in table.items():
        print(f"{name:42}", end="")
        for kind in ("next", "completion"):
            p50, p99 = row[f"{kind}_p50_us"], row[f"{kind}_p99_us"]
            print(f" {p50:12.1f} {p99:8.1f} {p50 / reference[f'{kind}_p50_us']:7.2f}", end="")
        print(f" {100 * row['top1']:6.1f} {100 * row['top3']:6.1f}")


def main() -> None:
    """Read the arguments, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.peers", description="Compare prediction engines on the same text."
    )
    parser.add_argument("corpus")
    parser.add_argument("--users", type=int, default=40, help="how many users to ask")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    text = read(open_corpus(given.corpus), given.users, np.random.default_rng(given.seed))
    with TemporaryDirectory(prefix="fedkeys-peers-") as scratch:
        table = compare(text, Path(scratch))
    if given.json:
        print(json.dumps(table, indent=2))
    else:
        show(table)


if __name__ == "__main__":
    main()
