"""How the service answers while two plans of a million requests are solved."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

from benchmarks.scale.comparison import GAPS, TIME_LIMIT_S
from benchmarks.scale.instance import Form
from benchmarks.scale.instances import build
from benchmarks.scale.methods.over_http import post, server
from benchmarks.scale.stored import body_path, store

ASK_EVERY_S = 0.02
THIRD_AFTER_S = 1.0


@dataclass(frozen=True)
class Responsiveness:
    """What was seen.

    Attributes
    ----------
    healthz_s
        Seconds of each `GET /healthz` while both plans were in work.
    statuses
        HTTP statuses of the two plans.
    third
        HTTP status of a third plan that was sent meanwhile, and its `Retry-After`.
    """

    healthz_s: tuple[float, ...]
    statuses: tuple[int, ...]
    third: tuple[int, str | None]

    @property
    def p99_s(self) -> float:
        """The 99th percentile of `/healthz` [s]."""
        return statistics.quantiles(self.healthz_s, n=100)[98]


def responsiveness(requests: int, placements: int, form: Form = "shares") -> Responsiveness:
    """Send two plans at once and a third a moment later, and ask for `/healthz` meanwhile.

    Each is sent by a process of its own, so that the asking is not held up by the sending.
    """
    with tempfile.TemporaryDirectory(prefix="jouleplan-scale-") as folder:
        path = Path(folder)
        solver = {"relative_gap": GAPS[form], "time_limit_seconds": TIME_LIMIT_S}
        store(build(form, requests, placements), path, solver)
        with server() as (port, _):
            senders = [_sender(port, path) for _ in range(2)]
            time.sleep(THIRD_AFTER_S)
            senders.append(_sender(port, path))
            seen = _ask(port, senders[:2])
            printed = [sender.communicate()[0].split() for sender in senders]
    (*first, third) = [(int(words[0]), words[1] if len(words) > 1 else None) for words in printed]
    return Responsiveness(tuple(seen), tuple(status for status, _ in first), third)


def _ask(port: int, senders: Sequence[subprocess.Popen[str]]) -> list[float]:
    """Ask for `/healthz` until one of the senders has its answer."""
    seen = []
    while all(sender.poll() is None for sender in senders):
        connection = HTTPConnection("127.0.0.1", port, timeout=60.0)
        started = perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        seen.append(perf_counter() - started)
        connection.close()
        time.sleep(ASK_EVERY_S)
    return seen


def _sender(port: int, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", __name__, str(port), str(body_path(folder))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Post the body in a file to a port; print the status and `Retry-After`."""
    status, _, headers = post(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
    print(status, headers.get("Retry-After", ""))


if __name__ == "__main__":
    main()
