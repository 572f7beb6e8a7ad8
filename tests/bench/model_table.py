"""How fast and how large a model of a million n-grams is: `python -m tests.bench.model_table CORPUS`

For the rows of the design's table of numbers that concern the model. A model of order 4, of as many users' first
messages as give about --ngrams n-grams (no bounds, min phones 1), answers at every key of the last messages of
some of these users; loading is from the file to the first suggestion. Each figure is the median of --runs runs,
and each run loads the model anew, so that nothing is remembered from the one before. Time is CPU time of the
thread.
"""

import argparse
import gc
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fedkeys import Model
from fedkeys.sources import Corpus, open_corpus
from fedkeys.sources.corpus import OnProgress, PhoneTexts
from tests.bench.peers.engines import Answer, Engine, KeyboardEngine, ModelEngine, train
from tests.bench.peers.text import Question, Text, questions, read

ORDER = 4
_LOADS = 9
_CLOSE_ENOUGH = 0.01


class _FirstUsers:
    """A corpus cut down to its first users."""

    def __init__(self, corpus: Corpus, count: int) -> None:
        self._corpus = corpus
        self._count = count

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        return self._corpus.names(on_progress)[: self._count]

    def phones(self) -> Iterator[PhoneTexts]:
        for _, phone in zip(range(self._count), self._corpus.phones(), strict=False):
            yield phone


def cut(corpus: Corpus, ngrams: int, asked: int, rng: np.random.Generator) -> tuple[Model, Text]:
    """Find how many users give so many n-grams; all of them, if they do not."""
    low, high = 1, len(corpus.names())
    count = high
    while True:
        text = read(_FirstUsers(corpus, count), asked, rng)
        model = train(text.learnt, ORDER)
        found = sum(model.ngrams)
        if found > ngrams:
            high = count
        else:
            low = count
        if abs(found - ngrams) < _CLOSE_ENOUGH * ngrams or high - low <= 1:
            return model, text
        count = min(max(low + 1, round(count * ngrams / found)), high - 1)


def load_ms(path: Path) -> float:
    """From the file to the first suggestion, in milliseconds."""
    began = time.thread_time_ns()
    Model.load(path).suggest(["the"])
    return (time.thread_time_ns() - began) / 1e6


def bytes_per_ngram(path: Path, model: Model) -> float:
    """Bytes of the file for each n-gram, words among them, without written forms."""
    written = model.arrays["form_ids"].nbytes + model.arrays["forms"].nbytes
    return (path.stat().st_size - written) / sum(model.ngrams)


def latency_us(engine: Engine, text: Text) -> dict[str, list[float]]:
    """Median and 99th percentile of next words, completions and any key, in microseconds."""
    asked: list[Question] = []
    answers: list[Answer] = []
    for user in text.users:
        asked += [question for message in user.asked for question in questions(message)]
        answers += engine.ask(user)
    ns = np.array([answer.ns for answer in answers]) / 1000
    next_word = np.array([not question.prefix for question in asked])
    chosen = {"next": next_word, "completion": ~next_word, "any key": next_word | True}
    return {kind: np.percentile(ns[mask], [50, 99]).tolist() for kind, mask in chosen.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.model_table", description="Measure a model of a million n-grams."
    )
    parser.add_argument("corpus")
    parser.add_argument("--ngrams", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=60, help="how many users to ask")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    model, text = cut(open_corpus(given.corpus), given.ngrams, given.users, rng)
    gc.collect()
    gc.freeze()  # or the collector would walk the corpus while the model is timed
    with TemporaryDirectory(prefix="fedkeys-model-") as scratch:
        path = Path(scratch) / "measured.model"
        model.save(path)
        report: dict[str, object] = {
            "ngrams": model.ngrams,
            "file_bytes": path.stat().st_size,
            "bytes_per_ngram": bytes_per_ngram(path, model),
            "load_ms": float(np.median([load_ms(path) for _ in range(_LOADS)])),
        }
        for name, engine in (("Model.suggest", ModelEngine), ("Keyboard.suggest", KeyboardEngine)):
            runs = [latency_us(engine(Model.load(path)), text) for _ in range(given.runs)]
            for kind in runs[0]:
                p50, p99 = np.median([run[kind] for run in runs], axis=0).tolist()
                report[f"{name}, {kind}"] = {"p50_us": p50, "p99_us": p99}
    print(json.dumps(report, indent=2) if given.json else _lines(report))


def _lines(report: dict[str, object]) -> str:
    def shown(value: object) -> str:
        if isinstance(value, dict):
            return "  ".join(f"{name} {figure:.1f}" for name, figure in value.items())
        return f"{value:.2f}" if isinstance(value, float) else f"{value}"

    return "\n".join(f"{name:28} {shown(value)}" for name, value in report.items())


if __name__ == "__main__":
    main()
