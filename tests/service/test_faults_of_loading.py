"""Whatever the loading of files meets in a worker, the worker goes on and names the file."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from costmodel.artefact import save
from service.calls.messages import Job
from service.reloads import recording
from service.settings.settings import Settings
from service.telemetry.failures import Failures
from service.workers.loaded_files import PoolListener
from service.workers.pool import WorkerPool
from tests.costmodel.builders import kv_on_cost_model
from tests.service.decision_fleet import FLEET, save_two_pools
from tests.service.workers.worker_mains import FAULT, fail_where_files_say_so, pool_of
from tests.waiting import wait_in_loop_until

pytestmark = pytest.mark.anyio

STEM = "qwen3-8b__1xh100"


class Heard(PoolListener):
    """What of the files cannot be used."""

    failures: Mapping[str, str] | None = None
    lost = 0

    def files_read(self, failures: Mapping[str, str]) -> None:
        self.failures = failures

    def worker_lost(self, *, hung: bool) -> None:
        self.lost += 1


@asynccontextmanager
async def running(models: Path) -> AsyncIterator[tuple[WorkerPool, Heard]]:
    events = Heard()
    pool = pool_of(Settings(models_dir=models, workers=1), fail_where_files_say_so, events)
    pool.start()
    try:
        await wait_in_loop_until(lambda: pool.ready)
        yield pool, events
    finally:
        await pool.stop()


def spoil_artefact(models: Path) -> None:
    (models / f"{STEM}.joblib").write_text(FAULT)


def spoil_fleet(models: Path) -> None:
    (models / "fleet.yaml").write_text(FAULT)


def spoil_all(models: Path) -> None:
    (models / "all").touch()


def mend(models: Path) -> None:
    save(kv_on_cost_model(), models)
    (models / "fleet.yaml").write_text(FLEET)
    (models / "all").unlink(missing_ok=True)


SPOILT: Mapping[str, tuple[Callable[[Path], None], set[str], str]] = {
    "an artefact": (spoil_artefact, {"cost_models"}, f"{STEM}.joblib: "),
    "the fleet": (spoil_fleet, {"fleet"}, "fleet.yaml: "),
    "what they make together": (spoil_all, {"cost_models", "fleet"}, "fleet.yaml: "),
}


@pytest.mark.parametrize("what", SPOILT)
async def test_a_fault_of_loading_leaves_the_last_good_state_and_names_the_file(
    tmp_path: Path, what: str
) -> None:
    spoil, kinds, named = SPOILT[what]
    async with running(save_two_pools(tmp_path)) as (pool, events):
        good = pool.description
        assert good is not None
        assert events.failures == {}
        spoil(tmp_path)
        await pool.reload()
        assert set(events.failures) == kinds
        for words in events.failures.values():
            assert named in words
            assert "a fault of jouleplan" in words or "a fault of its own" in words
            assert "Error" not in words
        assert pool.description.placements_body == good.placements_body
        assert pool.description.reasons == ()
        assert pool.may_be_mended
        body = b'{"requests":[{"input_tokens":200,"output_tokens":100}]}'
        assert (await pool.submit(Job("plan", body, "/plan"))).status == 200
        mend(tmp_path)
        await pool.reload()
        assert events.failures == {}
        assert events.lost == 0


async def test_reading_again_what_cannot_be_used_is_no_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service.workers.loaded_files")

    def warnings_logged() -> int:
        return sum("has loaded again" in record.message for record in caplog.records)

    async with running(save_two_pools(tmp_path)) as (pool, _):
        spoil_fleet(tmp_path)
        await pool.reload()
        assert warnings_logged() == 1
        await pool.reload()
        assert warnings_logged() == 1
        mend(tmp_path)
        await pool.reload()
        assert warnings_logged() == 2


@pytest.mark.parametrize("what", SPOILT)
async def test_a_fault_of_loading_at_the_start_leaves_a_worker_that_says_why(
    tmp_path: Path, what: str
) -> None:
    spoil, _, named = SPOILT[what]
    spoil(save_two_pools(tmp_path))
    async with running(tmp_path) as (pool, events):
        assert pool.description is not None
        reasons = [*pool.description.reasons, *pool.description.notes]
        reasons += [f"{one['path']}: {one['kind']}" for one in pool.description.refused]
        assert any(named in one for one in reasons), reasons
        mend(tmp_path)
        await pool.reload()
        assert events.failures == {}
        assert pool.description.reasons == ()


class Faulty:
    """Files whose loading meets what it never should."""

    name, loaded_stamp = "/etc/jouleplan/keys.yaml", "once"

    def stamp(self) -> object:
        return self.loaded_stamp

    async def reload(self) -> None:
        raise AttributeError("of no use to an operator")


async def test_a_fault_of_loading_what_no_worker_loads_is_reported_with_its_file() -> None:
    failures = Failures(logging.getLogger("tests"), "Cannot load {}:")
    await recording(failures, "keys", Faulty(), KeyError)()
    (note,) = failures.notes()
    assert "Cannot load keys: /etc/jouleplan/keys.yaml: cannot be used" in note
    assert "of no use" not in note
