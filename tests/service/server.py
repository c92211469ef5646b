"""A real server: `python -m service` on a free port of the loopback interface."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import httpx

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
STORES = ("JOULEPLAN_STORE_PATH", "JOULEPLAN_ACTUALS_PATH")
QUICK_STORES = {
    "service.database.stores.PROBE_PERIOD_S": 0.25,
    "service.decisions.actuals.writing.BUSY_S": 0.1,
}
"""How often stores are probed, and how long one waits for a lock: both twenty times as short."""
_WITH_PERIODS = """\
import sys
from importlib import import_module
from service.__main__ import main
for name, value in zip(sys.argv[1::2], map(float, sys.argv[2::2])):
    module, _, constant = name.rpartition(".")
    setattr(import_module(module), constant, value)
sys.exit(main([]))
"""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serving_with(periods_s: Mapping[str, float]) -> list[str]:
    """Return the command of the service with other periods, by the full names of its constants.

    Only the process that serves has them: a worker imports its modules anew.
    """
    for name, value in periods_s.items():
        module, _, constant = name.rpartition(".")
        assert 0.0 < value < getattr(import_module(module), constant), name
    words = [str(word) for pair in periods_s.items() for word in pair]
    return [sys.executable, "-c", _WITH_PERIODS, *words]


def run_service(
    environment: Mapping[str, str], *arguments: str, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `python -m service` to its end, in this environment and no other."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Server:
    """Starts on entry, with one worker where no other number is set; is told to stop on exit."""

    def __init__(
        self,
        environment: Mapping[str, str],
        store: str | None = ":memory:",
        port: int | None = None,
        prefix: Sequence[str] = (),
        command: Sequence[str] = (sys.executable, "-m", "service"),
        periods_s: Mapping[str, float] | None = None,
    ) -> None:
        self._command = [*prefix, *(serving_with(periods_s) if periods_s else command)]
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")},
            **({} if store is None else dict.fromkeys(STORES, store)),
            "JOULEPLAN_WORKERS": "1",
            **environment,
            "JOULEPLAN_PORT": str(self.port),
        }
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed on exit
        self.started_s = 0.0

    def __enter__(self) -> Self:
        self.started_s = time.perf_counter()
        self.process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stderr=self._stderr,
        )
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S)
        return self

    def wait_until_ready(self, within_s: float = PATIENCE_S) -> float:
        """Return the seconds from the start until it can plan."""
        while time.perf_counter() - self.started_s < within_s:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return time.perf_counter() - self.started_s
            except httpx.TransportError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise TimeoutError(self.logs())

    def post(self, path: str, body: Any) -> httpx.Response:
        """Post JSON."""
        return self.client.post(path, json=body)

    def logs(self) -> str:
        """Return what it wrote to stderr."""
        self._stderr.seek(0)
        return self._stderr.read()

    def logged(self, request_id: str, patience_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Return the log lines of a request, which may follow its answer by a moment."""
        end = time.perf_counter() + patience_s
        while time.perf_counter() < end:
            lines = [json.loads(line) for line in self.logs().splitlines()]
            if found := [line for line in lines if line.get("request_id") == request_id]:
                return found
            time.sleep(0.05)
        return []

    def worker_pids(self) -> list[int]:
        """Return the processes of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = []
        for pid in map(int, children.read_text().split()):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"spawn_main" in command:
                found.append(pid)
        return found

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.stop()
        self._stderr.close()
