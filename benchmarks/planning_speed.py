"""Planning time and gap on the default fleet, beside a greedy policy and naive CP-SAT.

All three are judged alike: dispatched to devices, priced with underfill, checked for violations.
A gap is proven on the method's own problem: naive CP-SAT's knows neither underfill nor schedules,
so that its optimum is none of the batch.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from benchmarks.fleets import default_fleet
from benchmarks.markdown import percent, table
from benchmarks.timing import timed
from benchmarks.workloads import chat_workload, without_limits
from costmodel.arrays import FloatArray, IntArray
from planner.errors import UndecidedError
from planner.inputs import Limits
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.quantities import MeanQuality, PoolSeconds
from planner.result import Plan, SolverOptions
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from planner.solvers.assignment_problem import AssignmentProblem, Row
from planner.solvers.cpsat import Effort, solve_assignment

MIN_MEAN_QUALITY = 0.7
"""Floor above all but two LLMs of the default fleet: neither the cheapest nor the best alone is
right."""

UNLIMITED = 1e9


@dataclass(frozen=True)
class SpeedCase:
    """A batch and the deadline that makes the fleet busy."""

    requests: int
    deadline_s: float

    def problem(self) -> PlacementProblem:
        """Return the planning problem, predictions included."""
        fleet = default_fleet()
        return PlacementProblem.build(
            without_limits(chat_workload(self.requests, seed=1)),
            fleet.pools,
            fleet.placements,
            Limits(deadline_s=self.deadline_s, min_mean_quality=MIN_MEAN_QUALITY),
        )


CASES = (SpeedCase(100, 120.0), SpeedCase(1_000, 180.0), SpeedCase(5_000, 200.0))


@dataclass(frozen=True)
class MethodOutcome:
    """What a method came to; joules are None where it found nothing.

    Attributes
    ----------
    gap
        Proven, on the method's own problem; None where it proves nothing.
    """

    method: str
    seconds: float
    energy_j: float | None = None
    gap: float | None = None
    keeps_limits: bool = False


def planning_table(cases: tuple[SpeedCase, ...], runs: int, time_limit_s: float) -> str:
    """Compare the methods on each case; searches get the same time limit.

    Times of the plan and of the greedy policy are medians, the plan's gap and joules those of its
    worst run: the clock cuts runs at different points. Naive CP-SAT runs once.
    """
    rows = []
    for case in cases:
        problem = case.problem()
        ours = planned(problem, runs, time_limit_s)
        for other in (ours, greedy(problem, runs), naive(problem, time_limit_s)):
            rows.append(_row(case, ours, other))
    header = ["requests", "deadline s", "method", "s", "time ratio", "gap %", "kJ", "energy ratio"]
    return table([*header, "keeps the limits"], rows)


def planned(problem: PlacementProblem, runs: int, time_limit_s: float) -> MethodOutcome:
    """Plan as the service does, baselines included."""
    options = SolverOptions(time_limit_s)
    attempts = [timed(lambda: _attempt(problem, options)) for _ in range(runs)]
    seconds = statistics.median(took for took, _ in attempts)
    plans = [found for _, found in attempts if found is not None]
    if not plans:
        return MethodOutcome("plan", seconds)
    worst = max(plans, key=lambda found: found.gap)
    return MethodOutcome("plan", seconds, worst.energy.value_j, worst.gap, keeps_limits=True)


def greedy(problem: PlacementProblem, runs: int) -> MethodOutcome:
    """Give each request the placement of least joules among LLMs that reach the floor."""
    attempts = [timed(lambda: _judge(problem, greedy_placement(problem))) for _ in range(runs)]
    energy_j, keeps = attempts[0][1]
    seconds = statistics.median(took for took, _ in attempts)
    return MethodOutcome("greedy", seconds, energy_j, keeps_limits=keeps)


def greedy_placement(problem: PlacementProblem) -> IntArray:
    """Return the greedy policy's placement of each request, shape (n,)."""
    able = problem.eligible & (problem.quality >= MIN_MEAN_QUALITY)[None, :]
    joules: FloatArray = np.where(able, problem.costs.energy_j, np.inf)
    return np.asarray(joules.argmin(axis=1))


def naive(problem: PlacementProblem, time_limit_s: float) -> MethodOutcome:
    """One Boolean for each request and placement, nothing else: the obvious way to use CP-SAT."""
    assignment = naive_assignment(problem)
    seconds, found = timed(lambda: solve_assignment(assignment, Effort(time_limit_s, UNLIMITED)))
    if found.counts is None:
        return MethodOutcome("naive CP-SAT", seconds)
    value = float((assignment.cost * found.counts).sum())
    gap = max(0.0, value - found.bound) / value
    energy_j, keeps = _judge(problem, found.counts.argmax(axis=1))
    return MethodOutcome("naive CP-SAT", seconds, energy_j, gap, keeps_limits=keeps)


def naive_assignment(problem: PlacementProblem) -> AssignmentProblem:
    """Return least nominal joules under device-seconds of each pool and the floor on quality."""
    deadline = problem.limits.deadline_s or np.inf
    pools = [
        Row(
            PoolSeconds(index),
            problem.costs.device_seconds,
            (problem.pool_of == index).astype(float),
            pool.count * deadline,
        )
        for index, pool in enumerate(problem.pools)
    ]
    floor = Row(
        MeanQuality(), problem.tokens[:, None], MIN_MEAN_QUALITY - problem.quality_values, 0.0
    )
    return AssignmentProblem(problem.costs.energy_j, problem.eligible, (*pools, floor))


def _attempt(problem: PlacementProblem, options: SolverOptions) -> Plan | None:
    try:
        return plan(problem, options)
    except UndecidedError:
        return None


def _judge(problem: PlacementProblem, placement: IntArray) -> tuple[float, bool]:
    evaluation = evaluate(problem, dispatch(problem, placement))
    return evaluation.energy_j, evaluation.feasible


def _row(case: SpeedCase, ours: MethodOutcome, other: MethodOutcome) -> list[str]:
    known = ours.energy_j is not None and other.energy_j is not None
    return [
        f"{case.requests:,}",
        f"{case.deadline_s:g}",
        other.method,
        f"{other.seconds:.2f}",
        f"{other.seconds / ours.seconds:.3f}",
        percent(other.gap, 2),
        "none found" if other.energy_j is None else f"{other.energy_j / 1e3:,.1f}",
        f"{(other.energy_j or 0.0) / (ours.energy_j or 1.0):.3f}" if known else "-",
        "yes" if other.keeps_limits else "no",
    ]
