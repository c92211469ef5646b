"""OR-Tools' min-cost-flow: exact where the instance is a transportation problem."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from benchmarks.scale.nominal import Nominal
from benchmarks.scale.outcome import MethodRun
from costmodel.arrays import FloatArray, IntArray

COST_STEPS = 1e6
"""Whole steps of the dearest pair's cost: a flow's cost is off by half a step a request."""


def is_transport(nominal: Nominal) -> bool:
    """Whether its rows count requests alone, and each placement is in at most one of them."""
    counted = all(row.values.size == 1 and row.members is None for row in nominal.rows)
    return counted and bool((np.sum([row.columns for row in nominal.rows], axis=0) <= 1).all())


def min_cost_flow(nominal: Nominal) -> MethodRun:
    """Send each request to a counted group of placements, by its cheapest placement there.

    Node 0 to n - 1 are requests, then one for each group, and one that takes what a group serves
    beyond its least number.
    """
    started = perf_counter()
    n = len(nominal.cost)
    groups = [np.flatnonzero(row.columns) for row in nominal.rows]
    free = np.flatnonzero(~np.any([row.columns for row in nominal.rows], axis=0))
    groups += [free] if len(free) else []
    bounds = [(row.lower, row.upper) for row in nominal.rows] + (
        [(0.0, float(n))] * bool(len(free))
    )
    costs = np.where(nominal.eligible, nominal.cost, np.inf)
    best = np.stack([group[costs[:, group].argmin(axis=1)] for group in groups], axis=1)
    cost = np.stack([costs[:, group].min(axis=1) for group in groups], axis=1)
    flow = SimpleMinCostFlow()
    request, group = np.nonzero(np.isfinite(cost))
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        request, n + group, np.ones(len(request), dtype=np.int64), _whole(cost[request, group])
    )
    _sink(flow, n, bounds)
    built = perf_counter()
    status = flow.solve()
    took = {"build": built - started, "solve": perf_counter() - built}
    if status != SimpleMinCostFlow.OPTIMAL:
        return MethodRun({**took, "total": perf_counter() - started}, word="nothing found")
    used = flow.flows(arcs) > 0
    placement = np.empty(n, dtype=np.int64)
    placement[request[used]] = best[request[used], group[used]]
    total = float(nominal.cost[np.arange(n), placement].sum())
    bound = total - n * float(cost[np.isfinite(cost)].max()) / COST_STEPS
    seconds = {**took, "total": perf_counter() - started}
    return MethodRun(seconds, total, bound, (total - bound) / total, "optimal", placement=placement)


def _sink(flow: SimpleMinCostFlow, n: int, bounds: list[tuple[float, float]]) -> None:
    rest = n
    for index, (lower, upper) in enumerate(bounds):
        whole_min = int(max(0.0, lower))
        flow.set_node_supply(n + index, -whole_min)
        room = int(min(upper, n)) - whole_min
        flow.add_arc_with_capacity_and_unit_cost(n + index, n + len(bounds), room, 0)
        rest -= whole_min
    flow.set_nodes_supplies(np.arange(n), np.ones(n, dtype=np.int64))
    flow.set_node_supply(n + len(bounds), -rest)


def _whole(cost: FloatArray) -> IntArray:
    steps: IntArray = np.rint(cost * (COST_STEPS / float(cost.max()))).astype(np.int64)
    return steps
