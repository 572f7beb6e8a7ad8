"""What `fedkeys flower keyboard` refuses before it starts anything, and says of what came; without Flower."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("flwr")
pytestmark = pytest.mark.engines

from fedkeys.aggregator import Aggregator  # noqa: E402
from fedkeys.cli.app import app  # noqa: E402
from fedkeys.engines.flower import deployment  # noqa: E402
from fedkeys.engines.flower.accounts import append_round  # noqa: E402
from fedkeys.engines.flower.keyboard import RoundAccount  # noqa: E402
from fedkeys.errors import FedkeysError  # noqa: E402

Run = Callable[[Path], None]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """What each run does with the server's directory, instead of Flower; more runs are a fault."""
    waiting: list[Run] = []

    class Standing:
        def run(self, settings: dict[str, Any], _: int, on_wait: Callable[[], None]) -> None:
            keep = Path(str(settings["keep"]))
            keep.mkdir(exist_ok=True)
            waiting.pop(0)(keep)
            on_wait()

    @contextmanager
    def standing(*_: object) -> Iterator[Standing]:
        assert waiting, "started, where it should have been refused"
        yield Standing()

    monkeypatch.setattr(deployment, "deployed", standing)
    return waiting


def keyboard(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["flower", "keyboard", "--simulation", *map(str, arguments)])


def refused(done: Result, status: int, *why: str) -> None:
    """Hold a command to having ended with a sentence."""
    assert isinstance(done.exception, FedkeysError), done.output
    assert done.exception.exit_status == status
    for part in why:
        assert part in str(done.exception)


def told(keep: Path, **facts: Any) -> None:
    """Write down a round that released nothing but an empty model."""
    account = {**vars_of(RoundAccount(1)), "seconds": 1.5, **facts}
    if account["payload"]:
        Aggregator().release(2).save(keep / f"{account['round']}.model")
    append_round(keep, account)


def vars_of(account: RoundAccount) -> dict[str, Any]:
    return {name: getattr(account, name) for name in account.__slots__}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--epsilon", "-1"], "epsilon is -1"),
        (["--epsilon", "0"], "epsilon is 0"),
        (["--nodes", "14", "--secure"], "15 phones or more, and a round would ask 14"),
        (["--nodes", "20", "--cohort", "5", "--secure"], "15 phones or more, and a round would ask 5"),
        (["--nodes", "5", "--min-phones", "6"], "at least 6 phones have sent, and 5 take part"),
        (["--keep", "/proc/k"], "/proc/k: cannot be written"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_what_cannot_be_is_refused_before_anything_is_started(arguments: list[str], why: str) -> None:
    refused(keyboard(*arguments), 2, why)


@pytest.mark.usefixtures("runs")
def test_of_the_first_phones_alone_no_sum_is_made() -> None:
    done = CliRunner().invoke(app, ["flower", "keyboard", "--secure"])
    refused(done, 2, "a round would ask 5; give --nodes 15 or more")


@pytest.mark.usefixtures("runs")
def test_sums_without_their_extra_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shamirs", None)
    refused(keyboard("--secure"), 2, "shamirs is missing", "pip install 'fedkeys[privacy]'")


def test_a_directory_is_gone_on_with_for_what_it_was_begun_for(tmp_path: Path, runs: list[Run]) -> None:
    from fedkeys.engines.flower.purpose import write_purpose

    corpora = {name: tmp_path / name for name in ("one", "other")}
    for corpus in corpora.values():
        corpus.mkdir()
        for at in range(3):
            (corpus / f"{at}.txt").write_text("some words\n")
    keep = tmp_path / "keep"
    runs.append(lambda server: told(server, payload="aa", ngrams=[5, 2], merged=3))
    assert keyboard(corpora["one"], "--keep", keep).exit_code == 0
    refused(keyboard(corpora["other"], "--keep", keep), 2, "keep: was begun with corpus", "another directory")
    write_purpose(keep / "server", {"app": "classifier"})
    refused(keyboard(corpora["one"], "--keep", keep), 2, "was begun with app classifier, not keyboard")


@pytest.mark.usefixtures("runs")
def test_two_runs_do_not_work_in_one_directory(tmp_path: Path) -> None:
    from fedkeys.cli.flower_run import place_of

    with place_of(tmp_path):
        refused(keyboard("--keep", tmp_path), 1, "another run works in it", "name another directory")


@pytest.mark.parametrize("damaged", ["junk", "[1]", "[" * 100_000])
@pytest.mark.usefixtures("runs")
def test_a_damaged_purpose_is_told_of(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "purpose.json").write_text(damaged)
    refused(keyboard("--keep", tmp_path), 1, "purpose.json: does not say what the directory is for")


@pytest.mark.usefixtures("runs")
def test_devices_of_other_data_do_not_go_on(tmp_path: Path) -> None:
    from fedkeys.engines.flower.purpose import write_purpose

    data = {"scenario": "classifier", "devices": 20, "samples": 60, "skew": 1.0, "seed": 0}
    write_purpose(tmp_path, data)
    command = ["flower", "classifier", "--simulation", "--keep", str(tmp_path)]
    for more, why in ((["--skew", "9"], "skew 1.0, not 9.0"), (["--nodes", "5"], "devices 20, not 5")):
        refused(CliRunner().invoke(app, [*command, *more]), 2, f"was begun with {why}")


def test_no_other_app_takes_a_keyboards_directory(tmp_path: Path, runs: list[Run]) -> None:
    from fedkeys.engines.flower.purpose import write_purpose

    assert not runs
    write_purpose(tmp_path / "server", {"app": "keyboard"})
    done = CliRunner().invoke(app, ["flower", "classifier", "--keep", str(tmp_path)])
    refused(done, 2, "was begun with app keyboard, not classifier")


def test_a_line_a_round_goes_to_who_has_no_terminal(runs: list[Run]) -> None:
    runs.append(lambda keep: told(keep, payload="aa", ngrams=[5, 2], merged=3))
    done = keyboard()
    assert done.exit_code == 0, done.exception
    assert "round 1 took 1.5 s" in done.stderr


def test_rounds_whose_lines_were_replaced_are_accounted_for(tmp_path: Path, runs: list[Run]) -> None:
    """A round that did not start is made again by the next run, in the place of its line."""
    runs.append(lambda keep: told(keep, failures=["the round did not start: too few"]))
    refused(keyboard("--keep", tmp_path), 3, "no round started, so there is no model")

    def again(keep: Path) -> None:
        (keep / "rounds.jsonl").unlink()
        told(keep, payload="aa", ngrams=[5, 2], merged=3)

    runs.append(again)
    done = keyboard("--keep", tmp_path, "--json")
    assert done.exit_code == 0, done.exception
    assert [account["merged"] for account in json.loads(done.stdout)["rounds"]] == [3]


def test_rounds_that_tell_nothing_end_as_nothing(tmp_path: Path, runs: list[Run]) -> None:
    runs.append(
        lambda keep: told(keep, payload="aa", ngrams=[0, 0], failed=30, failures=["a sum of 3 phones"])
    )
    out = tmp_path / "out.model"
    done = keyboard("--out", out)
    refused(done, 3, "nothing that phones have sent was merged")
    assert "round 1: a sum of 3 phones" in done.stderr
    assert out.exists()
