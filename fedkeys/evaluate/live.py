"""A federation that is watched: rounds in a process of their own, so that no key waits for them.

In: JSON, one command a line on standard input. Out: JSON, one event a line on standard output; models as files.
Laws: a round begins when it is asked for; the process ends when its input does; what is replayed was held back
from the rounds.

`python -m fedkeys.evaluate.live '{"corpus": "...", "directory": "...", ...}'` takes what `Setting` has. Commands:

    {"do": "round"}                 the next round
    {"do": "pause"}, {"do": "go"}   stop between two phones, and go on
    {"do": "change", "cohort": 5}   go about the rounds that are left in another way (`Federation.change`)

Events:

    {"phones": 30}                  how many there are, once; the corpus is read
    {"fates": [[3, "sent"], ...]}   what became of phones, by their place in the order of their names
    {"round": {...}}                a round is over: what happened in it, how many distinct words and n-grams came
                                    and were released, recall on messages held back, and the file of the model
    {"error": "..."}                a command could not be carried out; or, with "fatal", nothing more will be
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import numpy as np

from fedkeys.aggregator import Budget
from fedkeys.delta import DEFAULT_BOUNDS, PRIVATE_BOUNDS
from fedkeys.errors import FedkeysError, UsageError
from fedkeys.evaluate.replay import Score, asked_words, replay
from fedkeys.evaluate.systems import KeyboardSystem
from fedkeys.evaluate.users import FirstParts
from fedkeys.model import Model
from fedkeys.phone import Keyboard
from fedkeys.simulate import Federation, Plan, Round
from fedkeys.sources import Corpus, open_corpus
from fedkeys.sources.parts import parts

_HELD_BACK = 0.9  # the part of a phone's messages that trains
_WORDS_ASKED = 400
_EVERY = 0.1  # seconds between two lists of fates
_NICE = 10  # typing goes first
_TOGETHER = 50  # phones of one sum under masks


@dataclass(frozen=True, slots=True)
class Setting:
    """How a watched federation begins.

    Attributes:
        corpus: whose phones; as of `open_corpus`.
        directory: where models go.
        rounds: how many at the most, over which each phone's messages are spread.
        cohort, min_phones, dropout: as of `Plan`.
        epsilon: of all rounds together; None for no noise.
        secure: whether phones are summed up under masks.
        seed: of all that is drawn.
    """

    corpus: str
    directory: str
    rounds: int = 10
    cohort: int | None = None
    min_phones: int = 2
    dropout: float = 0.0
    epsilon: float | None = None
    secure: bool = False
    seed: int = 0

    def plan(self) -> Plan:
        """Give the plan.

        Raises:
            UsageError: it cannot be one.
        """
        budget = None if self.epsilon is None else Budget(self.epsilon, releases=self.rounds)
        return Plan(
            rounds=self.rounds,
            cohort=self.cohort,
            min_phones=1 if budget else self.min_phones,
            dropout=self.dropout,
            bounds=PRIVATE_BOUNDS if budget else DEFAULT_BOUNDS,
            budget=budget,
            together=_TOGETHER if self.secure else None,
        )


class Watched:
    """A federation whose rounds are asked for, and tell what happens in them.

    Args:
        setting: how it begins.
        say: takes events.
    """

    def __init__(self, setting: Setting, say: Callable[[Mapping[str, Any]], None]) -> None:
        self._say = say
        self._directory = Path(setting.directory)
        corpus = open_corpus(setting.corpus)
        self._places = {name: at for at, name in enumerate(sorted(corpus.names()))}
        self._tests = list(_held_back(corpus))
        self._fates: list[tuple[int, str]] = []
        self._told = 0.0
        self._idle = 0  # phones of this round that had nothing new
        self._may_go = threading.Event()
        self._may_go.set()
        self._federation = Federation(
            FirstParts(corpus, _HELD_BACK),
            setting.plan(),
            np.random.default_rng(setting.seed),
            on_fate=self._on_fate,
        )
        self._rounds = self._federation.run()
        say({"phones": len(self._places)})

    def pause(self, pauses: bool) -> None:
        """Stop between two phones, or go on; from any thread."""
        if pauses:
            self._may_go.clear()
        else:
            self._may_go.set()

    def change(self, **changes: Any) -> None:
        """Go about the rounds that are left in another way.

        Raises:
            UsageError: as `Federation.change`.
        """
        self._federation.change(**changes)

    def round(self) -> None:
        """Take the next round, if there is one left.

        Raises:
            FedkeysError: it failed.
        """
        self._idle = 0
        round_ = next(self._rounds, None)
        self._tell_fates()
        if round_ is None:
            raise UsageError("all rounds are done", remedy="begin anew")
        self._say({"round": self._account(round_)})

    def _account(self, round_: Round) -> dict[str, Any]:
        account: dict[str, Any] = {
            "number": round_.number,
            "asked": round_.sampled,
            "lost": round_.lost,
            "idle": self._idle,
            "merged": round_.deltas,
            "refused": round_.refused + round_.failed + round_.spent,
            "messages": round_.messages,
            "bytes_up": int(round_.bytes_up.sum()),
            "bytes_down": round_.bytes_down * round_.sampled,
            "seconds": round_.seconds,
            "failure": round_.failure,
            "came": [len(level) for level in self._federation.aggregator.totals().levels],
            "released": [],
        }
        if round_.model is not None:
            path = self._directory / f"round-{round_.number}.model"
            round_.model.save(path)
            account |= {
                "released": round_.model.ngrams,
                "epsilon": round_.model.header["epsilon"],
                "model": str(path),
                **_recall(round_.model, self._tests),
            }
        return account

    def _on_fate(self, name: str, fate: str) -> None:
        self._fates.append((self._places[name], fate))
        self._idle += fate == "idle"
        if time.monotonic() - self._told > _EVERY or not self._may_go.is_set():
            self._tell_fates()
        self._may_go.wait()

    def _tell_fates(self) -> None:
        if self._fates:
            self._say({"fates": self._fates})
        self._fates = []
        self._told = time.monotonic()


def _held_back(corpus: Corpus) -> Iterator[str]:
    """Give messages that no round sees, up to about so many words."""
    asked = 0
    for phone in corpus.phones():
        for text in parts(phone.texts, _HELD_BACK)[1][:5]:
            yield text
            asked += asked_words(text)
        if asked > _WORDS_ASKED:
            return


def _recall(model: Model, tests: list[str]) -> dict[str, float]:
    """Replay messages that were held back, on a keyboard that knows everyone's model alone."""
    score = Score()
    system = KeyboardSystem(Keyboard(model), learns=False)
    for text in tests:
        replay(text, system, score)
    return score.summary()


def watch(setting: Setting, commands: IO[str], events: IO[str]) -> None:
    """Take commands until there are no more, and tell events."""
    todo: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    lock = threading.Lock()

    def say(event: Mapping[str, Any]) -> None:
        with lock:
            events.write(json.dumps(event) + "\n")
            events.flush()

    try:
        watched = Watched(setting, say)
    except FedkeysError as error:
        say({"error": str(error), "fatal": True})
        return

    def read() -> None:
        for line in commands:
            command = json.loads(line)
            if command["do"] in ("pause", "go"):
                watched.pause(command["do"] == "pause")
            else:
                todo.put(command)
        # Whoever watched is gone, maybe in the middle of a round.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while (command := todo.get()) is not None:
        try:
            if command.pop("do") == "change":
                watched.change(**command)
            else:
                watched.round()
        except FedkeysError as error:
            say({"error": str(error)})


def arguments(setting: Setting) -> list[str]:
    """Give the command that begins a watched federation in another process."""
    return [sys.executable, "-m", "fedkeys.evaluate.live", json.dumps(asdict(setting))]


def _main() -> None:
    given = json.loads(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(_NICE)
    watch(Setting(**{field.name: given[field.name] for field in fields(Setting)}), sys.stdin, sys.stdout)


if __name__ == "__main__":
    _main()
