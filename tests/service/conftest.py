"""Fixtures of the service's tests: a catalogue, a service without HTTP, and real servers."""

import io
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from service.__main__ import main, parser
from service.calls.planner_service import PlannerService
from service.cli.plan_command import plan_file
from service.settings.settings import Settings
from service.workers.process import load_service
from tests.service.catalogue_maker import write_catalogue
from tests.service.decision_calls import end
from tests.service.decision_fleet import save_two_llms, save_two_pools
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
    with Server({"JOULEPLAN_MODELS_DIR": str(models_dir)}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="session")
def two_pools_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server over the fleet of two pools; who puts a policy takes it away."""
    models = save_two_pools(tmp_path_factory.mktemp("two-pools"))
    with Server({"JOULEPLAN_MODELS_DIR": str(models)}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="session")
def two_llms_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_two_llms(tmp_path_factory.mktemp("two-llms"))


@pytest.fixture(scope="module")
def _two_llms_server(two_llms_models: Path) -> Iterator[Server]:
    with Server({"JOULEPLAN_MODELS_DIR": str(two_llms_models)}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def two_llms_server(_two_llms_server: Server) -> Iterator[Server]:
    """A real server over two pools and two LLMs: a module's own, since it learns of actuals.

    The decisions of a test end with it, and the policy that it set is taken away.
    """
    server = _two_llms_server
    made: list[dict[str, Any]] = []

    def remember(answer: httpx.Response) -> None:
        if answer.request.url.path == "/decision" and answer.status_code == 200:
            answer.read()
            made.append(answer.json())

    server.client.event_hooks = {"response": [remember]}
    yield server
    server.client.event_hooks = {}
    if made:
        end(server, *made)
    server.client.delete("/policy").raise_for_status()


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture
def environment(models_dir: Path) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    return {**own, "JOULEPLAN_MODELS_DIR": str(models_dir)}


@pytest.fixture
def plan(
    models_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:
    """Run `python -m service plan` in this process, which is quicker than a process each."""
    # Ctrl-C is for pytest here.
    monkeypatch.setattr("service.__main__.end_on_interrupt", lambda: None)

    def run(*arguments: str, stdin: str = "", **variables: str) -> Any:
        monkeypatch.chdir(tmp_path)
        for name, value in {"JOULEPLAN_MODELS_DIR": str(models_dir), **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        words = ["plan", *arguments]
        capsys.readouterr()
        try:
            status = main(words)
        except SystemExit as wrong:
            status = cast(int, wrong.code)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, printed.out, printed.err)

    return run


@pytest.fixture
def planned_here(
    models_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:
    """Run the command in this process, which is quicker, and return its status and output."""

    def run(*arguments: str) -> Any:
        monkeypatch.chdir(tmp_path)
        options = parser().parse_args(["plan", *arguments, "--quiet"])
        status = plan_file(options, Settings(models_dir=models_dir))
        return status, capsys.readouterr()

    return run
