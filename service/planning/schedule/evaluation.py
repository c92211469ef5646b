"""What a schedule costs and which limits it breaks, recomputed from the float data alone.

The solver's plans, the greedy ones and the baselines all pass through here; nothing in this module
knows how a schedule was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from service.planning.inputs import CAP_NAMES, Unit
from service.planning.problem import ROUNDING, PlacementProblem
from service.planning.rates import rates_of
from service.planning.schedule.schedule import Block, Schedule

TOLERANCE = 1e-9
"""Relative excess of a limit that is taken for rounding of floats."""


def loosest(limit: float, direction: float = 1.0) -> float:
    """Return a value just beyond what `exceeds` lets pass, for bounds that must lose nothing.

    `direction` is 1.0 for a limit from above and -1.0 for one from below.
    """
    return limit + direction * 2.0 * TOLERANCE * abs(limit)


@dataclass(frozen=True)
class Violation:
    """A limit that a schedule breaks: its name in the request body and by how much."""

    constraint: str
    given: float
    found: float


@dataclass(frozen=True)
class Evaluation:
    """Totals of a schedule.

    Attributes
    ----------
    requests_j, underfill_j, loading_j, idle_j, activation_j
        The five parts of the plan's energy [J].
    request_energy_j
        Joules of each request at the concurrency that its block achieves, shape (n,): they add
        up to `requests_j` and `underfill_j`.
    pool_energy_j, pool_on_s
        Joules of each pool and seconds for which its devices are on, shape (pools,).
    cost
        In the unit of what the objective minimises.
    mean_quality
        Token-weighted mean score; None where an LLM in use has no known score.
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
    for block in underfilled(problem, schedule):
        at_achieved = achieved_energy_j(problem, block)
        underfill += float((at_achieved - request_energy[block.members]).sum())
        request_energy[block.members] = at_achieved
    pool_loading = loading_j(problem, schedule)
    pool_idle = idle_j(problem, schedule)
    pool_activation = activation_j(problem, schedule)
    pool_energy = pool_loading + pool_idle + pool_activation
    pool_energy += np.bincount(
        problem.pool_of[schedule.placement], weights=request_energy, minlength=len(problem.pools)
    )
    pool_on = on_seconds(problem, schedule)
    loading, idle = float(pool_loading.sum()), float(pool_idle.sum())
    activation = float(pool_activation.sum())
    quality = float((problem.quality_values[schedule.placement] * problem.tokens).sum())
    energy = requests_j + underfill + loading + idle + activation
    by_energy = problem.objective.minimise == "energy"
    cost = energy if by_energy else problem.rates.cost(pool_energy, pool_on)
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
        find_violations(problem, schedule, _capped(problem, pool_energy, pool_on), mean_quality),
    )


def underfilled(problem: PlacementProblem, schedule: Schedule) -> list[Block]:
    """Return the blocks that achieve less than their placement's nominal concurrency."""
    return [
        block
        for block in schedule.blocks
        if block.achieved_concurrency < problem.placements[block.placement].concurrency
    ]


def achieved_energy_j(problem: PlacementProblem, block: Block) -> FloatArray:
    """Joules of a block's requests at the concurrency that it achieves, shape (members,)."""
    return problem.energy_at_j(block.placement, block.members, block.achieved_concurrency)


def underfill_j(problem: PlacementProblem, schedule: Schedule) -> float:
    """Joules by which blocks cost more at their achieved than at their nominal concurrency."""
    nominal = problem.costs.energy_j
    return sum(
        float((achieved_energy_j(problem, b) - nominal[b.members, b.placement]).sum())
        for b in underfilled(problem, schedule)
    )


def loading_j(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Joules of loading LLMs on each pool, shape (pools,)."""
    found = np.zeros(len(problem.pools))
    for block in schedule.blocks:
        found[problem.placements[block.placement].pool] += block.load_energy_j
    return found


def activation_j(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Joules of switching on the devices that each pool uses, shape (pools,)."""
    used = np.zeros(len(problem.pools))
    for pool, _ in {(problem.placements[b.placement].pool, b.device) for b in schedule.blocks}:
        used[pool] += 1.0
    return np.asarray(used * np.array([pool.activation_j for pool in problem.pools]))


def idle_j(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Joules of devices that are on and neither serve nor load, of each pool, shape (pools,).

    A pool that powers down has none: a used device works from the start to its last request, and
    an unused one is off.
    """
    watts = np.array([pool.always_on_watts for pool in problem.pools])
    if not watts.any():
        return watts
    busy = np.zeros(len(problem.pools))
    for block in schedule.blocks:
        busy[problem.placements[block.placement].pool] += block.load_s + block.seconds
    return np.asarray(watts * np.maximum(0.0, on_seconds(problem, schedule) - busy))


def on_seconds(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Seconds for which the devices of each pool are on, shape (pools,).

    A pool that powers down: each used device until its last block ends. An always-on pool: every
    device until the horizon, or the makespan where none is given, or its own last end if later.
    """
    ends: list[dict[int, float]] = [{} for _ in problem.pools]
    for block in schedule.blocks:
        end = ends[problem.placements[block.placement].pool]
        end[block.device] = max(end.get(block.device, 0.0), block.end_s)
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


def _capped(
    problem: PlacementProblem, pool_energy_j: FloatArray, pool_on_s: FloatArray
) -> dict[Unit, float]:
    """Cost of a schedule in each unit that has a cap."""
    return {
        unit: problem.rates_in(unit).cost(pool_energy_j, pool_on_s) for unit in problem.limits.caps
    }


def find_violations(
    problem: PlacementProblem,
    schedule: Schedule,
    costs: Mapping[Unit, float],
    mean_quality: float | None,
) -> tuple[Violation, ...]:
    """Every limit that the schedule breaks; `costs` are its costs in the units that have a cap."""
    found: list[Violation] = []
    found += _late(problem, schedule)
    found += _misplaced(problem, schedule)
    found += _miscounted(problem, schedule)
    limits = problem.limits
    for unit, cap in limits.caps.items():
        if exceeds(costs[unit], cap):
            found.append(Violation(CAP_NAMES[unit], cap, costs[unit]))
    if limits.min_mean_quality is not None:
        quality = -np.inf if mean_quality is None else mean_quality
        if exceeds(limits.min_mean_quality, quality):
            found.append(Violation("min_mean_quality", limits.min_mean_quality, quality))
    return tuple(found)


def exceeds(value: float, limit: float) -> bool:
    """Whether a value is above a limit by more than rounding."""
    return value > limit + TOLERANCE * max(abs(limit), 1e-12)


def _late(problem: PlacementProblem, schedule: Schedule) -> list[Violation]:
    found = []
    end, plan = schedule.end_s, problem.limits.deadline_s
    if plan is not None and exceeds(schedule.makespan_s, plan):
        found.append(Violation("deadline_seconds", plan, schedule.makespan_s))
    own = problem.requests.deadline_s
    late = np.flatnonzero(end > own * (1.0 + TOLERANCE))
    if late.size:
        worst = late[np.argmax(end[late] / own[late])]
        found.append(Violation("requests/deadline_seconds", float(own[worst]), float(end[worst])))
    for block in schedule.blocks:
        pool = problem.pools[problem.placements[block.placement].pool]
        if pool.available_s is not None and exceeds(block.end_s, pool.available_s):
            name = f"pools/{pool.name}/available_seconds"
            found.append(Violation(name, pool.available_s, block.end_s))
    return found


def _misplaced(problem: PlacementProblem, schedule: Schedule) -> list[Violation]:
    found = []
    eligible = problem.eligible[np.arange(problem.n), schedule.placement]
    if not eligible.all():
        found.append(Violation("eligibility", 0.0, float((~eligible).sum())))
    counts = np.array([problem.pools[p].count for p in problem.pool_of])
    outside = (schedule.device < 0) | (schedule.device >= counts[schedule.placement])
    if outside.any():
        found.append(Violation("device_index", 0.0, float(outside.sum())))
    moved = (problem.pinned_device >= 0) & (schedule.device != problem.pinned_device)
    if moved.any():
        found.append(Violation("pinned/device_index", 0.0, float(moved.sum())))
    return found


def _miscounted(problem: PlacementProblem, schedule: Schedule) -> list[Violation]:
    found = []
    llm_of = np.array([problem.llms.index(p.llm) for p in problem.placements])
    counts = np.bincount(llm_of[schedule.placement], minlength=len(problem.llms))
    for llm in {*problem.limits.shares, *problem.limits.min_requests}:
        count = int(counts[problem.llms.index(llm)]) if llm in problem.llms else 0
        least, most = problem.request_counts(llm)
        if count < least:
            named = llm in problem.limits.shares and count < int(
                np.floor(problem.limits.shares[llm].min * problem.n + ROUNDING)
            )
            name = f"shares/{llm}/min" if named else f"min_requests/{llm}"
            found.append(Violation(name, float(least), float(count)))
        if count > most:
            found.append(Violation(f"shares/{llm}/max", float(most), float(count)))
    return found
