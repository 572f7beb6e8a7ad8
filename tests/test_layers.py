"""The house stands: imports point down, and nothing heavy is loaded before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = (
    "textual",
    "numpy",
    "msgpack",
    "nltk",
    "cryptography",
    "symspellpy",
    "aiohttp",
    "flwr",
    "dask",
    "fsspec",
)


def loaded_by(code: str) -> set[str]:
    """The top-level modules that are loaded after running some code in a fresh process."""
    script = (
        f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


def test_import_contracts() -> None:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("the contracts are in pyproject.toml, which is not beside these tests")
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


def test_the_contracts_would_notice(tmp_path: Path) -> None:
    """The server's law is one that can be broken: a forbidden import makes the check fail."""
    import shutil

    shutil.copytree(ROOT / "fedkeys", tmp_path / "fedkeys")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "fedkeys" / "aggregator" / "ledger.py").open("a") as file:
        file.write("\nfrom fedkeys.sources import open_corpus\n")
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "aggregator" in result.stdout


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import fedkeys", HEAVY),
        ("import fedkeys.cli", HEAVY),
        (
            "from typer.testing import CliRunner\nfrom fedkeys.cli.app import app\n"
            "assert CliRunner().invoke(app, ['--help']).exit_code == 0",
            HEAVY,
        ),
        ("from fedkeys import Phone, aggregate, Keyboard", ("textual", "nltk", "cryptography", "symspellpy")),
        ("import fedkeys.phone.prior", ("symspellpy",)),
        ("from fedkeys.aggregator import Enrolment; import fedkeys.delta.keys", ("cryptography",)),
        ("import fedkeys.simulate, fedkeys.evaluate", ("textual", "nltk")),
        ("import fedkeys.tui", ("nltk", "aiohttp")),
    ],
)
def test_nothing_heavy_is_loaded_early(code: str, forbidden: tuple[str, ...]) -> None:
    assert loaded_by(code).isdisjoint(forbidden)


def test_the_server_loads_no_text() -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import fedkeys.aggregator, sys; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name for name in result.stdout.split() if name.startswith("fedkeys.")}
    assert "fedkeys.aggregator" in loaded
    assert not any(
        name.startswith(("fedkeys.sources", "fedkeys.phone", "fedkeys.simulate")) for name in loaded
    )


def test_the_library_is_lazy_and_complete() -> None:
    import fedkeys

    assert set(fedkeys.__all__) <= set(dir(fedkeys))
    for name in fedkeys.__all__:
        assert getattr(fedkeys, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        fedkeys.Nothing  # noqa: B018
    assert (Path(fedkeys.__file__).parent / "py.typed").exists()
