"""Corpora: every form reads, and what is wrong is named with its line."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.errors import SourceError, UsageError
from fedkeys.sources import open_corpus
from fedkeys.sources.jsonl import JsonLines


def read(corpus: Any) -> dict[str, list[str]]:
    return {name: list(texts) for name, texts in corpus.phones()}


def test_a_directory_of_text_files(tmp_path: Path) -> None:
    (tmp_path / "ann.txt").write_text("first\n\n second ’ 👍 \nthird", encoding="utf-8-sig")
    (tmp_path / "bob.txt").write_text("only")
    (tmp_path / "notes.md").write_text("not a phone")
    corpus = open_corpus(tmp_path)
    assert list(corpus.names()) == ["ann", "bob"]
    assert read(corpus) == {"ann": ["first", " second ’ 👍 ", "third"], "bob": ["only"]}
    assert read(open_corpus(tmp_path / "bob.txt")) == {"bob": ["only"]}


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "ann.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(SourceError, match=r"ann\.txt, line 2: not UTF-8 text; save the file as UTF-8"):
        read(open_corpus(tmp_path))


def write(path: Path, rows: list[Any]) -> Path:
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


ROWS = [
    {"user": "b", "text": "b2", "time": "2004-11-15T02:00"},
    {"user": "a", "text": "a1"},
    {"user": "b", "text": "b1", "time": "2004-11-15T01:00"},
    {"user": "a", "text": "a2"},
    {"user": "c", "text": "c10", "time": 10},
    {"user": "c", "text": "c9", "time": "9"},
    {"user": "d", "text": "d1", "time": "2005"},
    {"user": "d", "text": "d2"},
]
GROUPED = {"a": ["a1", "a2"], "b": ["b1", "b2"], "c": ["c9", "c10"], "d": ["d1", "d2"]}


@pytest.mark.parametrize("name", ["chat.jsonl", "chat.jsonl.gz"])
def test_json_lines_by_user_and_time(tmp_path: Path, name: str) -> None:
    corpus = open_corpus(write(tmp_path / name, ROWS))
    seen: list[float] = []
    assert list(corpus.names(seen.append)) == ["a", "b", "c", "d"]
    assert seen[-1] == 1.0
    assert read(corpus) == GROUPED
    assert read(corpus) == GROUPED


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
users = st.lists(st.fixed_dictionaries({"user": names, "text": st.text(max_size=5)}), min_size=1, max_size=40)


@given(users)
def test_a_corpus_larger_than_memory_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    path = write(tmp_path_factory.mktemp("corpus") / "chat.jsonl", rows)
    in_memory, dealt_out = JsonLines(path), JsonLines(path, in_memory=10)
    assert list(dealt_out.names()) == list(in_memory.names())
    assert read(dealt_out) == read(in_memory)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2: not JSON"),
        ('{"user": "a"}', 'line 2: not a message; expected {"user"'),
        ('{"user": 1, "text": "x"}', "line 2: not a message"),
        ('{"user": "a", "text": "x", "time": []}', "line 2: not a message"),
        ('{"user": "a", "text": "x", "time": NaN}', "line 2: not a message"),
        ('{"user": "\\ud83d", "text": "x"}', "line 2: not a message"),
        ("[]", "line 2: not a message"),
        ("[" * 100_000, "line 2: not JSON"),
        ("\udcff", "line 2: not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b'{"user": "a", "text": "fine"}\n' + line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(SourceError) as error:
        open_corpus(path).names()
    assert f"chat.jsonl, {reason}" in str(error.value)


def test_odd_times_and_names_are_read(tmp_path: Path) -> None:
    rows = [{"user": "a\0", "text": "late", "time": "9" * 400}, {"user": "a\0", "text": "early", "time": 1}]
    assert read(open_corpus(write(tmp_path / "chat.jsonl", rows)))["a\0"] == ["early", "late"]
    Path(os.fsdecode(bytes(tmp_path) + b"/na\xefve.txt")).write_text("hello")
    assert list(open_corpus(tmp_path).names()) == ["na\ufffdve"]


def test_a_cut_gzip_file_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl.gz", ROWS * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="cannot be read"):
        open_corpus(path).names()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("none", "no such corpus"),
        ("notes.md", "not a directory"),
        ("empty", "no .txt file"),
        ("nltk:no_such_corpus", "no corpus named"),
        ("nltk:__class__", "no corpus named"),
    ],
)
def test_what_is_no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.md").write_text("notes")
    Path("empty").mkdir()
    with pytest.raises((SourceError, UsageError), match=reason):
        open_corpus(spec)


POSTS = """<Session xmlns="x"><Posts>
<Post class="System" user="10-19-20sUser7">JOIN</Post>
<Post class="Statement" user="10-19-20sUser7">hello there<terminals><t pos="UH" word="hello"/></terminals></Post>
<Post class="Greet" user="10-19-20sUser9">hey :)</Post>
<Post class="Statement" user="10-19-20sUser7">bye all</Post>
</Posts></Session>
"""


@pytest.fixture
def nltk_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory where NLTK looks for data, and nowhere else."""
    import nltk.data

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    (tmp_path / "corpora").mkdir()
    return tmp_path / "corpora"


def test_nltk_corpora_are_read_by_its_own_readers(nltk_data: Path) -> None:
    """In a fresh process, since NLTK's lazy readers remember where they found their data."""
    import subprocess
    import sys

    chat = nltk_data / "nps_chat"
    chat.mkdir()
    (chat / "10-19-20s_706posts.xml").write_text(POSTS)
    (chat / "README").write_text("none")
    (nltk_data / "inaugural").mkdir()
    (nltk_data / "inaugural" / "1789-Washington.txt").write_text("One\nparagraph.\n\nTwo.\n")
    (nltk_data / "inaugural" / "1793-Washington.txt").write_text("Three.\n")
    code = (
        "import json, fedkeys.sources as s\n"
        "print(json.dumps([dict(s.open_corpus(f'nltk:{n}').phones()) for n in ('nps_chat', 'inaugural')]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"NLTK_DATA": str(nltk_data.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(out) == [
        {"10-19-20sUser7": ["hello there", "bye all"], "10-19-20sUser9": ["hey :)"]},
        {"Washington": ["One paragraph.", "Two.", "Three."]},
    ]


def test_nltk_data_that_is_not_installed_is_named_with_the_command(nltk_data: Path) -> None:
    assert not list(nltk_data.iterdir())
    with pytest.raises(SourceError, match=r"install it with: python -m nltk\.downloader nps_chat"):
        open_corpus("nltk:nps_chat")
