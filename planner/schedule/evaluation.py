"""What a schedule costs and which limits it breaks, recomputed from the float data alone.

The solver's plans, the greedy ones and the baselines all pass through here; nothing in this module
knows how a schedule was found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from planner.inputs import Unit
from planner.problem import PlacementProblem
from planner.rates import rates_of
from planner.schedule.schedule import Block, Schedule
from planner.schedule.violations import Violation, find_violations


@dataclass(frozen=True)
class Evaluation:
    """Totals of a schedule.

    Its energy has five parts [J]. `request_energy_j`, (n,), are the joules of each request at the
    concurrency that its block achieves: they add up to `requests_j` and `underfill_j`. Joules of
    each pool and seconds for which its devices are on have shape (pools,). `cost` is in the unit of
    what the objective minimises; `mean_quality`, token-weighted, is None where an LLM in use has no
    known score.
    """

    requests_j: float
    underfill_j: float
    loading_j: float
    idle_j: float
    activation_j: float
    quality: float
    mean_quality: float | None
    makespan_s: float
    objective: float
    cost: float
    pool_energy_j: FloatArray
    pool_on_s: FloatArray
    request_energy_j: FloatArray
    violations: tuple[Violation, ...]

    @property
    def energy_j(self) -> float:
        """Joules of the plan."""
        served = self.requests_j + self.underfill_j
        return served + self.loading_j + self.idle_j + self.activation_j

    @property
    def feasible(self) -> bool:
        """Whether every limit is kept."""
        return not self.violations

    @property
    def excess(self) -> float:
        """Sum of how far each broken limit is exceeded, as shares of the limits."""
        return sum(violation.excess for violation in self.violations)

    def total(self, problem: PlacementProblem, unit: Unit) -> float | None:
        """Cost of the plan in a unit; None where a pool that it pays for states no figures."""
        if unit == "energy":
            return self.energy_j
        found = rates_of(problem.pools, unit).cost(self.pool_energy_j, self.pool_on_s)
        return None if np.isnan(found) else found


def evaluate(problem: PlacementProblem, schedule: Schedule) -> Evaluation:
    """Recompute joules, seconds, quality, objective and violations of a schedule."""
    rows = np.arange(problem.n)
    request_energy = problem.costs.energy_j[rows, schedule.placement]
    requests_j = float(request_energy.sum())
    underfill = 0.0
    for block in underfilled(problem, schedule.blocks):
        at_achieved = achieved_energy_j(problem, block)
        underfill += float((at_achieved - request_energy[block.members]).sum())
        request_energy[block.members] = at_achieved
    pool_loading, pool_idle, pool_activation, pool_on = _of_pools(problem, schedule)
    pool_energy = pool_loading + pool_idle + pool_activation
    pool_energy += np.bincount(
        problem.pool_of[schedule.placement], weights=request_energy, minlength=len(problem.pools)
    )
    loading, idle = float(pool_loading.sum()), float(pool_idle.sum())
    activation = float(pool_activation.sum())
    quality = float((problem.quality_values[schedule.placement] * problem.tokens).sum())
    energy = requests_j + underfill + loading + idle + activation
    by_energy = problem.objective.minimise == "energy"
    cost = energy if by_energy else problem.rates.cost(pool_energy, pool_on)
    caps = problem.limits.caps
    capped = {unit: problem.rates_in(unit).cost(pool_energy, pool_on) for unit in caps}
    zeta = problem.objective.zeta
    objective = zeta * cost / problem.cost_normaliser
    objective -= (1.0 - zeta) * quality / problem.quality_normaliser
    unknown = np.isnan(problem.quality[schedule.placement]).any()
    mean_quality = None if unknown else quality / float(problem.tokens.sum())
    return Evaluation(
        requests_j,
        underfill,
        loading,
        idle,
        activation,
        quality,
        mean_quality,
        schedule.makespan_s,
        objective,
        cost,
        pool_energy,
        pool_on,
        request_energy,
        find_violations(problem, schedule, capped, mean_quality),
    )


def underfilled(problem: PlacementProblem, blocks: Iterable[Block]) -> list[Block]:
    """Return the blocks that achieve less than their placement's nominal concurrency."""
    return [
        block
        for block in blocks
        if block.achieved_concurrency < problem.placements[block.placement].concurrency
    ]


def achieved_energy_j(problem: PlacementProblem, block: Block) -> FloatArray:
    """Joules of a block's requests at the concurrency that it achieves, shape (members,)."""
    return problem.energy_at_j(block.placement, block.members, block.achieved_concurrency)


def underfill_j(problem: PlacementProblem, blocks: Iterable[Block]) -> float:
    """Joules by which blocks cost more at their achieved than at their nominal concurrency."""
    nominal = problem.costs.energy_j
    return sum(
        float((achieved_energy_j(problem, b) - nominal[b.members, b.placement]).sum())
        for b in underfilled(problem, blocks)
    )


def _of_pools(
    problem: PlacementProblem, schedule: Schedule
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Joules of loading, idling and switching on, and seconds of being on, (pools,) each."""
    ends, pools = _last_ends(problem, schedule), problem.pools
    pool_on = _on_seconds(problem, schedule, ends)
    of_block = problem.pool_of[np.array([b.placement for b in schedule.blocks], dtype=np.int64)]

    def summed(values: list[float]) -> FloatArray:
        return np.bincount(of_block, weights=values, minlength=len(pools)).astype(float)

    pool_loading = summed([block.load_energy_j for block in schedule.blocks])
    pool_busy = summed([block.load_s + block.seconds for block in schedule.blocks])
    # A pool that powers down idles never: used devices work until they are off.
    watts = np.array([pool.always_on_watts for pool in pools])
    pool_idle = watts * np.maximum(0.0, pool_on - pool_busy)
    used = np.array([len(of_pool) for of_pool in ends])
    pool_activation = used * np.array([pool.activation_j for pool in pools])
    return pool_loading, pool_idle, np.asarray(pool_activation), pool_on


def _last_ends(problem: PlacementProblem, schedule: Schedule) -> list[dict[int, float]]:
    """When the last block of each used device ends, by pool and device [s]."""
    ends: list[dict[int, float]] = [{} for _ in problem.pools]
    for block in schedule.blocks:
        end = ends[problem.placements[block.placement].pool]
        end[block.device] = max(end.get(block.device, 0.0), block.end_s)
    return ends


def _on_seconds(
    problem: PlacementProblem, schedule: Schedule, ends: list[dict[int, float]]
) -> FloatArray:
    """Seconds for which the devices of each pool are on, shape (pools,).

    A pool that powers down: each used device until its last block ends. An always-on pool: every
    device until the horizon, or the makespan where none is given, or its own last end if later.
    """
    given = problem.limits.horizon_s
    horizon = schedule.makespan_s if given is None else given
    found = np.zeros(len(problem.pools))
    for index, pool in enumerate(problem.pools):
        if pool.power_policy == "always_on":
            found[index] = sum(max(end, horizon) for end in ends[index].values())
            found[index] += (pool.count - len(ends[index])) * horizon
        else:
            found[index] = sum(ends[index].values())
    return found
