"""Which limits a schedule breaks, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from costmodel.arrays import FloatArray
from planner.inputs import CAP_NAMES, Unit
from planner.problem import COUNT_TOLERANCE, PlacementProblem
from planner.schedule.schedule import Schedule

LIMIT_TOLERANCE = 1e-9
"""Relative excess of a limit that is taken for rounding of floats."""


Values = TypeVar("Values", float, FloatArray)


def loosest(limit: Values, direction: float = 1.0) -> Values:
    """Return a value just beyond what `exceeds` lets pass, for bounds that must lose nothing.

    `direction` is 1.0 for a limit from above and -1.0 for one from below.
    """
    return limit + direction * 2.0 * LIMIT_TOLERANCE * abs(limit)


@dataclass(frozen=True)
class Violation:
    """A limit that a schedule breaks: its name in the request body and by how much."""

    constraint: str
    given: float
    found: float

    @property
    def excess(self) -> float:
        """How far the limit is broken, as a share of it; at most 1e6."""
        return min(abs(self.found - self.given) / max(abs(self.given), 1e-6), 1e6)


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
    return value > limit + LIMIT_TOLERANCE * max(abs(limit), 1e-12)


def _late(problem: PlacementProblem, schedule: Schedule) -> list[Violation]:
    found = []
    end, plan = schedule.end_s, problem.limits.deadline_s
    if plan is not None and exceeds(schedule.makespan_s, plan):
        found.append(Violation("deadline_seconds", plan, schedule.makespan_s))
    own = problem.requests.deadline_s
    late = np.flatnonzero(end > own * (1.0 + LIMIT_TOLERANCE))
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
        lower, upper = problem.request_counts(llm)
        if count < lower:
            share = problem.limits.share(llm)
            of_share = count < np.floor(share.min * problem.n + COUNT_TOLERANCE)
            name = f"shares/{llm}/min" if of_share else f"min_requests/{llm}"
            found.append(Violation(name, float(lower), float(count)))
        if count > upper:
            found.append(Violation(f"shares/{llm}/max", float(upper), float(count)))
    return found
