"""The plan of this project, end to end: a real server process, a body sent, an answer read."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

from benchmarks.scale.methods.planned import read_answer
from benchmarks.scale.outcome import MethodRun
from examples.local_service import STOPPED_WITHIN_S, await_answer, free_port

SAMPLE_S = 0.1
PATIENCE_S = 600.0


class RefusedError(RuntimeError):
    """The server answered with something other than a plan."""


@contextmanager
def server(settings: dict[str, str] | None = None) -> Iterator[tuple[int, int]]:
    """Run the service with its own settings; yield its port and its process id once it can plan."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    own = {"JOULEPLAN_PORT": str(port), "JOULEPLAN_LOG_LEVEL": "ERROR", **(settings or {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        env={**environment, **own},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_answer(f"http://127.0.0.1:{port}/readyz", process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=STOPPED_WITHIN_S)


def over_http(port: int, pid: int, body: bytes) -> MethodRun:
    """Post a body; the seconds are from its first byte to the last of the answer."""
    with memory_of(pid) as memory:
        started = perf_counter()
        status, answer, _ = post(port, body)
        ended = perf_counter()
    if status != 200:
        raise RefusedError(f"Expected a plan, got {status}: {answer[:500]!r}")
    found = read_answer(answer)
    parts = {f"server {name}": seconds for name, seconds in found.seconds.items()}
    seconds = {**parts, "total": ended - started}
    return replace(found, seconds=seconds, peak_mb=max(memory, default=None))


def post(port: int, body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
    """Post a body to `/plan`; return the status, the answer and its headers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/plan", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


@contextmanager
def memory_of(pid: int) -> Iterator[list[float]]:
    """Sample the memory of a process and its descendants meanwhile [MB].

    Proportional set sizes: pages that processes share are counted once. Empty where the system
    does not tell.
    """
    samples: list[float] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.is_set():
            if Path(f"/proc/{pid}/smaps_rollup").is_file():
                samples.append(sum(map(_memory_mb, _family(pid))))
            time.sleep(SAMPLE_S)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def _family(pid: int) -> list[int]:
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        found.append(parent)
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                queue += map(int, children.read_text(encoding="ascii").split())
            except OSError:
                continue
    return found


def _memory_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    kilobytes = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
    return sum(map(int, kilobytes)) * 1024 / 1e6
