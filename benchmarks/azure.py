"""Both Azure traces planned in one call on the paper's fleet.

    python -m benchmarks.azure [--runs N] [--data DIR]

28,185 production requests, a deadline and a floor on the mean quality. Requests that no LLM can
serve are listed and the rest is planned, as `"on_unplaceable": "report"` asks for. The shipped
fleet has 3 devices, far too few: its counts are raised so that the deadline is one that binds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.case_costs import CaseCosts
from benchmarks.fleets import paper_fleet
from benchmarks.markdown import percent, small, table
from benchmarks.timing import machine, peak_memory_mb, timed
from benchmarks.workloads import DATA, read_trace, trace_path, without_limits
from costmodel.region import Outside
from costmodel.workload import Workload
from planner.eligibility import find_unplaceable
from planner.inputs import Limits
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import Baseline, Plan, SolverOptions
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import lay_out
from service.calls.fleet.placements import Candidates

COUNTS = {"a100": 40, "4xa100": 10}
LIMITS = Limits(deadline_s=36_000.0, min_mean_quality=0.56)
OPTIONS = SolverOptions(time_limit_s=30.0)


@dataclass(frozen=True)
class TraceRun:
    """One call, from token counts to plan.

    Attributes
    ----------
    unplaceable
        Reason of each request that no placement may take, by index.
    """

    problem: PlacementProblem
    unplaceable: dict[int, str]
    found: Plan
    predict_s: float
    plan_s: float


def azure_workload(data: Path) -> Workload:
    """Return the conversation trace, then the coding trace."""
    conv, code = (read_trace(trace_path(data, name)) for name in ("conv", "code"))
    return Workload(
        np.concatenate([conv.input_tokens, code.input_tokens]),
        np.concatenate([conv.output_tokens, code.output_tokens]),
    )


def enlarged(fleet: Candidates) -> Candidates:
    """Return the fleet with the counts of this benchmark."""
    pools = tuple(replace(pool, count=COUNTS[pool.name]) for pool in fleet.pools)
    return replace(fleet, pools=pools)


def run(workload: Workload, fleet: Candidates) -> TraceRun:
    """Predict, set aside what cannot be placed, and plan the rest."""
    predict_s, (problem, unplaceable) = timed(lambda: _build(workload, fleet))
    plan_s, found = timed(lambda: plan(problem, OPTIONS))
    return TraceRun(problem, unplaceable, found, predict_s, plan_s)


def _build(workload: Workload, fleet: Candidates) -> tuple[PlacementProblem, dict[int, str]]:
    requests = without_limits(workload)
    whole = PlacementProblem.build(requests, fleet.pools, fleet.placements, LIMITS)
    unplaceable = find_unplaceable(whole)
    kept = np.setdiff1d(np.arange(whole.n), np.array(list(unplaceable), dtype=np.int64))
    return whole.take(kept), unplaceable


def check(outcome: TraceRun) -> Evaluation:
    """Lay the plan out again from its placements and devices alone, and judge that schedule."""
    schedule = lay_out(outcome.problem, outcome.found.placement, outcome.found.device_index)
    return evaluate(outcome.problem, schedule)


def summary(runs: Sequence[TraceRun], evaluation: Evaluation) -> str:
    """Describe the runs: times as medians, the plan of the first."""
    first = runs[0]
    problem, found = first.problem, first.found
    n, total = problem.n, problem.n + len(first.unplaceable)
    seconds = {
        "predict": [r.predict_s for r in runs],
        "solve": [r.found.timings_s["solve"] for r in runs],
        "baselines": [r.found.timings_s["baselines"] for r in runs],
        "total": [r.predict_s + r.plan_s for r in runs],
    }
    medians = ", ".join(f"{k} {statistics.median(v):.2f}" for k, v in seconds.items())
    broken = [f"{v.constraint} {v.found:g} ({v.given:g})" for v in evaluation.violations]
    same = all(np.array_equal(r.found.placement, found.placement) for r in runs)
    pools = ", ".join(f"{pool.count} x {pool.device}" for pool in problem.pools)
    lines = [
        f"{total:,} requests on {pools}",
        f"unplaceable: {len(first.unplaceable):,} ({percent(len(first.unplaceable) / total)} %), "
        f"{'; '.join(sorted(set(first.unplaceable.values())))}; planned: {n:,}",
        f"seconds, medians of {len(runs)}: {medians}; same plan each time: {_yes(same)}",
        f"status {found.status}, gap {small(found.gap)}, cut by clock: {_yes(found.cut_by_clock)}; "
        f"peak memory {peak_memory_mb():.0f} MB",
        f"energy {_mega(found.energy.value_j)} MJ{_interval(found)}, of which loading "
        f"{_mega(found.energy.loading_j)}; mean quality {evaluation.mean_quality:.4f}, floor "
        f"{LIMITS.min_mean_quality}",
        f"makespan {evaluation.makespan_s:,.0f} s, deadline {LIMITS.deadline_s:,.0f} s",
        f"violations on the dispatched schedule: {'; '.join(broken) or 'none'}",
        f"extrapolated: {percent(float(found.extrapolated.mean()))} % of the planned requests"
        f"{_reasons(problem, found)}",
        _equal_quality(problem, found),
    ]
    return "\n".join(lines)


def baseline_table(baselines: Sequence[Baseline]) -> str:
    """Tabulate what simpler policies pay; a saving stands only where they keep the limits."""
    rows = [
        [
            baseline.name,
            "-" if baseline.energy_j is None else _mega(baseline.energy_j),
            "-" if baseline.makespan_s is None else f"{baseline.makespan_s:,.0f}",
            percent(baseline.mean_quality, 2),
            _yes(baseline.feasible),
            percent(baseline.saving_ratio),
        ]
        for baseline in baselines
    ]
    header = ["baseline", "MJ", "makespan s", "mean quality %", "keeps the limits", "plan saves %"]
    return table(header, rows)


def _reasons(problem: PlacementProblem, found: Plan) -> str:
    flags = problem.costs.outside[np.arange(problem.n), found.placement]
    shares = {flag: float(((flags & flag.value) != 0).mean()) for flag in Outside}
    return "".join(
        f"; {(flag.name or '').lower()} {percent(share)} %"
        for flag, share in shares.items()
        if share
    )


def _equal_quality(problem: PlacementProblem, found: Plan) -> str:
    workload = problem.requests.workload
    costs = CaseCosts(
        workload,
        problem.llms,
        problem.costs.energy_j,
        problem.costs.device_seconds,
        problem.quality,
    )
    output, one = workload.output_tokens.astype(float), np.ones(problem.n)
    tokens, by_output, by_request = (
        percent(costs.saving_at_equal_quality(found.placement, weights))
        for weights in (problem.tokens, output, one)
    )
    return (
        "saving against the query-blind split of equal mean quality, expected, without limits: "
        f"{tokens} % by tokens, {by_output} % by output tokens, {by_request} % by requests"
    )


def _interval(found: Plan) -> str:
    low, high = found.energy.low_j, found.energy.high_j
    if low is None or high is None:
        return ""
    return f" (90 % interval {_mega(low)} to {_mega(high)})"


def _mega(joules: float) -> str:
    return f"{joules / 1e6:,.2f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def main(arguments: Sequence[str] | None = None) -> None:
    """Plan the traces a few times and print what came of it."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.azure")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with azure2023/")
    options = parser.parse_args(arguments)
    if not trace_path(options.data, "conv").is_file():
        print("The Azure traces are not there; name their folder by --data.", file=sys.stderr)
        raise SystemExit(2)
    workload, fleet = azure_workload(options.data), enlarged(paper_fleet())
    runs = [run(workload, fleet) for _ in range(options.runs)]
    print(machine(), end="\n\n")
    print(summary(runs, check(runs[0])), end="\n\n")
    print(baseline_table(runs[0].found.baselines))


if __name__ == "__main__":
    main()
