"""The soak goes on where a connection breaks, and tells what ended it before its time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.gateways.broken_planners import (
    BrokenPlanner,
    Manner,
    Reader,
    Writer,
    answering,
    hung,
    in_turn,
)
from benchmarks.open_load import Line, post
from benchmarks.soak.__main__ import small_disk
from benchmarks.soak.processes import resident_mb, workers_of
from benchmarks.soak.report import Sample, SoakRecord, report, warm_at
from benchmarks.soak.run import Pace, Soak
from examples.local_service import free_port
from service.decisions.traffic import MAX_REQUESTS
from tests.service.server import Server

ASK = post("http://127.0.0.1/decision", b"{}")
WELL = answering(200, b"ok")


async def breaking(reader: Reader, writer: Writer) -> None:
    """Accept, read, and hang up."""
    await reader.read(65_536)


def asked(times: int, *manners: Manner, answer_s: float = 60.0) -> list[int]:
    """Return the statuses of some calls of a server that changes its manner by connection."""
    port = free_port()

    async def ask() -> list[int]:
        with closing(Line(port, answer_s)) as line:
            found = []
            for _ in range(times):
                found.append(await line.ask(ASK))
                # Time for the end of the connection to arrive.
                await asyncio.sleep(0.1)
        return found

    with BrokenPlanner(port, in_turn(manners)):
        return asyncio.run(ask())


def test_a_connection_that_breaks_is_made_anew() -> None:
    assert asked(3, breaking, WELL) == [0, 200, 0]
    assert asked(3, WELL) == [200, 200, 200]


def test_a_call_that_is_never_answered_has_failed_and_the_next_is_not() -> None:
    assert asked(2, hung, WELL, answer_s=2.0) == [0, 200]


def test_a_server_that_comes_late_is_asked() -> None:
    port = free_port()
    with asyncio.Runner() as runner, closing(Line(port)) as line:
        assert runner.run(line.ask(ASK)) == 0
        with BrokenPlanner(port, WELL):
            assert runner.run(line.ask(ASK)) == 200


@contextmanager
def serving() -> Iterator[Server]:
    with Server({"JOULEPLAN_RELOAD_SECONDS": "0"}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    with serving() as running:
        yield running


def soak(service: Server, folder: Path, pace: Pace) -> SoakRecord:
    return asyncio.run(Soak(service.port, service.process, folder, pace).run())


def test_a_soak_asks_reports_kills_and_weighs(service: Server, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    pace = Pace(rate=20.0, seconds=4.0, kill_s=1.0, replace_s=1.0, outages=())
    record = soak(service, tmp_path, pace)
    assert record.broken == []
    assert record.asked == len(record.seconds) == len(set(record.acknowledged)) == 80
    assert record.failed == record.refused_actuals == {}
    assert record.killed >= 1
    assert record.replaced >= 1
    assert min(one.main_mb for one in record.samples) > 1.0
    assert max(one.workers_mb for one in record.samples) > 1.0
    assert service.client.get("/actuals").status_code == 200


def test_a_soak_whose_service_dies_ends_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with serving() as service:
        death = threading.Timer(2.0, service.process.kill)
        death.start()
        record = soak(service, tmp_path, Pace(rate=20.0, seconds=600.0, outages=()))
        death.join()
    assert record.broken == ["ServiceEndedError: Expected a running service, got exit status -9."]
    assert record.took_s < 600.0
    text = report(record, set(record.acknowledged), 20.0, 600.0)
    assert text.startswith("ENDED EARLY: ServiceEndedError")
    assert f"decisions: {record.asked:,} asked" in text


def test_a_part_of_the_soak_that_fails_ends_it_and_is_named(
    service: Server, tmp_path: Path
) -> None:
    pace = Pace(rate=20.0, seconds=600.0, replace_s=0.5, outages=())
    record = soak(service, tmp_path / "nowhere", pace)
    assert len(record.broken) == 1
    assert record.broken[0].startswith("FileNotFoundError")


def test_a_process_that_has_ended_has_no_workers_and_no_memory() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert workers_of(process.pid) == []
    assert resident_mb(process.pid) == 0.0
    assert resident_mb(os.getpid()) > 1.0


@pytest.fixture
def may_mount(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    probe.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(probe)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root that may mount")
    subprocess.run(["umount", str(probe)], check=True)


@pytest.mark.usefixtures("may_mount")
def test_the_disk_is_unmounted_after_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with small_disk(tmp_path / "disk", 1024 * 1024) as disk:
            assert disk.is_mount()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not (tmp_path / "disk").is_mount()


@pytest.mark.usefixtures("may_mount")
def test_the_disk_is_full_for_a_while_and_then_has_room(service: Server, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with small_disk(tmp_path / "disk", 1024 * 1024) as disk:
        pace = Pace(rate=10.0, seconds=4.0, outages=((0.1, 0.2), (0.4, 0.6)))
        record = soak(service, tmp_path, pace)
        assert record.broken == []
        assert record.full_s > 0.0
        assert record.samples[-1].outages == 2
        (disk / "room").write_bytes(bytes(512 * 1024))


def samples(*rows: tuple[float, int, int, int]) -> list[Sample]:
    return [Sample(at, 100.0 + at, 50.0, *rest) for at, *rest in rows]


def test_it_is_warm_when_all_is_filled_planned_and_caught_up() -> None:
    full = MAX_REQUESTS + 500
    steps = [(0.0, 0, 0, 0), (50.0, full, full - 400, 0)]
    recovering = [*steps, (60.0, full + 50, full - 400, 1), (70.0, full + 90, full + 40, 1)]
    assert warm_at(samples(*recovering), 30.0) is None
    caught_up = [*recovering, (80.0, full + 100, full + 60, 1), (90.0, full + 200, full + 200, 1)]
    assert warm_at(samples(*caught_up), 30.0) == 80.0
    assert warm_at(samples(*caught_up), 85.0) == 90.0
    few = [
        (at, decided - MAX_REQUESTS, acked - MAX_REQUESTS, outages)
        for at, decided, acked, outages in caught_up
    ]
    assert warm_at(samples(*few), 30.0) is None


def test_the_report_judges_memory_from_the_warm_up_on() -> None:
    full = MAX_REQUESTS
    steady = [(at, full, full, 1) for at in range(200, 600)]
    record = SoakRecord(
        asked=full + 1,
        seconds=[0.001] * full,
        failed={503: 1},
        acknowledged=["1", "2", "3"],
        samples=samples((0.0, 0, 0, 0), *((float(at), *rest) for at, *rest in steady)),
    )
    text = report(record, {"1", "3"}, 100.0, 600.0)
    assert "20,001 asked, 1 failed {503: 1}" in text
    assert "3 acknowledged, 1 of them lost" in text
    assert "warm after 200 s" in text
    assert "main process: 309.5 MB, then 689.5 MB: ratio 2.228" in text
    assert "its workers together: 50.0 MB, then 50.0 MB: ratio 1.000" in text


def test_a_short_soak_says_that_memory_is_not_judged() -> None:
    record = SoakRecord(samples=samples((0.0, 0, 0, 0), (5.0, 100, 100, 1)))
    assert "memory: not judged" in report(record, set(), 100.0, 60.0)
