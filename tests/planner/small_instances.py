"""Problems that are small enough to try every assignment of them."""

from __future__ import annotations

import numpy as np

from planner.inputs import Limits, Objective, Placement, Pool, Share
from planner.problem import PlacementProblem
from tests.planner.instances import cost_model, requests, workload


def small_problem(seed: int) -> PlacementProblem:
    """One to four requests on one or two pools, with any mix of limits and policies."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    batches = [(1,), (4,), (1, 4)][rng.integers(3)]
    llms = [("small", 1.0, 0.5), ("large", 4.0, 0.7)][: int(rng.integers(1, 3))]
    pools, placements = [], []
    for index in range(int(rng.integers(1, 3))):
        pools.append(
            Pool(
                f"p{index}",
                "1xh100-sxm5-80gb",
                int(rng.integers(1, 3)),
                float(rng.choice([50.0, 200.0])),
                "always_on" if rng.random() < 0.5 else "power_down",
                float(rng.uniform(5, 200)) if rng.random() < 0.3 else None,
                frozenset(llm for llm, _, _ in llms) if rng.random() < 0.5 else frozenset(),
            )
        )
        for llm, scale, quality in llms:
            fitted = cost_model(
                llm,
                scale=scale * (1 + 0.3 * index),
                speed=1 + index,
                load_s=3 * scale,
                load_energy_j=float(rng.choice([100.0, 1000.0])) * scale,
            )
            placements += [Placement(llm, index, batch, fitted, quality) for batch in batches]
    limits = Limits(
        deadline_s=float(rng.uniform(2, 40)) if rng.random() < 0.5 else None,
        min_mean_quality=float(rng.uniform(0.5, 0.7)) if rng.random() < 0.4 else None,
        max_energy_j=float(rng.uniform(200, 8000)) if rng.random() < 0.3 else None,
        shares={"small": Share(0.0, float(rng.choice([0.3, 0.6])))} if rng.random() < 0.3 else {},
        min_requests={"large": 1} if rng.random() < 0.2 else {},
        horizon_s=float(rng.uniform(1, 60)) if rng.random() < 0.3 else None,
    )
    own = np.where(rng.random(n) < 0.5, np.inf, rng.uniform(3, 60, n))
    return PlacementProblem.build(
        requests(workload(n, seed), own if rng.random() < 0.4 else None),
        pools,
        placements[:4],
        limits,
        Objective(float(rng.choice([1.0, 1.0, 0.5, 0.0]))),
    )


def tiny_priced_problem(seed: int) -> PlacementProblem:
    """Two or three requests, two pools, two LLMs, prices, and any mix of limits and policies."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    llms = [("small", 1.0, 0.5), ("large", 4.0, 0.7)]
    pools, placements = [], []
    for index in range(2):
        pools.append(
            Pool(
                f"p{index}",
                "1xh100-sxm5-80gb",
                int(rng.integers(1, 3)),
                float(rng.choice([50.0, 200.0])),
                "always_on" if rng.random() < 0.3 else "power_down",
                None,
                frozenset(llm for llm, _, _ in llms) if rng.random() < 0.5 else frozenset(),
                carbon_g_per_kwh=float(rng.uniform(20, 700)),
                price_per_kwh=float(rng.uniform(0.1, 0.4)),
                price_per_device_hour=float(rng.uniform(0.0, 4.0)),
            )
        )
        batch = int(rng.choice([1, 4]))
        for llm, scale, quality in llms:
            fitted = cost_model(
                llm,
                scale=scale * (1 - 0.3 * index),
                speed=2.0 - index,
                load_s=3 * scale,
                load_energy_j=100.0 * scale,
            )
            placements.append(Placement(llm, index, batch, fitted, quality))
    limits = Limits(
        deadline_s=float(rng.uniform(30, 90)) if rng.random() < 0.2 else None,
        shares={"small": Share(0.0, 0.7)} if rng.random() < 0.2 else {},
    )
    return PlacementProblem.build(requests(workload(n, seed)), pools, placements, limits)
