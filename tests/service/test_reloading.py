"""A running service takes over changed cost models and a changed fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from costmodel.artefact import save
from service.calls.fleet.loading import load_files
from service.decisions.tokenizers import Tokenizers
from service.file_changes import fingerprint, follow
from service.reloads import follow_files
from service.settings.settings import Settings
from service.telemetry.metrics import Metrics
from tests.costmodel.builders import kv_off_cost_model, kv_on_cost_model
from tests.service.followed_models import following
from tests.service.server import Server
from tests.service.workers import worker_mains
from tests.waiting import wait_in_loop_until, wait_until

FLEET = """\
pools:
  - name: a100
    device: 1xa100-sxm4-40gb
    count: 1
    llms: [llama-2-7b-chat]
    concurrency: [1]
    resident: [llama-2-7b-chat]
"""
REQUEST = {"requests": [{"input_tokens": 32, "output_tokens": 64}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("models"))


def saved(folder: Path) -> Path:
    save(kv_off_cost_model(), folder)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return saved(tmp_path)


@pytest.fixture(scope="module")
def followed(folder: Path) -> Iterator[tuple[Server, Callable[[], None]]]:
    with following(folder) as running:
        yield running


@pytest.fixture
def running(followed: tuple[Server, Callable[[], None]]) -> Iterator[Server]:
    server, restore = followed
    yield server
    restore()


def loaded(server: Server) -> int:
    return len(server.client.get("/cost-models").json()["cost_models"])


def planned_joules(server: Server) -> float:
    answer = server.post("/plan", REQUEST)
    assert answer.status_code == 200, answer.text
    return float(answer.json()["energy_joules"]["requests"])


def test_a_new_artefact_is_loaded_without_a_restart(running: Server, folder: Path) -> None:
    assert loaded(running) == 1
    save(kv_on_cost_model(), folder)
    wait_until(lambda: loaded(running) == 2)
    metrics = running.client.get("/metrics").text
    assert "jouleplan_cost_models_loaded 2.0" in metrics


def test_every_worker_plans_with_the_replaced_artefact(running: Server, folder: Path) -> None:
    before = planned_joules(running)
    doubled = tuple(2 * value for value in kv_off_cost_model().energy_coefficients)
    save(kv_off_cost_model(energy_coefficients=doubled, load_s=1.0), folder)
    wait_until(
        lambda: running.client.get("/cost-models").json()["cost_models"][0]["load_seconds"] == 1.0
    )
    assert [planned_joules(running) for _ in range(6)] == pytest.approx([2 * before] * 6)


def test_a_half_written_artefact_is_never_read_and_the_others_stay(
    running: Server, folder: Path
) -> None:
    half = folder / "qwen3-8b__1xh100.joblib"
    half.write_bytes(b"half of it")
    wait_until(lambda: bool(running.client.get("/cost-models").json()["refused"]))
    assert loaded(running) == 1
    assert planned_joules(running) > 0
    half.unlink()
    wait_until(lambda: not running.client.get("/cost-models").json()["refused"])


def test_a_changed_fleet_is_loaded(running: Server, folder: Path) -> None:
    (folder / "fleet.yaml").write_text(FLEET.replace("name: a100", "name: other"))

    def pools() -> list[str]:
        return [one["pool"] for one in running.client.get("/placements").json()["placements"]]

    wait_until(lambda: pools() == ["other"])


def test_a_file_that_is_being_written_changes_nothing(models: Path) -> None:
    fleet = models / "fleet.yaml"
    before = fingerprint(models, fleet)
    (models / ".x.joblib.123").write_bytes(b"half")
    assert fingerprint(models, fleet) == before
    (models / "x.joblib").write_bytes(b"whole")
    assert fingerprint(models, fleet) != before


def test_what_changes_while_it_is_loaded_is_newer_than_what_is_loaded(models: Path) -> None:
    settings = Settings(models_dir=models)
    loaded = load_files(settings)
    assert loaded.seen == fingerprint(models, settings.fleet_path)
    (models / "fleet.yaml").write_text(FLEET.replace("name: a100", "name: other"))
    assert loaded.seen != fingerprint(models, settings.fleet_path)


@pytest.mark.anyio
async def test_what_could_not_be_used_is_tried_again_though_it_looks_the_same() -> None:
    tries: list[str] = []

    async def reload() -> None:
        tries.append("a try")
        if len(tries) == 1:
            raise OSError("not yet")

    def failing() -> bool:
        return len(tries) < 4

    following = asyncio.create_task(
        follow(lambda: "same", "same", 0.001, reload, failing, retry_s=0.01)
    )
    await wait_in_loop_until(lambda: len(tries) == 4)
    await asyncio.sleep(0.05)
    following.cancel()
    assert len(tries) == 4


def test_nothing_is_followed_where_the_period_is_zero(models: Path) -> None:
    def followed(period_s: float) -> int:
        settings = Settings(models_dir=models, reload_seconds=period_s)
        pool = worker_mains.pool_of(settings, worker_mains.obey)
        failures = Metrics(CollectorRegistry(), "1").reloads
        works = follow_files(settings, pool, Tokenizers(None), None, None, failures)
        for work in works:
            work.close()
        return len(works)

    assert [followed(period_s) for period_s in (0.0, 0.1)] == [0, 1]
