"""Bodies of calls, small ones, for tests of the service."""

from typing import Any

import numpy as np
import orjson

from service.calls.content import to_bytes
from service.calls.messages import Job
from service.calls.planner_service import PlannerService
from service.workers.process import answer
from tests.service.catalogue_maker import A100, FOUR_A100

Json = dict[str, Any]


def rows(count: int = 3) -> list[Json]:
    """Return requests as rows."""
    return [
        {"id": f"r{i}", "input_tokens": 100 + 50 * i, "output_tokens": 40 + 30 * i}
        for i in range(count)
    ]


def columns(count: int = 3) -> Json:
    """Return the same requests as columns."""
    listed = rows(count)
    return {key: [row[key] for row in listed] for key in listed[0]}


def a100_fleet(**changes: Any) -> Json:
    """Return a fleet of two A100s and one set of four, with changes to the first pool."""
    first = {
        "name": "a100",
        "device": A100,
        "count": 2,
        "llms": ["llama-2-7b-chat", "llama-2-13b-chat"],
        "concurrency": [1],
        "idle_watts": 57.0,
    }
    second = {
        "name": "4xa100",
        "device": FOUR_A100,
        "llms": ["llama-2-70b-chat"],
        "concurrency": [1],
        "idle_watts": 228.0,
    }
    quality = {
        "llama-2-7b-chat": 0.5097,
        "llama-2-13b-chat": 0.5569,
        "llama-2-70b-chat": 0.6452,
    }
    return {"pools": [{**first, **changes}, second], "quality": quality}


def endless(seconds: float = 60.0) -> Json:
    """Return a call that holds its worker until its time limit, however fast the machine is.

    Each of 160 pools costs joules and time to switch on. A simple policy is a plan at once, and
    the gap to its bound is open after a minute of search.
    """
    rng, n = np.random.default_rng(1), 5_000
    medians = {"input_tokens": 300.0, "output_tokens": 150.0}
    lengths = {
        name: np.clip(rng.lognormal(np.log(median), 1.0, n), 1, 2000).astype(int).tolist()
        for name, median in medians.items()
    }
    fleet = a100_fleet()
    start = {"activation_joules": 3e4, "activation_seconds": 20.0}
    pools = [
        {**pool, **start, "name": f"{pool['name']}-{copy}", "idle_watts": pool["idle_watts"] + copy}
        for copy in range(80)
        for pool in fleet["pools"]
    ]
    return {
        "columns": lengths,
        "fleet": {**fleet, "pools": pools},
        "constraints": {"min_mean_quality": 0.56, "deadline_seconds": 20_000.0},
        "solver": {"time_limit_seconds": seconds, "relative_gap": 0},
    }


def call(service: PlannerService, body: Json | bytes, kind: Any = "plan") -> tuple[int, Json, str]:
    """Return status, answer and outcome of a call without HTTP."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    reply = answer(service, Job(kind, data, f"/{kind}"))
    return reply.status, orjson.loads(to_bytes(reply.body)), reply.outcome


def pointers(problem: Json) -> list[str]:
    """Return the pointers of a problem."""
    return [error["pointer"] for error in problem["errors"]]


def row(**changes: Any) -> Json:
    return {"requests": [{"id": "r", "input_tokens": 10, "output_tokens": 10, **changes}]}


def limits(**constraints: Any) -> Json:
    return {"requests": rows(), "fleet": a100_fleet(), "constraints": constraints}
