"""One method on one stored instance, in a process of its own; the result is JSON on stdout.

python -m benchmarks.scale.worker METHOD FOLDER [--runs N] [--seconds S] [--gap G] [--target T]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.scale.methods.cbc import cbc
from benchmarks.scale.methods.greedy import greedy
from benchmarks.scale.methods.min_cost_flow import min_cost_flow
from benchmarks.scale.methods.naive_cpsat import naive_cpsat
from benchmarks.scale.methods.over_http import over_http, server
from benchmarks.scale.methods.planned import planned
from benchmarks.scale.nominal import nominal
from benchmarks.scale.outcome import MethodRun, judge
from benchmarks.scale.stored import body_path, restore
from benchmarks.timing import peak_memory_mb
from planner.errors import PlanningError
from service.problems import ProblemError

OURS = ("plan", "http", "http rows")


def run(
    method: str, folder: Path, options: argparse.Namespace
) -> tuple[list[MethodRun], float | None]:
    """Run a method several times; its peak memory is that of the process so far.

    Returns
    -------
    tuple
        The runs, and the CPU seconds of one; None for a server, whose start would be in them.
    """
    if method in ("http", "http rows"):
        body = body_path(folder, by_row=method == "http rows").read_bytes()
        with server() as (port, pid):
            return [over_http(port, pid, body) for _ in range(options.runs)], None
    if method == "plan":
        body = body_path(folder).read_bytes()
        return _repeated(lambda: planned(body), options.runs)
    instance = restore(folder)
    seen = nominal(instance, instance.problem())
    call: dict[str, Callable[[], MethodRun]] = {
        "greedy": lambda: greedy(seen),
        "min-cost-flow": lambda: min_cost_flow(seen),
        "naive CP-SAT": lambda: naive_cpsat(seen, options.seconds, options.gap),
        "PuLP/CBC": lambda: cbc(seen, options.seconds, options.gap, options.target),
    }
    return _repeated(call[method], options.runs)


def _repeated(call: Callable[[], MethodRun], runs: int) -> tuple[list[MethodRun], float]:
    began_s = _cpu_s()
    outcomes = [call() for _ in range(runs)]
    cpu_s, peak = (_cpu_s() - began_s) / runs, peak_memory_mb()
    return [replace(outcome, peak_mb=peak) for outcome in outcomes], cpu_s


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it waited for, such as CBC."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def summary(outcomes: Sequence[MethodRun], cpu_s: float | None, folder: Path) -> dict[str, Any]:
    """Return medians of the seconds, and the run of the worst objective, judged."""
    parts = {
        part: statistics.median(o.seconds[part] for o in outcomes) for part in outcomes[0].seconds
    }
    totals = [o.seconds["total"] for o in outcomes]
    worst = max(outcomes, key=lambda o: (o.gap or 0.0, o.objective or 0.0))
    reached = [o.reached_s for o in outcomes]
    found: dict[str, Any] = {
        "runs": len(outcomes),
        "cpu_s": cpu_s,
        "seconds": parts,
        "fastest_s": min(totals),
        "slowest_s": max(totals),
        "objective": worst.objective,
        "bound": worst.bound,
        "gap": worst.gap,
        "word": worst.word,
        "peak_mb": max((o.peak_mb for o in outcomes if o.peak_mb is not None), default=None),
        "reached_s": None if None in reached else statistics.median(r for r in reached if r),
    }
    if worst.placement is not None:
        instance = restore(folder)
        judgement = judge(instance, instance.problem(), worst.placement, worst.device)
        found |= {
            "judged": judgement.cost,
            "broken": judgement.broken,
            "slow_rules": judgement.slow_rules,
        }
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.scale.worker")
    parser.add_argument("method")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--target", type=float, default=None)
    options = parser.parse_args(arguments)
    try:
        found = summary(*run(options.method, options.folder, options), options.folder)
    except (ProblemError, PlanningError, RuntimeError) as error:
        found = {"runs": 0, "word": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY))


if __name__ == "__main__":
    main()
