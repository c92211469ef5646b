"""The images of this checkout, built and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.local_service import free_port
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
    absent = "pip,hatchling,pynvml,scipy,matplotlib,statsmodels,httpx,pytest"
    ran = podman("run", "--rm", "--entrypoint=python", service_image, "-c", LOOK_AROUND, absent)
    assert json.loads(ran) == {"uid": 10001, "prefix": "/opt/jouleplan", "found": []}


def test_the_profiler_image_runs_unprivileged_without_tools_of_the_build_or_the_service(
    podman: Podman, profiler_image: str
) -> None:
    absent = "pip,hatchling,ortools,fastapi,starlette,pydantic,uvicorn,pytest"
    ran = podman("run", "--rm", "--entrypoint=python", profiler_image, "-c", LOOK_AROUND, absent)
    assert json.loads(ran) == {"uid": 10001, "prefix": "/opt/jouleplan", "found": []}


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
