"""Federated averaging on Flower: it reaches what one machine reaches, with our strategy and with Flower's."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkeys.errors import FedkeysError, FormatError, UsageError
from fedkeys.fedavg import FederatedAveraging, State, comparison
from fedkeys.fedavg.scenarios import algorithm_named, classifier_devices, five_hospitals, standardised

pytestmark = pytest.mark.engines

NODES, ROUNDS = 12, 3
DEVICES = {"scenario": "classifier", "devices": NODES, "samples": 20, "skew": 1.0, "seed": 0}
CLASSIFIER = {"app": "classifier", "scale": "none", "epochs": 3, "batch-size": 8, "rate": 0.5, "seed": 0}
HOSPITALS = {"app": "hospitals", "rate": 0.3, "alpha": 0.1, "seed": 0}


def settings(keep: Path, **more: Any) -> dict[str, Any]:
    from fedkeys.engines.flower.settings import run_config

    own = {name.replace("_", "-"): value for name, value in more.items()}
    return run_config({"keep": str(keep), "rounds": ROUNDS, "wait": 0.0, "deadline": 1.0, **own})


def grid_of(nodes: list[Mapping[str, Any]], **more: Any) -> Any:
    pytest.importorskip("flwr")
    from fedkeys.engines.flower.client import app
    from tests.engines.grid import InProcessGrid

    # In an order that is not that of their places.
    numbered = {1000 - at: {"partition-id": at, **own} for at, own in enumerate(nodes)}
    return InProcessGrid(app, numbered, **more)


def devices_grid(nodes: int = NODES, **more: Any) -> Any:
    return grid_of([DEVICES] * nodes, **more)


def made(grid: Any, keep: Path, **more: Any) -> State:
    """Make the rounds, and give the state."""
    from fedkeys.engines.flower.numeric.rounds import STATE_FILE, make_rounds

    make_rounds(grid, settings(keep, **more))
    return State.load(keep / STATE_FILE)


def accounts(keep: Path) -> list[dict[str, Any]]:
    from fedkeys.engines.flower.accounts import rounds_in

    return rounds_in(keep)


def result(keep: Path) -> Any:
    return json.loads((keep / "result.json").read_text())


def alone(algorithm: FederatedAveraging, clients: Any, rounds: int = ROUNDS) -> State:
    """The state that one machine reaches."""
    return [state for state, _ in algorithm.run(clients, rounds, 0)][-1]


def own_devices() -> Any:
    return classifier_devices(NODES, 20, 1.0, np.random.default_rng(0))


def own_algorithm(**more: Any) -> FederatedAveraging:
    from dataclasses import replace

    return replace(algorithm_named("logistic", 10, rate=0.5, epochs=3, batch_size=8), **more)


@pytest.mark.parametrize(
    ("chosen", "own"),
    [
        ({}, {}),
        ({"cohort": 7}, {"cohort": 7}),
        ({"server": "yogi", "server-rate": 0.05}, {"server": "yogi"}),
        ({"mean": "median"}, {"mean": "median"}),
        ({"mean": "multikrum", "wrong": 2}, {"mean": "multikrum"}),
        ({"scaffold": True}, {"scaffold": True}),
        ({"proximal": 0.3, "schedule": "cosine"}, {"proximal": 0.3}),
        ({"model": "mlp"}, {"model": "mlp"}),
    ],
    ids=lambda found: "-".join(found) or "fedavg",
)
def test_the_state_is_that_of_one_machine(
    tmp_path: Path, chosen: dict[str, Any], own: dict[str, Any]
) -> None:
    from dataclasses import replace

    from fedkeys.fedavg import FedYogi, Krum, Median, Participation

    algorithm = own_algorithm()
    for name, value in own.items():
        match name:
            case "cohort":
                algorithm = replace(algorithm, participation=Participation(cohort=value))
            case "server":
                algorithm = replace(algorithm, server=FedYogi(0.05))
            case "mean":
                algorithm = replace(algorithm, mean=Median() if value == "median" else Krum(2, 10))
            case "scaffold":
                algorithm = replace(algorithm, scaffold=True)
            case "proximal":
                local = replace(algorithm.local, proximal=value, schedule="cosine")
                algorithm = replace(algorithm, local=local)
            case "model":
                algorithm = algorithm_named("mlp", 10, rate=0.5, epochs=3, batch_size=8)
    state = made(devices_grid(), tmp_path, **CLASSIFIER, **chosen)
    clients = own_devices()
    assert state.to_bytes() == alone(algorithm, clients).to_bytes()
    model = algorithm.model.with_weights(state.weights)
    expected = comparison.Tested.of({client.name: client.test(model) for client in clients})
    assert result(tmp_path)["federated"] == expected.as_dict()
    assert accounts(tmp_path)[-1]["accuracy"] == expected.accuracy


@pytest.mark.parametrize("scale", ["federated", "local", "none"])
def test_hospitals_standardise_together_by_what_each_tells(tmp_path: Path, scale: Any) -> None:
    grid = grid_of([{"scenario": "hospitals", "seed": 0}] * 5)
    rate = 1e-4 if scale == "none" else 0.3
    state = made(grid, tmp_path, **{**HOSPITALS, "rate": rate}, scale=scale)
    clients = standardised(five_hospitals(np.random.default_rng(0))[0], scale)
    algorithm = algorithm_named("logistic", 30, rate=rate, alpha=0.1)
    assert state.to_bytes() == alone(algorithm, clients).to_bytes()
    assert list(result(tmp_path)["federated"]["clients"]) == [client.name for client in clients]


def tables(directory: Path) -> Path:
    """Three hospitals with a category, missing values, and a column that is mostly missing."""
    directory.mkdir()
    rng = np.random.default_rng(5)
    for name, rows in (("west", 90), ("east", 50), ("north", 62)):
        lines = ["age,kind,lab,rare,sick"]
        for _ in range(rows):
            age, kind, lab = rng.normal(50, 9), rng.integers(3), rng.normal()
            sick = int(age + 5 * kind + 3 * rng.normal() > 55)
            known = "" if rng.random() < 0.1 else f"{lab:.3f}"
            lines.append(f"{age:.1f},{kind},{known},{'' if rng.random() < 0.8 else 1.5},{sick}")
        (directory / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return directory


@pytest.mark.parametrize("missing", ["drop", "mean"])
def test_tables_are_agreed_on_by_summaries_and_sums(tmp_path: Path, missing: Any) -> None:
    from fedkeys.fedavg.agreement import agree, summary_of
    from fedkeys.fedavg.preparation import hospitals_of
    from fedkeys.fedavg.tables import read_tables

    data = tables(tmp_path / "tables")
    grid = grid_of([{"data": str(data)}] * 3)
    state = made(grid, tmp_path, **HOSPITALS, missing=missing)
    read = read_tables(data)
    roles = agree([summary_of(table) for table in read])
    clients = standardised(hospitals_of(read, roles, missing), "federated")
    algorithm = algorithm_named("logistic", clients[0].features, rate=0.3, alpha=0.1)
    assert state.to_bytes() == alone(algorithm, clients).to_bytes()
    assert result(tmp_path)["dropped_columns"] == ["rare"]
    assert list(result(tmp_path)["federated"]["clients"]) == ["east", "north", "west"]
    kinds = {kind for kind, _ in grid.kinds}
    assert kinds == {"query.roll", "query.moments", "train", "evaluate"} | (
        {"query.totals"} if missing == "mean" else set()
    )


def test_a_node_of_its_own_file_needs_no_number(tmp_path: Path) -> None:
    data = tables(tmp_path / "tables")
    files = [data / f"{name}.csv" for name in ("east", "west", "north")]
    grid = grid_of([{"data": str(file), "partition-id": 0} for file in files])
    together = made(grid, tmp_path / "files", **HOSPITALS)
    by_number = made(grid_of([{"data": str(data)}] * 3), tmp_path / "numbers", **HOSPITALS)
    assert together.to_bytes() == by_number.to_bytes()


def test_flower_s_fedavg_is_ours_but_for_rounding(tmp_path: Path) -> None:
    state = made(devices_grid(), tmp_path, **CLASSIFIER, strategy="fedavg")
    expected = alone(own_algorithm(), own_devices())
    np.testing.assert_allclose(state.weights, expected.weights, rtol=0, atol=1e-12)
    assert np.abs(expected.weights).max() > 0.5


@pytest.mark.parametrize(
    ("strategy", "mean", "more"),
    [("fedmedian", "median", {}), ("fedtrimmedavg", "trimmed", {}), ("fedprox", "mean", {"proximal": 0.5})],
)
def test_flower_s_robust_means_and_fedprox_are_ours(
    tmp_path: Path, strategy: str, mean: str, more: dict[str, Any]
) -> None:
    theirs = made(devices_grid(), tmp_path / "theirs", **CLASSIFIER, **more, strategy=strategy)
    ours = made(devices_grid(), tmp_path / "ours", **CLASSIFIER, **more, mean=mean)
    np.testing.assert_allclose(theirs.weights, ours.weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("strategy", "more"),
    [
        ("fedadam", {"server-rate": 0.3}),
        ("fedyogi", {"server-rate": 0.3}),
        ("fedadagrad", {"server-rate": 0.3}),
        ("krum", {"wrong": 2}),
        ("multikrum", {"wrong": 2}),
    ],
)
def test_flower_s_strategies_train_our_model(tmp_path: Path, strategy: str, more: dict[str, Any]) -> None:
    """And go on where they were stopped, with what they remember."""
    chosen = {**CLASSIFIER, **more, "strategy": strategy}
    through = made(devices_grid(), tmp_path / "through", **chosen)
    assert result(tmp_path / "through")["federated"]["accuracy"] > 0.75
    for rounds in (1, ROUNDS):
        resumed = made(devices_grid(), tmp_path / "resumed", **{**chosen, "rounds": rounds})
    assert resumed.to_bytes() == through.to_bytes()
    assert [account["round"] for account in accounts(tmp_path / "resumed")] == [1, 2, 3]


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    more = {**CLASSIFIER, "server": "adam", "cohort": 5}
    through = made(devices_grid(), tmp_path / "through", **more)
    for rounds in range(1, ROUNDS + 1):
        resumed = made(devices_grid(), tmp_path / "resumed", **{**more, "rounds": rounds})
    assert resumed.to_bytes() == through.to_bytes()
    assert [account["round"] for account in accounts(tmp_path / "resumed")] == [1, 2, 3]
    with pytest.raises(UsageError, match="all 3 rounds are made"):
        made(devices_grid(), tmp_path / "resumed", **more)
    with pytest.raises(UsageError, match="made with another rate, schedule"):
        made(devices_grid(), tmp_path / "resumed", **{**more, "rounds": 9, "schedule": "cosine", "rate": 0.1})


def test_a_run_goes_on_as_it_was_settled(tmp_path: Path) -> None:
    """With the columns, fill-ins and scale of its first round, whoever else is there later; and it says who."""
    data = tables(tmp_path / "tables")
    files = {
        name: {"data": str(data / f"{name}.csv"), "partition-id": 0} for name in ("east", "north", "west")
    }
    chosen = {**HOSPITALS, "missing": "mean"}
    first, keep = [files["east"], files["north"]], tmp_path / "keep"
    through = made(grid_of(first), tmp_path / "through", **{**chosen, "rounds": 2})
    for rounds in (1, 2):
        resumed = made(grid_of(first), keep, **{**chosen, "rounds": rounds})
    assert resumed.to_bytes() == through.to_bytes()
    settled = (keep / "terms.json").read_bytes()
    grid = grid_of([files["east"], files["west"]])
    made(grid, keep, **{**chosen, "rounds": 3})
    assert (keep / "terms.json").read_bytes() == settled
    assert {kind for kind, _ in grid.kinds} == {"query.roll", "query.moments", "train", "evaluate"}
    asked = json.loads(settled)["preparation"]
    assert grid.asked["train"].content["config"]["preparation"] == asked
    assert accounts(keep)[2]["failures"] == [
        "west was not there in the first round",
        "north, who was there in the first round, is not",
    ]
    other = tmp_path / "other"
    other.mkdir()
    for name in files:
        (other / f"{name}.csv").write_text((data / f"{name}.csv").read_text().replace("lab", "laboratory"))
    with pytest.raises(UsageError, match=r"0 nodes take part.*does not name its columns"):
        made(grid_of([{"data": str(other)}] * 3), keep, **{**chosen, "rounds": 4})
    with pytest.raises(UsageError, match=r"0 nodes take part"):
        made(grid_of([{"scenario": "hospitals"}] * 5), keep, **{**chosen, "rounds": 4})
    generated = tmp_path / "generated"
    made(grid_of([{"scenario": "hospitals"}] * 5), generated, **{**chosen, "rounds": 1})
    with pytest.raises(UsageError, match=r"0 nodes take part.*east has other columns than most"):
        made(grid_of(first), generated, **{**chosen, "rounds": 2})
    odd = [{"data": str(other), "partition-id": at} for at in (1, 2)]
    assert (
        made(grid_of([files["east"], *odd]), keep, **{**chosen, "rounds": 4, "min-available": 1}).round == 4
    )


def test_what_is_damaged_beside_a_state_is_told_before_a_round_is_made(tmp_path: Path) -> None:
    keep, chosen = tmp_path / "keep", {**CLASSIFIER, "rounds": 2}
    grid = devices_grid(2)
    made(grid, keep, **{**chosen, "rounds": 1})
    settled, asked = (keep / "terms.json").read_bytes(), len(grid.kinds)
    for damaged in ("{}", DEEP, json.dumps({**json.loads(settled), "features": float("inf")})):
        (keep / "terms.json").write_text(damaged)
        with pytest.raises(
            FormatError, match=r"terms\.json: does not say what the rounds beside it were made with"
        ):
            made(grid, keep, **chosen)
    (keep / "terms.json").write_bytes(settled)
    whole = (keep / "rounds.jsonl").read_text()
    for damaged in ("garbage\n", "\n", "{}\n", "\udcff\n", "[1]\n"):
        (keep / "rounds.jsonl").write_bytes((damaged + whole).encode(errors="surrogateescape"))
        with pytest.raises(FormatError, match=r"rounds\.jsonl, line 1: is no account of a round"):
            made(grid, keep, **chosen)
    assert len(grid.kinds) == asked


def test_a_kill_between_account_and_state_leaves_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = made(devices_grid(), tmp_path / "through", **CLASSIFIER)
    save, saved = State.save, []

    def dying(state: State, path: Path) -> None:
        saved.append(state.round)
        if len(saved) == 2:
            raise KeyboardInterrupt
        save(state, path)

    monkeypatch.setattr(State, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        made(devices_grid(), tmp_path / "killed", **CLASSIFIER)
    assert [account["round"] for account in accounts(tmp_path / "killed")] == [1, 2]
    assert made(devices_grid(), tmp_path / "killed", **CLASSIFIER).to_bytes() == through.to_bytes()
    assert saved == [1, 2, 2, 3]
    assert [account["round"] for account in accounts(tmp_path / "killed")] == [1, 2, 3]


def test_a_run_without_a_seed_is_like_no_other(tmp_path: Path) -> None:
    first, second = (
        made(devices_grid(), tmp_path / name, **{**CLASSIFIER, "rounds": 1, "seed": -1}) for name in "ab"
    )
    assert first.seed != second.seed
    again = made(devices_grid(), tmp_path / "a", **{**CLASSIFIER, "rounds": 2, "seed": -1})
    assert again.seed == first.seed


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "facts",
    [
        {"place": -1},
        {"place": True},
        {"place": "0"},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "east\x1b[2J"},
        {"samples": 0},
        {"samples": -3},
        {"samples": 1 << 60},
        {"samples": 2.5},
        {"features": 0},
        {"features": 1 << 47},
        {"moments": DEEP},
        {"moments": "[10, [NaN], [1]]"},
        {"moments": "[10, [" + "9" * 400 + "], [1]]"},
        {"moments": '[10, ["1", 2], [3, 4]]'},
        {"moments": "[20, [" + ",".join("1" * 10) + "], [" + ",".join(["-1"] * 10) + "]]"},
        {"moments": "[21, [" + ",".join("1" * 10) + "], [" + ",".join("1" * 10) + "]]"},
        {"moments": "[20, [1e200" + ",1" * 9 + "], [" + ",".join("1" * 10) + "]]"},
        {"summary": DEEP},
        {"summary": "[]"},
        {"summary": "{}"},
        {"summary": 3},
    ],
    ids=lambda facts: str(facts)[:40],
)
def test_what_a_node_makes_up_of_itself_ends_no_run(tmp_path: Path, facts: dict[str, Any]) -> None:
    from fedkeys.engines.flower.wire import packed, said_in

    devices = [{**DEVICES, "partition-id": at} for at in range(2)]
    expected = made(grid_of(devices), tmp_path / "sound", **CLASSIFIER)
    grid = devices_grid(3)
    sound = grid._answer

    def answer(message: Any, node: int, fault: str | None) -> Any:
        reply = sound(message, node, fault)
        if (node, message.metadata.message_type) == (998, "query.roll"):
            reply.content = packed({**said_in(reply).facts, "samples": 20, **facts})
        return reply

    grid._answer = answer
    assert made(grid, tmp_path / "lying", **CLASSIFIER).to_bytes() == expected.to_bytes()
    (why,) = accounts(tmp_path / "lying")[0]["failures"]
    assert "a node does not say who it is" in why
    assert why.isprintable()


SUMMARY = {
    "name": "far",
    "columns": ["age", "kind", "lab", "rare", "sick"],
    "outcome": "sick",
    "rows": 50,
    "missing": [0, 0, 0, 0, 0],
    "few": [None, [0, 1, 2], None, None, None],
    "kinds": [True, True],
}


@pytest.mark.parametrize(
    ("own", "kind", "told"),
    [
        ({"rows": 10**400}, "query.roll", {}),
        ({"rows": 0}, "query.roll", {}),
        ({"missing": [-1, 0, 0, 0, 0]}, "query.roll", {}),
        ({"missing": [51, 0, 0, 0, 0]}, "query.roll", {}),
        ({"few": [None, [2, 1], None, None, None]}, "query.roll", {}),
        ({"few": [None, [0, "1e999"], None, None, None]}, "query.roll", {}),
        ({"few": [None]}, "query.roll", {}),
        ({"columns": ["age"] * 5}, "query.roll", {}),
        ({"columns": ["age\n", "kind", "lab", "rare", "sick"]}, "query.roll", {}),
        ({"outcome": "age?"}, "query.roll", {}),
        ({}, "query.totals", {"sums": "[1, 2, 3]", "counts": "[1, 2, 3]"}),
        ({}, "query.totals", {"sums": "[1, 2, 3, 4]", "counts": "[1, 2, 3, -4]"}),
        ({}, "query.totals", {"sums": "[1, 2, 3, 4]", "counts": "[1, 2, 3, 4.5]"}),
        ({}, "query.totals", {"sums": "[1, 2, 3, Infinity]", "counts": "[1, 2, 3, 4]"}),
        ({}, "query.moments", {"moments": "[50, [1, 2, 3], [1, 2, 3]]"}),
        ({}, "query.moments", {"moments": "[50, [1, 2, 3, 4], [1, 2, 3, -4]]"}),
        ({}, "query.moments", {}),
    ],
    ids=lambda found: str(found)[:40],
)
def test_what_a_hospital_makes_up_of_its_table_ends_no_run(
    tmp_path: Path, own: dict[str, Any], kind: str, told: dict[str, str]
) -> None:
    from flwr.app import Message

    from fedkeys.engines.flower.wire import packed

    data = tables(tmp_path / "tables")
    chosen = {**HOSPITALS, "missing": "mean", "rounds": 1, "min-available": 2}
    good = [{"data": str(data / f"{name}.csv"), "partition-id": 0} for name in ("east", "north")]
    expected = made(grid_of(good), tmp_path / "good", **chosen)
    sound = {
        "query.roll": {"name": "far", "place": 7, "summary": json.dumps({**SUMMARY, **own})},
        "query.totals": {"sums": "[0, 0, 0, 0]", "counts": "[0, 0, 0, 0]"},
        "query.moments": {"moments": "[50, [0, 0, 0, 0], [0, 0, 0, 0]]"},
    }
    grid = grid_of([*good, {}])

    def answer(message: Message) -> Message:
        asked = message.metadata.message_type
        return Message(packed(told if asked == kind and not own else sound[asked]), reply_to=message)

    grid.instead[998] = answer
    state = made(grid, tmp_path / "lying", **chosen)
    assert len(result(tmp_path / "lying")["federated"]["clients"]) == 2
    assert len(accounts(tmp_path / "lying")[0]["failures"]) == 1
    if kind != "query.moments":  # before that it takes part in the fill-ins
        assert state.to_bytes() == expected.to_bytes()


@pytest.mark.parametrize("strategy", ["fedkeys", "fedavg", "krum"])
def test_who_fails_or_is_silent_is_left_out_and_counted(tmp_path: Path, strategy: str) -> None:
    faults = {(1000, "train"): "failed", (999, "train"): "answered", (998, "evaluate"): "failed"}
    grid = devices_grid(fault=lambda node, kind: faults.get((node, kind)))
    made(grid, tmp_path, **{**CLASSIFIER, "deadline": 0.2}, strategy=strategy)
    for account in accounts(tmp_path):
        counts = [account[name] for name in ("selected", "averaged", "dropped", "late", "refused", "tested")]
        assert counts == [NODES, NODES - 2, 1, 1, 0, NODES - 1]
        assert account["failures"] == ["the app raised"]
    assert "device 3" not in result(tmp_path)["federated"]["clients"]


def test_the_rest_averages_as_if_who_failed_were_not_asked(tmp_path: Path) -> None:
    grid = devices_grid(fault=lambda node, kind: "failed" if (node, kind) == (1000, "train") else None)
    state = made(grid, tmp_path, **{**CLASSIFIER, "rounds": 1})
    clients = own_devices()
    algorithm = own_algorithm()
    first = algorithm.initialize(0)
    own = [
        client.train(
            algorithm.model, first.weights, algorithm.local, 0, np.random.default_rng([0, 2, 0, place])
        )
        for place, client in enumerate(clients)
    ][1:]
    samples = np.array([client.samples for client in clients[1:]])
    np.testing.assert_allclose(state.weights, samples @ own / samples.sum(), rtol=1e-12)


@pytest.mark.parametrize("strategy", ["fedkeys", "fedavg"])
def test_what_is_no_vector_of_the_model_is_refused(tmp_path: Path, strategy: str) -> None:
    from flwr.app import ArrayRecord, Message, RecordDict

    from fedkeys.engines.flower.numeric.wire import weights_record

    wrong = {
        1000: weights_record(np.zeros(4)),
        999: weights_record(np.full(11, np.nan)),
        998: ArrayRecord(),
    }
    grid = devices_grid()
    sound = grid._answer

    def answer(message: Message, node: int, fault: str | None) -> Message:
        reply = sound(message, node, fault)
        if node in wrong and message.metadata.message_type == "train":
            reply.content = RecordDict({**reply.content, "arrays": wrong[node]})
        return reply

    grid._answer = answer
    state = made(grid, tmp_path, **CLASSIFIER, strategy=strategy)
    assert np.isfinite(state.weights).all()
    assert {account["refused"] for account in accounts(tmp_path)} == {3}
    assert {account["averaged"] for account in accounts(tmp_path)} == {NODES - 3}


def answering(grid: Any, node: int, kind: str, change: Callable[[Any], Any]) -> None:
    """Have a node answer a kind of question with another content, made of the sound one."""
    sound = grid._answer

    def answer(message: Any, to: int, fault: str | None) -> Any:
        reply = sound(message, to, fault)
        if (to, message.metadata.message_type) == (node, kind):
            reply.content = change(reply.content)
        return reply

    grid._answer = answer


@pytest.mark.parametrize("strategy", ["fedkeys", "fedavg", "fedadam", "fedtrimmedavg", "multikrum"])
@pytest.mark.parametrize(
    "said", [float("nan"), 0, -5, 1e300, [3, 4], None], ids=["nan", "0", "-5", "huge", "list", "none"]
)
def test_no_strategy_believes_what_a_node_says_of_itself(tmp_path: Path, strategy: str, said: Any) -> None:
    """Not in training, nor in a test, of which alone its own figures are lost."""
    from flwr.app import MetricRecord, RecordDict

    def saying(content: Any) -> Any:
        (record,) = content.metric_records.values()
        own = {**record, "num-examples": said}
        odd = {"odd": MetricRecord({"more": 1.0})} if said is None else {}
        own = own if said is not None else {}
        return RecordDict({**content, "metrics": MetricRecord(own), **odd})

    chosen = {**CLASSIFIER, "rounds": 2, "strategy": strategy}
    expected = made(devices_grid(), tmp_path / "sound", **chosen)
    grid = devices_grid()
    answering(grid, 1000, "train", saying)
    answering(grid, 999, "evaluate", saying)
    state = made(grid, tmp_path / "lying", **chosen)
    assert state.to_bytes() == expected.to_bytes()
    assert [account["tested"] for account in accounts(tmp_path / "lying")] == [NODES - 1] * 2
    assert "device 2" not in result(tmp_path / "lying")["federated"]["clients"]


@pytest.mark.parametrize("said", [float("inf"), float("nan"), -0.1, 1.5, [0.5]])
def test_figures_that_cannot_be_are_left_out(tmp_path: Path, said: Any) -> None:
    from flwr.app import MetricRecord, RecordDict

    def lying(content: Any) -> Any:
        return RecordDict({"metrics": MetricRecord({**content["metrics"], "accuracy": said})})

    grid = devices_grid()
    answering(grid, 1000, "evaluate", lying)
    made(grid, tmp_path, **{**CLASSIFIER, "rounds": 1})
    assert accounts(tmp_path)[0]["tested"] == NODES - 1


@pytest.mark.parametrize("strategy", ["fedkeys", "fedavg", "fedadam"])
def test_a_step_that_is_not_finite_moves_nothing(tmp_path: Path, strategy: str) -> None:
    """Weights of which each is finite, though their length is not."""
    from flwr.app import RecordDict

    from fedkeys.engines.flower.numeric.wire import weights_record

    def far(content: Any) -> Any:
        return RecordDict({**content, "arrays": weights_record(np.full(11, 1e300))})

    grid = devices_grid()
    answering(grid, 1000, "train", far)
    chosen = {**CLASSIFIER, "strategy": strategy}
    state = made(grid, tmp_path / "one", **chosen)
    assert np.isfinite(state.weights).all()
    assert {account["refused"] for account in accounts(tmp_path / "one")} == {1}


@pytest.mark.parametrize(
    "chosen", [{"strategy": "fedadam"}, {"strategy": "fedadagrad"}, {"server": "adagrad"}, {"server": "adam"}]
)
def test_an_optimiser_that_would_overflow_forgets_the_round(tmp_path: Path, chosen: dict[str, str]) -> None:
    from flwr.app import RecordDict

    from fedkeys.engines.flower.numeric.wire import weights_record

    grid = devices_grid()
    asked: list[int] = []

    def far(content: Any) -> Any:
        asked.append(1)
        own = np.zeros(11)
        own[3] = 1e120
        return RecordDict({**content, "arrays": weights_record(own)}) if len(asked) == 2 else content

    answering(grid, 1000, "train", far)
    state = made(grid, tmp_path, **CLASSIFIER, **chosen)
    first, second, third = accounts(tmp_path)
    assert [account["averaged"] for account in (first, second, third)] == [NODES, 0, NODES]
    assert any("not finite" in why for why in second["failures"])
    assert second["accuracy"] == first["accuracy"]
    assert 0 < np.abs(state.weights).max() < 100
    assert state.moments.square.max() < 100


@pytest.mark.parametrize("strategy", ["fedkeys", "fedavg"])
def test_a_cohort_is_asked(tmp_path: Path, strategy: str) -> None:
    grid = devices_grid()
    made(grid, tmp_path, **CLASSIFIER, strategy=strategy, cohort=5)
    assert [account["selected"] for account in accounts(tmp_path)] == [5] * ROUNDS
    assert [kind for kind, _ in grid.kinds].count("train") == 5 * ROUNDS


def test_of_two_replies_to_one_question_the_first_counts() -> None:
    from flwr.app import Message, RecordDict

    from fedkeys.engines.flower.numeric.averaging import by_node

    asked = [Message(RecordDict(), dst_node_id=node, message_type="train") for node in (7, 8)]
    for number, message in enumerate(asked):
        message.metadata.__dict__["_message_id"] = str(number)
    first, second, other = (Message(RecordDict(), reply_to=asked[at]) for at in (0, 0, 1))
    assert by_node(asked[:1], [other, first, second]) == {7: first}


@pytest.mark.parametrize("chosen", [{"mean": "multikrum"}, {"strategy": "multikrum"}, {"strategy": "krum"}])
def test_krum_of_too_few_answers_changes_nothing_and_says_so(tmp_path: Path, chosen: dict[str, str]) -> None:
    failing = {1000 - at for at in range(6)}
    grid = devices_grid(fault=lambda node, kind: "failed" if kind == "train" and node in failing else None)
    state = made(grid, tmp_path, **CLASSIFIER, **chosen, wrong=2)
    assert not state.weights.any()
    for account in accounts(tmp_path):
        assert (account["averaged"], account["dropped"]) == (0, 6)
        assert "6 updates came, where the mean takes 7 or more" in account["failures"]
    failing.remove(1000)
    state = made(devices_grid(fault=grid.fault), tmp_path, **{**CLASSIFIER, "rounds": 4}, **chosen, wrong=2)
    assert accounts(tmp_path)[-1]["averaged"] == 7
    assert state.weights.any()


@pytest.mark.parametrize("strategy", ["fedkeys", "fedavg"])
def test_a_node_that_is_gone_counts_as_dropped(tmp_path: Path, strategy: str) -> None:
    """Flower's server answers for it, in its own name."""
    from flwr.app import Error, Message

    grid = devices_grid()
    sound = grid._answer

    def answer(message: Message, node: int, fault: str | None) -> Message:
        if node != 1000 or message.metadata.message_type != "train":
            return sound(message, node, fault)
        reply = Message(Error(code=5, reason="the node is gone"), reply_to=message)
        reply.metadata.__dict__["_src_node_id"] = 1
        return reply

    grid._answer = answer
    made(grid, tmp_path, **{**CLASSIFIER, "rounds": 1}, strategy=strategy)
    (account,) = accounts(tmp_path)
    assert (account["averaged"], account["dropped"], account["late"]) == (NODES - 1, 1, 0)
    assert account["failures"] == ["the node is gone"]


def test_flower_drives_our_strategy_by_itself(tmp_path: Path) -> None:
    from flwr.app import ConfigRecord

    from fedkeys.engines.flower.numeric.averaging import Averaging
    from fedkeys.engines.flower.numeric.muster import mustered
    from fedkeys.engines.flower.numeric.settings import NumericPlan
    from fedkeys.engines.flower.numeric.wire import weights_record

    grid, plan = devices_grid(), NumericPlan.read(settings(tmp_path, **CLASSIFIER))
    members = mustered(grid, list(grid.get_node_ids()), plan).members
    algorithm = plan.algorithm(10)
    strategy = Averaging(algorithm, members, algorithm.initialize(0))
    config = ConfigRecord(plan.task.written())
    weights = weights_record(strategy.state.weights)
    told = strategy.start(grid, weights, ROUNDS, train_config=config, evaluate_config=config)
    assert strategy.state.to_bytes() == alone(own_algorithm(), own_devices()).to_bytes()
    assert told.evaluate_metrics_clientapp[ROUNDS]["accuracy"] > 0.8
    assert told.train_metrics_clientapp[ROUNDS]["averaged"] == NODES


def test_flower_drives_our_nodes_by_itself() -> None:
    """Its FedAvg, as a program of Flower's would use it, with nothing of ours on the server."""
    from flwr.app import ConfigRecord
    from flwr.serverapp.strategy import FedAvg

    from fedkeys.engines.flower.numeric.wire import Task, weights_record
    from fedkeys.fedavg import LocalTraining

    grid = devices_grid(fault=lambda node, _: "failed" if node == 1000 else None)
    config = ConfigRecord(Task("logistic", 0.0, 0.1, LocalTraining(3, 8, 0.5)).written())
    told = FedAvg().start(grid, weights_record(np.zeros(11)), 2, train_config=config, evaluate_config=config)
    figures = told.evaluate_metrics_clientapp[2]
    assert figures["accuracy"] > 0.8
    assert 0 < figures["loss"] < 0.6
    assert told.train_metrics_clientapp[2]["train-loss"] < told.train_metrics_clientapp[1]["train-loss"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"keep": ""}, "no place"),
        ({"rounds": 0}, "rounds is 0"),
        ({"strategy": "bulyan"}, "no strategy is named"),
        ({"model": "tree"}, "no model is named"),
        ({"together": 20}, "sums under masks"),
        ({"strategy": "fedavg", "mean": "median"}, "mean is of our own strategy"),
        ({"strategy": "fedadam", "scaffold": True}, "scaffold is of our own strategy"),
        ({"strategy": "krum", "proximal": 0.1}, "proximal does nothing"),
        ({"strategy": "fedavg", "server-rate": 0.1}, "server-rate does nothing"),
        ({"wrong": 2}, "wrong does nothing"),
        ({"epochs": 0}, "epochs"),
        ({"mean": "trimmed", "trimmed": 0.5}, "part is 0.5"),
        ({"strategy": "fedtrimmedavg", "trimmed": 0.5}, "part is 0.5"),
        ({"server": "adam", "server-rate": -0.1}, "server-rate is -0.1"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"alpha": float("nan")}, "alpha is nan, where a number"),
        ({"alpha": "0.1"}, "alpha is '0.1', where a number"),
        ({"seed": 1 << 70}, "seed is 1180591620717411303424, where a whole number"),
        ({"rounds": 2.5}, "rounds is 2.5, where a whole number"),
        ({"cohort": True}, "cohort is True, where a whole number"),
        ({"scaffold": 1}, "scaffold is 1, where true or false"),
        ({"model": 3}, "model is 3, where a text"),
        ({"deadline": 0.0}, "deadline is 0.0"),
        ({"mean": "krum", "wrong": -1}, "wrong is -1"),
        ({"cohort": -2}, "cohort is -2"),
        ({"min-available": 13}, "12 nodes take part, where 13 have to"),
        ({"scale": "federated", "app": "hospitals"}, "does not tell mean and variance"),
        ({"strategy": "multikrum", "wrong": 6}, "12 clients can be asked, where multikrum takes 15 updates"),
        ({"mean": "krum", "wrong": 6}, "12 clients can be asked, where krum takes 15 updates"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    pytest.importorskip("flwr")
    from fedkeys.engines.flower.numeric.rounds import make_rounds

    with pytest.raises(UsageError, match=why):
        make_rounds(devices_grid(), {**settings(tmp_path, **CLASSIFIER), **more})


@pytest.mark.parametrize("least", [2, 3])
def test_who_does_not_fit_is_left_out_or_too_few_are_left(tmp_path: Path, least: int) -> None:
    data = tables(tmp_path / "tables")
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "far.csv").write_text((data / "west.csv").read_text().replace("lab", "laboratory"))
    good = [{"data": str(data / f"{name}.csv"), "partition-id": 0} for name in ("east", "west")]
    expected = made(grid_of(good), tmp_path / "good", **HOSPITALS)
    others: list[tuple[dict[str, Any], str]] = [
        ({"data": str(odd / "far.csv")}, "far has other columns than most"),
        ({"scenario": "hospitals", "partition-id": 4}, "island has other columns than most"),
        ({"data": str(data / "east.csv")}, "two nodes have the name 'east'"),
        ({"data": str(data / "nowhere.csv")}, "SourceError on a node"),
    ]
    for number, (other, why) in enumerate(others):
        keep = tmp_path / str(number)
        grid = grid_of([*good, {"partition-id": 9, **other}])
        if least == 3:
            with pytest.raises(UsageError, match=f"2 nodes take part, where 3 have to.*({why})"):
                made(grid, keep, **HOSPITALS, min_available=3)
            continue
        assert made(grid, keep, **HOSPITALS, min_available=2).to_bytes() == expected.to_bytes()
        assert any(re.search(why, said) for said in accounts(keep)[0]["failures"])


def test_an_outcome_that_no_table_has_is_refused(tmp_path: Path) -> None:
    data = tables(tmp_path / "tables")
    with pytest.raises(UsageError, match=r"0 nodes take part.*no column is named 'nothing'"):
        made(grid_of([{"data": str(data)}] * 3), tmp_path / "c", **HOSPITALS, outcome="nothing")


def test_a_node_says_in_a_sentence_what_it_refuses(tmp_path: Path) -> None:
    """Which data are read is for the node's settings alone, and no answer has a traceback."""
    from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

    from fedkeys.engines.flower.numeric.wire import Task, weights_record
    from fedkeys.fedavg import LocalTraining

    def garbage(data: bytes) -> ArrayRecord:
        return ArrayRecord({"weights": Array("float64", (11,), "numpy.ndarray", data)})

    secret = tmp_path / "secret.csv"
    secret.write_text("age,sick\n12345,1\nprivate,0\n")
    nodes = [{}, {"data": str(secret)}, {"scenario": "classifier", "devices": 2, "partition-id": 5}, DEVICES]
    grid = grid_of(nodes)
    task = Task("logistic", 0.0, 0.1, LocalTraining()).written()
    whole = {"arrays": weights_record(np.zeros(11)), "config": ConfigRecord(task)}
    asked = [
        (1000, whole, "does not say where its data are"),
        (1000, {**whole, "config": ConfigRecord({**task, "data": str(secret)})}, "where its data are"),
        (999, whole, "SourceError on a node, whose log says more"),
        (998, whole, "no client 5 among 2"),
        (997, {"arrays": weights_record(np.zeros(11))}, "without the record 'config'"),
        (997, {**whole, "config": ConfigRecord({**task, "epochs": 0})}, "epochs"),
        (997, {**whole, "config": ConfigRecord({"model": "logistic"})}, "how to train"),
        (997, {**whole, "config": ConfigRecord({**task, "preparation": "{}"})}, "how data are prepared"),
        (997, {**whole, "arrays": weights_record(np.zeros(3))}, "3 weights for a model of 11"),
        (997, {"config": ConfigRecord(task)}, "without one array of weights"),
        (997, {**whole, "arrays": garbage(b"PK")}, "without one array of weights"),
        (997, {**whole, "arrays": garbage(b"\x80\x04N.")}, "without one array of weights"),
        (997, {**whole, "config": ConfigRecord({**task, "model": "tree"})}, "no model is named"),
    ]
    for node, records, why in asked:
        for kind in ("train", "evaluate"):
            message = Message(RecordDict(records), dst_node_id=node, message_type=kind)
            (reply,) = grid.send_and_receive([message])
            assert why in reply.error.reason
            assert "Traceback" not in reply.error.reason
            assert "private" not in reply.error.reason


def test_an_environment_variable_stands_for_settings_where_nodes_are_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedkeys.engines.flower.numeric.data import SETTINGS_VARIABLE

    monkeypatch.setenv(SETTINGS_VARIABLE, json.dumps(DEVICES))
    state = made(grid_of([{}] * NODES), tmp_path, **CLASSIFIER)
    assert state.to_bytes() == alone(own_algorithm(), own_devices()).to_bytes()


def test_figures_are_asked_for_when_they_are_wanted(tmp_path: Path) -> None:
    grid = devices_grid(3)
    made(grid, tmp_path, **{**CLASSIFIER, "rounds": 5}, test_every=2)
    assert [account["accuracy"] is not None for account in accounts(tmp_path)] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert [kind for kind, _ in grid.kinds].count("evaluate") == 3 * 3


def test_no_row_is_in_any_message(tmp_path: Path) -> None:
    """A value that one patient alone has is in no answer; sums and weights are."""
    data = tables(tmp_path / "tables")
    for file in data.glob("*.csv"):
        file.write_text(file.read_text() + "77.123456789,1,0.987654321,,1\n")
    grid = grid_of([{"data": str(data)}] * 3)
    said: list[bytes] = []
    sound = grid._answer

    def answer(*arguments: Any) -> Any:
        reply = sound(*arguments)
        said.append(str(reply.content).encode())
        said.extend(
            array.data for record in reply.content.array_records.values() for array in record.values()
        )
        return reply

    grid._answer = answer
    made(grid, tmp_path, **HOSPITALS)
    everything = b"".join(said)
    for value in (77.123456789, 0.987654321):
        assert str(value).encode() not in everything
        assert np.float64(value).tobytes() not in everything
    assert b"moments" in everything


@pytest.fixture
def asking(tmp_path: Path) -> Callable[..., str]:
    """Ask the nodes of two hospitals, of which one has few patients, as a curious server does, each in a run."""
    from flwr.app import ConfigRecord, Message, RecordDict

    from fedkeys.engines.flower.numeric.wire import Task, weights_record
    from fedkeys.engines.flower.wire import packed, said_in
    from fedkeys.fedavg import LocalTraining

    data = tables(tmp_path / "asked")
    (data / "west.csv").unlink()
    for name, rows in (("east", 50), ("north", 4)):  # and a column of which few are known
        lines = (data / f"{name}.csv").read_text().splitlines()[: rows + 1]
        own = ["few", *("" if at > 8 else str(at) for at in range(rows))]
        told = [f"{known},{line}" for known, line in zip(own, lines, strict=True)]
        (data / f"{name}.csv").write_text("\n".join(told))
    grid = grid_of([{"data": str(data)}] * 2)

    def ask(kind: str, node: int = 0, how: Mapping[str, Any] = {}, again: bool = False, **roles: Any) -> str:
        """Give what is answered, or why it is refused."""
        if not again:
            grid.restart(1000 - node)
        own = {"outcome": "sick", "features": ["age"], "categories": {}, "dropped": [], **roles}
        sound = {"missing": "drop", "roles": own, "fill": None, "standardisation": "none", "scale": None}
        how = json.dumps({**sound, **how})
        if kind.startswith("query"):
            content = packed({"preparation": how})
        else:
            task = Task("logistic", 0.0, 0.1, LocalTraining()).written()
            config = ConfigRecord({**task, "preparation": how})
            content = RecordDict({"arrays": weights_record(np.zeros(2)), "config": config})
        message = Message(content, dst_node_id=1000 - node, message_type=kind)
        (reply,) = grid.send_and_receive([message])
        if reply.has_error():
            return str(reply.error.reason)
        return str(said_in(reply).facts) if kind.startswith("query") else str(reply.content)

    return ask


@pytest.mark.parametrize("kind", ["query.roll", "query.totals", "query.moments", "train", "evaluate"])
def test_a_node_tells_nothing_of_few_patients(asking: Callable[..., str], kind: str) -> None:
    refused = asking(kind, 1)
    assert re.fullmatch("north has too few .*: nothing is told of fewer than 10 patients", refused)
    assert "nothing is told" not in asking(kind, 0)


@pytest.mark.parametrize("kind", ["query.totals", "query.moments", "train", "evaluate"])
def test_a_node_sums_over_no_rows_that_a_question_makes_up(asking: Callable[..., str], kind: str) -> None:
    """Of a column that few have, of whether somebody has a value, of the difference of two sums over rows."""
    assert "nothing is told of fewer" in asking(kind, features=["few"])
    assert "categories of a column of many values" in asking(kind, categories={"age": [0.0, 51.3]})
    assert "does not name its columns" in asking(kind, features=["income"])
    assert "does not name its columns" in asking(kind, features=["age"], outcome="income")
    assert "categories of a column" in asking(kind, categories={"income": [0.0, 1.0]})
    assert "how data are prepared" in asking(kind, how={"missing": None})


@pytest.mark.parametrize("kind", ["query.totals", "query.moments", "train", "evaluate"])
def test_a_node_prepares_its_table_in_one_way_in_a_run(
    asking: Callable[..., str], tmp_path: Path, kind: str
) -> None:
    """What was open may be settled, once; after that no other rows, columns, fill-ins and scales are asked for."""
    other = "other rows of a table than before in the run, or other values"
    scaled = {"standardisation": "federated"}
    assert other not in asking(
        kind, how={**scaled, "scale": [[50.0], [9.0]]} if "query" not in kind else scaled
    )
    assert other not in asking(kind, how={**scaled, "fill": [3.0], "scale": [[50.0], [9.0]]}, again=True)
    assert other not in asking(kind, how={**scaled, "fill": [3.0], "scale": [[50.0], [9.0]]}, again=True)
    for how in (
        {**scaled, "fill": [4.0], "scale": [[50.0], [9.0]]},
        {**scaled, "fill": [3.0], "scale": [[50.0], [8.0]]},
        {**scaled, "fill": None, "scale": [[50.0], [9.0]]},
        {**scaled, "fill": [3.0], "scale": None},
        {**scaled, "fill": [3.0], "scale": [[50.0], [9.0]], "missing": "mean"},
        {"standardisation": "local", "fill": [3.0], "scale": [[50.0], [9.0]]},
    ):
        assert other in asking(kind, how=how, again=True)
    last = {**scaled, "fill": [3.0], "scale": [[50.0], [9.0]]}
    assert other in asking(kind, how=last, again=True, features=["lab"])
    assert other not in asking(kind, how=last, again=True)
    table = tmp_path / "asked" / "east.csv"
    table.write_text(table.read_text() + "\n,51.0,1,0.2,,1")
    assert other in asking(kind, how=last, again=True)


def flower(*arguments: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("flwr")
    command = [sys.executable, "-m", "fedkeys", "flower", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)


def test_one_command_deploys_hospitals_and_stops_them(tmp_path: Path) -> None:
    """Flower itself, with TLS and a registered key a node: the state of one machine, and its figures."""
    from fedkeys.fedavg.agreement import agree, summary_of
    from fedkeys.fedavg.preparation import hospitals_of
    from fedkeys.fedavg.tables import read_tables

    data, keep = tables(tmp_path / "tables"), tmp_path / "keep"
    done = flower(
        "hospitals", "--data", str(data), "--rounds", "1", "--epochs", "20", "--keep", str(keep), "--json"
    )
    assert done.returncode == 0, done.stderr
    read = read_tables(data)
    clients = standardised(hospitals_of(read, agree([summary_of(table) for table in read])), "federated")
    algorithm = algorithm_named("logistic", clients[0].features, rate=0.3, alpha=0.1, epochs=20)
    expected = alone(algorithm, clients, 1)
    assert State.load(keep / "server" / "federation.state").to_bytes() == expected.to_bytes()
    told = json.loads(done.stdout)
    assert told["rounds"][0]["averaged"] == told["clients"] == 3
    model = algorithm.model.with_weights(expected.weights)
    assert told["federated"]["clients"]["east"]["accuracy"] == clients[0].test(model).accuracy


def test_one_command_simulates_devices(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    done = flower(
        "classifier",
        "--simulation",
        "--nodes",
        str(NODES),
        "--samples",
        "20",
        "--rounds",
        "3",
        "--keep",
        str(keep),
    )
    assert done.returncode == 0, done.stderr
    assert "12 devices on Flower, logistic" in done.stdout
    assert re.search(r"device 12 .*%", done.stdout)
    algorithm = algorithm_named("logistic", 10, rate=0.5, epochs=10, batch_size=16)
    expected = alone(algorithm, own_devices())
    assert State.load(keep / "server" / "federation.state").to_bytes() == expected.to_bytes()


def test_a_command_refuses_before_it_starts_anything(tmp_path: Path) -> None:
    data = tables(tmp_path / "tables")
    for arguments, status, why in (
        (["classifier", "--strategy", "krum", "--scaffold"], 2, "scaffold is of our own strategy"),
        (["hospitals", "--nodes", "6"], 2, "6 nodes, where there are 5 hospitals"),
        (["hospitals", "--outcome", "sick"], 2, "--outcome is for tables"),
        (["hospitals", "--least-patients", "3"], 2, "--least-patients is for tables"),
        (["hospitals", "--data", str(tmp_path)], 1, "fewer than two .csv files"),
        (["hospitals", "--data", str(data), "--outcome", "nothing"], 2, "no column is named 'nothing'"),
        (["hospitals", "--data", str(data), "--least-patients", "20"], 2, "too few patients to test on"),
        (
            ["classifier", "--strategy", "krum", "--wrong", "4"],
            2,
            "5 clients can be asked, where krum takes 11",
        ),
    ):
        done = flower(*arguments)
        assert done.returncode == status
        assert why in done.stderr
        assert "Traceback" not in done.stderr


def test_the_logs_of_a_run_that_fails_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flwr")
    from fedkeys.cli.flower_run import rounds_made
    from fedkeys.engines.flower.deployment import Deployment

    def fail(self: Deployment) -> None:
        self.log("superlink").write_text("no port is free")
        raise FedkeysError("it did not begin")

    monkeypatch.setattr(Deployment, "begin", fail)
    with pytest.raises(FedkeysError, match="did not begin"):
        rounds_made(tmp_path, [DEVICES], None, {}, lambda *_: None)
    assert (tmp_path / "logs" / "superlink.log").read_text() == "no port is free"
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
