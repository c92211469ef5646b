"""A file of actuals that two services write to: both are warned, and neither is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.decisions.actuals.store import ActualsStore
from tests.service.decisions.actuals.actuals_files import actual, kept

pytestmark = pytest.mark.anyio


HOLDER = """
import asyncio, sys
from pathlib import Path
from service.decisions.actuals.store import ActualsStore

async def hold():
    await ActualsStore(Path(sys.argv[1]), 10).recent(1)
    print("held", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


@contextmanager
def another_service(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            holder.kill()


def shared_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "another service" in one.getMessage()]


async def test_a_file_that_another_service_writes_to_is_warned_of_once_and_used(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with another_service(path) as holder:
        store = ActualsStore(path, 10)
        await store.add([actual("a")])
        await store.probe()
        await store.probe()
        assert [one.id for one in await store.recent(10)] == ["a"]
        (warning,) = shared_warnings(caplog)
        assert str(path) in warning
        assert f"(process {holder.pid})" in warning
        assert "JOULEPLAN_ACTUALS_PATH" in warning
        await store.stop()


async def test_a_service_that_was_killed_holds_no_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with another_service(path) as holder:
        waiting = ActualsStore(path, 10)
        await waiting.recent(1)
        assert len(shared_warnings(caplog)) == 1
        holder.kill()
        holder.wait()
    caplog.clear()
    # Who was second holds the file from its next look on, and whoever stops leaves it to the next.
    await waiting.probe()
    third = ActualsStore(path, 10)
    await third.recent(1)
    assert f"(process {os.getpid()})" in shared_warnings(caplog)[0]
    await third.stop()
    await waiting.stop()
    caplog.clear()
    assert await kept(path) == []
    assert shared_warnings(caplog) == []


async def test_a_lock_that_cannot_be_made_is_no_refusal(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_name(path.name + ".lock").mkdir(parents=True)
    store = ActualsStore(path, 10)
    assert [one.id for one in await store.add([actual("a")])] == ["a"]
    await store.stop()
    assert shared_warnings(caplog) == []
