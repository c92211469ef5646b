"""Whether a request may run on a placement, whatever else is planned."""

from __future__ import annotations

import math

from planner.problem import PlacementProblem


def may_run(problem: PlacementProblem, i: int, k: int) -> bool:
    """Whether a request may run on a placement at all: names, context, scores, loads, pins."""
    where, requests = problem.placements[k], problem.requests
    tokens = int(requests.workload.input_tokens[i] + requests.workload.output_tokens[i])
    if requests.allowed is not None and not requests.allowed[i, k]:
        return False
    if where.max_context_tokens is not None and tokens > where.max_context_tokens:
        return False
    if requests.device is not None and requests.device[i] >= problem.pools[where.pool].count:
        return False
    resident = where.llm in problem.pools[where.pool].resident
    if not resident and None in (where.cost_model.load_s, where.cost_model.load_energy_j):
        return False
    floor = float(requests.min_quality[i])
    if where.quality is None:
        asked = [
            problem.objective.zeta < 1.0,
            problem.limits.min_mean_quality is not None,
            any(math.isfinite(other) for other in requests.min_quality.tolist()),
        ]
        return not any(asked)
    return where.quality >= floor
