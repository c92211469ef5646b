"""The tasks that every clone has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("setup", "demo", "test", "check", "bench", "clean", "lock")


def test_make_alone_lists_the_tasks() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    named = {line.split()[1] for line in listed.splitlines()}
    assert named >= set(TARGETS)


@pytest.mark.parametrize("target", ["setup", "demo"])
def test_an_old_python_is_refused_before_anything_is_made(target: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements").symlink_to(ROOT / "requirements")
    old = tmp_path / "python-3.9"
    pretend = "import sys; sys.version_info = (3, 9); exec(sys.argv[1])"
    old.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{pretend}' \"$2\"\n")
    old.chmod(0o755)

    finished = subprocess.run(
        ["make", target, f"PYTHON={old}"], cwd=tmp_path, text=True, capture_output=True, check=False
    )

    assert finished.returncode != 0
    assert "Expected Python 3.11 or newer, got 3.9" in finished.stderr
    assert not (tmp_path / ".venv").exists()
