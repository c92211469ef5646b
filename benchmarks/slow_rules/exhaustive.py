"""The best schedule of all there are, found by trying each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from benchmarks.slow_rules.admission import may_run
from benchmarks.slow_rules.pricing import cost_normaliser, price
from planner.problem import PlacementProblem

Assignment = tuple[tuple[int, int], ...]
"""Placement and device of each request."""


def assignments(problem: PlacementProblem) -> Iterator[tuple[list[int], list[int]]]:
    """Every (placements, devices) there is, but for pairs that may not run and equal devices."""
    pins = problem.requests.device
    named = set() if pins is None else {pin for pin in pins.tolist() if pin >= 0}
    options = [
        [
            (k, d)
            for k, where in enumerate(problem.placements)
            for d in range(problem.pools[where.pool].count)
            if may_run(problem, i, k) and (pins is None or pins[i] in (-1, d))
        ]
        for i in range(problem.n)
    ]
    for assignment in itertools.product(*options):
        if all(_in_order(problem, assignment, pool, named) for pool in range(len(problem.pools))):
            yield [k for k, _ in assignment], [d for _, d in assignment]


def _in_order(
    problem: PlacementProblem, assignment: Assignment, pool: int, named: set[int]
) -> bool:
    """Whether devices that nobody is pinned to are first used in the order of their numbers."""
    used = [d for k, d in assignment if problem.placements[k].pool == pool and d not in named]
    free = [d for d in range(problem.pools[pool].count) if d not in named]
    return list(dict.fromkeys(used)) == free[: len(set(used))]


def best(problem: PlacementProblem) -> float | None:
    """Objective of the best assignment of all, None where none keeps every limit."""
    found: float | None = None
    normaliser = cost_normaliser(problem)
    for placement, device in assignments(problem):
        priced = price(problem, placement, device, normaliser)
        if priced["keeps"] and (found is None or priced["objective"] < found):
            found = priced["objective"]
    return found
