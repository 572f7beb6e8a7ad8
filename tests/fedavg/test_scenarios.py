"""The scenarios: what they promise about accuracy, their tables, and their commands."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkeys.errors import SourceError, UsageError
from fedkeys.fedavg import FederatedAveraging, LocalTraining, LogisticRegression, Participation
from fedkeys.fedavg.agreement import Roles, Summary, agree, summary_of
from fedkeys.fedavg.comparison import compare
from fedkeys.fedavg.models import EstimatorModel
from fedkeys.fedavg.preparation import hospitals_of, prepare, split
from fedkeys.fedavg.scenarios import (
    algorithm_named,
    attendance,
    classifier_devices,
    five_hospitals,
    standardised,
)
from fedkeys.fedavg.tables import Table, read_tables


def summaries(tables: list[Table], outcome: str | None = None, least: int = 1) -> list[Summary]:
    return [summary_of(table, outcome, least) for table in tables]


HEART = Path(__file__).parents[3] / "shared" / "data" / "heart"


@pytest.mark.parametrize("name", ["logistic", "mlp", "svm", "sgdclassifier"])
def test_federated_is_near_pooled_and_above_the_lone_devices(name: Any) -> None:
    if name == "sgdclassifier":
        pytest.importorskip("sklearn")
    gaps, gains = [], []
    for seed in range(3):
        fleet = classifier_devices(20, 60, 1.0, np.random.default_rng(seed))
        algorithm = algorithm_named(name, 10, rate=0.5, epochs=10, batch_size=16)
        comparison = compare(fleet, algorithm, 5, seed)
        gaps.append(comparison.pooled.accuracy - comparison.federated.accuracy)
        gains.append(comparison.federated.accuracy - np.mean(list(comparison.elsewhere.values())))
    assert max(gaps) < 0.01
    assert min(gains) > 0.01


def test_five_hospitals_are_near_pooled_and_above_each_alone() -> None:
    hospitals, _ = five_hospitals(np.random.default_rng(0))
    clients = standardised(hospitals, "federated")
    sizes = [client.samples for client in clients]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 5 * sizes[-1]
    algorithm = FederatedAveraging(LogisticRegression(30, alpha=0.1), LocalTraining(learning_rate=0.3))
    comparison = compare(clients, algorithm, 100)
    assert comparison.federated.accuracy > comparison.pooled.accuracy - 0.01
    assert comparison.federated.accuracy > np.mean(list(comparison.elsewhere.values()))
    assert comparison.federated.accuracy > comparison.alone.accuracy
    assert len(comparison.rounds) == 100
    json.dumps(comparison.as_dict(), allow_nan=False)


@pytest.mark.skipif(not HEART.is_dir(), reason="the four hospitals' heart data is not beside this checkout")
def test_the_four_hospitals_of_the_published_protocol() -> None:
    pytest.importorskip("sklearn")
    tables = read_tables(HEART)
    roles = agree(summaries(tables, least=10))
    assert roles == agree(summaries(tables))
    assert roles.dropped == ("slope", "ca", "thal")
    assert roles.categories == {"cp": (1, 2, 3, 4), "restecg": (0, 1, 2)}
    hospitals = hospitals_of(tables, roles)
    rows = {hospital.name: hospital.samples + len(hospital._test) for hospital in hospitals}
    assert rows == {"cleveland": 303, "hungarian": 261, "switzerland": 46, "va": 130}
    algorithm = FederatedAveraging(LogisticRegression(13, alpha=0.1), LocalTraining(learning_rate=0.3))
    together = compare(standardised(hospitals, "federated"), algorithm, 100)
    federated = together.federated.accuracy
    assert federated > together.alone.accuracy  # each on its own patients
    local = compare(standardised(hospitals, "local"), algorithm, 100).federated.accuracy
    assert federated >= 0.79
    assert 0.66 < local < 0.76  # published with each hospital's own standardisation: 0.685 to 0.731


def test_attendance_falls_with_availability() -> None:
    fleet = classifier_devices(30, 30, 1.0, np.random.default_rng(0))
    found = [
        attendance(
            fleet,
            FederatedAveraging(LogisticRegression(10), participation=Participation(available, 10, 10)),
            rounds=20,
            seed=0,
        )
        for available in (0.1, 0.35, 1.0)
    ]
    assert found[0].started < 0.1 < found[1].started < 1.0 == found[2].started
    assert found[2].averaged == 10
    assert found[2].accuracy > 0.8


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.csv").write_text(text)
    return directory


HEADER = "age,kind,lab,sick\n"
SOUND = HEADER + "1,2,3,1\n"


def test_tables_are_prepared_on_site(tmp_path: Path) -> None:
    north = HEADER + "".join(f"{age},{age % 3},,{age % 2}\n" for age in range(30, 60))
    south = HEADER + "".join(f"{age},{age % 3},1,{age % 2}\n" for age in range(50, 70)) + ",1,2,1\n"
    tables = read_tables(write(tmp_path, north=north, south=south))
    roles = agree(summaries(tables))
    assert roles.dropped == ("lab",)
    assert roles.categories == {"kind": (0.0, 1.0, 2.0)}
    dropped, filled = (hospitals_of(tables, roles, how, 7) for how in ("drop", "mean"))  # type: ignore[arg-type]
    assert [h.samples + len(h._test) for h in dropped] == [30, 20]
    assert [h.samples + len(h._test) for h in filled] == [30, 21]
    assert dropped[0].features == 3
    with pytest.raises(UsageError, match="no column is named"):
        summaries(tables, "nothing")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a": HEADER + "1,2,3,1\n"}, "fewer than two"),
        (
            {"a": HEADER + "1,2,3,1\n", "b": "age,sick\n1,0\n"},
            r"b\.csv, line 1: its columns are not those of a\.csv",
        ),
        (
            {"a": HEADER + "1,2,3,1\n", "b": HEADER + "1,old,3,1\n"},
            r"b\.csv, line 2, column kind: 'old' is no number",
        ),
        ({"a": HEADER + "1,2,3,1\n", "b": HEADER + "1,2\n"}, r"b\.csv, line 2: 2 cells where 4"),
        ({"a": SOUND, "b": HEADER + "1,inf,3,1\n"}, r"b\.csv, line 2, column kind: 'inf' is no number"),
        ({"a": HEADER, "b": HEADER}, "no rows"),
    ],
    ids=["one", "columns", "cell", "cells", "infinite", "empty"],
)
def test_bad_tables_are_named(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read_tables(write(tmp_path, **files))


def test_what_is_filled_in_comes_from_patients_to_train_on(tmp_path: Path) -> None:
    rows = [(age, age % 3, age % 2) for age in range(30, 60)]
    text = "age,kind,sick\n" + "".join(f"{a},{'' if a in (31, 44) else k},{s}\n" for a, k, s in rows)
    tables = read_tables(write(tmp_path, north=text, south="age,kind,sick\n" + "9,1,0\n9,1,1\n" * 8))
    found = hospitals_of(tables, agree(summaries(tables)), "mean", 1)
    known = np.concatenate([hospital._data for hospital in found])
    parts = sorted(set(known[:, 1].tolist()) - {0.0, 1.0})
    for part in parts:  # a missing category is the part of patients to train on that have each
        own = known[np.isin(known[:, 1], [0.0, 1.0])][:, 1]
        assert part == pytest.approx(own.mean())
    assert parts


def test_a_hospital_tells_the_values_of_a_column_only_if_they_are_few(tmp_path: Path) -> None:
    few = "code,sick\n" + "".join(f"{n % 3},{n % 2}\n" for n in range(20))
    many = "code,sick\n" + "".join(f"{n},{n % 2}\n" for n in range(20))
    tables = read_tables(write(tmp_path, a=few, b=many))
    assert agree(summaries(tables)).categories == {}
    assert agree(summaries([tables[0], tables[0]])).categories == {"code": (0.0, 1.0, 2.0)}
    healthy = read_tables(write(tmp_path, a="code,sick\n1,0\n2,0\n", b="code,sick\n1,0\n2,0\n"))
    with pytest.raises(UsageError, match="rows of both kinds"):
        agree(summaries(healthy))


def test_hospitals_agree_by_summaries_without_rows(tmp_path: Path) -> None:
    text = "age,kind,mostly,sick\n" + "".join(f"{at}.5,{at % 3},,{at % 2}\n" for at in range(12))
    (table,) = read_tables(write(tmp_path, a=text, b=text))[:1]
    summary = summary_of(table, least=4)
    assert (summary.rows, summary.missing, summary.outcome) == (12, (0, 0, 12, 0), "sick")
    assert summary.few == (None, (0.0, 1.0, 2.0), (), None)
    assert summary.kinds == (True, True)
    roles = agree([summary, summary._replace(kinds=(False, True))])
    assert (roles.features, roles.dropped, roles.width) == (("age", "kind"), ("mostly",), 3)
    with pytest.raises(UsageError, match="both kinds"):
        agree([summary._replace(kinds=(False, True))])
    with pytest.raises(UsageError, match="other columns than a"):
        agree([summary, summary._replace(name="b", outcome="age")])


def test_a_hospital_tells_nothing_of_few_patients() -> None:
    rng = np.random.default_rng(3)
    kinds = np.repeat([0, 1, 2, 7], [30, 20, 12, 1])
    rows = [[age, kind, np.nan, age > 50] for age, kind in zip(rng.normal(50, 9, 63), kinds, strict=True)]
    table = Table("north", ("age", "kind", "lab", "sick"), np.array(rows))
    assert summary_of(table).few[1] == (0.0, 1.0, 2.0)
    assert summary_of(table, least=1).few[1] == (0.0, 1.0, 2.0, 7.0)
    with pytest.raises(UsageError, match="north has too few rows: nothing is told of fewer than 10 patients"):
        summary_of(table._replace(values=table.values[:9]))
    roles = Roles("sick", ("age", "kind", "lab"), {"kind": (0.0, 1.0, 2.0)}, ())
    known = prepare(table, roles, "mean").train[:9]
    table.values[known, 2] = 3.5
    told = prepare(table, roles, "mean")
    assert (told.totals().counts[-1], told.totals().sums[-1], np.isnan(told.data[:, -1]).all()) == (
        0,
        0,
        True,
    )
    assert told.totals().counts[0] == len(told.train)
    more = prepare(table, roles, "mean", 9)
    assert (more.totals().counts[-1], more.totals().sums[-1]) == (9, 9 * 3.5)
    with pytest.raises(UsageError, match="too few patients to test on"):
        prepare(table._replace(values=table.values[:22]), roles, "mean")
    with pytest.raises(
        UsageError, match=r"too few patients to train on.*leave it out, or set a lower least-patients"
    ):
        prepare(table._replace(values=table.values[:14]), roles, "mean")
    assert prepare(table._replace(values=table.values[:14]), roles, "mean", 1)


def test_a_split_is_stratified_where_it_can_be() -> None:
    labels = np.array([0] * 40 + [1] * 20)
    train, test = split(labels)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(60))
    assert abs(labels[test].mean() - 1 / 3) < 0.05
    assert len(split(np.array([0] * 9 + [1]))[1]) == 4


def test_an_estimator_is_averaged_by_its_arrays() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = EstimatorModel(3, linear_model.SGDClassifier(loss="log_loss"))
    assert model.size == 4
    weights = np.array([1.0, -1.0, 0.0, 0.5])
    loaded = model.with_weights(weights)
    assert loaded.predict([[1.0, 0.0, 0.0], [0.0, 5.0, 0.0]]).tolist() == [1, 0]
    assert loaded.chances([[0.5, 1.0, 0.0]])[0] == pytest.approx(0.5)
    assert not hasattr(model.estimator, "coef_")
    with pytest.raises(UsageError, match="no array"):
        EstimatorModel(3, linear_model.SGDClassifier(), arrays=("nothing",))
    with pytest.raises(UsageError, match="no gradient"):
        model.data_gradient(weights, np.zeros((1, 3)), np.zeros(1))
    assert loaded.coef_.tolist() == [[1.0, -1.0, 0.0]]
    assert loaded.intercept_.tolist() == [0.5]
    assert loaded.predict_proba([[0.5, 1.0, 0.0]]).tolist() == [[0.5, 0.5]]
    for how in (
        {"scaffold": True},
        {"local": LocalTraining(proximal=0.1)},
        {"local": LocalTraining(schedule="cosine")},
        {"local": LocalTraining(learning_rate=0.5)},
    ):
        with pytest.raises(UsageError, match="steps by itself"):
            FederatedAveraging(model, **how)  # type: ignore[arg-type]
    hinge = EstimatorModel(3, linear_model.SGDClassifier())
    with pytest.raises(UsageError, match="no probabilities"):
        hinge.with_weights(weights).predict_proba([[1.0, 0.0, 0.0]])


def test_too_high_a_rate_is_told_and_does_not_end_in_a_crash() -> None:
    result = fedavg("hospitals", "--rate", "1e9", "--json")
    assert result.returncode == 0
    assert "try a lower --rate" in result.stderr
    json.loads(result.stdout)


def fedavg(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fedkeys", "fedavg", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    "scenario", [["classifier"], ["classifier", "--model", "mlp"], ["hospitals", "--rounds", "9"]]
)
def test_comparisons_give_the_promised_keys(scenario: list[str]) -> None:
    figures = json.loads(fedavg(*scenario, "--json").stdout)
    assert list(figures)[:4] == ["federated", "pooled", "alone", "rounds"]
    for way in ("federated", "pooled", "alone"):
        assert 0.5 < figures[way]["accuracy"] <= 1
        assert all("auc" in client for client in figures[way]["clients"].values())
    table = fedavg(*scenario)
    assert table.returncode == 0
    assert "pooled" in table.stdout


def test_a_sum_is_opened_and_shares_are_not_the_vector() -> None:
    result = fedavg("sum", "1,2", "10,20", "100,200.5")
    assert "opened, only as a sum: 111, 222.5" in result.stdout
    assert json.loads(fedavg("sum", "--json", "1", "2").stdout) == {"parties": 2, "sum": [3.0]}
    assert "3, 6.5" in fedavg("sum", "1,2.5", "3,4", "-1,0").stdout


def test_studies_show_what_their_papers_say() -> None:
    """Under strong skew every remedy is ahead of FedAvg; a fifth of sign flippers break only the plain mean."""
    skewed = {
        row["name"]: row for row in json.loads(fedavg("study", "skew", "--repeats", "1", "--json").stdout)
    }
    for remedy in ("FedProx", "SCAFFOLD", "FedAdam", "FedYogi", "FedAdagrad"):
        assert skewed[remedy]["accuracy"] > skewed["FedAvg"]["accuracy"] + 0.005
    assert skewed["SCAFFOLD"]["bytes_up"] == 2 * skewed["FedAvg"]["bytes_up"]
    attacked = json.loads(fedavg("study", "attack", "--repeats", "1", "--rounds", "30", "--json").stdout)
    assert attacked[0]["accuracy"] < 0.2
    assert all(row["accuracy"] > 0.6 for row in attacked[1:])
    codecs = json.loads(fedavg("study", "compression", "--repeats", "1", "--json").stdout)
    exact, *lossy, forgetful = codecs
    assert all(row["bytes_up"] < 0.3 * exact["bytes_up"] for row in lossy)
    assert all(row["accuracy"] > exact["accuracy"] - 0.02 for row in lossy)
    assert forgetful["accuracy"] < exact["accuracy"]


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for command in (["classifier"], ["schedule", "--rounds", "3"], ["partitions"], ["sum"]):
        result = fedavg(*command, "--plot", f"out/{command[0]}.png", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "out" / f"{command[0]}.png").read_bytes().startswith(b"\x89PNG")


def test_partitions_are_shown_by_what_they_skew() -> None:
    found = {row["name"]: row for row in json.loads(fedavg("partitions", "--json").stdout)}
    even = found["even"]
    assert len(set(even["samples"])) == 1
    assert np.median(found["label skew, Dirichlet 0.1"]["labels"]) < np.median(even["labels"]) / 2
    assert max(found["quantity skew, Dirichlet 0.1"]["samples"]) > 4 * max(even["samples"])
    assert found["feature shift, 1"]["shift"] > 4 * even["shift"]
    assert "feature shift" in fedavg("partitions").stdout


def test_a_schedule_tells_how_often_a_round_starts() -> None:
    told = json.loads(fedavg("schedule", "--rounds", "5", "--available", "0.25", "--json").stdout)
    assert [each["started"] for each in told["rounds"]].count(False)
    assert all(each["averaged"] == 10 * each["started"] for each in told["rounds"])
    assert 0.5 < told["federated"]["accuracy"] <= told["pooled"]["accuracy"] + 0.05
    schedules = told["schedules"]
    assert [each["started"] for each in schedules][-1] == 1.0
    assert schedules[0]["started"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["hospitals", "--data", "none"], 1, "fewer than two .csv files"),
        (["classifier", "--devices", "1"], 2, "Invalid value"),
        (["sum", "1,2", "3"], 2, "not of one length"),
        (["sum", "1,x", "3,4"], 2, "'1,x' is not a vector"),
        (["sum", "1"], 2, "2 or more"),
        (["hospitals", "--outcome", "sick"], 2, "--outcome is for tables"),
        (["classifier", "--plot", "a.txt"], 2, "no file for a plot"),
        (["classifier", "--plot", "."], 2, "no file for a plot"),
        (["nothing"], 2, "No such command"),
    ],
    ids=str,
)
def test_errors_are_sentences(tmp_path: Path, arguments: list[str], status: int, said: str) -> None:
    result = fedavg(*arguments, cwd=tmp_path)
    assert result.returncode == status
    assert said in result.stderr
    assert "Traceback" not in result.stderr
