"""What privacy costs: the same words under every rule; needs the extra `privacy`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.evaluate.privacy_costs import PrivacyCosts, privacy_costs, worth_from
from fedkeys.phone import Prior
from fedkeys.sources import open_corpus

pytest.importorskip("dp_accounting", reason="needs fedkeys[privacy]")
pytest.importorskip("opendp", reason="needs fedkeys[privacy]")

VOTES = Bounds(max_ngrams=2000, max_count=512, max_norm=4096)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phones that say much the same, none of it what public words would offer first."""
    path = tmp_path_factory.mktemp("corpus") / "many.jsonl"
    texts = ["zebras graze at dawn", "quietly zebras graze", "at dawn quietly", "zebras at dawn"] * 3
    lines = (json.dumps({"user": f"u{n:03}", "text": text}) for n in range(256) for text in texts)
    path.write_text("\n".join(lines))
    return path


def test_every_rule_is_asked_the_same_words(corpus: Path, tmp_path: Path) -> None:
    asked = PrivacyCosts(VOTES, epsilons=(8.0, 0.5), users=3, new_users=2)
    found = privacy_costs(open_corpus(corpus), asked, Prior.load(tmp_path), np.random.default_rng(0))
    assert [(point.phones, point.rule.name, point.rule.epsilon) for point in found if point.prior] == [
        (0, "nothing", None),
        *((size, "counts", None) for size in (4, 16, 64, 254)),
        *((size, "private", epsilon) for size in (4, 16, 64, 254) for epsilon in (8.0, 0.5)),
    ]
    assert len(found) == 2 * 13
    assert len({(tuple(sorted(point.known)), tuple(sorted(point.new))) for point in found}) == 1
    assert {sum(score.words for score in point.known.values()) for point in found} == {3 * 9}
    nothing = next(point for point in found if point.prior)
    assert not any(nothing.ngrams)
    points = [point.as_dict(np.random.default_rng(0), nothing) for point in found if point.prior]
    assert points[0]["new"]["gain"]["top1"] == (0.0, 0.0)
    best = {(point["rule"], point["epsilon"]): point for point in points}
    assert best["private", 8.0]["ngrams"][0] == 5
    assert best["private", 0.5]["ngrams"][0] < 5
    assert best["counts", None]["new"]["top1"] >= best["private", 8.0]["new"]["top1"]
    assert best["private", 8.0]["new"]["top1"] > points[0]["new"]["top1"]
    assert best["private", 8.0]["new"]["gain"]["top1"][0] > 0


def test_worth_having_is_from_where_on_it_stays_better() -> None:
    def point(phones: int, epsilon: float, low: float, prior: bool = True) -> dict[str, Any]:
        gain = {"known": {"gain": {"keystroke_savings": (low, 1.0)}}}
        return {"phones": phones, "rule": "private", "epsilon": epsilon, "prior": prior, **gain}

    lows = {4.0: (0.1, -0.1, 0.2, 0.3), 2.0: (0.1, 0.1, 0.1, 0.0), 1.0: (-0.1, 0.1, 0.1, 0.1)}
    points = [point(phones, epsilon, low) for epsilon in lows for phones, low in enumerate(lows[epsilon], 1)]
    points += [point(phones, 2.0, 1.0, prior=False) for phones in range(1, 5)]
    assert worth_from(points) == {4.0: 3, 2.0: None, 1.0: 2}


@pytest.mark.parametrize("wrong", [{"epsilons": ()}, {"epsilons": (0.0,)}, {"users": 0}, {"new_users": 0}])
def test_nothing_to_compare_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PrivacyCosts(VOTES, **wrong)


def test_from_the_command_line(fedkeys: Any, corpus: Path) -> None:
    few = ("--users", "2", "--new-users", "2", "--epsilons")
    done = fedkeys("bench", "privacy", corpus, *few, "8", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["points"]) == 2 * (1 + 4 + 4)
    assert set(told["worth_from"]["known"]) == {"8.0"}
    refused = fedkeys("bench", "privacy", corpus, *few, "8;4")
    assert (refused.returncode, "write numbers with commas" in refused.stderr) == (2, True)
