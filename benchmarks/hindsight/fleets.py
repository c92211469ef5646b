"""The fleets that an hour is replayed on: shipped devices, as many as keep up with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from planner.inputs import Placement, Pool
from service.calls.fleet.placements import Candidates

COUNTS: Mapping[str, int] = {
    "llama-2-7b-chat": 100,
    "llama-2-13b-chat": 110,
    "llama-2-70b-chat": 60,
}
"""Devices that serve each LLM one request at a time: a deployment has one LLM."""
SHARED_COUNTS: Mapping[str, int] = {
    "h100-llama-3.1-8b": 1,
    "h100-gemma-3-12b": 2,
    "b200-gemma-3-27b": 1,
}
"""Devices of each pool of the default fleet whose requests share a device."""
LEVELS = (8, 32, 96)
"""Concurrencies of these pools; no device serves more at once than the largest."""


def deployments(fleet: Candidates) -> Candidates:
    """Return the fleet as deployments of one LLM each, with these counts, always on."""
    pools: list[Pool] = []
    placements: list[Placement] = []
    for placement in fleet.placements:
        pool = replace(
            fleet.pools[placement.pool],
            name=f"{fleet.pools[placement.pool].name}-{placement.llm}",
            count=COUNTS[placement.llm],
            power_policy="always_on",
        )
        placements.append(replace(placement, pool=len(pools)))
        pools.append(pool)
    return Candidates(tuple(pools), tuple(placements))


def shared_deployments(fleet: Candidates) -> Candidates:
    """Return some pools of the default fleet, with these counts, at several concurrencies."""
    pools: list[Pool] = []
    placements: list[Placement] = []
    for name, count in SHARED_COUNTS.items():
        index = fleet.pool_names.index(name)
        first = next(one for one in fleet.placements if one.pool == index)
        placements += [replace(first, pool=len(pools), concurrency=level) for level in LEVELS]
        pools.append(replace(fleet.pools[index], count=count))
    return Candidates(tuple(pools), tuple(placements))
