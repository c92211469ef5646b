"""Generated calls, good and bad, are answered as the OpenAPI document says."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.server import Server

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def schemathesis() -> str:
    """Return the command, from the environment that runs the tests."""
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("needs schemathesis, which is not installed here")
    return command


@pytest.fixture
def patient_server(models_dir: Path) -> Iterator[Server]:
    """A server that lets all generated asynchronous plans wait."""
    environment = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_MAX_QUEUE": "10000",
    }
    with Server(environment) as running:
        running.wait_until_ready()
        yield running


def test_generated_calls_are_answered_as_documented(
    patient_server: Server, schemathesis: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            schemathesis,
            f"--config-file={CONFIG}",
            "run",
            f"{patient_server.url}/openapi.json",
            "--max-examples=20",
            "--seed=1",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "A call failed." not in patient_server.logs()
    assert "A worker was lost." not in patient_server.logs()
