"""The real server, told to stop by real signals: drained, closed, nobody left without a word."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.bodies import a100_fleet, endless, rows
from tests.service.server import Server
from tests.waiting import PATIENCE_S, wait_until

FOREVER = "600"
BODY = {"requests": rows(), "fleet": a100_fleet()}


def serving(models_dir: Path, **settings: str) -> Server:
    own = {"JOULEPLAN_MODELS_DIR": str(models_dir)}
    return Server(own | {f"JOULEPLAN_{name}": value for name, value in settings.items()})


def status_of(server: Server, path: str = "/readyz") -> int:
    return httpx.get(server.url + path, timeout=60).status_code


def assert_refused(answer: httpx.Response, words: str) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:jouleplan:problem:not-ready"
    assert words in answer.json()["detail"]


@contextmanager
def in_flight(server: Server, body: dict[str, Any]) -> Iterator[Future[httpx.Response]]:
    """Give the answer to come of a call that a worker has."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{server.url}/plan", json=body, timeout=120)
        wait_until(lambda: "jouleplan_calls_running 1.0" in server.client.get("/metrics").text)
        yield answer


def test_after_sigterm_it_is_not_ready_and_serves_on(models_dir: Path) -> None:
    with serving(models_dir, DRAIN_SECONDS=FOREVER, OPERATIONS_PORT="0") as own:
        own.wait_until_ready()
        found = re.search(r"Operations are served on (http://[^ ]+?)\.\"", own.logs())
        assert found is not None
        own.process.send_signal(signal.SIGTERM)
        wait_until(lambda: status_of(own) == 503)
        for url in (own.url, found[1]):
            unready = httpx.get(f"{url}/readyz", timeout=60)
            assert_refused(unready, "The service is stopping.")
            assert unready.json()["reasons"] == ["The service is stopping."]
        assert status_of(own, "/healthz") == 200
        planned = httpx.post(f"{own.url}/plan", json=BODY, timeout=60)
        assert planned.status_code == 200, planned.text
        assert planned.headers["connection"] == "close"
        later = {"Prefer": "respond-async"}
        refused = httpx.post(f"{own.url}/plan", json=BODY, headers=later, timeout=60)
        assert_refused(refused, "The service is stopping.")
        own.process.send_signal(signal.SIGTERM)
        assert own.process.wait(timeout=PATIENCE_S) == 0
        assert "Traceback" not in own.logs()


def test_it_drains_for_as_long_as_was_set(models_dir: Path) -> None:
    with serving(models_dir, DRAIN_SECONDS="1.5") as own:
        own.wait_until_ready()
        asked_at = time.perf_counter()
        assert own.stop() == 0
        assert time.perf_counter() - asked_at >= 1.5


def test_an_interrupt_at_a_terminal_does_not_drain(models_dir: Path) -> None:
    with serving(models_dir, DRAIN_SECONDS=FOREVER) as own:
        own.wait_until_ready()
        own.process.send_signal(signal.SIGINT)
        assert own.process.wait(timeout=PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_that_ends_within_the_grace_is_answered(
    models_dir: Path, number: signal.Signals
) -> None:
    with serving(models_dir, SHUTDOWN_SECONDS=FOREVER) as own:
        own.wait_until_ready()
        with in_flight(own, endless(2.0)) as answer:
            own.process.send_signal(number)
            response = answer.result(timeout=120)
        # A busy machine may find no plan in that time, and this is then its worker's own answer.
        assert (
            response.status_code == 200
            or response.json()["type"] == "urn:jouleplan:problem:undecided"
        )
        assert own.process.wait(timeout=PATIENCE_S) == 0
        assert "JOULEPLAN_MAX_TIME_LIMIT_SECONDS" not in own.logs()


def test_a_call_that_outlasts_the_grace_is_answered_so(models_dir: Path) -> None:
    with serving(models_dir, SHUTDOWN_SECONDS="0.5") as own:
        own.wait_until_ready()
        (worker,) = own.worker_pids()
        with in_flight(own, endless()) as answer:
            assert own.stop() == 0
            assert_refused(answer.result(timeout=60), "had not ended, and was cut off.")
        logs = own.logs()
        assert "They have 0.5 s to end" in logs
        assert "JOULEPLAN_MAX_TIME_LIMIT_SECONDS" in logs
        assert "Traceback" not in logs
        (line,) = [one for one in map(json.loads, logs.splitlines()) if one.get("path") == "/plan"]
        assert line["status"] == 503
        assert not Path(f"/proc/{worker}").exists()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(models_dir: Path, second: signal.Signals) -> None:
    with serving(models_dir, SHUTDOWN_SECONDS=FOREVER, DRAIN_SECONDS=FOREVER) as own:
        own.wait_until_ready()
        with in_flight(own, endless()) as answer:
            own.process.send_signal(signal.SIGTERM)
            wait_until(lambda: status_of(own) == 503)
            own.process.send_signal(second)
            assert own.process.wait(timeout=PATIENCE_S) == 0
            assert_refused(answer.result(timeout=60), "cut off")
        assert "Traceback" not in own.logs()


def test_a_body_that_is_still_arriving_is_answered_so_too(models_dir: Path) -> None:
    with serving(models_dir, SHUTDOWN_SECONDS="0.2") as own:
        own.wait_until_ready()
        with socket.create_connection(("127.0.0.1", own.port)) as caller:
            caller.settimeout(60)
            caller.sendall(
                b"POST /plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n{"
            )
            assert caller.recv(100).startswith(b"HTTP/1.1 100 ")
            assert own.stop() == 0
            assert caller.recv(100).startswith(b"HTTP/1.1 503 ")
        assert "Traceback" not in own.logs()
