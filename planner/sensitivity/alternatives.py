"""The next best placements of each request: what they would cost, and what stopped them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds.formulation import Formulation
from planner.bounds.reduced_costs import BLOCK_REQUESTS
from planner.bounds.surrogate import Surrogate
from planner.problem import PlacementProblem
from planner.quantities import (
    DecodeSteps,
    Limited,
    LlmLoads,
    MeanQuality,
    PlanCost,
    PoolSeconds,
    Priced,
    RequestCount,
    SecondsBefore,
)
from planner.result import Plan
from planner.sensitivity.prices import count_limit, name_and_unit
from planner.solvers.assignment_problem import AssignmentProblem

MAX_ALTERNATIVES = 3
"""Largest number of other placements that are answered for each request."""
OBJECTIVE_TOLERANCE = 1e-9
"""Share of a placement's objective below which a difference is rounding."""


@dataclass(frozen=True)
class Alternatives:
    """Other placements of each request, the one that would save most first, if any would.

    Attributes
    ----------
    placement
        Shape (n, m).
    extra_j, extra_objective
        Joules and objective beyond the request's own placement, both at nominal concurrency,
        shape (n, m); below 0 where it would save.
    stopped_by
        Index into `reasons`, shape (n, m).
    reasons
        Each a few names: of a shadow price, or ``late``, ``loading``, ``underfill``, ``cost``,
        ``gap``, or why the request is not eligible.
    """

    placement: IntArray
    extra_j: FloatArray
    extra_objective: FloatArray
    stopped_by: IntArray
    reasons: tuple[tuple[str, ...], ...]


def alternatives(problem: PlacementProblem, plan: Plan) -> Alternatives:
    """Return up to `MAX_ALTERNATIVES` other placements of each request.

    The first is the one that would save most, eligible or not, where any would save. The others
    are those that lose least once limits have their prices; then such as would be late, then such
    as the request may not take.
    """
    finder = _AlternativeFinder(
        problem, plan, Formulation(problem, _with_priced_rows(problem, plan)).build()
    )
    blocks = [
        finder.at(np.arange(start, min(problem.n, start + BLOCK_REQUESTS)))
        for start in range(0, problem.n, BLOCK_REQUESTS)
    ]
    placement, extra_j, extra, stopped_by = (
        np.concatenate(part) for part in zip(*blocks, strict=True)
    )
    return Alternatives(placement, extra_j, extra, stopped_by, tuple(finder.reasons))


def _with_priced_rows(problem: PlacementProblem, plan: Plan) -> Surrogate:
    """Return what gives rows to the deadlines that have a price: few of many distinct ones have."""
    due_s = [row.due_s for row in plan.row_prices if isinstance(row, SecondsBefore)]
    return Surrogate(deadlines=np.intersect1d(due_s, problem.deadlines.distinct_s))


@dataclass
class _AlternativeFinder:
    """Ranks the placements of requests block by block and collects the reasons met."""

    problem: PlacementProblem
    plan: Plan
    relaxation: AssignmentProblem
    reasons: dict[tuple[str, ...], int] = field(default_factory=dict)

    def at(self, requests: IntArray) -> tuple[IntArray, FloatArray, FloatArray, IntArray]:
        """Return the four arrays of `Alternatives` for some requests."""
        rows, own = np.arange(len(requests)), self.plan.placement[requests]
        objective, joules = self._objective(requests), self.problem.costs.energy_j[requests]
        extra = objective - objective[rows, own][:, None]
        priced = self._priced(requests, own)
        extra_j = joules - joules[rows, own][:, None]
        chosen = self._rank(requests, own, extra, extra + sum(priced.values()))
        picked = rows[:, None], chosen
        tolerance = OBJECTIVE_TOLERANCE * np.abs(objective[rows, own])[:, None]
        marks = self._marks(requests, chosen, extra[picked], priced, tolerance)
        return chosen, extra_j[picked], extra[picked], self._codes(marks)

    def _objective(self, requests: IntArray) -> FloatArray:
        """Objective of each pair by its own joules and quality, shape (m, k)."""
        problem = self.problem
        zeta = problem.objective.zeta
        cost = problem.pair_cost(problem.objective.minimise)[requests]
        found = zeta * cost / problem.cost_normaliser
        worth = (1.0 - zeta) * problem.quality_values / problem.quality_normaliser
        return np.asarray(found - problem.tokens[requests][:, None] * worth[None, :])

    def _priced(self, requests: IntArray, own: IntArray) -> dict[str, FloatArray]:
        """Priced use of each limit beyond the request's own, by the limit's name, (m, k) each."""
        part, rows = self.relaxation.take(requests), np.arange(len(requests))
        found: dict[str, FloatArray] = {}
        for row in part.rows:
            price = self.plan.row_prices.get(row.limits, 0.0)
            if price > 0.0:
                asked = price * part.coefficients(row).over(part.k)
                asked = asked - asked[rows, own][:, None]
                name = _limit_of(self.problem, row.limits)
                found[name] = found[name] + asked if name in found else asked
        return found

    def _rank(
        self, requests: IntArray, own: IntArray, extra: FloatArray, priced: FloatArray
    ) -> IntArray:
        """Return the placements to answer, best first, shape (m, MAX_ALTERNATIVES or fewer)."""
        rows = np.arange(len(requests))
        allowed = self.relaxation.allowed[requests]
        eligible = self.problem.eligible[requests]
        rank = np.where(allowed, 1, np.where(eligible, 2, 3))
        cheapest = extra.argmin(axis=1)
        saves = extra[rows, cheapest] < 0.0
        rank[rows[saves], cheapest[saves]] = 0
        rank[rows, own] = 4
        order = np.lexsort((np.where(allowed, priced, extra), rank), axis=1)
        return order[:, : min(MAX_ALTERNATIVES, self.problem.k - 1)]

    def _marks(
        self,
        requests: IntArray,
        chosen: IntArray,
        extra: FloatArray,
        priced: Mapping[str, FloatArray],
        tolerance: FloatArray,
    ) -> dict[str, BoolArray]:
        """Which reasons hold for which chosen placement, shape of `chosen` each."""
        rows = np.arange(len(requests))[:, None]
        shape = (self.problem.n, self.problem.k)
        marks: dict[str, BoolArray] = {
            reason: np.broadcast_to(mask, shape)[requests][rows, chosen]
            for reason, mask in self.problem.exclusions.items()
        }
        eligible = self.problem.eligible[requests][rows, chosen]
        open_to = self.relaxation.allowed[requests][rows, chosen]
        marks["late"] = eligible & ~open_to
        for name, asked in priced.items():
            marks[name] = open_to & (asked[rows, chosen] > tolerance)
        marks["cost"] = open_to & (extra > tolerance)
        known = np.logical_or.reduce(list(marks.values()))
        used = np.bincount(self.plan.placement, minlength=self.problem.k) > 0
        fresh = open_to & ~self._loaded()[chosen]
        marks["loading"] = fresh & (self.problem.load_energy_j[chosen] > 0.0)
        alone = ~known & ~used[chosen] & (self.problem.concurrency[chosen] > 1.0)
        marks["underfill"] = marks.get("underfill", False) | alone
        marks["gap"] = ~(known | marks["loading"] | marks["underfill"])
        return marks

    def _loaded(self) -> BoolArray:
        """Placements whose LLM the plan loads on their pool, shape (k,)."""
        places = self.problem.placements
        used = {(places[k].llm, places[k].pool) for k in np.unique(self.plan.placement).tolist()}
        return np.array([(p.llm, p.pool) in used for p in places])

    def _codes(self, marks: Mapping[str, BoolArray]) -> IntArray:
        """Number every combination of reasons."""
        names = list(marks)
        stacked = np.stack([marks[name] for name in names], axis=-1)
        flat = stacked.reshape(-1, len(names))
        combinations, which = np.unique(flat, axis=0, return_inverse=True)
        codes = np.array(
            [
                self.reasons.setdefault(
                    tuple(n for n, on in zip(names, row, strict=True) if on), len(self.reasons)
                )
                for row in combinations.tolist()
            ]
        )
        return np.asarray(codes[which.reshape(stacked.shape[:-1])])


def _limit_of(problem: PlacementProblem, row: Limited) -> str:
    """Return the name that a row's price has among the shadow prices, or what it stands for."""
    match row:
        case LlmLoads():
            return "loading"
        case DecodeSteps():
            return "underfill"
        case RequestCount():
            limit: Priced = count_limit(problem, row)
        case MeanQuality() | PlanCost():
            limit = row
        case _:
            limit = PoolSeconds(row.pool)
    return name_and_unit(problem, limit)[0]
