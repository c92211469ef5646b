"""Sums over a plan, for the metrics."""

from __future__ import annotations

import numpy as np

from planner.problem import PlacementProblem
from planner.result import Plan
from service.calls.messages import PlacementTally, PlanTally
from service.calls.schemas.answers import TimingsAnswer


def tally_plan(
    problem: PlacementProblem, plan: Plan, timings_s: TimingsAnswer, write_s: float
) -> PlanTally:
    """Return the sums of a plan whose making, and then writing, took these seconds."""
    counts = np.bincount(plan.placement, minlength=problem.k)
    energy_j = np.bincount(plan.placement, weights=plan.energy_j, minlength=problem.k)
    runtime_s = np.bincount(plan.placement, weights=plan.runtime_s, minlength=problem.k)
    outside = np.bincount(plan.placement, weights=plan.extrapolated, minlength=problem.k)
    placements = tuple(
        PlacementTally(
            llm=placement.llm,
            pool=problem.pools[placement.pool].name,
            device=problem.pools[placement.pool].device,
            requests=int(counts[k]),
            energy_j=float(energy_j[k]),
            runtime_s=float(runtime_s[k]),
            extrapolated=int(outside[k]),
        )
        for k, placement in enumerate(problem.placements)
        if counts[k]
    )
    saved_j = {
        baseline.name: max(0.0, float(baseline.energy_j - plan.energy.value_j))
        for baseline in plan.baselines
        if baseline.feasible and baseline.energy_j is not None
    }
    return PlanTally(
        plan.status,
        float(plan.gap),
        timings_s["solve"],
        placements,
        saved_j,
        {
            "parse": timings_s["parse"],
            "predict": timings_s["predict"],
            "solve": timings_s["solve"],
            "write": write_s,
        },
    )
