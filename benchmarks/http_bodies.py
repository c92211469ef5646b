"""What a call costs around the planner: real HTTP, a real server, a million requests.

Each form of body is posted a few times; the service says in `Server-Timing` what its parts took,
the worker's peak memory is read from the system. Then two such calls run at once while `/healthz`
is asked all the time, and a third shows what is said when no more may wait.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from benchmarks.bodies import FORMS, Form, fleet_document
from benchmarks.healthz import Pinger
from benchmarks.markdown import table
from benchmarks.timing import machine
from examples.local_service import running_service

RUNS = 3
PARTS = ("parse", "predict", "solve", "write")


@dataclass(frozen=True)
class CallOutcome:
    """One call.

    Attributes
    ----------
    seconds
        Seconds from the first byte sent to the last byte received.
    parts_s
        Seconds of the worker's parts, by name.
    worker_mb
        Largest resident memory of the workers so far [MB].
    """

    status: int
    seconds: float
    parts_s: Mapping[str, float]
    sent_mb: float
    received_mb: float
    worker_mb: float
    retry_after: str | None = None


def post(url: str, body: bytes, form: Form, pids: Sequence[int] = ()) -> CallOutcome:
    """Post a body and read the whole answer, a chunk at a time."""
    headers = {"content-type": form.media_type, "accept": form.accept}
    begin = time.perf_counter()
    with (
        httpx.Client(timeout=600.0) as client,
        client.stream("POST", f"{url}/plan", content=body, headers=headers) as response,
    ):
        received = sum(len(chunk) for chunk in response.iter_bytes(1 << 20))
        seconds = time.perf_counter() - begin
    return CallOutcome(
        response.status_code,
        seconds,
        parts_of(response.headers.get("server-timing", "")),
        len(body) / 1e6,
        received / 1e6,
        max(map(peak_mb, pids), default=0.0),
        response.headers.get("retry-after"),
    )


def parts_of(header: str) -> dict[str, float]:
    """Return the seconds in a `Server-Timing` header, by name.

    Examples
    --------
    >>> parts_of("parse;dur=250.0, solve;dur=1000.5")
    {'parse': 0.25, 'solve': 1.0005}
    """
    entries = (entry.split(";dur=") for entry in header.split(", ") if ";dur=" in entry)
    return {name: float(milliseconds) / 1e3 for name, milliseconds in entries}


def peak_mb(pid: int) -> float:
    """Return the largest resident memory of a process so far [MB], 0 where it is no more."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return 0.0
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return found[0] * 1024 / 1e6 if found else 0.0


def worker_pids(of: int | str = "self") -> list[int]:
    """Return the workers of the service that this process, or another, has started."""
    found = []
    for path in Path(f"/proc/{of}/task").glob("*/children"):
        for pid in map(int, path.read_text(encoding="ascii").split()):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            found += [pid] if b"spawn_main" in command else worker_pids(pid)
    return found


@contextmanager
def service(**settings: str) -> Iterator[tuple[str, list[int]]]:
    """Run the service and yield its URL and its workers, all of them ready."""
    workers = int(settings.get("JOULEPLAN_WORKERS", "1"))
    with running_service(settings) as url:
        while len(pids := worker_pids()) < workers:
            time.sleep(0.1)
        # The last one may be loading still.
        time.sleep(3.0)
        yield url, pids


def forms_table(
    forms: Sequence[Form], requests: int, placements: int, runs: int, time_limit_s: float
) -> str:
    """Post each form of body to a service of its own, so that peaks of memory are its own."""
    rows = []
    for form in forms:
        body = form.body(requests, fleet_document(placements), time_limit_s)
        with service(JOULEPLAN_WORKERS="1") as (url, pids):
            outcomes = [post(url, body, form, pids) for _ in range(runs)]
        rows.append(_row(form, outcomes))
        print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    header = ["in", "out", "status", "MB in", "MB out", "whole s", *(f"{p} s" for p in PARTS)]
    return table([*header, "other s", "worker MB"], rows)


def together_table(requests: int, placements: int, time_limit_s: float) -> str:
    """Post two large calls at once and a third beside them, asking `/healthz` all the time."""
    form = FORMS[0]
    body = form.body(requests, fleet_document(placements), time_limit_s)
    settings = {"JOULEPLAN_WORKERS": "2", "JOULEPLAN_MAX_QUEUE": "0"}
    with service(**settings) as (url, pids), ThreadPoolExecutor(2) as pool:
        with Pinger(f"{url}/healthz") as idle:
            time.sleep(2.0)
        with Pinger(f"{url}/healthz") as busy:
            calls = [pool.submit(post, url, body, form, pids) for _ in range(2)]
            time.sleep(1.5)
            third = post(url, body, form)
            outcomes = [call.result() for call in calls]
    rows = [
        ["healthz alone", *idle.milliseconds()],
        ["healthz while two plans run", *busy.milliseconds()],
    ]
    cells = ", ".join(
        f"{o.status} in {o.seconds:.2f} s, worker {o.worker_mb:.0f} MB" for o in outcomes
    )
    return (
        table(["", "answers", "p50 ms", "p99 ms", "largest ms"], rows)
        + f"\n\nThe two: {cells}; a third: {third.status}, Retry-After {third.retry_after}, "
        f"in {third.seconds:.2f} s"
    )


def _row(form: Form, outcomes: Sequence[CallOutcome]) -> list[str]:
    parts = [statistics.median(o.parts_s.get(part, np.nan) for o in outcomes) for part in PARTS]
    whole = statistics.median(o.seconds for o in outcomes)
    other = statistics.median(o.seconds - sum(o.parts_s.get(p, 0) for p in PARTS) for o in outcomes)
    last = outcomes[-1]
    return [
        form.given,
        form.wanted,
        str(last.status),
        f"{last.sent_mb:.1f}",
        f"{last.received_mb:.1f}",
        f"{whole:.2f}",
        *(f"{part:.2f}" for part in parts),
        f"{other:.2f}",
        f"{last.worker_mb:.0f}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.http_bodies")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--placements", type=int, default=8, help="of the default fleet, 1 to 8")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--form", type=int, choices=range(len(FORMS)), help="only this one")
    parser.add_argument("--time-limit", type=float, default=10.0, help="of the planner [s]")
    options = parser.parse_args(arguments)
    if not Path("/proc/self/status").is_file():
        print("Peak memory of another process is read from /proc.", file=sys.stderr)
        raise SystemExit(2)
    print(machine(), end="\n\n")
    size = f"{options.requests:,} requests x {options.placements} placements"
    print(f"{size}, medians of {options.runs}, the peak of all\n", flush=True)
    limits = options.placements, options.time_limit
    forms = FORMS if options.form is None else FORMS[options.form : options.form + 1]
    print(forms_table(forms, options.requests, limits[0], options.runs, limits[1]), flush=True)
    print(f"\nTwo calls of {size} at once\n", flush=True)
    print(together_table(options.requests, *limits))


if __name__ == "__main__":
    main()
