"""Small random planning problems over real cost models."""

from __future__ import annotations

import numpy as np

from costmodel.cost_model import CostModel
from costmodel.provenance import Provenance
from costmodel.region import ProfiledRegion
from costmodel.workload import Workload
from planner.inputs import Limits, Objective, Placement, Pool, Requests
from planner.problem import PlacementProblem

REGION = ProfiledRegion(np.array([[1.0, 1.0, 1.0], [8192.0, 8192.0, 512.0]]))


def cost_model(
    llm: str,
    *,
    scale: float = 1.0,
    speed: float = 1.0,
    basis: str = "kv_on",
    load_s: float | None = None,
    load_energy_j: float | None = None,
) -> CostModel:
    """A plausible cost model: seconds as a server of an LLM of `scale` billion parameters."""
    if basis == "kv_on":
        energy = np.array([0.5, 0.01, 1e-7, 0.02, 4.0, 0.3, 1e-6]) * scale
        seconds = np.array([1e-3, 2e-5, 1e-10, 4e-5, 0.012, 5e-4, 1e-9]) * scale / speed
    else:
        energy = np.array([5.0, 2.0, 0.004, 1e-7]) * scale
        seconds = np.array([0.05, 0.02, 2e-5, 1e-9]) * scale / speed
    return CostModel(
        llm=llm,
        device="1xh100-sxm5-80gb",
        num_gpus=1,
        basis=basis,
        energy_coefficients=tuple(energy.tolist()),
        device_seconds_coefficients=tuple(seconds.tolist()),
        region=REGION,
        provenance=Provenance(source="test", engine="vllm", kv_cache="on", energy_scope="gpu"),
        load_s=load_s,
        load_energy_j=load_energy_j,
    )


def workload(
    n: int, seed: int = 0, median_in: float = 300.0, median_out: float = 150.0
) -> Workload:
    rng = np.random.default_rng(seed)
    tin = np.clip(rng.lognormal(np.log(median_in), 1.0, n), 1, 8000).astype(np.int64)
    tout = np.clip(rng.lognormal(np.log(median_out), 0.8, n), 1, 2000).astype(np.int64)
    return Workload(tin, tout)


def requests(load: Workload, deadline_s: object = None, min_quality: object = None) -> Requests:
    n = len(load)
    deadline = np.full(n, np.inf) if deadline_s is None else np.asarray(deadline_s, dtype=float)
    quality = np.full(n, -np.inf) if min_quality is None else np.asarray(min_quality, dtype=float)
    return Requests(load, deadline, quality)


def three_llms(
    load: Workload,
    *,
    count: int = 2,
    concurrency: tuple[int, ...] = (1,),
    resident: bool = True,
    limits: Limits | None = None,
    objective: Objective | None = None,
    deadline_s: object = None,
    power_policy: str = "power_down",
    idle_watts: float | None = 100.0,
    basis: str = "kv_on",
) -> PlacementProblem:
    """Three LLMs of rising size and quality on two pools."""
    llms = {"small": (1.0, 0.5), "medium": (2.0, 0.6), "large": (8.0, 0.7)}
    names = frozenset(llms)
    pools = [
        Pool(
            "a",
            "1xh100-sxm5-80gb",
            count,
            idle_watts,
            power_policy,
            None,
            names if resident else frozenset(),
        ),
        Pool(
            "b",
            "1xh100-sxm5-80gb",
            count,
            idle_watts,
            power_policy,
            None,
            names if resident else frozenset(),
        ),
    ]
    placements = [
        Placement(
            llm,
            pool,
            batch,
            cost_model(
                llm,
                scale=scale * (1.0 + 0.15 * pool),
                speed=1.0 + pool,
                load_s=20.0 * scale,
                load_energy_j=2000.0 * scale,
                basis=basis,
            ),
            quality,
        )
        for pool in range(2)
        for llm, (scale, quality) in llms.items()
        for batch in concurrency
    ]
    return PlacementProblem.build(requests(load, deadline_s), pools, placements, limits, objective)
