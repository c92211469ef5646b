"""Users without a home, as containers have them: what would be kept there is kept in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.decision_fleet import save_two_pools
from tests.service.server import ROOT, Server

NOBODY = """\
import pwd

def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = getpwuid
"""


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment whose Python programs run as a user that the system does not know."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOBODY)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return {
        "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path)),
        "JOULEPLAN_WORKERS": "1",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_a_home_the_service_starts_and_keeps_actuals_in_memory(
    no_home: dict[str, str],
) -> None:
    assert run(no_home, "-c", "from pathlib import Path; Path.home()").returncode == 1
    with Server(no_home, store=None) as server:
        server.wait_until_ready()
        body = {"actuals": [{"id": "one", "llm": "qwen3-8b", "pool": "small", "output_tokens": 9}]}
        assert server.post("/actuals", body).json() == {"accepted": 1, "duplicates": 0}
        assert server.post("/actuals", body).json() == {"accepted": 0, "duplicates": 1}
        assert server.logs().count("Actuals are kept in memory only.") == 1


def test_memory_that_was_asked_for_is_no_warning(no_home: dict[str, str]) -> None:
    with Server(no_home | {"JOULEPLAN_ACTUALS_PATH": ":memory:"}, store=None) as server:
        server.wait_until_ready()
        assert "in memory only" not in server.logs()


def test_without_a_home_the_settings_are_printed_and_a_file_is_planned(
    no_home: dict[str, str], tmp_path: Path
) -> None:
    printed = run(no_home, "-m", "service", "--print-config")
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout)["actuals_path"] == ":memory:"
    batch = tmp_path / "batch.csv"
    batch.write_text("input_tokens,output_tokens\n200,100\n")
    planned = run(no_home, "-m", "service", "plan", str(batch), "--quiet")
    assert planned.returncode == 0, planned.stderr
