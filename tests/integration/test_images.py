"""The images of this checkout, built and run."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.local_service import free_port
from examples.simulated_gpu.record import serving
from examples.simulated_gpu.serve import LLM as SERVED
from tests.integration.base_image import NAME as BASE_IMAGE
from tests.integration.podman import Podman
from tests.integration.simulated_campaign import DEVICE, LLM, write_observations

ROOT = Path(__file__).parents[2]
LOOK_AROUND = """
import importlib.util, json, os, shutil, sys
tools = [t for t in ("gcc", "cc", "make", "git", "uv", "hatch") if shutil.which(t)]
found = [m for m in sys.argv[1].split(",") if importlib.util.find_spec(m)]
caches = [p for p in ("/root" + "/.cache", "/.cache", "/build") if os.path.exists(p)]
print(json.dumps({"uid": os.getuid(), "prefix": sys.prefix, "found": tools + found + caches}))
"""

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


def _settings() -> tuple[str, dict[str, str]]:
    """A free port for a container on the host's network, and the URL of the service there."""
    port = free_port()
    settings = {"JOULEPLAN_PORT": str(port), "JOULEPLAN_ALLOW_UNAUTHENTICATED": "true"}
    return f"http://127.0.0.1:{port}", settings


def test_the_service_image_becomes_healthy_and_plans(
    podman: Podman, service_image: str, small_batch: dict[str, Any]
) -> None:
    url, settings = _settings()
    with podman.running(service_image, environment=settings) as container:
        container.await_healthy()
        answer = httpx.post(f"{url}/plan", json=small_batch, timeout=60.0)
        cost_models = httpx.get(f"{url}/cost-models").json()

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["assignments"]) == len(small_batch["requests"])
    shipped = list((ROOT / "models").glob("*.joblib"))
    assert len(cost_models["cost_models"]) == len(shipped)


def test_the_service_image_runs_unprivileged_without_tools_of_the_build_or_the_profiler(
    podman: Podman, service_image: str
) -> None:
    absent = "pip,hatchling,pynvml,scipy,matplotlib,statsmodels,pytest"
    ran = podman("run", "--rm", "--entrypoint=python", service_image, "-c", LOOK_AROUND, absent)
    assert json.loads(ran) == {"uid": 10001, "prefix": "/opt/jouleplan", "found": []}


def test_the_profiler_image_runs_unprivileged_without_tools_of_the_build_or_the_service(
    podman: Podman, profiler_image: str
) -> None:
    absent = "pip,hatchling,ortools,fastapi,starlette,pydantic,uvicorn,pytest"
    ran = podman("run", "--rm", "--entrypoint=python", profiler_image, "-c", LOOK_AROUND, absent)
    assert json.loads(ran) == {"uid": 10001, "prefix": "/opt/jouleplan", "found": []}


@pytest.mark.parametrize("name", ["service", "profiler"])
def test_an_image_has_the_one_command_on_its_path(
    podman: Podman, request: pytest.FixtureRequest, name: str
) -> None:
    image = request.getfixturevalue(f"{name}_image")
    started = ("run", "--rm", "--entrypoint=jouleplan", image)
    assert podman(*started, "--version") == f"jouleplan {version('jouleplan')}\n"
    verb, other = ("plan", "fit") if name == "service" else ("fit", "plan")
    assert f"usage: jouleplan {verb} " in podman(*started, verb, "--help")
    refused = podman.start(*started, other)
    assert refused.returncode == 2
    assert "pip install 'jouleplan[" in refused.stderr


def test_the_service_image_does_not_listen_to_everyone_unasked(
    podman: Podman, service_image: str
) -> None:
    finished = podman.start("run", "--rm", "--network=host", service_image)
    assert finished.returncode != 0
    assert "JOULEPLAN_ALLOW_UNAUTHENTICATED" in finished.stderr


def test_a_module_in_the_mounted_folder_is_not_imported(
    podman: Podman, profiler_image: str, open_folder: Path
) -> None:
    (open_folder / "json.py").write_text("raise SystemExit('imported')\n")
    options = ("--rm", f"--volume={open_folder}:/models", "--workdir=/models")
    assert "measurements" in podman("run", *options, profiler_image, "--help").lower()


def test_the_profiler_image_measures_a_server_and_a_running_service_image_takes_it_over(
    podman: Podman, service_image: str, profiler_image: str, open_folder: Path, tmp_path: Path
) -> None:
    powercap, models = open_folder / "powercap", open_folder / "models"
    models.mkdir(mode=0o777)
    models.chmod(0o777)
    shutil.copy(ROOT / "models" / "llama-2-7b-chat__1xa100-sxm4-40gb.joblib", models)
    shutil.copy(ROOT / "models" / "llama-2-7b-chat__1xa100-sxm4-40gb.json", models)
    url, settings = _settings()
    settings["JOULEPLAN_ALLOW_SIMULATED"] = "true"
    mounted = ("--rm", "--network=host", f"--volume={open_folder}:/campaign")
    with (
        podman.running(
            service_image, environment=settings, volumes={models: "/models"}
        ) as container,
        serving(tmp_path) as server,
        counting(powercap, watts=150.0),
    ):
        container.await_healthy()
        for verb in (
            ("measure", *_pair(server), *_SMALL, "--meter=rapl", "--powercap=/campaign/powercap",
             "--out=/campaign/models/obs.csv"),
            ("fit", "/campaign/models/obs.csv", "--models-dir=/campaign/models",
             "--report=/campaign/models/report.html"),
        ):  # fmt: skip
            podman("run", *mounted, profiler_image, *verb)
        listed = _cost_models_once(url, 2)

    measured = next(entry for entry in listed if entry["llm"] == SERVED)
    assert measured["provenance"]["energy_scope"] == "gpu+cpu"
    assert measured["idle_watts"] == pytest.approx(150.0, rel=0.02)
    assert "<svg" in (models / "report.html").read_text()


_SMALL = (
    "--input-tokens=16,32,64", "--output-tokens=4,16", "--concurrency=1,4", "--window-seconds=0.3",
    "--idle-seconds=5", "--max-minutes=2", "--source=simulated",
)  # fmt: skip


def _pair(server: str) -> tuple[str, ...]:
    return (f"--url={server}", f"--llm={SERVED}", "--device=1xcpu-core")


def _cost_models_once(url: str, count: int) -> list[dict[str, Any]]:
    end = time.perf_counter() + 30.0
    while True:
        listed: list[dict[str, Any]] = httpx.get(f"{url}/cost-models").json()["cost_models"]
        if len(listed) == count or time.perf_counter() > end:
            assert len(listed) == count
            return listed
        time.sleep(0.2)


@contextmanager
def counting(root: Path, watts: float) -> Iterator[None]:
    """A RAPL counter that rises by so many watts."""
    folder = root / "intel-rapl:0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n")
    (folder / "max_energy_range_uj").write_text("262143328850\n")
    stop, began = threading.Event(), time.perf_counter()

    def count() -> None:
        while not stop.wait(0.005):
            fresh = folder / ".energy"
            fresh.write_text(f"{round((time.perf_counter() - began) * watts * 1e6)}\n")
            fresh.replace(folder / "energy_uj")

    thread = threading.Thread(target=count)
    thread.start()
    try:
        time.sleep(0.1)
        yield
    finally:
        stop.set()
        thread.join()


def test_the_profiler_image_is_small(podman: Podman, profiler_image: str) -> None:
    sizes = [int(podman("image", "inspect", "--format={{.Size}}", name)) for name in
             (profiler_image, BASE_IMAGE)]  # fmt: skip
    assert sizes[0] - sizes[1] < 400e6


def test_what_the_profiler_image_fits_the_service_image_loads(
    podman: Podman,
    service_image: str,
    profiler_image: str,
    open_folder: Path,
    small_batch: dict[str, Any],
) -> None:
    write_observations(open_folder / "campaign.csv")
    mounted = ("--rm", "--network=host", f"--volume={open_folder}:/models")
    for verb in (
        ("import", "csv", "/models/campaign.csv", "--out", "/models/observations.csv"),
        ("fit", "/models/observations.csv", "--models-dir", "/models"),
    ):
        podman("run", *mounted, profiler_image, *verb)
    assert (open_folder / f"{LLM}__{DEVICE}.joblib").stat().st_uid == 10001

    url, settings = _settings()
    settings["JOULEPLAN_ALLOW_SIMULATED"] = "true"
    volumes = {open_folder: "/models"}
    pool = {"name": "example", "device": DEVICE, "count": 2, "llms": [LLM], "resident": [LLM]}
    fleet = {"pools": [pool | {"concurrency": [1]}]}
    with podman.running(service_image, environment=settings, volumes=volumes) as container:
        container.await_healthy()
        listed = httpx.get(f"{url}/cost-models").json()["cost_models"]
        answer = httpx.post(f"{url}/plan", json=small_batch | {"fleet": fleet}, timeout=60.0)

    assert [(entry["llm"], entry["device"]) for entry in listed] == [(LLM, DEVICE)]
    assert answer.status_code == 200, answer.text
    assert answer.json()["placements"][0]["requests"] == len(small_batch["requests"])
