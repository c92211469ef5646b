"""What a schedule costs and which limits it breaks, recomputed from the float data alone.

The solver's plans, the greedy ones and the baselines all pass through here; nothing in this module
knows how a schedule was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from service.planning.problem import ROUNDING, PlacementProblem
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
    requests_j, underfill_j, loading_j, idle_j
        The four parts of the plan's energy [J].
    request_energy_j
        Joules of each request at the concurrency that its block achieves, shape (n,): they add
        up to `requests_j` and `underfill_j`.
    mean_quality
        Token-weighted mean score; None where an LLM in use has no known score.
    """

    requests_j: float
    underfill_j: float
    loading_j: float
    idle_j: float
    quality: float
    mean_quality: float | None
    makespan_s: float
    objective: float
    request_energy_j: FloatArray
    violations: tuple[Violation, ...]

    @property
    def energy_j(self) -> float:
        """Joules of the plan."""
        return self.requests_j + self.underfill_j + self.loading_j + self.idle_j

    @property
    def feasible(self) -> bool:
        """Whether every limit is kept."""
        return not self.violations


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
    loading = sum(block.load_energy_j for block in schedule.blocks)
    idle = idle_j(problem, schedule)
    quality = float((problem.quality_values[schedule.placement] * problem.tokens).sum())
    energy = requests_j + underfill + loading + idle
    zeta = problem.objective.zeta
    objective = zeta * energy / problem.energy_normaliser_j
    objective -= (1.0 - zeta) * quality / problem.quality_normaliser
    unknown = np.isnan(problem.quality[schedule.placement]).any()
    mean_quality = None if unknown else quality / float(problem.tokens.sum())
    return Evaluation(
        requests_j,
        underfill,
        loading,
        idle,
        quality,
        mean_quality,
        schedule.makespan_s,
        objective,
        request_energy,
        find_violations(problem, schedule, energy, mean_quality),
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


def idle_j(problem: PlacementProblem, schedule: Schedule) -> float:
    """Joules of devices that are on and neither serve nor load.

    A pool that powers down has none: a used device works from the start to its last request, and
    an unused one is off.
    """
    horizon = schedule.makespan_s
    if problem.limits.horizon_s is not None:
        horizon = problem.limits.horizon_s
    total = 0.0
    for index, pool in enumerate(problem.pools):
        if pool.always_on_watts == 0.0:
            continue
        busy, end = np.zeros(pool.count), np.zeros(pool.count)
        for block in schedule.blocks:
            if problem.placements[block.placement].pool == index:
                busy[block.device] += block.load_s + block.seconds
                end[block.device] = max(end[block.device], block.end_s)
        total += pool.always_on_watts * float((np.maximum(end, horizon) - busy).sum())
    return total


def find_violations(
    problem: PlacementProblem, schedule: Schedule, energy_j: float, mean_quality: float | None
) -> tuple[Violation, ...]:
    """Every limit that the schedule breaks."""
    found: list[Violation] = []
    found += _late(problem, schedule)
    found += _misplaced(problem, schedule)
    found += _miscounted(problem, schedule)
    limits = problem.limits
    if limits.max_energy_j is not None and exceeds(energy_j, limits.max_energy_j):
        found.append(Violation("max_energy_joules", limits.max_energy_j, energy_j))
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
