"""The compose file, brought up with podman-compose on the host's network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from examples.local_service import free_port
from tests.integration.podman import Container, Podman
from tests.integration.simulated_campaign import LLM, write_observations

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@dataclass(frozen=True)
class Project:
    """A running compose project."""

    podman: Podman
    files: tuple[Path, ...]
    environment: dict[str, str]
    url: str

    def __call__(self, *arguments: str) -> str:
        files = [f"--file={path}" for path in self.files]
        finished = subprocess.run(
            [sys.executable, "-m", "podman_compose", "--in-pod=0", *files, *arguments],
            cwd=ROOT,
            env={**self.podman.environment, **self.environment},
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    def service(self) -> Container:
        return Container(self.podman, "jouleplan_service_1")


@pytest.fixture
def project(
    podman: Podman, service_image: str, profiler_image: str, tmp_path: Path, open_folder: Path
) -> Iterator[Project]:
    """The compose file on the host's network, where ports are not published but opened."""
    for image, name in ((service_image, "service"), (profiler_image, "profiler")):
        podman("tag", image, f"localhost/jouleplan-{name}:latest")
    port = free_port()
    settings = {"JOULEPLAN_PORT": str(port), "JOULEPLAN_ALLOW_SIMULATED": "true"}
    override = {
        "services": {
            "service": {"network_mode": "host", "environment": settings},
            "profiler": {"network_mode": "host"},
        }
    }
    (tmp_path / "override.yml").write_text(yaml.safe_dump(override))
    project = Project(
        podman,
        (ROOT / "docker-compose.yml", tmp_path / "override.yml"),
        {"JOULEPLAN_OBSERVATIONS": str(open_folder)},
        f"http://127.0.0.1:{port}",
    )
    try:
        yield project
    finally:
        project("--profile=profile", "down", "--volumes")


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_the_profiler_fits_into_the_volume_that_the_service_reads(
    project: Project, open_folder: Path
) -> None:
    project("up", "--detach", "--no-build", "service")
    project.service().await_healthy()
    shipped = httpx.get(f"{project.url}/cost-models").json()["cost_models"]
    assert LLM not in {entry["llm"] for entry in shipped}

    write_observations(open_folder / "observations.csv")
    project("--profile=profile", "run", "--rm", "--no-deps", "profiler")
    project("restart", "service")
    project.service().await_healthy()

    fitted = httpx.get(f"{project.url}/cost-models").json()["cost_models"]
    assert {entry["llm"] for entry in fitted} == {entry["llm"] for entry in shipped} | {LLM}


def test_every_port_is_published_on_the_loopback_address_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_scrapes_the_service_by_its_compose_name() -> None:
    configuration = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = configuration["scrape_configs"][0]["static_configs"][0]["targets"]
    name, port = targets[0].split(":")
    assert name in COMPOSE["services"]
    assert COMPOSE["services"][name]["ports"][0].endswith(f":{port}")
