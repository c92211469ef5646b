"""Random problems in which every constraint there is may stand, in any combination."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.inputs import Limits, Objective, Placement, Pool, Requests, Share
from planner.problem import PlacementProblem
from tests.planner.instances import cost_model, workload

LLMS = (("small", 1.0, 0.5), ("medium", 2.0, 0.6), ("large", 4.0, 0.7))
DEVICE = "1xh100-sxm5-80gb"


@dataclass(frozen=True)
class Size:
    """How large a random problem may be."""

    requests: tuple[int, int]
    pools: int
    devices: int
    placements: int


TINY = Size((1, 4), 2, 2, 4)
SMALL = Size((2, 6), 2, 2, 3)
MIDDLE = Size((8, 120), 3, 4, 12)


def mixed_problem(seed: int, size: Size) -> PlacementProblem:
    """Return a problem whose figures, limits and pins all come from the seed."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(size.requests[0], size.requests[1] + 1))
    llms = LLMS[: int(rng.integers(1, 4))]
    pools = [_pool(rng, index, llms, size) for index in range(int(rng.integers(1, size.pools + 1)))]
    placements = _placements(rng, pools, llms)
    while len(placements) > size.placements:
        placements.pop(int(rng.integers(len(placements))))
    work = workload(n, seed)
    scale = _seconds(work, placements) / sum(pool.count for pool in pools)
    requests = _requests(rng, work, pools, placements, scale)
    objective = Objective(
        float(rng.choice([1.0, 1.0, 0.7, 0.3, 0.0])),
        minimise=str(rng.choice(["energy", "carbon", "money"])),
    )
    limits = _limits(rng, n, placements, work, scale)
    return PlacementProblem.build(requests, pools, placements, limits, objective)


def _pool(rng: np.random.Generator, index: int, llms: tuple, size: Size) -> Pool:
    always_on = bool(rng.random() < 0.4)
    names = [llm for llm, _, _ in llms]
    activated = not always_on and rng.random() < 0.5
    priced_by = rng.integers(3)
    return Pool(
        f"p{index}",
        DEVICE,
        int(rng.integers(1, size.devices + 1)),
        float(rng.choice([50.0, 200.0])) if rng.random() < 0.8 else None,
        "always_on" if always_on else "power_down",
        float(rng.uniform(20, 300)) if rng.random() < 0.2 else None,
        frozenset(name for name in names if rng.random() < 0.4),
        carbon_g_per_kwh=float(rng.choice([20.0, 300.0, 700.0])),
        price_per_kwh=0.3 if priced_by != 0 else None,
        price_per_device_hour=float(rng.choice([1.0, 4.0])) if priced_by != 1 else None,
        activation_j=float(rng.choice([500.0, 5000.0])) if activated else 0.0,
        activation_s=float(rng.choice([0.0, 3.0])) if activated else 0.0,
    )


def _placements(rng: np.random.Generator, pools: list[Pool], llms: tuple) -> list[Placement]:
    found = []
    batches = [(1,), (1,), (4,), (1, 4), (4, 16)][rng.integers(5)]
    for index in range(len(pools)):
        for llm, scale, quality in llms:
            fitted = cost_model(
                llm,
                scale=scale * (1 + 0.3 * index),
                speed=1 + index,
                load_s=2.0 * scale,
                load_energy_j=float(rng.choice([100.0, 1000.0])) * scale,
            )
            context = 1200 if rng.random() < 0.1 else None
            found += [Placement(llm, index, b, fitted, quality, context) for b in batches]
    return found


def _seconds(work, placements: list[Placement]) -> float:
    """Device-seconds of the whole batch on a middling placement."""
    totals = [
        float(
            p.cost_model.device_seconds(work.input_tokens, work.output_tokens, p.concurrency).sum()
        )
        for p in placements
    ]
    return float(np.median(totals))


def _requests(rng, work, pools, placements, scale: float) -> Requests:
    n, k = len(work), len(placements)
    own = np.full(n, np.inf)
    if rng.random() < 0.4:
        steps = scale * rng.uniform(0.5, 4.0, int(rng.integers(1, 4))) + 10.0
        own = np.where(rng.random(n) < 0.5, rng.choice(steps, n), np.inf)
    floor = np.full(n, -np.inf)
    if rng.random() < 0.2:
        floor = np.where(rng.random(n) < 0.3, 0.6, -np.inf)
    allowed, device = np.ones((n, k), dtype=bool), np.full(n, -1)
    pool_of = np.array([p.pool for p in placements])
    if rng.random() < 0.3:
        masks = rng.random((3, k)) < 0.7
        allowed &= masks[rng.integers(0, 3, n)]
    if rng.random() < 0.3:
        pinned = rng.random(n) < 0.3
        where = rng.integers(0, k, n)
        same_pool = pool_of[None, :] == pool_of[where][:, None]
        exactly = np.arange(k)[None, :] == where[:, None]
        pin = np.where(rng.random(n)[:, None] < 0.5, same_pool, exactly)
        allowed = np.where(pinned[:, None], pin, allowed)
        counts = np.array([pool.count for pool in pools])[pool_of[where]]
        on_device = pinned & (rng.random(n) < 0.6)
        device = np.where(on_device, rng.integers(0, counts), -1)
    return Requests(
        work,
        own,
        floor,
        None if allowed.all() else allowed,
        None if (device < 0).all() else device,
    )


def _limits(rng, n: int, placements: list[Placement], work, scale: float) -> Limits:
    llms = list(dict.fromkeys(p.llm for p in placements))
    shares, least = {}, {}
    if rng.random() < 0.3:
        shares[llms[0]] = Share(0.0, float(rng.choice([0.3, 0.6])))
    if rng.random() < 0.2:
        shares[llms[-1]] = Share(float(rng.choice([0.1, 0.4])), 1.0)
    if rng.random() < 0.2:
        least[llms[-1]] = int(rng.integers(1, 3))
    typical = np.median(
        [
            float(p.cost_model.energy_j(work.input_tokens, work.output_tokens, p.concurrency).sum())
            for p in placements
        ]
    )
    return Limits(
        deadline_s=float(scale * rng.uniform(0.6, 5.0) + 5.0) if rng.random() < 0.5 else None,
        min_mean_quality=float(rng.uniform(0.5, 0.7)) if rng.random() < 0.3 else None,
        max_energy_j=float(typical * rng.uniform(0.8, 3.0) + 500.0) if rng.random() < 0.3 else None,
        shares=shares,
        min_requests=least,
        horizon_s=float(scale * rng.uniform(0.3, 3.0)) if rng.random() < 0.3 else None,
        max_carbon_g=float(typical * rng.uniform(2e-5, 4e-4)) if rng.random() < 0.15 else None,
        max_money=float(scale * rng.uniform(3e-4, 5e-3)) if rng.random() < 0.15 else None,
    )
