"""Generated calls, good and bad, are answered as the OpenAPI document says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.server import Server

CONFIG = Path(__file__).with_name("schemathesis.toml")
OF_PLANS = "^/(plan|actuals|decision)$|^/plans"


@pytest.fixture
def schemathesis() -> str:
    """Return the command, from the environment that runs the tests."""
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("needs schemathesis, which is not installed here")
    return command


@pytest.mark.parametrize("selected", ["exclude", "include"])
def test_generated_calls_are_answered_as_documented(
    server: Server, schemathesis: str, tmp_path: Path, selected: str
) -> None:
    """The paths that name plans stay together: what one call answers another is asked with."""
    done = subprocess.run(
        [
            schemathesis,
            f"--config-file={CONFIG}",
            "run",
            f"{server.url}/openapi.json",
            f"--{selected}-path-regex={OF_PLANS}",
            "--max-examples=20",
            "--seed=1",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=540,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "A call failed." not in server.logs()
    assert "A worker was lost." not in server.logs()
