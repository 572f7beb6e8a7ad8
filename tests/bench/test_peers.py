"""The comparison asks everyone the same, and means what it says; on a few messages, with what is installed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedkeys.evaluate.backoff import StupidBackoff
from fedkeys.evaluate.scans import KenLMScan, Missing
from fedkeys.sources import open_corpus, shipped_corpus
from tests.bench.peers.__main__ import figures
from tests.bench.peers.driven import OnboardEngine, PresageEngine
from tests.bench.peers.engines import Answer, Engine, ModelEngine, RankerEngine, train
from tests.bench.peers.text import Message, Text, User, message, questions, read, written

LEARNT = [message(text) for text in ["see you soon", "see you later", "see you later. ok", "we talk later"]]
ASKED = User([], [message("see you later")])


def stupid_backoff(order: int) -> RankerEngine:
    return RankerEngine(StupidBackoff(map(written, LEARNT), order))


def installed(make: Callable[[], Engine]) -> Engine:
    try:
        return make()
    except Missing as missing:
        pytest.skip(f"not installed: {missing}")


def offered(engine: Engine, user: User) -> dict[str, list[str]]:
    """Words offered for each text typed so far."""
    asked: list[Message] = list(user.asked)
    texts = [question.text for each in asked for question in questions(each)]
    answers = engine.ask(user)
    engine.close()
    assert all(answer.ns > 0 for answer in answers)
    return dict(zip(texts, (list(answer.words) for answer in answers), strict=True))


def test_last_fifth_is_asked_and_never_learnt() -> None:
    corpus = open_corpus(shipped_corpus())
    text = read(corpus, 1_000_000, np.random.default_rng(0))
    messages = sum(bool(message(line)) for phone in corpus.phones() for line in phone.texts)
    assert len(text.learnt) + sum(len(user.asked) for user in text.users) == messages
    assert len(text.learnt) > 3 * sum(len(user.asked) for user in text.users) > 0
    assert len(read(corpus, 2, np.random.default_rng(0)).users) == 2


def test_kenlm_scan_gives_what_the_model_gives() -> None:
    text: Text = read(open_corpus(shipped_corpus()), 3, np.random.default_rng(0))
    model = train(text.learnt, 4)
    scan = installed(lambda: RankerEngine(KenLMScan(model)))
    user = text.users[0]
    asked = [question for each in user.asked[:20] for question in questions(each)]
    for question, ours, theirs in zip(asked, ModelEngine(model).ask(user), scan.ask(user), strict=False):
        p = {
            s.word: s.probability
            for s in model.suggest([question.start, *question.words], question.prefix, 50)
        }
        assert len(ours.words) == len(theirs.words)
        assert [p[word] for word in theirs.words] == pytest.approx([p[word] for word in ours.words], rel=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda _: ModelEngine(train(LEARNT, 4)),
        lambda _: stupid_backoff(4),
        lambda scratch: OnboardEngine(LEARNT, scratch, cached=False),
        lambda scratch: OnboardEngine(LEARNT, scratch, cached=True),
        lambda scratch: PresageEngine(LEARNT, scratch),
    ],
    ids=["model", "stupid back-off", "onboard", "onboard cached", "presage"],
)
def test_every_engine_has_learnt(make: Callable[[Path], Engine], tmp_path: Path) -> None:
    found = offered(installed(lambda: make(tmp_path)), ASKED)
    assert found["see "][0] == "you"
    assert found["see you l"] == ["later"]
    assert "later" in found["see you "]


def test_stupid_backoff_by_hand() -> None:
    engine = stupid_backoff(3)
    (question,) = (q for q in questions(message("we see you later")) if q.text == "we see you ")
    assert list(engine.words(question))[:2] == ["later", "soon"]  # 2/3 and 1/3 after "see you"
    (question,) = (q for q in questions(message("talk you later")) if q.text == "talk you l")
    assert list(engine.words(question)) == ["later"]


def test_figures() -> None:
    asked = [question for question in questions(message("see you")) if question.prefix in ("", "s", "y")]
    answers = [Answer(["see"], 1000), Answer([], 5000), Answer(["a", "b", "you"], 3000), Answer([], 7000)]
    found = figures(asked, answers)
    assert (found["next_p50_us"], found["completion_p50_us"]) == (2.0, 6.0)
    assert (found["top1"], found["top3"]) == (0.5, 1.0)
