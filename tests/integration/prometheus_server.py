"""A real Prometheus with the shipped configuration and rules, and what its HTTP API answers."""

from __future__ import annotations

import math
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx

from examples.local_service import await_answer, free_port

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy/prometheus"
PATIENCE_S = 30.0
T = TypeVar("T")
Labels = dict[str, str]


@dataclass(frozen=True)
class PrometheusServer:
    """Where one answers."""

    url: str

    def _get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30.0)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def instant(self, expression: str) -> list[tuple[Labels, float]]:
        """Return the finite values of an expression now, with their labels."""
        result = self._get("query", query=expression)["result"]
        found = [(one["metric"], float(one["value"][1])) for one in result]
        return [(labels, value) for labels, value in found if math.isfinite(value)]

    def ranged(self, expression: str, begin: float) -> list[tuple[Labels, float]]:
        """Return the last finite value of each series of an expression since `begin`."""
        now = time.time()
        asked = {"query": expression, "start": f"{begin}", "end": f"{now}", "step": "1"}
        found = []
        for one in self._get("query_range", **asked)["result"]:
            values = [float(value) for _, value in one["values"]]
            finite = [value for value in values if math.isfinite(value)]
            found += [(one["metric"], value) for value in finite[-1:]]
        return found

    def values(self, label: str, selector: str) -> set[str]:
        """Return the values of a label, as a dashboard's variable asks for them."""
        return set(self._get(f"label/{label}/values", **{"match[]": selector}))

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that is pending or fires, by name."""
        return {one["labels"]["alertname"]: one["state"] for one in self._get("alerts")["alerts"]}


def eventually(ask: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """Ask until the answer is as wanted, for a while; return the last answer."""
    end = time.perf_counter() + PATIENCE_S
    while not wanted(answer := ask()) and time.perf_counter() < end:
        time.sleep(0.2)
    return answer


@contextmanager
def running_prometheus(
    folder: Path,
    service_url: str,
    rules: str | None = None,
    configuration: str | None = None,
    port: int | None = None,
) -> Iterator[str]:
    """Scrape and evaluate each second, with our configuration and rules otherwise.

    Parameters
    ----------
    folder
        For its configuration and data.
    service_url
        Of the service that it scrapes.
    rules
        In place of the shipped ones.
    configuration
        In place of the shipped one.
    port
        To answer on; a free one where left out.
    """
    shipped = (SHIPPED / "prometheus.yml").read_text()
    quick = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): \w+", r"\1: 1s", shipped)
    file = folder / "prometheus.yml"
    ours = quick.replace("service:8080", service_url.removeprefix("http://"))
    file.write_text(configuration or ours, "utf-8")
    (folder / "rules.yml").write_text(rules or (SHIPPED / "rules.yml").read_text("utf-8"), "utf-8")
    address = f"127.0.0.1:{port or free_port()}"
    options = {
        "config.file": file,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
        "log.level": "error",
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        await_answer(f"http://{address}/-/ready", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def exporting(text: Callable[[], str]) -> Iterator[str]:
    """Give a text to whoever scrapes it; yield host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
