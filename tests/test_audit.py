"""The audit: it passes what keeps its promises, and finds faults that are planted."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from fedkeys import evaluate
from fedkeys.aggregator import Aggregator, Budget, groups, private_release, releases
from fedkeys.cli import app
from fedkeys.delta import DEFAULT_BOUNDS, Bounds
from fedkeys.errors import UsageError
from fedkeys.evaluate import Audit, Finding, audit
from fedkeys.evaluate.canaries import Canary, Kind, bits, exposures
from fedkeys.evaluate.membership import _from_below, crafted, membership
from fedkeys.phone import Phone
from fedkeys.simulate import Plan
from fedkeys.sources import PhoneTexts, open_corpus, shipped_corpus
from fedkeys.sources.corpus import Corpus, OnProgress

VOTES = Bounds(max_ngrams=2000, max_count=512, max_norm=4096)


WORDS = [a + b + c for a in "bdfgklm" for b in "aeiou" for c in ("st", "ng", "rk", "nd", "lt", "sh", "mp")]


class Talk:
    """Phones each of which has sent some words of few, and no two of them in a row."""

    def __init__(self, phones: int, words: int) -> None:
        rng = np.random.default_rng(0)
        self._phones = [
            PhoneTexts(f"canary{number}", [WORDS[at] for at in rng.choice(words, 12, replace=False).tolist()])
            for number in range(phones)
        ]

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        on_progress(1.0)
        return [phone.name for phone in self._phones]

    def phones(self) -> Iterator[PhoneTexts]:
        yield from self._phones


def finding(plan: Plan, alone: int = 60, trials: int = 100, corpus: Corpus | None = None) -> Finding:
    asked = Audit(plan, alone, others=1, trials=trials)
    return audit(corpus or open_corpus(shipped_corpus()), asked, np.random.default_rng(0))


def private(min_phones: int = 1, epsilon: float = 4.0) -> Plan:
    pytest.importorskip("dp_accounting", reason="needs fedkeys[privacy]")
    pytest.importorskip("opendp", reason="needs fedkeys[privacy]")
    pytest.importorskip("scipy", reason="needs fedkeys[privacy]")
    return Plan(min_phones=min_phones, bounds=VOTES, budget=Budget(epsilon))


@pytest.mark.parametrize("min_phones", [1, 2, 20])
def test_what_at_least_k_phones_have_is_kept_and_found(min_phones: int) -> None:
    found = finding(Plan(min_phones=min_phones, bounds=DEFAULT_BOUNDS))
    assert found.ok, found.broken
    for one in found.plantings:
        assert one.released == (one.planted if one.phones >= min_phones else 0)
        assert one.kind in Kind
        assert (one.exposure > 9.5) == (one.phones >= min_phones)
    told = found.as_dict()
    assert {entry["phones"] for entry in told["canaries"]} == {1, 2, 4, 8, 16, 32, 64}
    assert sum(entry["planted"] for entry in told["canaries"] if entry["phones"] == 1) == 60
    assert (told["epsilon_claimed"], told["epsilon_lower_bound"]) == (None, None)
    assert told["membership"] == {"advantage": 1.0, "bound": None}
    assert [(lies["refused"], lies["released"]) for lies in told["lies"]] == [
        (20, 0),
        (20, 20 if min_phones == 1 else 0),  # a first delta counts, and one phone is enough
    ]


def test_a_private_release_keeps_its_promise() -> None:
    found = finding(private(), trials=2400)
    assert found.ok, found.broken
    told = found.as_dict()
    assert sum(entry["released"] for entry in told["canaries"] if entry["phones"] <= 2) == 0
    assert sum(entry["released"] for entry in told["canaries"] if entry["phones"] == 64) > 0
    seen = told["membership"]
    assert 0 <= told["epsilon_lower_bound"] < told["epsilon_claimed"] == 4.0
    assert seen["advantage_lower_bound"] < seen["bound"] == pytest.approx(0.964, abs=1e-3)
    assert 0.1 < seen["mu_lower_bound"] < seen["mu_claimed"] == pytest.approx(0.816, abs=1e-3)


def test_the_release_rule_off(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = releases.release
    monkeypatch.setattr(releases, "release", lambda totals, _, *rest: rule(totals, 1, *rest))
    found = finding(Plan(min_phones=4, bounds=DEFAULT_BOUNDS))
    assert not found.ok
    assert "canaries of fewer than 4 phones" in found.broken[0]


def test_bounds_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "excess", lambda *_: {})
    for plan in (Plan(min_phones=4, bounds=DEFAULT_BOUNDS), private()):
        found = finding(plan)
        assert not found.ok
        assert [lies.refused for lies in found.lies] == [0, 0]
        assert "phones that lie" in found.broken[0]
        assert max(lies.released for lies in found.lies) == 20


def test_noise_off(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = private()

    def tell(self: Any, sums: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
        rows = np.flatnonzero(sums >= self.threshold)
        return rows, sums[rows]

    monkeypatch.setattr(private_release.Histogram, "tell", tell)
    found = finding(plan, trials=2400)
    assert any("epsilon is at least" in sentence for sentence in found.broken)
    assert any("with an advantage of at least" in sentence for sentence in found.broken)


def test_half_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = private()
    scale = private_release.Histogram.scale.fget
    monkeypatch.setattr(private_release.Histogram, "scale", property(lambda self: scale(self) / 2))
    assert plan.budget
    seen = membership(VOTES, plan.budget, 1, 3000, np.random.default_rng(0))
    assert seen.least_epsilon < 4.0
    assert seen.mu < seen.least_mu < 2 * seen.mu


def test_the_threshold_off(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = private()
    monkeypatch.setattr(private_release.Histogram, "threshold", 1)
    found = finding(plan)
    assert any("canaries of fewer than 2 phones" in sentence for sentence in found.broken)


def test_the_threshold_off_for_all_but_words(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = private()
    orders: list[int] = []
    candidates, tell = private_release._candidates, private_release.Histogram.tell

    def look(level: Any, told: Any, *rest: Any) -> Any:
        orders.append(len(told))
        return candidates(level, told, *rest)

    def leaks(self: Any, sums: np.ndarray, rng: Any) -> Any:
        return (np.arange(len(sums)), sums) if orders[-1] else tell(self, sums, rng)

    corpus = Talk(1400, len(WORDS))
    monkeypatch.setattr(private_release, "_candidates", look)
    monkeypatch.setattr(private_release.Histogram, "tell", leaks)
    found = finding(plan, corpus=corpus)
    assert "canaries of fewer than 2 phones" in found.broken[0]
    few = {one.kind: one for one in found.plantings if one.phones == 1 and one.repeats == 1}
    assert few[Kind.INVENTED].released == 0 < few[Kind.COMMON].released
    assert few[Kind.COMMON].in_reach > 5


def test_too_few_words_in_use_leave_invented_ones() -> None:
    plan = Plan(bounds=DEFAULT_BOUNDS)
    found = finding(plan, 6, corpus=Talk(20, 30))
    assert {one.kind for one in found.plantings} == {Kind.INVENTED}
    assert found.phones == 20
    assert found.ok


def test_exposure_is_the_rank_in_bits() -> None:
    phones = [Phone(["alpha beta gamma delta omega"], bounds=DEFAULT_BOUNDS) for _ in range(3)]
    merged = Aggregator(bounds=DEFAULT_BOUNDS)
    for phone in phones:
        merged.add(phone.delta())
    model = merged.release(3)
    known = Canary(("alpha", "beta", "gamma", "delta", "omega"), Kind.INVENTED, 3, 1)
    unknown = Canary(("alpha", "beta", "x", "y", "z"), Kind.INVENTED, 0, 0)
    assert exposures([known], model, bits([unknown] * 7, model)) == [3.0]  # the first of eight
    assert exposures([unknown], model, bits([known] * 7, model)) == [0.0]  # the last
    assert exposures([unknown], model, bits([unknown] * 7, model)) == [pytest.approx(3 - np.log2(4.5))]
    assert known.is_told(model)
    assert known.is_extracted(model)
    assert not unknown.is_extracted(model)


def test_bounds_from_trials_are_those_of_clopper_and_pearson() -> None:
    stats = pytest.importorskip("scipy.stats", reason="needs fedkeys[privacy]")
    for times, trials in ((0, 10), (3, 10), (10, 10), (480, 1000)):
        interval = stats.binomtest(times, trials).proportion_ci(0.999, "exact")
        assert float(_from_below(np.array(times), trials)) == pytest.approx(interval.low)


@pytest.mark.parametrize("bounds", [VOTES, Bounds(200, 16), Bounds(2000, 4096, max_norm=300)])
def test_membership_under_other_bounds(bounds: Bounds) -> None:
    plan = private(min_phones=3)
    assert plan.budget
    seen = membership(bounds, plan.budget, 3, 400, np.random.default_rng(0))
    assert 0 < seen.advantage < seen.most_advantage
    assert seen.least_mu < seen.mu <= 0.82


def test_a_crafted_delta_is_merged_as_any_other() -> None:
    merged = Aggregator(bounds=VOTES)
    assert merged.add_messages([crafted(["aa", "bb"], 512, bytes(16), VOTES)]) == [True]
    (refused,) = merged.add_messages([crafted(["cc"], 513, bytes(range(16)), VOTES)])
    assert "513 times, more than 512" in str(refused)


@pytest.mark.parametrize(
    "wrong", [{"alone": 0}, {"others": 0}, {"plan": Plan()}, {"plan": Plan(rounds=2, bounds=DEFAULT_BOUNDS)}]
)
def test_audits_of_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Audit(**{"plan": Plan(bounds=DEFAULT_BOUNDS), **wrong})


def test_from_the_command_line(fedkeys: Any) -> None:
    done = fedkeys("audit", "--canaries", "6")
    assert done.returncode == 0, done.stderr
    assert "Nothing that was promised was seen broken." in done.stdout
    assert "extracted" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trials", "500"], "--trials without noise"),
        (["--epsilon", "0"], "epsilon is 0"),
        (["missing.jsonl"], "no such corpus"),
    ],
)
def test_what_cannot_be_audited_is_refused(fedkeys: Any, arguments: list[str], said: str) -> None:
    refused = fedkeys("audit", *arguments)
    assert (refused.returncode, said in refused.stderr) == (2, True)


def test_a_broken_promise_has_an_exit_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = releases.release
    monkeypatch.setattr(releases, "release", lambda totals, _, *rest: rule(totals, 1, *rest))
    found = finding(Plan(bounds=DEFAULT_BOUNDS), alone=6)
    monkeypatch.setattr(evaluate, "audit", lambda *_: found)
    for json_ in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["fedkeys", "audit", *json_])
        with pytest.raises(SystemExit) as ended:
            app.run()
        assert ended.value.code == 4
        said = capsys.readouterr()
        broken = "of 6 canaries of fewer than 2 phones 6 were released and 6 extracted"
        assert f"a promise is broken: {broken}" in " ".join(said.err.split())
        assert (
            (json.loads(said.out)["broken"][0] == broken)
            if json_
            else (f"Broken: - {broken}" in " ".join(said.out.split()))
        )
