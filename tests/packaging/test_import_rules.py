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
PACKAGES = (
    *("costmodel", "planner", "service", "profiler"),
    *("jouleplan", "benchmarks", "examples"),
)

BREACHES = [
    ("service/breach.py", "import profiler", "applications"),
    ("profiler/breach.py", "import service", "applications"),
    ("service/breach.py", "import jouleplan.verbs", "command"),
    ("planner/breach.py", "import profiler", "command"),
    ("jouleplan/breach.py", "import costmodel.names", "dispatch"),
    ("costmodel/breach.py", "import scipy", "costmodel"),
    ("costmodel/breach.py", "import planner", "costmodel"),
    ("service/breach.py", "import matplotlib", "service"),
    ("profiler/breach.py", "import fastapi", "profiler"),
    ("planner/search/breach.py", "import pydantic", "planner"),
    ("planner/search/breach.py", "import service", "planner"),
    ("planner/bounds/breach.py", "import planner.search.penalty_search", "planner-layers"),
    ("service/telemetry/breach.py", "import service.workers", "service-layers"),
    ("service/calls/schemas/breach.py", "import service.calls.messages", "calls-layers"),
    ("service/plans/breach.py", "import service.decisions.decision_service", "service-layers"),
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


def breach(copy: Path, path: str, statement: str, contract: str) -> str:
    """Return what is said of a contract where a module holds a statement: that it is broken."""
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
    return finished.stdout


@pytest.mark.parametrize(("path", "statement", "contract"), BREACHES)
def test_a_breach_breaks_its_contract(copy: Path, path: str, statement: str, contract: str) -> None:
    module = path.removesuffix(".py").replace("/", ".")
    assert f"{module} -> " in breach(copy, path, statement, contract)


@pytest.mark.parametrize("package", ["planner", "service"])
def test_a_module_without_a_layer_breaks_the_layers(copy: Path, package: str) -> None:
    said = breach(copy, f"{package}/breach.py", "import json", f"{package}-layers")
    assert f"{package}.breach" in said
    assert "must be declared as a layer" in said


def test_a_circle_of_modules_is_found(copy: Path) -> None:
    said = breach(copy, "costmodel/arrays.py", "import costmodel.workload", "circles")
    assert ".arrays -> .workload" in said


def test_cp_sat_is_imported_by_one_module_only(tmp_path: Path) -> None:
    breach = tmp_path / "linear.py"
    breach.write_text("from ortools.sat.python import cp_model\n")
    command = [BIN / "ruff", "check", "--config", ROOT / "pyproject.toml", "--select", "TID251"]
    finished = subprocess.run([*command, breach], text=True, capture_output=True, check=False)
    assert finished.returncode == 1
    assert "Only planner.solvers.cpsat imports CP-SAT" in finished.stdout
