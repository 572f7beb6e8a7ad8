"""What all tests share: nothing is false because the machine was busy; commands have a place of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which fedkeys keeps its data and cache below a temporary directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEDKEYS_")}
    return {
        **kept,
        "FEDKEYS_DATA_DIR": str(tmp_path / "data"),
        "FEDKEYS_CACHE_DIR": str(tmp_path / "cache"),
        "COLUMNS": "200",
    }


@pytest.fixture
def fedkeys(tmp_path: Path, home: dict[str, str]) -> Any:
    """Run fedkeys in a directory of its own, without a terminal."""

    def run(*arguments: str | Path, stdin: str = "") -> Result:
        return subprocess.run(
            [sys.executable, "-m", "fedkeys", *map(str, arguments)],
            cwd=tmp_path,
            env=home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run
