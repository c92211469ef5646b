"""How fast `POST /decision` answers, beside an endpoint that validates the same body only.

    python -m benchmarks.decision_speed [--requests N] [--rounds N]

The server has one core and the load another; rounds of the two servers take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import orjson

from benchmarks.markdown import table
from benchmarks.open_load import Figures, load_from_a_process, post
from benchmarks.timing import machine
from examples.local_service import await_answer, free_port

RATE = 500.0
LLM = "llama-3.1-8b-instruct"
CANDIDATES = [
    {"llm": LLM, "pool": "h100-llama-3.1-8b", "name": "one"},
    {"llm": LLM, "pool": "b200-llama-3.1-8b", "name": "two"},
]


def bodies(count: int) -> list[bytes]:
    """Return bodies as a gateway sends them: a chat of some hundred characters."""
    rng = np.random.default_rng(0)
    return [
        orjson.dumps(
            {
                "request": {
                    "model": "chat",
                    "max_tokens": int(limit),
                    "messages": [
                        {"role": "system", "content": "You are helpful."},
                        {"role": "user", "content": "word " * int(words)},
                    ],
                },
                "candidates": CANDIDATES,
                "route": "chat",
                "deadline_seconds": 60.0,
            }
        )
        for limit, words in zip(
            rng.integers(16, 512, count), rng.integers(10, 300, count), strict=True
        )
    ]


@contextmanager
def server(command: Sequence[str], settings: dict[str, str], ready: str) -> Iterator[int]:
    """Run a server on the last core; give its port."""
    port = free_port()
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        env={**os.environ, **settings, "JOULEPLAN_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        os.sched_setaffinity(process.pid, {core})
        await_answer(f"http://127.0.0.1:{port}{ready}", process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _asked(port: int, count: int, per_s: float | None) -> Figures:
    url = f"http://127.0.0.1:{port}/decision"
    return load_from_a_process(port, [post(url, body) for body in bodies(count)], per_s)


def main(arguments: Sequence[str] | None = None) -> None:
    """Load both servers in turns and print the medians."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.decision_speed")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    own = {"JOULEPLAN_ACTUALS_PATH": ":memory:", "JOULEPLAN_STORE_PATH": ":memory:"}
    rates: dict[str, list[float]] = {"decision": [], "bare": []}
    latencies: dict[str, list[tuple[float, float]]] = {"decision": [], "bare": []}
    with (
        server(["service"], own, "/readyz") as ours,
        server(["benchmarks.bare_endpoint", "{port}"], {}, "/openapi.json") as bare,
    ):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for _ in range(options.rounds):
            for name, port in (("decision", ours), ("bare", bare)):
                free = _asked(port, options.requests, None)
                paced = _asked(port, options.requests, RATE)
                if free.refused or paced.refused:
                    raise SystemExit(f"{name}: refused {free.refused} {paced.refused}")
                rates[name].append(free.per_s)
                p50, p99 = np.quantile(paced.seconds, [0.5, 0.99]) * 1e3
                latencies[name].append((float(p50), float(p99)))
    rows = [
        [
            {"decision": "POST /decision", "bare": "validates the body only"}[name],
            f"{statistics.median(rates[name]):,.0f}",
            f"{statistics.median(p50 for p50, _ in latencies[name]):.2f}",
            f"{statistics.median(p99 for _, p99 in latencies[name]):.2f}",
        ]
        for name in rates
    ]
    ratios = [a / b for a, b in zip(rates["decision"], rates["bare"], strict=True)]
    print(machine(), end="\n\n")
    print(table(["endpoint", "requests/s", f"p50 ms at {RATE:.0f}/s", "p99 ms"], rows))
    print(f"\nthroughput ratio: {statistics.median(ratios):.2f} (rounds {sorted(ratios)})")


if __name__ == "__main__":
    main()
