"""Each extra, installed alone from its pins, imports all of its own and nothing of the other."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

IMPORT_ALL = """
import importlib, importlib.util, json, pkgutil, sys
imported = []
for name in sys.argv[1].split(","):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            imported.append(module.name)
found = [name for name in sys.argv[2].split(",") if importlib.util.find_spec(name)]
print(json.dumps({"imported": imported, "found": found}))
"""

EXTRAS = [
    ("service", "costmodel,planner,service", "pynvml,scipy,statsmodels,matplotlib,pytest,pip"),
    ("profiler", "costmodel,profiler", "ortools,fastapi,starlette,pydantic,uvicorn,pytest,pip"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--wheel", "--no-build-isolation", "--offline", "--quiet", "--out-dir")
    subprocess.run([BIN / "uv", "build", *options, folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.heavy
@pytest.mark.parametrize(("extra", "packages", "absent"), EXTRAS)
def test_an_extra_alone_imports_all_of_its_package(
    wheel: Path, tmp_path: Path, extra: str, packages: str, absent: str
) -> None:
    python = tmp_path / "environment/bin/python"
    uv = (BIN / "uv", "pip", "install", "--quiet", "--python", python)
    pins = ROOT / "requirements" / f"{extra}.txt"
    subprocess.run(
        [BIN / "uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "environment"],
        check=True,
    )
    subprocess.run([*uv, "--only-binary", ":all:", "--require-hashes", "-r", pins], check=True)
    subprocess.run([*uv, "--offline", "--no-deps", wheel], check=True)

    command = [python, "-I", "-W", "error", "-c", IMPORT_ALL, packages, absent]
    finished = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)

    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout)
    assert any(name.startswith(f"{extra}.") for name in answer["imported"])
    assert answer["found"] == []


def test_the_wheel_holds_the_packages_and_the_embedded_cost_models(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"costmodel", "planner", "service", "profiler"}
    assert "service/embedded_models/fleet.yaml" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
