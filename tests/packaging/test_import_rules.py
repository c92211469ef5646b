"""The rules of who may import whom fail when they are broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PACKAGES = ("costmodel", "planner", "service", "profiler", "benchmarks", "examples")

BREACHES = [
    ("service/breach.py", "import profiler", "applications"),
    ("profiler/breach.py", "import service", "applications"),
    ("costmodel/breach.py", "import scipy", "costmodel"),
    ("costmodel/breach.py", "import planner", "costmodel"),
    ("service/breach.py", "import matplotlib", "service"),
    ("profiler/breach.py", "import fastapi", "profiler"),
    ("planner/search/breach.py", "import pydantic", "planner"),
    ("planner/search/breach.py", "import service", "planner"),
    ("planner/bounds/breach.py", "import planner.search.descent", "planner-layers"),
    ("planner/breach.py", "import numpy", "planner-layers"),
    ("service/telemetry/breach.py", "import service.workers", "service-layers"),
    ("service/calls/schemas/breach.py", "import service.calls.messages", "calls-layers"),
    ("service/plans/breach.py", "import service.decisions.desk", "service-layers"),
    ("service/breach.py", "import numpy", "service-layers"),
    ("costmodel/arrays.py", "import costmodel.workload", "circles"),
    ("service/workers/breach.py", "import starlette", "web"),
    ("service/breach.py", "import ortools.graph", "solver"),
    ("profiler/breach.py", "from pynvml import nvmlInit", "nvml"),
    ("service/breach.py", "import benchmarks", "products"),
    ("service/breach.py", "import tests", "products"),
    ("benchmarks/breach.py", "from tests.service.server import Server", "harness"),
    ("examples/breach.py", "import models", "harness"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("path", "statement", "contract"), BREACHES)
def test_a_breach_breaks_its_contract(copy: Path, path: str, statement: str, contract: str) -> None:
    (copy / path).write_text(f"{statement}\n")
    finished = subprocess.run(
        [BIN / "lint-imports", "--no-cache", "--contract", contract],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 1, finished.stdout + finished.stderr
    module = path.removesuffix(".py").replace("/", ".")
    assert f"{module} -> " in finished.stdout


def test_cp_sat_is_imported_by_one_module_only(tmp_path: Path) -> None:
    breach = tmp_path / "linear.py"
    breach.write_text("from ortools.sat.python import cp_model\n")
    command = [BIN / "ruff", "check", "--config", ROOT / "pyproject.toml", "--select", "TID251"]
    finished = subprocess.run([*command, breach], text=True, capture_output=True, check=False)
    assert finished.returncode == 1
    assert "Only planner.solvers.cpsat imports CP-SAT" in finished.stdout
