"""Gateways as processes: a client of one that answers, and its end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.waiting import PATIENCE_S


@contextmanager
def client_of(process: subprocess.Popen[bytes], port: int) -> Iterator[httpx.Client]:
    """Give a client of a gateway once it answers, and end the gateway after."""
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10.0) as client:
            end = time.perf_counter() + PATIENCE_S
            while time.perf_counter() < end and process.poll() is None:
                try:
                    client.get("/")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield client
    finally:
        process.terminate()
        process.wait(30)
