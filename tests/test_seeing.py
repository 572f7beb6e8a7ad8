"""What a person sees: what a delta leaves out, how far things are, and what became of them."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedkeys import Delta, Model, Phone, aggregate
from fedkeys.aggregator import Aggregator, delta_files, merge_files
from fedkeys.cli.console import size
from fedkeys.cli.progress import fitting
from fedkeys.delta import Bounds
from fedkeys.sources import shipped_corpus
from tests.test_cli import fails
from tests.test_terminal import Terminal

in_a_terminal = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    for name, value in (("TERM", "xterm-256color"), ("LANG", "C.UTF-8")):
        monkeypatch.setenv(name, value)
    for name in ("DATA", "CACHE"):
        monkeypatch.setenv(f"FEDKEYS_{name}_DIR", str(tmp_path / name))
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def write_corpus(path: Path, **phones: list[str]) -> None:
    lines = [json.dumps({"user": name, "text": text}) for name, texts in phones.items() for text in texts]
    path.write_text("\n".join(lines))


def flat(text: str) -> str:
    return " ".join(text.split())


# What a delta leaves out.


def test_what_was_left_out_is_shown_with_the_reason(fedkeys: Any, tmp_path: Path) -> None:
    texts = ["see you", "see you", "see you", "green tea in London", "mail me@example.org"]
    write_corpus(tmp_path / "chat.jsonl", ann=texts, bob=["hello"])
    fedkeys("delta", "chat.jsonl", "--out", "d", "--max-ngrams", "6", "--max-count", "2")
    shown = fedkeys("inspect", "d/ann.delta", "--corpus", "chat.jsonl")
    assert (shown.returncode, shown.stderr) == (0, "")
    for sentence in (
        "from the 5 messages of 'ann'",
        "The phone may send 6 in its life",
        "The phone may add 2 to a count in its life.",
        "in no list here: 1 piece",
    ):
        assert sentence in flat(shown.stdout)
    assert "example" not in shown.stdout
    answer = json.loads(fedkeys("inspect", "d/ann.delta", "--corpus", "chat.jsonl", "--json").stdout)
    assert answer["left_out"]["forms"] == [{"text": "London", "times": 1}]
    assert {"text": "see you", "times": 3, "sent": 2} in answer["clipped"]["orders"][1]
    assert (answer["left_out"]["messages"], answer["left_out"]["dropped"]) == (5, 1)


def test_what_is_sent_and_what_is_left_out_are_all_there_is(fedkeys: Any) -> None:
    fedkeys("delta", shipped_corpus(), "--out", "d", "--max-ngrams", "300", "--max-count", "3")
    told = json.loads(fedkeys("inspect", "d/nurse.delta", "--corpus", shipped_corpus(), "--json").stdout)
    fedkeys("delta", shipped_corpus(), "--out", "free", "--unbounded")
    free = json.loads(fedkeys("inspect", "free/nurse.delta", "--json").stdout)
    left_out, clipped = told["left_out"], told["clipped"]
    parts = [*zip(free["orders"], told["orders"], left_out["orders"], clipped["orders"], strict=True)]
    for typed, sent, missing, lower in [
        *parts,
        (free["forms"], told["forms"], left_out["forms"], clipped["forms"]),
    ]:
        counts = {row["text"]: row["times"] for row in sent}
        counts |= {row["text"]: row["times"] for row in lower}
        assert all(row["text"] not in counts for row in missing)
        counts |= {row["text"]: row["times"] for row in missing}
        assert counts == {row["text"]: row["times"] for row in typed}
        assert [row["times"] for row in missing] == sorted((row["times"] for row in missing), reverse=True)
    whole = fedkeys("inspect", "free/nurse.delta", "--corpus", shipped_corpus()).stdout
    assert "Left out: nothing." in whole
    assert "Clipped: nothing." in whole
    assert "left_out" not in free


def test_a_later_delta_says_that_others_came_before(fedkeys: Any, tmp_path: Path) -> None:
    write_corpus(tmp_path / "chat.jsonl", ann=["see you", "see you soon"])
    phone = Phone(["see you"], bounds=Bounds(100, 1))
    phone.delta()
    phone.accepted()
    phone.type(["see you soon"])
    phone.delta().save(tmp_path / "second.delta")
    shown = fedkeys("inspect", "second.delta", "--corpus", "chat.jsonl").stdout
    assert "delta number 1, and they are counted from 0: those before it" in flat(shown)


def test_a_delta_that_names_known_words_needs_the_model(fedkeys: Any, tmp_path: Path) -> None:
    model = aggregate([Phone(["see you soon"]).delta()], min_phones=1)
    model.save(tmp_path / "toy.model")
    write_corpus(tmp_path / "chat.jsonl", ann=["see you pancakes"])
    Phone(["see you pancakes"], bounds=Bounds(4, 16)).delta(model.vocabulary).save(tmp_path / "ann.delta")
    fails(fedkeys("inspect", "ann.delta", "--corpus", "chat.jsonl"), 2, "ann.delta", "--base")
    shown = fedkeys("inspect", "ann.delta", "--corpus", "chat.jsonl", "--base", "toy.model")
    assert "see you pancakes" in shown.stdout
    fails(fedkeys("inspect", "toy.model", "--corpus", "chat.jsonl"), 2, "toy.model: is a model")


def test_the_messages_of_another_phone_are_noticed(fedkeys: Any, tmp_path: Path) -> None:
    write_corpus(tmp_path / "chat.jsonl", ann=["see you"], bob=["green tea", "black tea"])
    Phone(["see you"], bounds=Bounds(100, 16)).delta().save(tmp_path / "ann.delta")
    told = fedkeys("inspect", "ann.delta", "--corpus", "chat.jsonl", "--phone", "bob")
    assert "cannot come from the messages of 'bob'" in told.stderr
    assert "Its bounds had room for more, so these messages are not" in flat(told.stdout)
    assert "and some are lower yet, so these messages are not" in flat(told.stdout)
    Path(tmp_path / "ann.delta").rename(tmp_path / "a.delta")
    fails(fedkeys("inspect", "a.delta", "--corpus", "chat.jsonl"), 2, "several phones", "--phone: ann, bob")
    fails(fedkeys("inspect", "a.delta", "--phone", "ann"), 2, "--corpus")


# How far things are.


@in_a_terminal
def test_progress_is_one_line_and_goes(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "from fedkeys.aggregator import Merged\n"
        "from fedkeys.cli.progress import adding_up, progress\n"
        "with progress() as step:\n"
        "    add = adding_up(step, 'merging', 50_000_000, Merged(987_654, 123_456_789, 1))\n"
        "    for _ in range(30):\n"
        "        add(1_000_000)\n"
        "        time.sleep(0.02)\n"
        "    time.sleep(2)\n"
        "    step('releasing', None)\n"
        "    time.sleep(2)\n"
        "print('done')\n"
    )
    terminal.start(f"{sys.executable} slow.py; sleep 60")
    screen = terminal.wait_for(lambda screen: " 60 %" in screen)
    (line,) = filter(None, screen.splitlines())
    for part in ("merging", "987.7 k deltas", "123.5 M n-grams", "MB", "/s", "00:0"):
        assert part in line
    assert len(line) <= 80
    terminal.wait_for(lambda screen: "releasing" in screen and "merging" not in screen)
    screen = terminal.wait_for(lambda screen: "done" in screen)
    assert "releasing" not in screen


def test_without_a_terminal_there_is_no_progress(fedkeys: Any) -> None:
    fedkeys("delta", shipped_corpus(), "--out", "d")
    result = fedkeys("aggregate", "d", "--out", "a.model")
    assert "%" not in result.stderr
    assert "merging" not in result.stderr


def test_figures_that_do_not_fit_are_left_out() -> None:
    figures = ["7 deltas", "12 n-grams", "3 kB"]
    assert [fitting(figures, width) for width in (-1, 7, 8, 19, 20, 26)] == [
        "", "", "7 deltas", "7 deltas", "7 deltas  12 n-grams", "7 deltas  12 n-grams  3 kB",
    ]  # fmt: skip


def test_an_aggregator_counts_what_it_merges(tmp_path: Path) -> None:
    delta = Phone(["see you"]).delta()
    delta.save(tmp_path / "a.delta")
    (tmp_path / "b.delta").write_bytes(delta.data[:-1] + b"!")
    (tmp_path / "c.delta").mkdir()
    aggregator = Aggregator()
    intake = merge_files(aggregator, [*delta_files([tmp_path]), tmp_path / "c.delta"])
    merge_files(aggregator, delta_files([tmp_path / "a.delta"]))
    merged = aggregator.merged
    assert (merged.deltas, merged.rows, merged.bytes) == (1, len(delta.counts), len(delta.data))
    assert intake.reasons == {"damaged": 1, "other": 1}
    assert sum(intake.reasons.values()) == len(intake.refused)


@in_a_terminal
def test_sentences_stand_above_the_line_of_progress(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text(
        "import time\n"
        "from fedkeys.cli.console import narrate\n"
        "from fedkeys.cli.progress import progress\n"
        "with progress() as step:\n"
        "    step('merging', 0.0)\n"
        "    time.sleep(0.3)\n"
        "    narrate('a sentence that is too long for one line, and is broken where a word ends: 123,456,789')\n"
        "    time.sleep(0.3)\n"
        "narrate('done')\n"
    )
    terminal.start(f"{sys.executable} said.py; sleep 60")
    screen = terminal.wait_for(lambda screen: "done" in screen)
    assert [line.rstrip() for line in screen.splitlines() if line.strip()][:3] == [
        "a sentence that is too long for one line, and is broken where a word ends:",
        "123,456,789",
        "done",
    ]


# What became of them.


def test_the_account_is_on_stderr_and_fits(fedkeys: Any, tmp_path: Path) -> None:
    for name in ("in/a", "in/b", "in/c"):
        Phone(["see you in London"]).delta().save(tmp_path / f"{name}.delta")
    (tmp_path / "in" / "bad.delta").write_bytes(b"\x00garbage")
    first = fedkeys("aggregate", "in/a.delta", "in/bad.delta", "--state", "s", "--json")
    assert json.loads(first.stdout)["refused_reasons"] == {"not a sound delta": 1}
    assert "1 delta merged; s holds 1 delta of 1 phone" in first.stderr
    result = fedkeys("aggregate", "in", "--state", "s", "--out", "m.model")
    assert (result.returncode, result.stdout) == (3, "")
    table = [line for line in result.stderr.splitlines() if line.startswith("│")]
    assert max(map(len, table)) <= 80
    told = {name.strip(): value.strip() for name, value in (line.strip("│").split("│") for line in table)}
    rows = len(Delta.load(tmp_path / "in" / "a.delta").counts)
    for name, value in {
        "deltas merged": "2",
        "merged before": "1",
        "set aside, not a sound delta": "1",
        "phones": "3",
        "n-grams read": str(2 * rows),
        "words released": "4",
        "size of the model": size((tmp_path / "m.model").stat().st_size),
    }.items():
        assert told[name] == value
    assert {
        "n-grams released",
        "state on disk",
        "seconds",
        "peak memory",
        "size of the deltas",
    } <= told.keys()


def test_a_model_without_a_word_is_warned_of(fedkeys: Any, tmp_path: Path) -> None:
    Phone(["see you"]).delta().save(tmp_path / "a.delta")
    result = fedkeys("aggregate", "a.delta", "--out", "m.model")
    assert result.returncode == 0
    assert "holds no word: 1 phone took part" in result.stderr
    assert "lower --min-phones" in result.stderr
    assert Model.load(tmp_path / "m.model").vocabulary.words == ()
    assert "warning" not in fedkeys("aggregate", "a.delta", "--out", "m.model", "--min-phones", "1").stderr
    Phone(["green tea"]).delta().save(tmp_path / "b.delta")
    result = fedkeys("aggregate", "a.delta", "b.delta", "--out", "m.model")
    assert "no word that may be told was sent by at least 2 of 2 phones" in result.stderr
    assert "3 phones took part" in fedkeys("simulate", "--cohort", "3", "--min-phones", "4").stderr


def test_deltas_from_before_are_told_of(fedkeys: Any, tmp_path: Path) -> None:
    write_corpus(tmp_path / "one.jsonl", ann=["see you"])
    write_corpus(tmp_path / "two.jsonl", bob=["see you"])
    assert fedkeys("delta", "one.jsonl", "--out", "d").stderr.startswith("1 delta, ")
    assert "warning" not in fedkeys("delta", "one.jsonl", "--out", "d").stderr
    told = fedkeys("delta", "two.jsonl", "--out", "d")
    assert told.returncode == 0
    assert "d also holds 1 file of deltas from before, such as ann.delta" in told.stderr


def test_a_corpus_to_type_with_has_a_phone(fedkeys: Any, tmp_path: Path) -> None:
    write_corpus(tmp_path / "one.jsonl", ann=["pancakes"] * 300)
    write_corpus(tmp_path / "two.jsonl", ann=["see you"], bob=["see you"])
    typed = fedkeys("type", "--plain", "--corpus", "one.jsonl", stdin="panc\n")
    assert typed.stdout.split("\t")[0].strip() == "pancakes"
    fails(fedkeys("type", "--plain", "--corpus", "two.jsonl"), 2, "several phones", "--phone: ann, bob")


@pytest.mark.parametrize("command", ["delta {} --out d", "simulate {}", "evaluate {}"])
def test_a_corpus_without_a_message_is_named(fedkeys: Any, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    fails(fedkeys(*shlex.split(command.format("empty.jsonl"))), 1, "empty.jsonl: no message in it")


def test_a_directory_is_no_file(fedkeys: Any, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    fails(fedkeys("inspect", "d"), 2, "d: is a directory", "name a file")


@in_a_terminal
@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_cuts_no_number(terminal: Terminal, width: int) -> None:
    options = "--cohort 20 --rounds 2 --available 0.9 --dropout 0.2"
    terminal.start(f"COLUMNS={width} {sys.executable} -m fedkeys simulate {options}; sleep 60")
    screen = terminal.wait_for(lambda screen: f"not shown in {width} columns" in screen)
    table = [line for line in screen.splitlines() if line.startswith(("┃", "│"))]
    assert len(table) == 3
    assert len({len(line.rstrip()) for line in table}) == 1
    assert len(table[0].rstrip()) <= width
    assert all(number.strip() for line in table for number in line.strip("┃│").replace("┃", "│").split("│"))
    assert "median" not in table[0]


@pytest.mark.parametrize(("width", "last"), [(28, "top"), (44, "savings"), (80, "of the model, in all")])
def test_a_narrow_terminal_is_shown_whole_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, last: str
) -> None:
    """A name and each number that is there, and a sentence about what is not."""
    from fedkeys.cli.console import print_table

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    names = ("", "top", "savings", "of the model, in all")
    print_table("", names, [("some [name] of two", "85.6 %", "1,234", "99.99 %")])
    out, err = capsys.readouterr()
    out = re.sub("\x1b.*?m", "", out)
    assert max(map(len, out.splitlines())) <= width
    assert out.splitlines()[1].rstrip(" ┃").endswith(last)
    shown = [name for name in names[1:] if name in out]
    assert shown[-1] == last
    for value in ("[name]", *("85.6 %", "1,234", "99.99 %")[: len(shown)]):
        assert value in out
    for name in names[len(shown) + 1 :]:
        assert name in err
    print_table("", ("", "entry", "entry", "entry"), [("a vector", *["00000007"] * 3)])
    out, err = capsys.readouterr()
    assert out.count("00000007") == (1 if width == 28 else 3)
    print_table("", ("", "", ""), [("a name", "12,345,678", "12,345,678")])
    assert not capsys.readouterr().err
