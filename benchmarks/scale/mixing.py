"""The mixed instances: deadlines of batch and requests, shares, energy cap, idle power at once.

Least joules never reach a cap on joules: the objective is carbon, and each pool is on a grid of
its own. Grids, shares and the pools that stay on are drawn; of the draws, `RECIPES` names ones in
which every limit binds, as a search over seeds found them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.scale.cells import Cells
from benchmarks.scale.fractional import FractionalLimits, Pooling, cheapest, min_deadline_s
from benchmarks.scale.instance import TIERS, Instance
from benchmarks.scale.relaxed import columns_of, fractional, terms_of
from costmodel.arrays import IntArray

GRIDS = (30.0, 800.0)
"""Cleanest and dirtiest carbon intensity [g/kWh], rounded from hydropower's and coal's."""


@dataclass(frozen=True)
class Recipe:
    """How a mixed instance is drawn.

    Attributes
    ----------
    seed
        Seed of the grids, of pools that stay on, and of shares.
    early
        Share of the requests that have deadlines of their own.
    shuffle
        How far a request's rank by its answer is shuffled before the first ones get the early
        deadlines, as a part of all ranks: 0 for the shortest answers first.
    always_on
        Probability that a pool of known idle power stays on.
    cap
        Where the energy cap lies between the least joules and those of least carbon.
    """

    seed: int
    early: float = 0.52
    shuffle: float = 0.5
    always_on: float = 0.5
    cap: float = 0.5


RECIPES = {
    3: Recipe(455, early=0.6, shuffle=0.5, always_on=1.0, cap=0.3),
    8: Recipe(6, early=0.56, shuffle=100.0, always_on=0.5, cap=0.2),
    32: Recipe(19, early=0.52, shuffle=100.0, always_on=0.5, cap=0.3),
    64: Recipe(4),
}
"""By placements, as ``python -m benchmarks.scale.recipes`` found them."""


@dataclass(frozen=True)
class Draw:
    """What is drawn of a mixed instance: grids and staying on by pool, a share for some LLMs."""

    grids: tuple[float, ...]
    always_on: tuple[bool, ...]
    shares: dict[str, dict[str, float]]


def drawn(bare: Instance, recipe: Recipe) -> Draw:
    """Draw grids, pools that stay on, and for about two thirds of the LLMs a least or most share.

    Shares grow with the root of what an LLM's pools could serve.
    """
    candidates = bare.candidates
    generator = np.random.default_rng([recipe.seed, 9])
    low, high = np.log(GRIDS)
    grids = np.round(np.exp(generator.uniform(low, high, len(candidates.pools))))
    on = generator.random(len(candidates.pools)) < recipe.always_on
    weights = generator.uniform(0.5, 1.5, len(candidates.llms)) * np.sqrt(rates(bare))
    kinds = generator.integers(0, 3, len(candidates.llms)).tolist()
    shares = {
        llm: {("min", "max")[kind - 1]: round(share, 4)}
        for llm, share, kind in zip(
            candidates.llms, (weights / weights.sum()).tolist(), kinds, strict=True
        )
        if kind
    }
    return Draw(tuple(grids.tolist()), tuple(on.tolist()), shares)


def rates(bare: Instance) -> list[float]:
    """Return how many requests a second each LLM's pools could serve."""
    candidates = bare.candidates
    fastest = [0.0] * len(candidates.pools)
    columns = columns_of(candidates, bare.workload)
    for placement, (_, seconds, _) in zip(candidates.placements, columns, strict=True):
        rate = candidates.pools[placement.pool].count / float(seconds.mean())
        fastest[placement.pool] = max(fastest[placement.pool], rate)
    return [
        sum(fastest[pool] for pool in {p.pool for p in candidates.placements if p.llm == llm})
        for llm in candidates.llms
    ]


def mixed(bare: Instance, recipe: Recipe, seed: int, slack: float) -> Instance:
    """Return the instance of a draw; deadlines are `slack` times the least feasible.

    Raises
    ------
    ValueError
        If the draw allows no plan.
    """
    shared = undated(bare, recipe, seed)
    cells, pooling = fractional(shared)
    least_s = min_deadline_s(cells, pooling, terms_of(shared))
    due = dated(shared, least_s, slack)
    cap = cap_j(cells, pooling, terms_of(due), recipe.cap)
    return replace(due, constraints={**due.constraints, "max_energy_joules": _digits(cap)})


def undated(bare: Instance, recipe: Recipe, seed: int) -> Instance:
    """Return the instance of a draw before its deadlines and its cap."""
    draw = drawn(bare, recipe)
    pools = [
        {
            **pool,
            "carbon_g_per_kwh": grid,
            "power_policy": "always_on" if on and pool["idle_watts"] else "power_down",
        }
        for pool, grid, on in zip(bare.fleet["pools"], draw.grids, draw.always_on, strict=True)
    ]
    constraints: dict[str, Any] = {"shares": draw.shares} if draw.shares else {}
    return replace(
        bare,
        fleet={**bare.fleet, "pools": pools},
        tier=_tiers(bare, recipe, seed),
        objective={"minimise": "carbon"},
        constraints=constraints,
    )


def dated(instance: Instance, least_s: float, slack: float) -> Instance:
    """Return the instance with its deadlines, by the least that is feasible [s]."""
    if not np.isfinite(least_s):
        msg = f"Expected {instance.name} to have a plan at some deadline, got none."
        raise ValueError(msg)
    deadline_s = _digits(slack * least_s)
    own = tuple(_digits(end * deadline_s) for end in TIERS) if (instance.tier >= 0).any() else ()
    constraints = {**instance.constraints, "deadline_seconds": deadline_s}
    return replace(instance, constraints=constraints, tier_deadline_s=own, min_deadline_s=least_s)


def cap_j(cells: Cells, pooling: Pooling, terms: FractionalLimits, position: float) -> float:
    """Return an energy cap between the least joules and those of least carbon [J]."""
    wanted = cheapest(cells, pooling, terms)
    minimum = cheapest(cells, pooling, terms, in_joules=True)
    if wanted is None or minimum is None:
        msg = "Expected a fractional plan at 1.05 times the least deadline, got none."
        raise ValueError(msg)
    return minimum.energy_j + position * (wanted.energy_j - minimum.energy_j)


def _tiers(bare: Instance, recipe: Recipe, seed: int) -> IntArray:
    """Return which own deadline each request has, -1 for none, shape (n,)."""
    n = len(bare.workload)
    noise = np.random.default_rng([seed, 3]).random(n)
    rank = np.argsort(np.argsort(bare.workload.output_tokens, kind="stable")) / n
    rank = np.argsort(np.argsort(rank + recipe.shuffle * noise, kind="stable")) / n
    tier = np.floor(rank * len(TIERS) / recipe.early).astype(np.int64)
    return np.where(tier < len(TIERS), tier, -1)


def _digits(value: float) -> float:
    """Round to six digits, which a body shows without noise."""
    return float(f"{value:.6g}")
