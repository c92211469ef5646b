"""Which methods run on which instance, each in a process of its own, and what they came to."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.scale.instance import Form, Instance
from benchmarks.scale.instances import MASKED_PLACEMENTS, build
from benchmarks.scale.stored import store

GAPS: dict[Form, float] = {"shares": 1e-3, "deadline": 1e-3, "masks": 1e-3, "mixed": 2e-3}
"""Relative gap that a plan is asked for, and CBC and naive CP-SAT with it."""
TIME_LIMIT_S = 60.0
"""Time limit of a plan; far above what it is to take."""
METHODS = ("http", "plan", "greedy", "min-cost-flow", "naive CP-SAT", "PuLP/CBC")

MAX_PAIRS = {
    "greedy": 10_000_000,
    "min-cost-flow": 10_000_000,
    "naive CP-SAT": 100_000,
    "PuLP/CBC": 1_000_000,
}
"""Requests times placements up to which the others run here."""
HOPELESS = {
    "greedy": "a Python loop over {pairs:,} pairs",
    "min-cost-flow": "{pairs:,} arcs do not fit beside the data",
    "naive CP-SAT": "{pairs:,} Booleans: it found nothing within minutes at 800,000",
    "PuLP/CBC": "{pairs:,} variables: PuLP alone needs minutes to write them out",
}
OBJECTIVE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Options:
    """How much is run: repeats, time limits of the other methods [s], the seed, the traces."""

    runs: int = 5
    cbc_s: float = 300.0
    cpsat_s: float = 60.0
    seed: int = 1
    data: Path | None = None
    methods: tuple[str, ...] = METHODS


OnRow = Callable[[dict[str, Any]], None]


def noop(_: dict[str, Any]) -> None:
    """Ignore a result."""


def compare(
    form: Form, requests: int, placements: int, options: Options, on_row: OnRow = noop
) -> list[dict[str, Any]]:
    """Run every method on one instance; `on_row` is called with each result when it is there."""
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="jouleplan-scale-") as folder:
        path, gap = Path(folder), GAPS[form]
        instance = build(form, requests, placements, options.seed, options.data)
        store(instance, path, {"relative_gap": gap, "time_limit_seconds": TIME_LIMIT_S})
        for method, arguments in _turns(instance, options, results):
            if isinstance(arguments, str):
                found: dict[str, Any] = {"runs": 0, "word": arguments}
            else:
                found = in_process(method, path, arguments)
            row = {**identity(instance), "method": method, **found}
            ours = next((r for r in results if r["method"] == "plan"), row)
            results.append({**row, "against_plan": reached(ours, row)})
            on_row(results[-1])
    return results


def identity(instance: Instance) -> dict[str, Any]:
    """Return what an instance's results are filed under."""
    candidates = instance.candidates
    return {
        "form": instance.form,
        "requests": len(instance.workload),
        "placements": len(candidates.placements),
        "unit": "g" if instance.objective.get("minimise") == "carbon" else "J",
        "devices": sum(pool.count for pool in candidates.pools),
        "deadline_s": instance.constraints.get("deadline_seconds"),
    }


def in_process(method: str, folder: Path, arguments: list[str]) -> dict[str, Any]:
    """Run a method on a stored instance in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale.worker", method, str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        return {"runs": 0, "word": f"ended with status {done.returncode}: {words[-1][:200]}"}
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


def reached(ours: dict[str, Any], other: dict[str, Any]) -> str:
    """Say how many times as long another took to our objective within 0.1 %, or that it did not."""
    if not other.get("runs") or not ours.get("runs") or other["method"] in ("http", ours["method"]):
        return "-"
    if other["reached_s"] is not None:
        return f"{other['reached_s'] / ours['seconds']['solve']:.2f}x"
    if other["method"] == "PuLP/CBC" or other["objective"] is None:
        return "not reached"
    if other["broken"]:
        return "breaks limits"
    near = other["objective"] <= ours["objective"] * (1.0 + OBJECTIVE_TOLERANCE)
    ratio = other["seconds"]["total"] / ours["seconds"]["solve"]
    return f"{ratio:.2f}x" if near else "not reached"


def _turns(
    instance: Instance, options: Options, results: list[dict[str, Any]]
) -> Iterator[tuple[str, list[str] | str]]:
    """Each method with its arguments, or the word why it is skipped."""
    pairs = len(instance.workload) * len(instance.candidates.placements)
    repeated = ["--runs", str(options.runs)]
    for method in options.methods:
        if pairs > MAX_PAIRS.get(method, pairs):
            yield method, "skipped: " + HOPELESS[method].format(pairs=pairs)
        elif method == "min-cost-flow" and instance.form != "shares":
            yield method, "skipped: not a transportation problem"
        elif method in ("http", "plan", "greedy", "min-cost-flow"):
            yield method, repeated
        else:
            ours = next((r for r in results if r["method"] == "plan" and r["runs"]), None)
            gap = GAPS[instance.form] if ours is None else max(float(ours["gap"]), 1e-9)
            seconds = options.cbc_s if method == "PuLP/CBC" else options.cpsat_s
            target = [] if ours is None else ["--target", repr(float(ours["objective"]))]
            yield method, ["--seconds", str(seconds), "--gap", repr(gap), *target]


def feasible_forms(forms: list[Form], placements: int) -> list[Form]:
    """Return the forms that there are on so many placements."""
    return [form for form in forms if form != "masks" or placements == MASKED_PLACEMENTS]
