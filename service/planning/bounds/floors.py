"""Least values that any schedule must pay or hold, from which valid bounds are built.

Above concurrency 1 a request's joules and slot time depend on the mix that it runs in. These
functions give what no mix can undercut, shape (n, k) each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from costmodel.arrays import FloatArray
from service.planning.problem import PlacementProblem


def slot_floor_s(problem: PlacementProblem) -> FloatArray:
    """Least seconds for which a request holds its slot.

    At concurrency 1 its device-seconds; above, its output tokens times the least mean step that
    a mix of eligible requests can have.
    """
    return _slot_bound(problem, np.min, np.inf)


def slot_ceiling_s(problem: PlacementProblem) -> FloatArray:
    """Most seconds for which a request holds its slot, by the largest mean step of a mix."""
    return _slot_bound(problem, np.max, 0.0)


def _slot_bound(
    problem: PlacementProblem, extreme: Callable[..., FloatArray], start: float
) -> FloatArray:
    output = problem.requests.workload.output_tokens.astype(float)
    slot = np.empty((problem.n, problem.k), order="F")
    for k, concurrency in enumerate(problem.concurrency.tolist()):
        seconds = problem.costs.device_seconds[:, k]
        if concurrency == 1.0:
            slot[:, k] = seconds
            continue
        step = float(extreme(seconds / output, where=problem.eligible[:, k], initial=start))
        slot[:, k] = output * (step * concurrency if np.isfinite(step) else 0.0)
    return slot


def least_rise_j(problem: PlacementProblem, k: int) -> float:
    """Least joules per output token by which a request alone costs more than at concurrency B."""
    workload = problem.requests.workload
    able = problem.eligible[:, k]
    if problem.placements[k].concurrency == 1 or not able.any():
        return 0.0
    tokens = workload.input_tokens[able], workload.output_tokens[able]
    alone = problem.placements[k].cost_model.energy_j(*tokens, 1.0)
    return max(0.0, float(((alone - problem.costs.energy_j[able, k]) / tokens[1]).min()))


def step_price_j(problem: PlacementProblem) -> FloatArray:
    """Joules that each decode step of a block costs beside its tokens, at least, shape (k,).

    A block of T output tokens that runs V steps achieves concurrency T / V. A request's joules
    are concave in r = V / T, so at least ``e(B) + (r - 1/B) s`` with
    ``s = (e(1) - e(B)) / (1 - 1/B)``; summed over the block that is at least
    ``sum e(B) + min(s / tokens) (V - T / B)``. 0 at concurrency 1, and on always-on pools, where
    a longer block saves idle joules.
    """
    price = np.zeros(problem.k)
    for k, placement in enumerate(problem.placements):
        if placement.concurrency > 1 and problem.pools[placement.pool].always_on_watts == 0.0:
            price[k] = least_rise_j(problem, k) / (1.0 - 1.0 / placement.concurrency)
    return price


def priced_floor_j(problem: PlacementProblem) -> FloatArray:
    """Least joules of a request less the idle joules that its block saves on an always-on pool.

    Let p be the least rise of joules from concurrency B to 1 for an output token, w the idle
    power. With r = steps / tokens of a block, its joules are at least
    ``sum e(B) + (r - 1/B) p tokens / (1 - 1/B)`` and it saves ``w r step tokens``, the mean step
    being one for the placement, where slot times add up to B times the device-seconds d. Over all
    its blocks, joules less what they save are at least
    ``sum e(B) - w d - max(0, w (B - 1) d - p tokens)``.
    """
    if not any(pool.always_on_watts for pool in problem.pools):
        return problem.costs.energy_j
    floor = problem.costs.energy_j.copy(order="F")
    output_tokens = problem.requests.workload.output_tokens
    for k, placement in enumerate(problem.placements):
        watts = problem.pools[placement.pool].always_on_watts
        if watts == 0.0:
            continue
        saved = watts * problem.costs.device_seconds[:, k]
        more = saved * (placement.concurrency - 1) - least_rise_j(problem, k) * output_tokens
        floor[:, k] -= saved + np.maximum(0.0, more)
    return floor


def unavoidable_j(problem: PlacementProblem) -> float:
    """Idle and loading joules that no plan can avoid [J].

    Every request needs one of its placements loaded, and an always-on pool with a given horizon
    idles for what even all requests on it could not fill.
    """
    loads = np.where(problem.eligible, problem.load_energy_j[None, :], np.inf).min(axis=1)
    total = float(loads.max(initial=0.0))
    horizon = problem.limits.horizon_s
    if horizon is None:
        return total
    ceiling = np.where(problem.eligible, slot_ceiling_s(problem), 0.0)
    for index, pool in enumerate(problem.pools):
        columns = problem.pool_of == index
        if pool.always_on_watts == 0.0 or not columns.any():
            continue
        busy = ceiling[:, columns].max(axis=1).sum()
        busy += pool.count * problem.load_s[columns][np.isfinite(problem.load_s[columns])].sum()
        total += pool.always_on_watts * max(0.0, pool.count * horizon - float(busy))
    return total
