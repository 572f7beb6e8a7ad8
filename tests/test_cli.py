"""The command line, as a program or a person meets it: in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fedkeys import Delta, Model, Phone, aggregate
from fedkeys.cli import demo
from fedkeys.delta import Bounds
from fedkeys.errors import UsageError
from fedkeys.sources import shipped_corpus

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "toy.model"
    texts = ["see you tomorrow", "see you tomorrow", "see you soon"]
    aggregate([Phone(texts).delta(), Phone(texts).delta()]).save(path)
    return path


def fails(result: Result, status: int, *said: str) -> None:
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    for sentence in said:
        assert sentence in result.stderr
    assert not result.stdout


def test_without_a_terminal_the_demo_reports_and_exits_0(fedkeys: Any) -> None:
    result = fedkeys()
    assert result.returncode == 0
    assert "30 phones" in result.stdout
    assert "round" in result.stdout
    assert "no terminal" in result.stderr


def test_help_and_version(fedkeys: Any) -> None:
    commands = fedkeys("--help").stdout
    for command in (
        "type",
        "delta",
        "enroll",
        "aggregate",
        "withdraw",
        "predict",
        "inspect",
        "personal",
        "export",
        "simulate",
        "evaluate",
        "flower",
    ):
        assert command in commands
        result = fedkeys(command, "--help")
        assert result.returncode == 0
        assert "Usage" in result.stdout
    assert fedkeys("--version").stdout.startswith("fedkeys ")


def test_from_messages_to_suggestions(fedkeys: Any, tmp_path: Path) -> None:
    """The whole way by commands: deltas, merge, predict; twice, to the same bytes."""
    made = fedkeys("delta", shipped_corpus(), "--out", "deltas")
    assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / "deltas").glob("*.delta"))) == 30
    assert not made.stdout
    for out in ("one.model", "two.model"):
        merged = fedkeys("aggregate", "deltas", "--out", out)
        assert merged.returncode == 0, merged.stderr
        assert "30 deltas of 30 phones merged" in merged.stderr
    assert (tmp_path / "one.model").read_bytes() == (tmp_path / "two.model").read_bytes()
    simulated = fedkeys("simulate", "--out", "three.model", "--json")
    payload = json.loads(simulated.stdout)["rounds"][0]["payload"]
    assert payload == Model.load(tmp_path / "one.model").payload_digest.hex()
    predicted = fedkeys("predict", "one.model", "see you", "-k", "2")
    lines = [line.split("\t") for line in predicted.stdout.splitlines()]
    assert lines[0][0] == "tomorrow"
    assert [float(probability) for _, probability in lines] == sorted(
        (float(p) for _, p in lines), reverse=True
    )
    assert len(lines) == 2


def test_a_second_round_by_commands(fedkeys: Any, tmp_path: Path) -> None:
    """Deltas written against a released model need that model to be merged."""
    fedkeys("delta", shipped_corpus(), "--out", "first", "--unbounded")
    fedkeys("aggregate", "first", "--out", "first.model", "--unbounded")
    again = fedkeys("delta", shipped_corpus(), "--out", "second", "--base", "first.model", "--unbounded")
    assert again.returncode == 0, again.stderr
    assert Delta.load(tmp_path / "second" / "nurse.delta").known > 1000
    fails(fedkeys("aggregate", "second", "--out", "second.model", "--unbounded"), 3, "--base", "nurse.delta")
    merged = fedkeys("aggregate", "second", "--out", "second.model", "--base", "first.model", "--unbounded")
    assert merged.returncode == 0, merged.stderr
    first, second = (Model.load(tmp_path / f"{name}.model") for name in ("first", "second"))
    assert first.payload_digest == second.payload_digest


def test_pseudonyms_are_kept_and_secret(fedkeys: Any, tmp_path: Path, home: dict[str, str]) -> None:
    for out in ("one", "two"):
        fedkeys("delta", shipped_corpus() / "nurse.txt", "--out", out)
    one, two = (tmp_path / out / "nurse.delta" for out in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    key = Path(home["FEDKEYS_DATA_DIR"]) / "phones.key"
    assert key.stat().st_mode & 0o077 == 0
    key.unlink()
    fedkeys("delta", shipped_corpus() / "nurse.txt", "--out", "three")
    assert Delta.load(tmp_path / "three" / "nurse.delta").phone != Delta.load(one).phone


def test_phones_started_at_once_share_one_key(tmp_path: Path, home: dict[str, str]) -> None:
    command = [sys.executable, "-m", "fedkeys", "delta", str(shipped_corpus() / "nurse.txt"), "--out"]
    running = [
        subprocess.Popen([*command, str(tmp_path / str(n))], env=home, stderr=subprocess.DEVNULL)
        for n in range(4)
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert len({(tmp_path / str(n) / "nurse.delta").read_bytes() for n in range(4)}) == 1
    assert [file.name for file in Path(home["FEDKEYS_DATA_DIR"]).iterdir()] == ["phones.key"]


def test_the_defaults_are_the_library_s() -> None:
    import inspect

    from fedkeys.aggregator.aggregator import DEFAULT_MIN_PHONES
    from fedkeys.cli import aggregate, delta, evaluate, simulate
    from fedkeys.phone import DEFAULT_FEDERATION, DEFAULT_ORDER

    expected = {"min_phones": DEFAULT_MIN_PHONES, "order": DEFAULT_ORDER, "federation": DEFAULT_FEDERATION}
    for module in (aggregate, delta, evaluate, simulate):
        for name, parameter in inspect.signature(module.command).parameters.items():
            if name in expected:
                assert parameter.default == expected[name]


def test_bad_files_are_named_and_the_others_merged(fedkeys: Any, tmp_path: Path) -> None:
    for name, text in (("a", "hello world"), ("b", "hello there")):
        Phone([text]).delta().save(tmp_path / "in" / f"{name}.delta")
    (tmp_path / "in" / "bad.delta").write_bytes(b"\x00garbage")
    result = fedkeys("aggregate", "in", "--out", "m.model", "--min-phones", "1", "--json")
    assert result.returncode == 3
    report = json.loads(result.stdout)
    assert (report["merged"], len(report["refused"])) == (2, 1)
    assert "bad.delta: not one msgpack array" in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
    assert Model.load(tmp_path / "m.model").vocabulary.words == ("hello", "there", "world")
    fails(
        fedkeys("aggregate", "in", "--out", "strict.model", "--strict"), 3, "bad.delta", "nothing was written"
    )
    assert not (tmp_path / "strict.model").exists()
    (tmp_path / "in" / "a.delta").unlink()
    (tmp_path / "in" / "b.delta").unlink()
    fails(fedkeys("aggregate", "in", "--out", "none.model"), 3, "no delta could be merged")
    assert not (tmp_path / "none.model").exists()


def test_a_log_of_deltas_may_come_on_standard_input(tmp_path: Path) -> None:
    log = b"".join(Phone([text]).delta().to_bytes() for text in ("hello world", "hello there"))
    command = [sys.executable, "-m", "fedkeys", "aggregate", "-", "--dry-run", "--json"]
    result = subprocess.run(command, input=log, cwd=tmp_path, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["merged"] == 2
    result = subprocess.run(command, input=log[:-3], cwd=tmp_path, capture_output=True, timeout=60)
    assert result.returncode == 3
    assert b"-, byte " in result.stderr


def test_a_blocklist_and_a_dry_run(fedkeys: Any, tmp_path: Path) -> None:
    for name in "ab":
        Phone(["Hello world, hello fool"]).delta().save(tmp_path / "in" / f"{name}.delta")
    (tmp_path / "words.txt").write_text("# insults\nFool\n")
    dry = fedkeys("aggregate", "in", "--dry-run", "--blocklist", "words.txt", "--json")
    assert dry.returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".model"] == []
    assert "would be released" in dry.stderr
    result = fedkeys("aggregate", "in", "--out", "m.model", "--blocklist", "words.txt", "--json")
    first, second = json.loads(dry.stdout), json.loads(result.stdout)
    assert (first["out"], first["blocked"]) == (None, 1)
    assert first["payload"] == second["payload"]
    assert second["bytes"] == (tmp_path / "m.model").stat().st_size
    assert Model.load(tmp_path / "m.model").vocabulary.words == ("hello", "world")
    (tmp_path / "words.txt").write_text("two words\n")
    fails(fedkeys("aggregate", "in", "--dry-run", "--blocklist", "words.txt"), 1, "words.txt, line 1")
    fails(fedkeys("aggregate", "in"), 2, "--out", "--dry-run")


def test_predict_json_holds_nothing_that_varies(fedkeys: Any, model: Path) -> None:
    result = fedkeys("predict", model, "see you", "--prefix", "to", "-k", "1", "--json")
    answer = json.loads(result.stdout)
    assert list(answer) == ["context", "prefix", "suggestions"]
    assert answer["context"] == "see you"
    assert [suggestion["word"] for suggestion in answer["suggestions"]] == ["tomorrow"]
    assert fedkeys("predict", model, "see you", "--prefix", "to", "-k", "1", "--json").stdout == result.stdout


def test_predict_reads_the_context_as_a_message(fedkeys: Any, model: Path) -> None:
    assert fedkeys("predict", model, "See you", "-k", "1").stdout.startswith("tomorrow\t")
    assert fedkeys("predict", model, "", "-k", "1").stdout.startswith("see\t")
    assert fedkeys("predict", model, "", "--prefix", "zzz").stdout == ""


def test_inspect_shows_every_ngram_of_a_delta(fedkeys: Any, tmp_path: Path) -> None:
    phone = Phone(["see you in London", "mail me@example.org"])
    phone.delta().save(tmp_path / "a.delta")
    shown = fedkeys("inspect", "a.delta", "--all").stdout
    for ngram in ("see you in", "in london", "London", "⟨message⟩ see"):
        assert ngram in shown
    assert "example" not in shown
    answer = json.loads(fedkeys("inspect", "a.delta", "--json").stdout)
    assert answer["ngrams"] == [len(rows) for rows in answer["orders"]]
    assert answer["new_words"] == ["in", "london", "mail", "see", "you"]


def test_inspect_names_known_words_with_the_model(fedkeys: Any, tmp_path: Path, model: Path) -> None:
    base = Model.load(model).vocabulary
    Phone(["see you pancakes"]).delta(base).save(tmp_path / "a.delta")
    Phone(["so SEE it"]).delta(base).save(tmp_path / "c.delta")
    assert "#0 in capitals" in fedkeys("inspect", "c.delta").stdout
    assert "#0 #3 pancakes" in fedkeys("inspect", "a.delta").stdout
    assert "see you pancakes" in fedkeys("inspect", "a.delta", "--base", model).stdout
    Phone(["x y"]).delta().save(tmp_path / "b.delta")
    fails(fedkeys("inspect", "b.delta", "--base", model), 2, "not written against this model")


def test_inspect_reads_a_model(fedkeys: Any, model: Path) -> None:
    shown = " ".join(fedkeys("inspect", model).stdout.split())  # lines break where they are long
    assert "at least 2 phones" in shown
    assert "not differential privacy" in shown
    assert json.loads(fedkeys("inspect", model, "--json").stdout)["release"] == {"min_phones": 2}


def test_simulate_tells_each_round(fedkeys: Any, tmp_path: Path) -> None:
    result = fedkeys(
        "simulate", "--rounds", "3", "--cohort", "10", "--seed", "4", "--json", "--out", "m.model"
    )
    rounds = json.loads(result.stdout)["rounds"]
    assert [(r["round"], r["sampled"]) for r in rounds] == [(1, 10), (2, 10), (3, 10)]
    assert Model.load(tmp_path / "m.model").payload_digest.hex() == rounds[-1]["payload"]
    table = fedkeys("simulate", "--rounds", "2").stdout
    assert "messages" in table


@pytest.mark.parametrize(
    ("corpus", "out", "said"),
    [
        ("c.jsonl", "c.jsonl", "c.jsonl: a model does not end in .jsonl"),
        ("c.jsonl", "link", "is one of the inputs"),
        ("phones", "phones/a.txt", "a model does not end in .txt"),
        ("phones", "phones/new.txt", "a model does not end in .txt"),
        ("phones", "link", "is one of the inputs"),
        ("phones", "phones", "phones: is one of the inputs"),
        ("phones", ".", "is a directory"),
        ("phones", "phones/a.txt/m.model", "cannot be written (Not a directory)"),
    ],
)
def test_simulate_writes_over_nothing_and_says_so_before_its_rounds(
    fedkeys: Any, tmp_path: Path, corpus: str, out: str, said: str
) -> None:
    (tmp_path / "phones").mkdir()
    for name in ("a", "b"):
        (tmp_path / "phones" / f"{name}.txt").write_text("see you soon\n")
    (tmp_path / "c.jsonl").write_text('{"user": "a", "text": "see you"}\n{"user": "b", "text": "see you"}\n')
    (tmp_path / "link").symlink_to("c.jsonl" if corpus == "c.jsonl" else "phones/a.txt")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    result = fedkeys("simulate", corpus, "--out", out)
    fails(result, 2, said)
    assert result.stdout == ""  # no round was run
    assert {file: file.read_bytes() for file in before} == before


def test_evaluate_gives_the_promised_keys(fedkeys: Any) -> None:
    result = fedkeys("evaluate", shipped_corpus(), "--users", "2", "--json")
    figures = json.loads(result.stdout)
    assert list(figures) == [
        "users", "words", "mix_phones", "top1", "top3", "keystroke_savings", "confidence_95", "by_user",
        "latency_us", "baselines",
    ]  # fmt: skip
    assert figures["users"] == 2
    assert 0 < figures["top1"] < figures["top3"] < 1


def test_evaluate_shows_all_of_it_in_80_columns(fedkeys: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = fedkeys(
        "evaluate", shipped_corpus(), "--users", "2", "--min-words", "500", "--new-users", "1", "--no-mix",
        "--baselines", "--sample", "20", "--curves", "--plot", "out/report.png",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for shown in (
        "top-3",
        "stupid back-off",
        "nltk.lm",
        "90th percentile",
        "new user",
        "other people's phones",
        "after",
    ):
        assert shown in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert (tmp_path / "out" / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_figures_are_out_if_the_plot_fails(fedkeys: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "full.png").symlink_to("/dev/full")
    result = fedkeys("evaluate", shipped_corpus(), "--users", "1", "--no-mix", "--json", "--plot", "full.png")
    assert result.returncode == 1
    assert json.loads(result.stdout)["users"] == 1


def test_line_mode_answers_each_line_and_learns(fedkeys: Any, model: Path) -> None:
    typed = "see you tom\n" + "see you pancakes\n\n" * 30 + "see you \n"
    lines = fedkeys("type", "--plain", "--model", model, stdin=typed).stdout.splitlines()
    assert lines[0].split("\t")[0] == "tomorrow"
    assert lines[-1].split("\t")[0] == "pancakes"


def test_line_mode_with_the_phone_of_a_corpus(fedkeys: Any) -> None:
    result = fedkeys("type", "--plain", "--phone", "nurse", stdin="see you tom\n")
    assert result.stdout.split("\t")[0].strip() == "tomorrow"
    fails(fedkeys("type", "--plain", "--phone", "nobody"), 2, "no phone is named 'nobody'", "nurse")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nonsense"], 2, "No such command"),
        (["predict"], 2, "Missing argument"),
        (["predict", "none.model"], 2, "none.model: no such file"),
        (["predict", "toy.model", "a", "-k", "0"], 2, "Invalid value"),
        (["delta", "none", "--out", "d"], 2, "none: no such corpus"),
        (["delta", "toy.model", "--out", "d"], 1, "not a directory of .txt files"),
        (["delta", ".", "--out", "d", "--order", "9"], 2, "Invalid value"),
        (["delta", "nltk:nothing", "--out", "d"], 2, "no corpus named"),
        (["aggregate", "none", "--out", "m"], 2, "none: no such file"),
        (["aggregate", "toy.model", "--out", "m"], 3, "no delta could be merged"),
        (["aggregate", "toy.model", "--out", "m", "--min-phones", "0"], 2, "Invalid value"),
        (["inspect", "none"], 2, "none: no such file"),
        (["simulate", "--cohort", "some"], 2, "neither a number"),
        (["simulate", "none"], 2, "none: no such corpus"),
        (["evaluate", ".", "--split", "2"], 2, "split is 2.0"),
        *(
            (["evaluate", ".", "--model", "toy.model", *given], 2, f"already, and {given[0]} to make one")
            for given in (
                *(["--new-users", "1"], ["--order", "4"], ["--min-phones", "2"], ["--max-ngrams", "2000"]),
                *(["--max-count", "1"], ["--max-bytes", "5000"], ["--unbounded"], ["--curves"]),
                ["--train-on", "."],
            )
        ),
        (["evaluate", ".", "--no-personal", "--adapt"], 2, "leave out --no-personal or --adapt"),
        (["evaluate", ".", "--no-mix", "--adapt"], 2, "leave out --no-mix or --adapt"),
        (["evaluate", ".", "--sample", "10"], 2, "add --baselines"),
        (["simulate", "--checkpoint", "toy.model"], 2, "toy.model: is a file, and what rounds reach needs"),
        (["simulate", "--checkpoint", "."], 2, "holds something else"),
        (["aggregate", "-", "--out", "."], 2, "is a directory, and a file is wanted"),
        (["predict", "/dev/null", "see"], 2, "is no file that can be read twice"),
        (["evaluate", "empty"], 1, "no .txt file"),
        (["evaluate", ".", "--train-on", "none"], 2, "none: no such corpus"),
        (["evaluate", ".", "--plot", "a.txt"], 2, "no file for a plot"),
        (["evaluate", ".", "--plot", "toy.model/a.png"], 2, "a plot cannot be written there"),
        (["type"], 2, "needs a terminal"),
        (["simulate", "--seed", "-1"], 2, "Invalid value"),
        (["aggregate", "a\udcff.delta", "--out", "m"], 2, "no such file"),
        (["type", "--plain", "--model", "none"], 2, "none: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_are_sentences(
    fedkeys: Any, tmp_path: Path, model: Path, arguments: list[str], status: int, said: str
) -> None:
    assert model.exists()
    (tmp_path / "empty").mkdir()
    fails(fedkeys(*arguments), status, said)


def test_a_full_disk_is_a_sentence(home: dict[str, str]) -> None:
    command = [sys.executable, "-m", "fedkeys", "simulate", "--json"]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, env=home, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "No space left" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fedkeys.phone.DEFAULT_ORDER", 3),
        ("fedkeys.delta.DEFAULT_BOUNDS", Bounds(max_ngrams=7, max_count=2)),
        ("fedkeys.model.MODEL_VERSION", 99),
        ("fedkeys.cli.demo._planned", lambda: {"rounds": 3, "min_phones": 5}),
    ],
)
def test_the_cached_model_is_named_after_the_plan_too(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = demo._cached_model()
    assert demo._cached_model() == before
    monkeypatch.setattr(name, value)
    assert demo._cached_model() != before


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("<&-", 0, "no terminal is attached"),
        (">&-", 2, "stdout is closed"),
        ("type <&-", 2, "needs a terminal"),
        ("type >&-", 2, "needs a terminal"),
        ("type --plain <&-", 2, "stdin is closed"),
        ("type --plain </dev/null >&-", 2, "stdout is closed"),
        ("simulate >&-", 2, "stdout is closed"),
        ("aggregate none >&-", 2, "the model has no file to go to"),
        ("aggregate - --out m.model <&-", 2, "stdin is closed"),
        ("predict none see >&-", 2, "stdout is closed"),
        ("predict none see 2>&-", 2, ""),
    ],
)
def test_a_closed_stream_is_a_sentence(home: dict[str, str], line: str, status: int, said: str) -> None:
    command = ["bash", "-c", f"exec {sys.executable} -m fedkeys {line}"]
    result = subprocess.run(command, env=home, capture_output=True, text=True, timeout=300)
    assert (result.returncode, said in result.stderr) == (status, True), result.stderr
    assert "a fault of fedkeys" not in result.stderr


def test_a_reader_that_goes_away_is_no_error(home: dict[str, str]) -> None:
    command = f"{sys.executable} -m fedkeys simulate --rounds 3 --json | head -n 1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], env=home, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_ctrl_c_ends_with_a_word_and_130(tmp_path: Path, home: dict[str, str]) -> None:
    lines = (json.dumps({"user": f"u{n}", "text": f"hello number w{n % 7}"}) for n in range(200_000))
    (tmp_path / "big.jsonl").write_text("\n".join(lines))
    process = subprocess.Popen(
        [sys.executable, "-m", "fedkeys", "simulate", "big.jsonl", "--out", "m.model"],
        cwd=tmp_path,
        env=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have had it ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not out
    assert not (tmp_path / "m.model").exists()


def test_a_partial_is_named_as_what_it_is(fedkeys: Any) -> None:
    assert fedkeys("delta", "--out", "d", shipped_corpus()).returncode == 0
    assert fedkeys("aggregate", "d", "--partial", "north.partial").returncode == 0
    fails(fedkeys("inspect", "north.partial"), 2, "is a partial aggregate, for fedkeys aggregate to merge")


def test_a_prefix_of_no_word_is_said(fedkeys: Any, model: Path) -> None:
    result = fedkeys("predict", model, "see", "--prefix", "qqq")
    assert (result.returncode, result.stdout) == (0, "")
    assert "the model has no word that begins with 'qqq'" in result.stderr


def test_an_evaluated_model_of_no_word_is_warned_of(fedkeys: Any, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for name in ("ann", "bob"):
        (tmp_path / "few" / f"{name}.txt").write_text("see you soon\n" * 12)
    result = fedkeys("evaluate", "few", "--min-phones", "3", "--json")
    assert result.returncode == 0
    assert "the model holds no word: 2 phones took part" in " ".join(result.stderr.split())


def test_web_and_port_go_together_and_alone(fedkeys: Any) -> None:
    for arguments, said in (
        (["--port", "8001"], "add --web"),
        (["--web", "simulate"], "only the typing demo opens in a browser, not simulate"),
        (["--web", "--port", "70000"], "65535"),
    ):
        fails(fedkeys(*arguments), 2, said)


@pytest.mark.parametrize("missing", ["aiohttp", "textual_serve"])
def test_without_the_extra_web_it_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fedkeys.cli.web import serve_screens

    for name in [
        name for name in sys.modules if name.startswith("fedkeys.web") or name.partition(".")[0] == missing
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"pip install 'fedkeys\[web\]'"):
        serve_screens(0)


@pytest.mark.skipif(find_spec("flwr") is not None, reason="Flower is installed")
def test_without_flower_its_commands_say_what_to_install(fedkeys: Any) -> None:
    fails(fedkeys("flower", "keyboard"), 2, "Flower is not installed", "fedkeys[flower]")
