"""Each extra, installed alone from its pins, runs all of its own and nothing of the other."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from commandline.verbs import APPLICATION_OF

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
    (
        "service",
        "commandline,costmodel,planner,service,jouleplan",
        "pynvml,scipy,statsmodels,matplotlib,pytest,pip",
    ),
    (
        "profiler",
        "commandline,costmodel,profiler,jouleplan",
        "ortools,fastapi,starlette,pydantic,uvicorn,pytest,pip",
    ),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--wheel", "--no-build-isolation", "--offline", "--quiet", "--out-dir")
    subprocess.run([BIN / "uv", "build", *options, folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str | None], Path]:
    """Return what installs the wheel with the pins of one extra, or alone, and gives its `bin`."""

    @functools.cache
    def install(extra: str | None) -> Path:
        folder = tmp_path_factory.mktemp(extra or "bare")
        run = functools.partial(subprocess.run, check=True)
        run([BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder])
        uv = (BIN / "uv", "pip", "install", "--quiet", "--python", folder / "bin/python")
        if extra is not None:
            pins = ROOT / "requirements" / f"{extra}.txt"
            run([*uv, "--only-binary", ":all:", "--require-hashes", "-r", pins])
        run([*uv, "--offline", "--no-deps", wheel])
        return folder / "bin"

    return install


@pytest.mark.heavy
@pytest.mark.parametrize(("extra", "packages", "absent"), EXTRAS)
def test_an_extra_alone_imports_all_of_its_package(
    installed: Callable[[str | None], Path], tmp_path: Path, extra: str, packages: str, absent: str
) -> None:
    names = f"{packages},jouleplan"
    command = [installed(extra) / "python", "-I", "-W", "error", "-c", IMPORT_ALL, names, absent]
    finished = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)

    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout)
    assert any(name.startswith(f"{extra}.") for name in answer["imported"])
    assert answer["found"] == []


@pytest.mark.heavy
@pytest.mark.parametrize("extra", ["service", "profiler", None])
def test_the_command_runs_what_is_installed_and_names_the_extra_of_the_rest(
    installed: Callable[[str | None], Path], tmp_path: Path, extra: str | None
) -> None:
    command = installed(extra) / "jouleplan"
    (tmp_path / "batch.csv").write_text("input_tokens,output_tokens\n100,50\n")
    card = ROOT / "models" / "llama-2-7b-chat__m1-pro.json"
    works = {"service": ("plan", "batch.csv", "--time-limit=1"), "profiler": ("show", card)}
    run = functools.partial(
        subprocess.run, cwd=tmp_path, text=True, capture_output=True, check=False
    )

    assert run([command, "--version"]).stdout == f"jouleplan {version('jouleplan')}\n"
    for verb, application in APPLICATION_OF.items():
        asked = run([command, verb, "--help"])
        assert (asked.returncode, asked.stderr) == (0, "")
        assert asked.stdout.startswith(f"usage: jouleplan {verb} ")
        if application != extra:
            refused = run([command, verb])
            assert (refused.returncode, refused.stdout) == (2, "")
            assert f"pip install 'jouleplan[{application}]'" in refused.stderr
            assert "Traceback" not in refused.stderr
    if extra is not None:
        done = run([command, *works[extra]])
        assert done.returncode == 0, done.stderr
        assert "llama" in done.stdout


def test_the_wheel_holds_the_packages_and_the_embedded_cost_models(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"commandline", "costmodel", "planner", "service", "profiler", "jouleplan"}
    assert "service/embedded_models/fleet.yaml" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
