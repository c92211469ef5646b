"""Least values that any schedule must pay or hold, from which valid bounds are built.

Above concurrency 1 a request's joules and slot time depend on the mix that it runs in. These
functions give what no mix can undercut, shape (n, k) each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.inputs import Unit
from planner.problem import PlacementProblem


def min_slot_s(problem: PlacementProblem) -> FloatArray:
    """Least seconds for which a request holds its slot, shape (n, k).

    At concurrency 1 its device-seconds; above, its output tokens times the least mean step that
    a mix of eligible requests can have.
    """
    return _slot_bound(problem, problem.requests.workload.output_tokens, np.min, np.inf)


def max_slot_s(problem: PlacementProblem) -> FloatArray:
    """Most seconds for which a request holds its slots, by the largest mean step, shape (n, k)."""
    return _slot_bound(problem, problem.requests.workload.generated_tokens, np.max, 0.0)


def _slot_bound(
    problem: PlacementProblem, tokens: IntArray, extreme: Callable[..., FloatArray], start: float
) -> FloatArray:
    if (problem.concurrency == 1.0).all():
        return problem.costs.device_seconds
    slot = np.empty((problem.n, problem.k), order="F")
    for k, concurrency in enumerate(problem.concurrency.tolist()):
        if concurrency == 1.0:
            slot[:, k] = problem.costs.device_seconds[:, k]
        else:
            slot[:, k] = tokens * _step_s(problem, k, extreme, start)
    return slot


def _step_s(
    problem: PlacementProblem, k: int, extreme: Callable[..., FloatArray], start: float
) -> float:
    """Extreme mean decode step that a mix of eligible requests can have on a placement [s]."""
    generated = problem.requests.workload.generated_tokens.astype(float)
    each = problem.costs.device_seconds[:, k] / generated
    step = float(extreme(each, where=problem.eligible[:, k], initial=start))
    return step * problem.placements[k].concurrency if np.isfinite(step) else 0.0


def min_rise_j(problem: PlacementProblem, k: int) -> float:
    """Least joules per output token by which a request alone costs more than at concurrency B."""
    workload = problem.requests.workload
    able = problem.eligible[:, k]
    if problem.placements[k].concurrency == 1 or not able.any():
        return 0.0
    alone = problem.energy_at_j(k, np.flatnonzero(able), 1.0)
    rise = (alone - problem.costs.energy_j[able, k]) / workload.generated_tokens[able]
    return max(0.0, float(rise.min()))


def min_step_cost(problem: PlacementProblem, unit: Unit) -> FloatArray:
    """Cost of each decode step of a block beside its tokens, at least, shape (k,).

    A block of T output tokens that runs V steps achieves concurrency T / V. A request's joules
    are concave in r = V / T, so at least ``e(B) + (r - 1/B) s`` with
    ``s = (e(1) - e(B)) / (1 - 1/B)``; summed over the block that is at least
    ``sum e(B) + min(s / tokens) (V - T / B)``. The block lasts V mean steps, and the slots of a
    placement hold B times its device-seconds: so its on-seconds are at least the device-seconds
    and ``(V - T / B)`` least steps. 0 at concurrency 1, and on always-on pools, where a longer
    block saves idle joules and the seconds are paid anyway.
    """
    rates, price = problem.rates_in(unit), np.zeros(problem.k)
    for k, placement in enumerate(problem.placements):
        pool = problem.pools[placement.pool]
        if placement.concurrency == 1:
            continue
        if pool.always_on_watts == 0.0:
            rise = min_rise_j(problem, k) / (1.0 - 1.0 / placement.concurrency)
            price[k] = rates.per_joule[placement.pool] * rise
        if pool.power_policy == "power_down" and rates.per_second[placement.pool] > 0.0:
            price[k] += rates.per_second[placement.pool] * _step_s(problem, k, np.min, np.inf)
    return price


def min_pair_cost(problem: PlacementProblem, unit: Unit) -> FloatArray:
    """Least cost of each pair, shape (n, k): of joules, and of on-seconds where a pool powers down.

    On an always-on pool the on-seconds are paid anyway, and the idle joules that its block saves
    are taken off.
    """
    if unit == "energy":
        return _min_pair_j(problem)
    rates = problem.rates_in(unit)
    lower = _min_pair_j(problem) * rates.per_joule[problem.pool_of]
    down = np.array([pool.power_policy == "power_down" for pool in problem.pools])
    lower += problem.costs.device_seconds * (rates.per_second * down)[problem.pool_of]
    return lower


def _min_pair_j(problem: PlacementProblem) -> FloatArray:
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
    lower = problem.costs.energy_j.copy(order="F")
    output_tokens = problem.requests.workload.generated_tokens
    for k, placement in enumerate(problem.placements):
        watts = problem.pools[placement.pool].always_on_watts
        if watts == 0.0:
            continue
        saved = watts * problem.costs.device_seconds[:, k]
        more = saved * (placement.concurrency - 1) - min_rise_j(problem, k) * output_tokens
        lower[:, k] -= saved + np.maximum(0.0, more)
    return lower


def load_cost(problem: PlacementProblem, unit: Unit, *, saves_idling: bool = True) -> FloatArray:
    """Cost of one load of each placement's LLM, shape (k,); inf where it was not measured.

    Its joules, and its seconds: where the pool powers down they are on-seconds, on an always-on
    pool they save idle joules, if `saves_idling`.
    """
    rates, pools = problem.rates_in(unit), problem.pools
    watts = np.array([pool.always_on_watts if saves_idling else 0.0 for pool in pools])
    down = np.array([pool.power_policy == "power_down" for pool in pools])
    with np.errstate(invalid="ignore"):
        joules = problem.load_energy_j - watts[problem.pool_of] * problem.load_s
        cost = rates.per_joule[problem.pool_of] * joules
        cost += (rates.per_second * down)[problem.pool_of] * problem.load_s
    return np.where(np.isfinite(problem.load_s), cost, np.inf)


def activation_cost(problem: PlacementProblem, unit: Unit) -> FloatArray:
    """Cost of switching on a device of each pool: its joules and on-seconds, shape (pools,)."""
    rates = problem.rates_in(unit)
    joules = np.array([pool.activation_j for pool in problem.pools])
    seconds = np.array([pool.activation_s for pool in problem.pools])
    return np.asarray(rates.per_joule * joules + rates.per_second * seconds)


def _min_for_all(problem: PlacementProblem, starts: FloatArray) -> float:
    """Cost of the cheapest starts, (k,), that leave every request a placement."""
    placed = np.zeros(problem.n, dtype=bool)
    for k in np.argsort(starts, kind="stable").tolist():
        placed |= problem.eligible[:, k]
        if placed.all():
            return float(starts[k])
    return np.inf


def unavoidable(problem: PlacementProblem) -> float:
    """Cost of switching on, loading, idling and merely being on that no plan can avoid.

    Every request needs one of its placements loaded on a device that is on, and an always-on pool
    with a given horizon is on until then and idles for what even all requests on it could not fill.
    """
    rates, unit = problem.rates, problem.objective.minimise
    loads = load_cost(problem, unit, saves_idling=False)
    total = _min_for_all(problem, loads + activation_cost(problem, unit)[problem.pool_of])
    horizon = problem.limits.horizon_s
    if horizon is None:
        return total
    for index, pool in enumerate(problem.pools):
        if pool.power_policy == "always_on":
            total += rates.per_second[index] * pool.count * horizon
    ceiling = np.where(problem.eligible, max_slot_s(problem), 0.0)
    for index, pool in enumerate(problem.pools):
        columns = problem.pool_of == index
        if pool.always_on_watts * rates.per_joule[index] == 0.0 or not columns.any():
            continue
        busy = ceiling[:, columns].max(axis=1).sum()
        busy += pool.count * problem.load_s[columns][np.isfinite(problem.load_s[columns])].sum()
        watts = pool.always_on_watts * rates.per_joule[index]
        total += watts * max(0.0, pool.count * horizon - float(busy))
    return total
