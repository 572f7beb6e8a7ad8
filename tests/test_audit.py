"""The audit: it passes what keeps its promises, and finds faults that are planted."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedkeys import evaluate
from fedkeys.aggregator import Aggregator, Budget, budget, groups, limits, private_release, release, releases
from fedkeys.cli import app
from fedkeys.delta import DEFAULT_BOUNDS, Bounds
from fedkeys.errors import UsageError
from fedkeys.evaluate import Audit, Finding, audit
from fedkeys.evaluate.audit import Planting
from fedkeys.evaluate.canaries import Canary, Kind, bits, draw, exposures
from fedkeys.evaluate.lies import is_form_told, lies_told
from fedkeys.evaluate.membership import _from_below, membership
from fedkeys.phone import Phone
from fedkeys.simulate import Plan
from fedkeys.sources import PhoneTexts, open_corpus, shipped_corpus
from fedkeys.sources.corpus import Corpus, OnProgress

VOTES = Bounds(max_ngrams=2000, max_count=512, max_norm=4096)


WORDS = [a + b + c for a in "bdfgklm" for b in "aeiou" for c in ("st", "ng", "rk", "nd", "lt", "sh", "mp")]


class Texts:
    """Phones with some texts."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._phones = [PhoneTexts(f"canary{number}", own) for number, own in enumerate(texts)]

    def names(self, on_progress: OnProgress = lambda _: None) -> Sequence[str]:
        on_progress(1.0)
        return [phone.name for phone in self._phones]

    def phones(self) -> Iterator[PhoneTexts]:
        yield from self._phones


def talk(phones: int, words: int) -> Texts:
    """Phones each of which has sent some words of few, and no two of them in a row."""
    rng = np.random.default_rng(0)
    return Texts([[WORDS[at] for at in rng.choice(words, 12, replace=False).tolist()] for _ in range(phones)])


def finding(plan: Plan, alone: int = 60, trials: int = 100, corpus: Corpus | None = None) -> Finding:
    asked = Audit(plan, alone, others=1, trials=trials)
    return audit(corpus or open_corpus(shipped_corpus()), asked, np.random.default_rng(0))


def test_an_audit_under_masks_sees_what_one_in_the_open_does() -> None:
    for package in ("cryptography", "shamirs", "scipy"):
        pytest.importorskip(package, reason="needs fedkeys[privacy]")
    seen, unseen = (
        finding(
            Plan(bounds=DEFAULT_BOUNDS, min_phones=3, together=together), alone=4, corpus=talk(40, 30)
        ).as_dict()
        for together in (None, 15)
    )
    assert (seen["secure"], unseen["secure"], unseen["lies"]) == (False, True, [])
    assert unseen["canaries"] == seen["canaries"]
    assert sum(one["released"] for one in seen["canaries"]) > 10


def private(min_phones: int = 1, epsilon: float = 4.0) -> Plan:
    pytest.importorskip("dp_accounting", reason="needs fedkeys[privacy]")
    pytest.importorskip("opendp", reason="needs fedkeys[privacy]")
    pytest.importorskip("scipy", reason="needs fedkeys[privacy]")
    return Plan(min_phones=min_phones, bounds=VOTES, budget=Budget(epsilon))


@pytest.mark.parametrize("min_phones", [1, 2, 20])
def test_what_at_least_k_phones_have_is_kept_and_found(min_phones: int) -> None:
    found = finding(Plan(min_phones=min_phones, bounds=DEFAULT_BOUNDS))
    assert found.ok, found.broken
    assert {one.kind for one in found.plantings} == {Kind.INVENTED, Kind.PAIRS, Kind.TRIPLES}
    for one in found.plantings:
        assert one.released == (one.planted if one.phones >= min_phones else 0)
        assert (one.exposure > 8.0) == (one.phones >= min_phones)
    told = found.as_dict()
    assert {entry["phones"] for entry in told["canaries"]} == {1, 2, 4, 8, 16, 32, 64}
    assert sum(entry["planted"] for entry in told["canaries"] if entry["phones"] == 1) == 60
    assert (told["epsilon_claimed"], told["epsilon_lower_bound"]) == (None, None)
    assert told["membership"] == {"advantage": 1.0, "bound": None}
    assert {lies["by"]: (lies["refused"], lies["released"]) for lies in told["lies"]} == {
        "how many n-grams they have": (5, 0),
        "what they sent before": (
            5,
            5 if min_phones == 1 else 0,
        ),  # a first delta counts, and one phone is enough
        "how often they typed a word": (5, 0),
    }


def test_a_private_release_keeps_its_promise() -> None:
    found = finding(private(), trials=1200)
    assert found.ok, found.broken
    told = found.as_dict()
    assert sum(entry["released"] for entry in told["canaries"] if entry["phones"] <= 2) == 0
    assert sum(entry["released"] for entry in told["canaries"] if entry["phones"] == 64) > 0
    seen = told["membership"]
    assert 0 <= told["epsilon_lower_bound"] < told["epsilon_claimed"] == 4.0
    assert seen["advantage_lower_bound"] < seen["bound"] == pytest.approx(0.964, abs=1e-3)
    assert seen["mu_lower_bound"] < seen["mu_claimed"] == pytest.approx(0.838, abs=1e-3)
    assert seen["noise"] == pytest.approx(1.2258, rel=0.01)
    assert seen["noise"] > seen["noise_claimed"] == pytest.approx(1.194, abs=1e-3)
    assert 3.0 < told["epsilon_provable"] < 4.0
    assert not told["noise_repeated"]
    assert len(told["lies"]) == 4


def test_the_release_rule_off(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = releases.release
    monkeypatch.setattr(releases, "release", lambda totals, _, *rest: rule(totals, 1, *rest))
    found = finding(Plan(min_phones=4, bounds=DEFAULT_BOUNDS))
    assert not found.ok
    assert "canaries of fewer than 4 phones" in found.broken[0]


def test_bounds_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "excess", lambda *_: {})
    found = finding(Plan(min_phones=4, bounds=DEFAULT_BOUNDS))
    said = "phones that lie about what they sent before 0 were refused, and words of 5 released"
    assert said in str(found.broken)
    told = {lies.by: lies for lies in lies_told(private(), np.random.default_rng(0))}
    assert told["how long it all is"].refused == 0
    assert told["how often they typed a word"].refused == 0
    assert told["how often they typed a word"].released == 5


@pytest.mark.parametrize(
    ("bound", "by"),
    [
        ("distinct", "how many n-grams they have"),
        ("most", "how often they typed a word"),
        ("marks", "what they sent before"),
        ("squares", "how long it all is"),
    ],
)
def test_one_bound_off(monkeypatch: pytest.MonkeyPatch, bound: str, by: str) -> None:
    is_within = limits._Extent.is_within

    def blind(self: Any, bounds: Any) -> Any:
        return is_within(replace(self, **{bound: np.zeros_like(getattr(self, bound))}), bounds)

    monkeypatch.setattr(limits._Extent, "is_within", blind)
    if bound == "distinct":
        monkeypatch.setattr(groups, "check_size", lambda *_: None)
    plan = private() if bound != "most" else Plan(bounds=DEFAULT_BOUNDS)
    told = lies_told(plan, np.random.default_rng(0))
    assert [lies.by for lies in told if lies.refused < lies.told] == [by]


def test_the_rule_off_for_longer_ngrams_and_for_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(min_phones=4, bounds=DEFAULT_BOUNDS)
    with monkeypatch.context() as patch:
        estimate = release.estimate

        def lax(levels: Any, allowed: Any) -> Any:
            def allow(n: int, rows: Any) -> Any:
                return allowed(n, rows) if n < 2 else np.ones(len(rows), np.bool_)

            return estimate(levels, allow)

        patch.setattr(release, "estimate", lax)
        found = finding(plan)
        assert "canaries of fewer than 4 phones" in found.broken[0]
        few = [one for one in found.plantings if one.phones < 4 and one.released]
        assert {one.kind for one in few} == {Kind.TRIPLES}
    forms = release.usual_forms
    monkeypatch.setattr(release, "usual_forms", lambda *given: forms(*given[:-1], 1))
    assert is_form_told(plan, DEFAULT_BOUNDS)


def test_noise_off(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = private()

    def tell(self: Any, sums: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
        rows = np.flatnonzero(sums >= self.threshold)
        return rows, sums[rows]

    monkeypatch.setattr(private_release.Histogram, "tell", tell)
    found = finding(plan, trials=2400)
    assert [sentence.split()[0] for sentence in found.broken] == [
        "two",
        "epsilon",
        "membership",
        "one",
        "noise",
    ]


@pytest.mark.parametrize("where", ["noise", "norm"])
def test_half_the_noise(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    plan = private()
    assert plan.budget
    if where == "noise":
        scale = private_release.Histogram.scale.fget
        monkeypatch.setattr(private_release.Histogram, "scale", property(lambda self: scale(self) / 2))
    else:
        made = budget.histogram_of
        module = sys.modules["fedkeys.evaluate.membership"]
        monkeypatch.setattr(module, "histogram_of", lambda *given: replace(made(*given), norm=2048))
    seen = membership(VOTES, plan.budget, 1, 1000, np.random.default_rng(0))
    assert seen.least_epsilon < 4.0
    assert seen.is_too_quiet
    assert seen.noise == pytest.approx(1.2258 / 2, rel=0.02)


def test_one_noise_for_all_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = private()
    assert plan.budget

    def tell(self: Any, sums: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(sums)), sums + int(np.random.default_rng().normal(0, self.scale))

    monkeypatch.setattr(private_release.Histogram, "tell", tell)
    assert membership(VOTES, plan.budget, 1, 200, np.random.default_rng(0)).is_too_quiet


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

    corpus = talk(1400, len(WORDS))
    monkeypatch.setattr(private_release, "_candidates", look)
    monkeypatch.setattr(private_release.Histogram, "tell", leaks)
    found = finding(plan, corpus=corpus)
    assert "canaries of fewer than 2 phones" in found.broken[0]
    few = {one.kind: one for one in found.plantings if one.phones == 1 and one.repeats == 1}
    assert few[Kind.INVENTED].released == 0 < few[Kind.PAIRS].released
    assert few[Kind.PAIRS].in_reach > 2


def test_too_few_words_in_use_leave_invented_ones() -> None:
    plan = Plan(bounds=DEFAULT_BOUNDS)
    found = finding(plan, 6, corpus=talk(20, 30))
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
    assert exposures([known], model, bits([unknown] * 7, model)).tolist() == [3.0]  # the first of eight
    assert exposures([unknown], model, bits([known] * 7, model)).tolist() == [0.0]  # the last
    assert exposures([unknown, known], model, bits([unknown] * 7, model)).tolist() == [
        pytest.approx(3 - np.log2(4.5)),
        3.0,
    ]
    assert known.is_told(model)
    assert known.is_extracted(model)
    assert not unknown.is_extracted(model)


def test_bounds_from_trials_are_those_of_clopper_and_pearson() -> None:
    stats = pytest.importorskip("scipy.stats", reason="needs fedkeys[privacy]")
    for times, trials in ((0, 10), (3, 10), (10, 10), (480, 1000)):
        interval = stats.binomtest(times, trials).proportion_ci(0.999, "exact")
        assert float(_from_below(np.array(times), trials)) == pytest.approx(interval.low)


@pytest.mark.parametrize(
    "bounds",
    [
        VOTES,
        Bounds(200, 16),
        Bounds(2000, 4096, max_norm=300),
        Bounds(2000, 2100, max_norm=4096),
        Bounds(2000, (1 << 32) - 1, 512, max_norm=4096),
    ],
)
def test_membership_under_other_bounds(bounds: Bounds) -> None:
    plan = private(min_phones=3)
    assert plan.budget
    seen = membership(bounds, plan.budget, 3, 400, np.random.default_rng(0))
    assert seen.least_advantage >= 0
    assert seen.advantage < seen.most_advantage
    assert seen.least_mu < seen.mu <= 0.84
    assert not seen.is_too_quiet
    assert all(
        lies.refused == 5 for lies in lies_told(replace(plan, bounds=bounds), np.random.default_rng(0))
    )


def test_a_crowd_that_takes_hours_is_refused() -> None:
    plan = private()
    assert plan.budget
    with pytest.raises(UsageError, match="phones for a sum to be told"):
        membership(Bounds(2000, 16, max_norm=1 << 24), plan.budget, 2, 100, np.random.default_rng(0))
    with pytest.raises(UsageError, match="crowds of up to"):
        Audit(Plan(min_phones=200_000, bounds=DEFAULT_BOUNDS))


def test_what_delta_allows_breaks_no_promise() -> None:
    lax = replace(private(), budget=Budget(4.0, 1e-2))
    one = Planting(1, 1, Kind.INVENTED, 1000, 1000, 3, 0, 1.0)
    for plan, ok in ((lax, True), (private(), False), (Plan(bounds=DEFAULT_BOUNDS), False)):
        assert Finding(Audit(plan), 9, 9, [one], [], False, False, False, None).ok == ok


def test_canaries_are_nobody_elses() -> None:
    corpus = open_corpus(shipped_corpus())
    plan = Plan(bounds=DEFAULT_BOUNDS)
    canaries, references = draw(corpus, plan, 90, 1, np.random.default_rng(0), lambda *_: None)
    typed = Counter(
        tuple(words[at : at + size])
        for phone in corpus.phones()
        for text in phone.texts
        for sentence in re.split(r"[.!?:;]|\d+", text.lower())
        for words in [re.findall(r"[a-z']+", sentence)]
        for size in (1, 2, 3)
        for at in range(len(words) - size + 1)
    )
    own = Counter(ngram for canary in canaries for ngram in canary.ngrams)
    assert set(own.values()) == {1}
    assert sorted(map(len, references.values())) == [1000] * 3
    assert not [ngram for ngram in own if typed[ngram]]
    triples = [canary for canary in canaries if canary.kind is Kind.TRIPLES]
    assert all(typed[canary.words[at : at + 2]] for canary in triples for at in range(4))


def test_words_that_everything_follows_do_not_stop_a_draw() -> None:
    words = WORDS[:40]
    corpus = Texts([[f"{words[0]} {word} {words[0]}" for word in words], words])
    canaries, _ = draw(corpus, Plan(bounds=DEFAULT_BOUNDS), 6, 1, np.random.default_rng(0), lambda *_: None)
    assert {canary.kind for canary in canaries} == {Kind.INVENTED}  # too few for all that are wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"alone": 0},
        {"others": 0},
        {"trials": 99},
        {"plan": Plan()},
        {"plan": Plan(rounds=2, bounds=DEFAULT_BOUNDS)},
    ],
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
        broken = "of 6 canaries of fewer than 2 phones 6 were released"
        assert f"a promise is broken: {broken}" in " ".join(said.err.split())
        assert (
            (json.loads(said.out)["broken"][0] == broken)
            if json_
            else (f"Broken: - {broken}" in " ".join(said.out.split()))
        )
