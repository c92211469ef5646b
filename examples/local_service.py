"""The planning service of this checkout, run as a process of its own on a free loopback port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

READY_WITHIN_S = 30.0
STOPPED_WITHIN_S = 30.0


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running_service(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `python -m service`; yield its URL once it can plan, and stop it afterwards.

    It keeps nothing on disk and logs what goes wrong, unless the settings say otherwise.

    Parameters
    ----------
    settings
        Further `JOULEPLAN_*` environment variables; where the port is not among them, a free one
        is taken.

    Raises
    ------
    RuntimeError
        If it ends, or is not ready within 30 s.
    """
    own = {
        "JOULEPLAN_HOST": "127.0.0.1",
        "JOULEPLAN_PORT": str(free_port()),
        "JOULEPLAN_ACTUALS_PATH": ":memory:",
        "JOULEPLAN_STORE_PATH": ":memory:",
        "JOULEPLAN_LOG_LEVEL": "WARNING",
        **(settings or {}),
    }
    command = [sys.executable, "-m", "service"]
    # In a group of its own: a terminal would send it Ctrl-C beside whoever is to end it.
    service = subprocess.Popen(
        command, env={**os.environ, **own}, stdin=subprocess.DEVNULL, process_group=0
    )
    try:
        url = f"http://127.0.0.1:{own['JOULEPLAN_PORT']}"
        await_answer(f"{url}/readyz", service)
        yield url
    finally:
        service.terminate()
        service.wait(timeout=STOPPED_WITHIN_S)


def await_answer(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return once a GET of `url` succeeds; raise RuntimeError after 30 s, or if `process` ended."""
    begin = time.perf_counter()
    answer = "no answer"
    while time.perf_counter() - begin < READY_WITHIN_S:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"Expected a running server, got exit status {process.returncode}.")
        try:
            response = httpx.get(url)
        except httpx.TransportError:
            pass
        else:
            if response.is_success:
                return
            answer = response.text
        time.sleep(0.05)
    raise RuntimeError(f"Expected {url} to answer within {READY_WITHIN_S:.0f} s, got {answer}.")
