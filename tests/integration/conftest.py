"""Real parts: podman with the images of this checkout, the service, Prometheus."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.local_service import running_service
from examples.make_workload import BODY
from tests.integration.base_image import ensure_base_image
from tests.integration.podman import Podman
from tests.integration.prometheus_server import running_prometheus
from tests.waiting import locked

ROOT = Path(__file__).parents[2]
STATE = Path(f"/var/tmp/jouleplan-containers-{os.getuid()}")  # noqa: S108


def _require(*programs: str) -> None:
    absent = [program for program in programs if shutil.which(program) is None]
    assert not absent, f"Expected {', '.join(absent)} on PATH: see CONTRIBUTING.md"


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run a test once more where the interpreter of somebody else's gateway crashed under it.

    LiteLLM's was seen to, once in some dozens of thousands of requests: a fault of its extensions
    or of CPython 3.11.7. What crashes again fails.
    """
    try:
        return (yield)
    except Exception:
        crashed = [one for one in pyfuncitem.funcargs.values() if getattr(one, "crashed", False)]
        if not crashed:
            raise
    gateway: Any
    for gateway in crashed:
        gateway.begin_anew()
    names = pyfuncitem._fixtureinfo.argnames
    pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.fixture(scope="session")
def podman() -> Podman:
    """Podman on a storage that is kept from run to run, with the base image in it."""
    _require("podman", "buildah", "runc")
    podman = Podman.prepare(STATE)
    with locked(STATE / "lock"):
        podman("image", "prune", "--force", "--filter", "until=24h")
        ensure_base_image(podman)
    return podman


@pytest.fixture(scope="session")
def service_image(podman: Podman) -> str:
    with locked(STATE / "lock"):
        return podman.build(ROOT, "service")


@pytest.fixture(scope="session")
def profiler_image(podman: Podman) -> str:
    with locked(STATE / "lock"):
        return podman.build(ROOT, "profiler")


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that a container's user may write into, whatever its number."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="session")
def small_batch() -> dict[str, Any]:
    """The first fifty example requests, without limits."""
    return {"requests": json.loads(BODY.read_text())["requests"][:50]}


@pytest.fixture(scope="module")
def service_url() -> Iterator[str]:
    with running_service() as url:
        yield url


@pytest.fixture(scope="module")
def prometheus_url(service_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes the service each second, with our configuration otherwise."""
    _require("prometheus", "promtool")
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), service_url) as url:
        yield url
