"""An instance as the other methods see it: nominal costs, and pools as sums of device-seconds.

    minimise    sum cost[i, k] x[i, k] + makespan_cost T
    subject to  sum_k x[i, k] = 1                             for every request i
                least <= sum values[i, k] x[i, k] over members and columns - makespan T <= most

Schedules, loads and underfill are not in here: what these methods find is dispatched and judged
afterwards by the evaluator that judges plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.scale.instance import Instance
from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.problem import PlacementProblem
from planner.quantities import (
    Limited,
    MakespanSeconds,
    PlanCost,
    PoolSeconds,
    RequestCount,
    SecondsBefore,
)

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class NominalRow:
    """One linear limit.

    Attributes
    ----------
    limits
        What it limits; of an LLM's count its most, its least with it.
    values
        Broadcastable to (n, k).
    columns
        Placements that it sees, shape (k,).
    members
        Requests that it sees, shape (n,); None for all.
    makespan
        What a second of makespan gives to it.
    """

    limits: Limited
    values: FloatArray
    columns: BoolArray
    lower: float = -np.inf
    upper: float = np.inf
    members: BoolArray | None = None
    makespan: float = 0.0


@dataclass(frozen=True)
class Nominal:
    """See the head of this module; `deadline_s` bounds the makespan, inf where nothing does."""

    cost: FloatArray
    eligible: BoolArray
    rows: tuple[NominalRow, ...]
    makespan_cost: float
    deadline_s: float

    @property
    def uses_makespan(self) -> bool:
        """Whether the makespan is a variable of its own."""
        return any(row.makespan for row in self.rows)

    def value(self, placement: IntArray) -> float:
        """Return the cost of a placement, shape (n,), its makespan included."""
        rows = np.arange(len(placement))
        loads = [0.0]
        for row in self.rows if self.makespan_cost else ():
            if row.makespan > 0.0:
                seconds = np.broadcast_to(row.values, self.cost.shape)[rows, placement]
                loads.append(float(seconds @ row.columns[placement]) / row.makespan)
        return float(self.cost[rows, placement].sum()) + self.makespan_cost * max(loads)


def nominal(instance: Instance, problem: PlacementProblem) -> Nominal:
    """Return the instance in these terms."""
    pools = problem.pools
    watts = np.array([pool.always_on_watts for pool in pools])
    counts = np.array([float(pool.count) for pool in pools])
    price = np.array([_cost_of_a_joule(spec) for spec in instance.fleet["pools"]])
    joules = problem.costs.energy_j
    if watts.any():
        joules = joules - watts[problem.pool_of] * problem.costs.device_seconds
    cost = joules if (price == 1.0).all() else joules * price[problem.pool_of]
    deadline_s = np.inf if problem.limits.deadline_s is None else problem.limits.deadline_s
    rows = [*_pool_rows(problem, counts, bool(watts.any())), *_share_rows(problem)]
    if problem.limits.max_energy_j is not None:
        every, idle_w = np.ones(problem.k, dtype=bool), float(watts @ counts)
        cap_j = problem.limits.max_energy_j
        rows.append(NominalRow(PlanCost("energy"), joules, every, upper=cap_j, makespan=-idle_w))
    makespan_cost = float((price * watts) @ counts)
    return Nominal(cost, problem.eligible, tuple(rows), makespan_cost, deadline_s)


def _cost_of_a_joule(pool: dict[str, Any]) -> float:
    """Grams of carbon where the pool's grid is known, else the joule itself."""
    grams_per_kwh = pool.get("carbon_g_per_kwh")
    return 1.0 if grams_per_kwh is None else float(grams_per_kwh) / JOULES_PER_KWH


def _pool_rows(problem: PlacementProblem, counts: FloatArray, idles: bool) -> Iterator[NominalRow]:
    seconds, own = problem.costs.device_seconds, problem.requests.deadline_s
    for index, count in enumerate(counts.tolist()):
        here = problem.pool_of == index
        if idles:
            yield NominalRow(MakespanSeconds(index), seconds, here, upper=0.0, makespan=count)
        elif problem.limits.deadline_s is not None:
            maximum = count * problem.limits.deadline_s
            yield NominalRow(PoolSeconds(index), seconds, here, upper=maximum)
        for due in np.unique(own[np.isfinite(own)]).tolist():
            limits = SecondsBefore(index, due)
            yield NominalRow(limits, seconds, here, upper=count * due, members=own <= due)


def _share_rows(problem: PlacementProblem) -> Iterator[NominalRow]:
    for llm in problem.limits.shares:
        columns = np.array([p.llm == llm for p in problem.placements])
        lower, upper = problem.request_counts(llm)
        yield NominalRow(
            RequestCount(llm, "max"), np.ones((1, 1)), columns, float(lower), float(upper)
        )
