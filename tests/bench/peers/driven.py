"""Engines in a process of their own: Presage and Onboard's pypredict, both Debian packages.

In: what all learn. Out: answers, timed by the process that gives them. A driver gets, for each user, the number
of questions and a line for each: the words of the sentence and the letters so far, a space between them. Once it
has read them all it answers each with a line: nanoseconds, and at most three words, tabs between them.
"""

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import which

from fedkeys.evaluate.replay import SLOTS
from fedkeys.evaluate.scans import Missing
from tests.bench.peers.engines import Answer
from tests.bench.peers.text import Message, User, questions

_HERE = Path(__file__).parent
_DEBIAN_PYTHON = "/usr/bin/python3"  # the one that Debian's compiled modules are for
_PRESAGE_ORDER = 3  # of its own configuration: one delta an order

_PRESAGE_CONFIGURATION = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<Presage>
  <PredictorRegistry><LOGGER>ERROR</LOGGER><PREDICTORS>Learnt</PREDICTORS></PredictorRegistry>
  <ContextTracker>
    <LOGGER>ERROR</LOGGER><SLIDING_WINDOW_SIZE>80</SLIDING_WINDOW_SIZE>
    <LOWERCASE_MODE>yes</LOWERCASE_MODE><ONLINE_LEARNING>no</ONLINE_LEARNING>
  </ContextTracker>
  <Selector>
    <LOGGER>ERROR</LOGGER><SUGGESTIONS>{slots}</SUGGESTIONS>
    <REPEAT_SUGGESTIONS>yes</REPEAT_SUGGESTIONS>
    <GREEDY_SUGGESTION_THRESHOLD>0</GREEDY_SUGGESTION_THRESHOLD>
  </Selector>
  <PredictorActivator>
    <LOGGER>ERROR</LOGGER><PREDICT_TIME>1000</PREDICT_TIME>
    <MAX_PARTIAL_PREDICTION_SIZE>60</MAX_PARTIAL_PREDICTION_SIZE>
    <COMBINATION_POLICY>Meritocracy</COMBINATION_POLICY>
  </PredictorActivator>
  <ProfileManager><LOGGER>ERROR</LOGGER><AUTOPERSIST>false</AUTOPERSIST></ProfileManager>
  <Predictors>
    <Learnt>
      <PREDICTOR>SmoothedNgramPredictor</PREDICTOR><LOGGER>ERROR</LOGGER>
      <DBFILENAME>{database}</DBFILENAME><DELTAS>0.01 0.1 0.89</DELTAS><LEARN>false</LEARN>
      <DatabaseConnector><LOGGER>ERROR</LOGGER></DatabaseConnector>
    </Learnt>
  </Predictors>
</Presage>
"""


class _Driven:
    """A driver that waits for questions."""

    def __init__(self, command: Sequence[str | Path], home: Path) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "HOME": str(home)},  # no personal dictionary takes part
        )

    def ask(self, user: User) -> list[Answer]:
        asked = [question for message in user.asked for question in questions(message)]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        lines = [" ".join((*question.words, question.prefix)) for question in asked]
        self._process.stdin.write("\n".join([str(len(lines)), *lines, ""]))
        self._process.stdin.flush()
        return [_answer(self._process.stdout.readline()) for _ in asked]

    def close(self) -> None:
        self._process.communicate()


class PresageEngine(_Driven):
    """Presage's smoothed n-grams alone, over a database that its own `text2ngram` counts.

    Without the personal database, the recency and the abbreviations of its default configuration, which would
    only take longer.
    """

    def __init__(self, messages: Iterable[Message], scratch: Path) -> None:
        if not which("text2ngram") or not which("g++") or not Path("/usr/include/presage.h").exists():
            raise Missing("Presage is not installed: apt-get install presage libpresage-dev g++")
        text, database = _sentences(messages, scratch), scratch / "presage.db"
        for n in range(1, _PRESAGE_ORDER + 1):
            counting: list[str | Path] = [
                "text2ngram",
                "-n",
                str(n),
                "-l",
                "-f",
                "sqlite",
                "-a",
                "-o",
                database,
                text,
            ]
            subprocess.run(counting, check=True, stdout=subprocess.DEVNULL)
        configuration, driver = scratch / "presage.xml", scratch / "presage"
        configuration.write_text(_PRESAGE_CONFIGURATION.format(slots=SLOTS, database=database))
        subprocess.run(["g++", "-O2", "-o", driver, _HERE / "presage.cpp", "-lpresage"], check=True)
        super().__init__([driver, configuration], scratch)


class OnboardEngine(_Driven):
    """One of Onboard's models, of order 3.

    Args:
        messages: what it learns.
        scratch: a directory for the text.
        cached: whether it is the one that remembers what was typed lately, as Onboard's own user models do.
    """

    def __init__(self, messages: Iterable[Message], scratch: Path, *, cached: bool) -> None:
        trial = [_DEBIAN_PYTHON, "-I", "-c", "import Onboard.pypredict"]
        if not Path(_DEBIAN_PYTHON).exists() or subprocess.run(trial, capture_output=True).returncode:
            raise Missing("Onboard is not installed: apt-get install onboard")
        kind = "CachedDynamicModel" if cached else "DynamicModel"
        driver: list[str | Path] = [
            _DEBIAN_PYTHON,
            "-I",
            _HERE / "onboard.py",
            kind,
            _sentences(messages, scratch),
            str(SLOTS),
        ]
        super().__init__(driver, scratch)


def _sentences(messages: Iterable[Message], scratch: Path) -> Path:
    """Write what is learnt, a sentence a line; once for all drivers."""
    path = scratch / "sentences.txt"
    if not path.exists():
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{' '.join(sentence)}\n" for message in messages for sentence in message)
    return path


def _answer(line: str) -> Answer:
    if not line:
        raise RuntimeError("a driver ended before it had answered; what it said stands above")
    ns, *words = line.rstrip("\n").split("\t")
    return Answer(words, int(ns))
