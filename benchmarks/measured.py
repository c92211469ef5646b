"""The same study with the shipped cost models, on the devices of the paper's fleet."""

from __future__ import annotations

from benchmarks.case_costs import BLIND, BLIND_DRAWN, CaseCosts, SweepPoint
from benchmarks.workloads import without_limits
from costmodel.workload import Workload
from planner.inputs import Limits, Objective
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.reporting import OPTIMAL_GAP
from planner.result import SolverOptions
from service.calls.fleet.placements import Candidates

TIME_LIMIT_S = 10.0


def measured_problem(workload: Workload, fleet: Candidates, zeta: float) -> PlacementProblem:
    """Return the case study as a planning problem: no deadline, each LLM with a request."""
    return PlacementProblem.build(
        without_limits(workload),
        fleet.pools,
        fleet.placements,
        Limits(min_requests=dict.fromkeys(fleet.llms, 1)),
        Objective(zeta=zeta),
    )


def measured_costs(workload: Workload, fleet: Candidates) -> CaseCosts:
    """Return the joules and seconds of single requests.

    The fleet has one placement for each LLM, at concurrency 1, so that device-seconds are runtimes.
    """
    problem = measured_problem(workload, fleet, 1.0)
    return CaseCosts(
        workload,
        problem.llms,
        problem.costs.energy_j,
        problem.costs.device_seconds,
        problem.quality,
    )


def solve_measured(costs: CaseCosts, fleet: Candidates, zeta: float, seed: int) -> SweepPoint:
    """Plan the workload; joules are those of the dispatched schedule, loads included.

    The query-blind split is given twice: drawn once, as the planner does, and in
    expectation, paying the loads of the plan and not held to give each LLM a request.
    """
    problem = measured_problem(costs.workload, fleet, zeta)
    found = plan(problem, SolverOptions(TIME_LIMIT_S, OPTIMAL_GAP, seed))
    if found.mean_quality is None:
        msg = "Expected a score for every LLM of the fleet."
        raise LookupError(msg)
    baselines = {baseline.name: baseline.energy_j for baseline in found.baselines}
    expected = costs.blind_energy_j(costs.mean_quality(found.placement))
    loads_j = found.energy.value_j - found.energy.requests_j
    return SweepPoint(
        zeta=zeta,
        choice=found.placement,
        energy_j=found.energy.value_j,
        runtime_s=found.runtime_s,
        makespan_s=found.makespan_s,
        mean_quality=found.mean_quality,
        status=found.status,
        gap=found.gap,
        baselines_j={
            **baselines,
            BLIND_DRAWN: baselines.get(BLIND),
            BLIND: None if expected is None else expected + loads_j,
        },
    )
