"""Costs with the rows priced in, computed block by block so that no (n, k) array is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.solvers.assignment_problem import AssignmentProblem
from planner.threads import in_threads

BLOCK_REQUESTS = 16_384
"""Requests at a time: a column of a block stays in the second-level cache."""


@dataclass(frozen=True)
class Cheapest:
    """The cheapest allowed placement of each request and its reduced cost, inf for none, (n,)."""

    cost: FloatArray
    placement: IntArray


@dataclass(frozen=True)
class ReducedCosts:
    """Costs of an assignment problem with its rows priced at non-negative multipliers."""

    problem: AssignmentProblem
    multipliers: FloatArray
    _terms: list[tuple[FloatArray, FloatArray]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prices: dict[int, tuple[FloatArray, FloatArray]] = {}
        classes = self.problem.class_count
        for lam, row in zip(self.multipliers.tolist(), self.problem.rows, strict=True):
            if lam > 0.0:
                zero = np.zeros((classes, self.problem.k))
                _, price = prices.setdefault(id(row.values), (row.values, zero))
                price += lam * row.factors(classes)
        object.__setattr__(self, "_terms", list(prices.values()))

    def of(self, requests: IntArray | slice) -> FloatArray:
        """Reduced costs of some requests, inf where not allowed, shape (m, k)."""
        first = self.column(requests, 0)
        found = np.empty((len(first), self.problem.k), order="F")
        found[:, 0] = first
        for k in range(1, self.problem.k):
            found[:, k] = self.column(requests, k)
        return found

    def column(self, requests: IntArray | slice, k: int) -> FloatArray:
        """Reduced costs of some requests on one placement, shape (m,)."""
        problem = self.problem
        found = problem.cost[requests, k].copy()
        for values, price in self._terms:
            factor = price[:, k]
            if not factor.any():
                continue
            value = values[requests if values.shape[0] > 1 else 0, k if values.shape[1] > 1 else 0]
            if len(factor) == 1 or problem.row_class is None:
                found += value * factor[0]
            else:
                found += value * factor[problem.row_class[requests]]
        allowed = problem.allowed[requests, k]
        if not allowed.all():
            found[~allowed] = np.inf
        return found

    @cached_property
    def cheapest(self) -> Cheapest:
        """Return every request's cheapest placement."""
        n = self.problem.n
        found = Cheapest(np.empty(n), np.empty(n, dtype=np.int64))

        def fill(block: slice) -> None:
            cost, placement = found.cost[block], found.placement[block]
            cost[:] = self.column(block, 0)
            placement[:] = 0
            for k in range(1, self.problem.k):
                column = self.column(block, k)
                better = column < cost
                np.copyto(cost, column, where=better)
                placement[better] = k

        _for_each_block(n, fill)
        return found

    def second_best(self, placement: IntArray) -> tuple[FloatArray, IntArray]:
        """Least reduced cost beside the given placements and where it is, shape (n,) each.

        The cost is inf where nothing else is allowed.
        """
        cost, other = np.full(self.problem.n, np.inf), placement.copy()

        def fill(block: slice) -> None:
            best, there, own = cost[block], other[block], placement[block]
            for k in range(self.problem.k):
                column = self.column(block, k)
                column[own == k] = np.inf
                better = column < best
                np.copyto(best, column, where=better)
                there[better] = k

        _for_each_block(self.problem.n, fill)
        return cost, other

    def at(self, placement: IntArray) -> FloatArray:
        """Reduced cost of each request on its given placement, shape (n,)."""
        found = np.empty(self.problem.n)

        def fill(block: slice) -> None:
            own, out = placement[block], found[block]
            for k in np.unique(own).tolist():
                np.copyto(out, self.column(block, k), where=own == k)

        _for_each_block(self.problem.n, fill)
        return found


def _for_each_block(n: int, fill: Callable[[slice], None]) -> None:
    in_threads(fill, _blocks(n), n)


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK_REQUESTS):
        yield slice(start, min(n, start + BLOCK_REQUESTS))
