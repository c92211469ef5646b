"""Fixtures of the service's tests: a catalogue, a service without HTTP, and real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.calls.planner_service import PlannerService
from service.settings import Settings
from service.workers.process import load_service
from tests.service.catalogue_maker import write_catalogue
from tests.service.server import Server


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with five cost models and a fleet file."""
    return write_catalogue(tmp_path_factory.mktemp("models"))


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    """Settings over that folder, with one worker."""
    return Settings(models_dir=models_dir, workers=1)


@pytest.fixture(scope="session")
def planner_service(models_dir: Path) -> PlannerService:
    """The service without HTTP and without workers."""
    return load_service(Settings(models_dir=models_dir))[0]


@pytest.fixture(scope="session")
def server(models_dir: Path) -> Iterator[Server]:
    """A real server over that folder."""
    with Server({"JOULEPLAN_MODELS_DIR": str(models_dir), "JOULEPLAN_WORKERS": "1"}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the service does."""
    return "asyncio"
