"""Turn a schedule and its evaluation into the plan that callers see."""

from __future__ import annotations

from collections import Counter

import numpy as np

from costmodel.arrays import FlagArray, FloatArray, IntArray
from costmodel.intervals import total_interval
from costmodel.region import Outside
from planner.bounds.pair_bounds import unavoidable
from planner.errors import BoundContradictedError
from planner.problem import PlacementProblem
from planner.result import Baseline, EnergyBreakdown, PlacementUsage, Plan, PlanWarning
from planner.schedule.evaluation import Evaluation, underfilled
from planner.schedule.schedule import Schedule

OPTIMAL_GAP = 1e-6
CONTRADICTION = 1e-7
"""Excess of a bound over a plan's objective beyond the rounding of floats, as a share of the size
of the objective's terms: these may cancel to nothing."""


def gap_unit(problem: PlacementProblem, evaluation: Evaluation) -> float:
    """Return what an absolute gap is divided by to give the relative one.

    The plan's cost less what no plan can avoid for idling, loading and being on, and its quality,
    each in the objective's units.
    """
    avoidable = max(0.0, evaluation.cost - unavoidable(problem))
    return _weighed(problem, avoidable, evaluation.quality)


def relative_gap(problem: PlacementProblem, evaluation: Evaluation, absolute_gap: float) -> float:
    """Return an absolute gap of a plan as a relative one; see `gap_unit`."""
    unit = gap_unit(problem, evaluation)
    return absolute_gap / unit if unit > 0.0 else (0.0 if absolute_gap == 0.0 else np.inf)


def _weighed(problem: PlacementProblem, cost: float, quality: float) -> float:
    """Sum a cost and a quality in the objective's units, both counted as sizes."""
    zeta = problem.objective.zeta
    of_quality = (1.0 - zeta) * quality / problem.quality_normaliser
    return float(zeta * cost / problem.cost_normaliser + of_quality)


def report(
    problem: PlacementProblem,
    schedule: Schedule,
    evaluation: Evaluation,
    lower_bound: float,
    baselines: tuple[Baseline, ...],
    *,
    cut_by_clock: bool,
    timings_s: dict[str, float],
) -> Plan:
    """Assemble the plan."""
    size = _weighed(problem, evaluation.cost, evaluation.quality)
    if lower_bound - evaluation.objective > CONTRADICTION * size:
        message = f"The bound {lower_bound} is above the plan's own {evaluation.objective}."
        raise BoundContradictedError(message)
    lower_bound = float(min(lower_bound, evaluation.objective))
    absolute_gap = evaluation.objective - lower_bound
    gap = relative_gap(problem, evaluation, absolute_gap)
    outside = _outside(problem, schedule)
    return Plan(
        status="optimal" if gap <= OPTIMAL_GAP else "feasible",
        objective=evaluation.objective,
        lower_bound=lower_bound,
        absolute_gap=absolute_gap,
        gap=gap,
        cut_by_clock=cut_by_clock,
        energy=_energy(problem, schedule, evaluation),
        carbon_g=evaluation.total(problem, "carbon"),
        money=evaluation.total(problem, "money"),
        makespan_s=evaluation.makespan_s,
        mean_quality=evaluation.mean_quality,
        usage=_usage(problem, schedule, evaluation),
        placement=schedule.placement,
        device_index=schedule.device,
        start_s=schedule.start_s,
        runtime_s=schedule.slot_s,
        energy_j=evaluation.request_energy_j,
        extrapolated=outside != 0,
        baselines=baselines,
        minimise=problem.objective.minimise,
        cost_normaliser=problem.cost_normaliser,
        quality_normaliser=problem.quality_normaliser,
        warnings=tuple(_warnings(problem, schedule, outside)),
        timings_s=timings_s,
    )


def _energy(
    problem: PlacementProblem, schedule: Schedule, evaluation: Evaluation
) -> EnergyBreakdown:
    """Breakdown with the 90 % interval of the requests' joules around the plan's total."""
    low, high = _bounds_j(problem, schedule)
    rest = evaluation.loading_j + evaluation.idle_j + evaluation.activation_j
    bounds: tuple[float | None, float | None] = (None, None)
    if not np.isnan(low).any():
        artefacts = {id(p.cost_model): i for i, p in enumerate(problem.placements)}
        group = np.array([artefacts[id(p.cost_model)] for p in problem.placements])
        total = total_interval(evaluation.request_energy_j, low, high, group[schedule.placement])
        if total is not None:
            bounds = (total[0] + rest, total[1] + rest)
    return EnergyBreakdown(
        evaluation.requests_j,
        evaluation.underfill_j,
        evaluation.loading_j,
        evaluation.idle_j,
        evaluation.activation_j,
        *bounds,
    )


def _bounds_j(problem: PlacementProblem, schedule: Schedule) -> tuple[FloatArray, FloatArray]:
    """Bound each request's joules at the concurrency that its block achieves, (n,) each."""
    workload = problem.requests.workload
    low, high = np.full(problem.n, np.nan), np.full(problem.n, np.nan)

    def bound(members: IntArray, k: int, concurrency: float) -> None:
        cost_model = problem.placements[k].cost_model
        found = cost_model.energy_bounds_of(workload.terms(members), concurrency)
        if found is not None:
            low[members], high[members] = found

    for k, placement in enumerate(problem.placements):
        bound(np.flatnonzero(schedule.placement == k), k, float(placement.concurrency))
    for block in underfilled(problem, schedule.blocks):
        bound(block.members, block.placement, block.achieved_concurrency)
    return low, high


def _outside(problem: PlacementProblem, schedule: Schedule) -> FlagArray:
    """Flag what each prediction leaves, at the concurrency that its block achieves, (n,)."""
    rows, workload = np.arange(problem.n), problem.requests.workload
    flags = problem.costs.outside[rows, schedule.placement]
    for block in underfilled(problem, schedule.blocks):
        region = problem.placements[block.placement].cost_model.region
        inside = region.at(block.achieved_concurrency)
        flags[block.members] = inside.outside_of(workload.terms(block.members))
    return flags


def _usage(
    problem: PlacementProblem, schedule: Schedule, evaluation: Evaluation
) -> tuple[PlacementUsage, ...]:
    counts = np.bincount(schedule.placement, minlength=problem.k)
    energy = np.bincount(
        schedule.placement, weights=evaluation.request_energy_j, minlength=problem.k
    )
    busy = np.zeros(problem.k)
    for block in schedule.blocks:
        busy[block.placement] += block.seconds
    found = []
    for k, placement in enumerate(problem.placements):
        span = problem.pools[placement.pool].count * schedule.makespan_s
        share = float(busy[k]) / span if span > 0.0 else 0.0
        found.append(PlacementUsage(k, int(counts[k]), float(energy[k]), float(busy[k]), share))
    return tuple(found)


def _warnings(problem: PlacementProblem, schedule: Schedule, flags: FlagArray) -> list[PlanWarning]:
    found = []
    used = set(schedule.placement.tolist())
    reasons = Counter({f: int(((flags & f.value) != 0).sum()) for f in Outside})
    for flag, count in reasons.items():
        if count:
            name = (flag.name or "").lower()
            text = f"{count} of {problem.n} predictions lie outside what was profiled: {name}."
            found.append(PlanWarning("extrapolated", text))
    mixed = {
        f"{p.llm} on {problem.pools[p.pool].device}"
        for k, p in enumerate(problem.placements)
        if k in used and p.concurrency > 1 and p.cost_model.mixed_lengths is None
    }
    if mixed:
        text = "Latencies of mixed lengths were not measured for " + ", ".join(sorted(mixed)) + "."
        found.append(PlanWarning("mixed_lengths_unknown", text))
    return found
