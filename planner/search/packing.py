"""Small batches straight onto devices: every device of a pool as a pool of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.arrays import IntArray
from planner.problem import PlacementProblem

MAX_TRIPLES = 3_000
"""(request, placement, device) triples that CP-SAT takes in a second or so."""


def small_enough(problem: PlacementProblem) -> bool:
    """Whether the split problem is small enough for CP-SAT."""
    devices = sum(problem.pools[p].count for p in problem.pool_of)
    return bool(problem.n * devices <= MAX_TRIPLES)


def is_exact(problem: PlacementProblem) -> bool:
    """Whether device-seconds are a schedule: no slots to fill and no deadlines inside the plan."""
    return bool((problem.concurrency == 1).all() and len(np.unique(problem.deadline_s)) == 1)


def split_pools(problem: PlacementProblem) -> tuple[PlacementProblem, IntArray, IntArray]:
    """Return the problem over single devices, and the placement and device of its placements.

    The two arrays, (k',), are of the original: which placement and device each new one is.
    """
    pools, placements, origin, device = [], [], [], []
    for index, pool in enumerate(problem.pools):
        for d in range(pool.count):
            pools.append(replace(pool, name=f"{pool.name}[{d}]", count=1))
            for k in np.flatnonzero(problem.pool_of == index).tolist():
                placements.append(replace(problem.placements[k], pool=len(pools) - 1))
                origin.append(k)
                device.append(d)
    columns = np.array(origin)
    requests, costs = problem.requests, problem.costs
    allowed = None if requests.allowed is None else requests.allowed[:, columns]
    if requests.device is not None:
        pinned = problem.pinned_device[:, None]
        on_it = (pinned < 0) | (pinned == np.array(device)[None, :])
        allowed = on_it if allowed is None else allowed & on_it
    split = replace(
        problem,
        requests=replace(requests, allowed=allowed, device=None),
        pools=tuple(pools),
        placements=tuple(placements),
        costs=costs.take(columns=columns),
        objective=replace(
            problem.objective,
            cost_normaliser=problem.cost_normaliser,
            quality_normaliser=problem.quality_normaliser,
        ),
    )
    return split, columns, np.array(device)
