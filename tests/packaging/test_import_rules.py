"""The rules of who may import whom fail when they are broken."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PACKAGES = (
    *("commandline", "costmodel", "planner", "service", "profiler"),
    *("jouleplan", "benchmarks", "examples"),
)

BREACHES = (
    ("service/breach.py", "import profiler", "applications"),
    ("profiler/breach.py", "import service", "applications"),
    ("service/breach.py", "import jouleplan.__main__", "command"),
    ("planner/breach.py", "import profiler", "command"),
    ("jouleplan/breach.py", "import costmodel.names", "dispatch"),
    ("commandline/breach.py", "import rich", "commandline"),
    ("commandline/breach.py", "import costmodel.names", "command"),
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
    ("service/breach.py", "import rich", "terminal"),
    ("service/breach.py", "import ortools.graph", "solver"),
    ("profiler/breach.py", "from pynvml import nvmlInit", "nvml"),
    ("service/breach.py", "import benchmarks", "products"),
    ("service/breach.py", "import tests", "products"),
    ("benchmarks/breach.py", "from tests.service.server import Server", "harness"),
    ("examples/breach.py", "import models", "harness"),
)
"""Modules that are not there, what each imports, and the contract that forbids it."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what is said of each contract, by its id, where every breach is made at once."""
    copy = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for index, (path, statement, _) in enumerate(BREACHES):
        (copy / numbered(path, index)).write_text(f"{statement}\n")
    (copy / "costmodel/arrays.py").write_text("import costmodel.workload\n")
    finished = subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 1, finished.stdout + finished.stderr
    rules = tomllib.loads((copy / "pyproject.toml").read_text())["tool"]["importlinter"]
    ids = {contract["name"]: contract["id"] for contract in rules["contracts"]}
    _, *parts = re.split(r"^(.+)\n-+\n", finished.stdout, flags=re.MULTILINE)
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    return {ids[name]: text for name, text in said.items() if name in ids}


def numbered(path: str, index: int) -> str:
    return path.replace("breach", f"breach_{index}")


@pytest.mark.parametrize("index", range(len(BREACHES)), ids=lambda i: BREACHES[i][0] + str(i))
def test_a_breach_breaks_its_contract(broken: dict[str, str], index: int) -> None:
    path, statement, contract = BREACHES[index]
    module = numbered(path, index).removesuffix(".py").replace("/", ".")
    package = statement.split()[1].split(".")[0]
    assert f"{module} -> {package}" in broken[contract]


@pytest.mark.parametrize("package", ["planner", "service"])
def test_a_module_without_a_layer_breaks_the_layers(broken: dict[str, str], package: str) -> None:
    unlisted = broken[f"{package}-layers"].partition("are not listed as layers:")[2]
    assert f"- {package}.breach_" in unlisted
    assert "must be declared as a layer" in unlisted.replace("\n", " ")


def test_a_circle_of_modules_is_found(broken: dict[str, str]) -> None:
    assert ".arrays -> .workload" in broken["circles"]


def test_cp_sat_is_imported_by_one_module_only(tmp_path: Path) -> None:
    breach = tmp_path / "linear.py"
    breach.write_text("from ortools.sat.python import cp_model\n")
    command = [BIN / "ruff", "check", "--config", ROOT / "pyproject.toml", "--select", "TID251"]
    finished = subprocess.run([*command, breach], text=True, capture_output=True, check=False)
    assert finished.returncode == 1
    assert "Only planner.solvers.cpsat imports CP-SAT" in finished.stdout


def imports_of(text: str) -> Iterator[str]:
    """Give the full name of each module that a text imports, and of what it takes from one."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_a_test(name: str) -> bool:
    """Whether a name lies in a module of tests, or in fixtures that pytest gives by itself."""
    top, *parts = name.split(".")
    return top == "tests" and any(p.startswith("test_") or p == "conftest" for p in parts)


@pytest.mark.parametrize(
    "statement",
    [
        "from tests.service.test_workers import job",
        "import tests.service.test_workers as w",
        "from tests.service import server, test_workers",
        "def f():\n    from tests.service.conftest import server",
    ],
)
def test_an_import_of_a_test_is_found(statement: str) -> None:
    assert any(names_a_test(name) for name in imports_of(statement))


def test_what_tests_share_lies_beside_them_and_not_in_one_of_them() -> None:
    borrowers = [
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / "tests").rglob("*.py")
        if path.name != "conftest.py"
        for name in imports_of(path.read_text())
        if names_a_test(name)
    ]
    assert borrowers == []


def test_a_worker_does_without_pandas() -> None:
    """Half a second and 68 MB of each: OR-Tools' own modelling layer would import it."""
    code = "import sys, service.workers.process; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
