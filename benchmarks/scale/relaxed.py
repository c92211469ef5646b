"""An instance in the terms of its fractional problem."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.scale.cells import Cells, cells_of
from benchmarks.scale.fractional import FractionalLimits, Pooling
from benchmarks.scale.instance import TIERS, Instance
from costmodel.arrays import FloatArray
from costmodel.workload import Workload
from service.calls.fleet.placements import Candidates


def fractional(instance: Instance) -> tuple[Cells, Pooling]:
    """Return the instance in the terms of `benchmarks.scale.fractional`."""
    candidates, workload = instance.candidates, instance.workload
    context = np.array([p.max_context_tokens or np.inf for p in candidates.placements])
    tokens = workload.input_tokens + workload.output_tokens
    beyond = np.searchsorted(np.unique(context), tokens)
    group = (instance.mask * (len(TIERS) + 1) + instance.tier + 1) * 8 + beyond
    allowed = tokens[:, None] <= context[None, :]
    if instance.allowed is not None:
        allowed &= instance.allowed
    end = np.append(TIERS, 1.0)[instance.tier]
    pools = candidates.pools
    pooling = Pooling(
        np.array([p.pool for p in candidates.placements]),
        np.array([float(pool.count) for pool in pools]),
        np.array([pool.always_on_watts for pool in pools]),
        np.array([spec.get("carbon_g_per_kwh", 1.0) for spec in instance.fleet["pools"]]),
    )
    return cells_of(group, workload, columns_of(candidates, workload), allowed, end), pooling


def columns_of(
    candidates: Candidates, workload: Workload
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Yield joules, device-seconds and latencies of the requests on each placement, each (n,)."""
    tokens = workload.input_tokens, workload.output_tokens
    for placement in candidates.placements:
        batch, cost_model = placement.concurrency, placement.cost_model
        seconds = cost_model.device_seconds(*tokens, batch)
        # What a request holds its slot for: its output tokens times the mean step of the mix.
        step = batch * float(seconds.sum()) / float(workload.output_tokens.sum())
        latency = seconds if batch == 1 else workload.output_tokens.astype(float) * step
        yield cost_model.energy_j(*tokens, batch), seconds, latency


def terms_of(instance: Instance) -> FractionalLimits:
    """Return the limits of an instance for its fractional problem."""
    candidates, constraints = instance.candidates, instance.constraints
    n = len(instance.workload)
    counts = tuple(
        (
            np.array([i for i, p in enumerate(candidates.placements) if p.llm == llm]),
            np.floor(share.get("min", 0.0) * n),
            np.ceil(share.get("max", 1.0) * n),
        )
        for llm, share in constraints.get("shares", {}).items()
    )
    own = (instance.tier >= 0).any()
    return FractionalLimits(
        deadline_s=constraints.get("deadline_seconds"),
        own_s=(instance.tier_deadline_s or (1.0,))[-1] / TIERS[-1] if own else None,
        counts=counts,
        cap_j=constraints.get("max_energy_joules"),
    )
