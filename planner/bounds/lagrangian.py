"""Lower bounds by pricing the rows in: valid for any non-negative multipliers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds.activity import excesses
from planner.bounds.longest_job import cheapest_with_longest_jobs
from planner.bounds.reduced_costs import ReducedCosts
from planner.quantities import Counted
from planner.solvers.assignment_problem import AssignmentProblem, Link

MAX_LINKS = 6
"""Linked variables whose on-off sets are gone through; more are relaxed."""
MAX_LONGEST_JOBS = 8
"""Placements whose longest-job term is priced; for more the price is left out."""
MAX_LINKED_PAIRS = 2e7
"""(request, placement, set) triples that the on-off sets may come to; else links are relaxed."""


@dataclass(frozen=True)
class LagrangianSolution:
    """Optimum of the problem with its rows priced in, links left out and longest-job terms kept.

    `value` is a lower bound on the problem's optimum. At the placement, (n,), each row is exceeded
    by `excess`, (rows,), a supergradient of the bound.
    """

    value: float
    placement: IntArray
    excess: FloatArray


def variable_prices(problem: AssignmentProblem, multipliers: FloatArray) -> dict[Counted, float]:
    """Cost of one unit of each variable with the rows priced in."""
    prices = {variable.counts: variable.cost for variable in problem.variables}
    for lam, row in zip(multipliers, problem.rows, strict=True):
        for counted, coefficient in row.variables.items():
            prices[counted] += lam * coefficient
    return prices


def lagrangian_bound(
    problem: AssignmentProblem, multipliers: FloatArray, priced: ReducedCosts | None = None
) -> float:
    """Lower bound on the problem's optimum, valid for any non-negative multipliers of its rows.

    Every request takes its cheapest allowed placement at reduced cost, every variable the better
    end of its box. Either the links are kept, by going through the sets of linked variables that
    are on, or the longest-job terms: the better bound counts. `priced` may give the reduced costs.
    """
    prices = variable_prices(problem, multipliers)
    links = [link for link in problem.links if prices[link.variable] > 0.0]
    if len(links) > MAX_LINKS or problem.n * problem.k * 2.0 ** len(links) > MAX_LINKED_PAIRS:
        links = []
    bound = _bound_with_links(problem, multipliers, links, prices) if links else -np.inf
    if links and not problem.longest_jobs:
        return bound
    priced = priced or ReducedCosts(problem, multipliers)
    return max(bound, _optimum(problem, multipliers, priced)[0])


def solve_lagrangian(problem: AssignmentProblem, multipliers: FloatArray) -> LagrangianSolution:
    """Solve the problem with its rows priced in, longest-job terms kept."""
    priced = ReducedCosts(problem, multipliers)
    value, placement, levels = _optimum(problem, multipliers, priced)
    return LagrangianSolution(value, placement, excesses(problem, placement, levels))


def _optimum(
    problem: AssignmentProblem, multipliers: FloatArray, priced: ReducedCosts
) -> tuple[float, IntArray, dict[Counted, float]]:
    """Return value, placements and levels of the variables, optimal with the rows priced in."""
    prices = variable_prices(problem, multipliers)
    levels = {v.counts: v.lower if prices[v.counts] >= 0.0 else v.upper for v in problem.variables}
    opening = _opening_prices(problem, priced, prices)
    if opening.any():
        every = priced.of(slice(None))
        found = cheapest_with_longest_jobs(every, opening, problem.longest_jobs[0].values)
        placement, total = found.placement, found.total
    else:
        found = None
        cheapest = priced.cheapest
        placement = cheapest.placement
        total = float(cheapest.cost.sum() if problem.size is None else cheapest.cost @ problem.size)
    for job in problem.longest_jobs:
        if found is not None and opening[job.column] > 0.0:
            levels[job.variable] = float(found.opened[job.column])
            total -= prices[job.variable] * levels[job.variable]
        elif prices[job.variable] == 0.0:
            there = job.values[placement == job.column]
            levels[job.variable] = float(there.max(initial=levels[job.variable]))
    bounds = np.array([row.bound for row in problem.rows])
    value = problem.constant + total
    value += sum(prices[counted] * level for counted, level in levels.items())
    value -= float(multipliers @ bounds)
    return value, placement, levels


def _opening_prices(
    problem: AssignmentProblem, priced: ReducedCosts, prices: Mapping[Counted, float]
) -> FloatArray:
    """Price of each placement's longest request; 0 for those that do not fit in one pass."""
    opening = np.zeros(problem.cost.shape[1])
    lower = {variable.counts: variable.lower for variable in problem.variables}
    for job in problem.longest_jobs:
        if lower[job.variable] == 0.0:
            opening[job.column] = max(0.0, prices[job.variable])
    if (opening > 0.0).sum() > MAX_LONGEST_JOBS:
        wins = np.bincount(priced.cheapest.placement, minlength=len(opening))
        ranked = np.argsort(-np.where(opening > 0.0, wins + 1, 0), kind="stable")
        opening[ranked[MAX_LONGEST_JOBS:]] = 0.0
    return opening


def _bound_with_links(
    problem: AssignmentProblem,
    multipliers: FloatArray,
    links: list[Link],
    prices: Mapping[Counted, float],
) -> float:
    reduced = ReducedCosts(problem, multipliers).of(slice(None))
    linked = {link.variable for link in links}
    base: float = problem.constant
    base -= sum(lam * row.bound for lam, row in zip(multipliers, problem.rows, strict=True))
    for v in problem.variables:
        if v.counts not in linked:
            base += min(prices[v.counts] * v.lower, prices[v.counts] * v.upper)
    best = np.inf
    for loads, closed in _on_sets(problem, links, prices):
        if not closed.all():
            minimum = reduced[:, ~closed].min(axis=1)
            best = min(best, loads + float((minimum * problem.sizes).sum()))
    return base + best


def _on_sets(
    problem: AssignmentProblem, links: list[Link], prices: Mapping[Counted, float]
) -> Iterator[tuple[float, BoolArray]]:
    """Every set of linked variables that are on: what it costs, and what it closes."""
    lower = {variable.counts: variable.lower for variable in problem.variables}
    for chosen in range(2 ** len(links)):
        closed, total = np.zeros(problem.cost.shape[1], dtype=bool), 0.0
        for position, link in enumerate(links):
            on = bool(chosen >> position & 1)
            closed[link.columns] |= not on
            total += prices[link.variable] * max(float(on), lower[link.variable])
        yield total, closed
