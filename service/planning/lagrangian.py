"""Lower bounds by pricing the rows in: valid for any non-negative multipliers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from service.planning.linear_rows import AssignmentProblem, Link

MOST_LINKS = 6
"""Linked variables whose on-off sets are gone through; more are relaxed."""


def reduced_costs(problem: AssignmentProblem, multipliers: FloatArray) -> FloatArray:
    """Cost of each assignment with the rows priced in, inf where not allowed, shape (n, k)."""
    reduced = problem.cost.copy()
    for lam, row in zip(multipliers, problem.rows, strict=True):
        if lam > 0.0:
            reduced += lam * row.coefficients()
    return np.where(problem.allowed, reduced, np.inf)


def variable_prices(problem: AssignmentProblem, multipliers: FloatArray) -> dict[str, float]:
    """Cost of one unit of each variable with the rows priced in."""
    prices = {variable.name: variable.cost for variable in problem.variables}
    for lam, row in zip(multipliers, problem.rows, strict=True):
        for name, coefficient in row.variables.items():
            prices[name] += lam * coefficient
    return prices


def lagrangian_bound(problem: AssignmentProblem, multipliers: FloatArray) -> float:
    """Lower bound on the problem's optimum, valid for any non-negative multipliers of its rows.

    Every request takes its cheapest allowed placement at reduced cost, every variable the better
    end of its box. Links are kept by going through the sets of linked variables that are on, the
    peaks by going through the placements that the request of the highest value may take.
    """
    if not problem.peaks:
        return _Priced.of(problem, multipliers).bound()
    return _bound_with_peaks(problem, multipliers)


def _bound_with_peaks(problem: AssignmentProblem, multipliers: FloatArray) -> float:
    """Least bound over where the highest request goes; its placement's peak is then known.

    Once the peak is paid for by itself, the rows that made its variable follow the mean may be
    priced at nothing: the better of both prices counts, for each placement by itself.
    """
    highest = int(np.argmax(problem.peaks[0].values))
    peaks = {peak.column: peak for peak in problem.peaks}
    priced = _Priced.of(problem, multipliers)
    best = np.inf
    for column in np.flatnonzero(problem.allowed[highest]).tolist():
        peak = peaks.get(column)
        floor = {} if peak is None else {peak.variable: float(peak.values[highest])}
        bound = priced.bound(pinned=(highest, column), floors=floor)
        if peak is not None and bound < best:
            free = multipliers.copy()
            for r, row in enumerate(problem.rows):
                if row.variables.get(peak.variable, 0.0) < 0.0:
                    free[r] = 0.0
            freed = _Priced.of(problem, free).bound(pinned=(highest, column), floors=floor)
            bound = max(bound, freed)
        best = min(best, bound)
    return best


@dataclass(frozen=True)
class _Priced:
    """A problem with its rows priced in."""

    problem: AssignmentProblem
    multipliers: FloatArray
    reduced: FloatArray
    prices: Mapping[str, float]

    @classmethod
    def of(cls, problem: AssignmentProblem, multipliers: FloatArray) -> _Priced:
        reduced = reduced_costs(problem, multipliers)
        return cls(problem, multipliers, reduced, variable_prices(problem, multipliers))

    def bound(
        self,
        pinned: tuple[int, int] | None = None,
        floors: Mapping[str, float] | None = None,
    ) -> float:
        """Bound with one request pinned to a placement and some variables held up."""
        problem, floors = self.problem, floors or {}
        links = [link for link in problem.links if self.prices[link.variable] > 0.0]
        links = links if len(links) <= MOST_LINKS else []
        linked = {link.variable for link in links}
        base: float = problem.constant
        base -= sum(
            lam * row.bound for lam, row in zip(self.multipliers, problem.rows, strict=True)
        )
        for variable in problem.variables:
            if variable.name not in linked:
                lower = max(variable.lower, floors.get(variable.name, 0.0))
                price = self.prices[variable.name]
                base += min(price * lower, price * max(lower, variable.upper))
        return base + min(
            loads + self._assignments(closed, pinned) for loads, closed in self._on_sets(links)
        )

    def _on_sets(self, links: list[Link]) -> Iterator[tuple[float, BoolArray]]:
        """Every set of linked variables that are on: what it costs, and what it closes."""
        lower = {variable.name: variable.lower for variable in self.problem.variables}
        for chosen in range(2 ** len(links)):
            closed, total = np.zeros(self.reduced.shape[1], dtype=bool), 0.0
            for position, link in enumerate(links):
                on = bool(chosen >> position & 1)
                closed[link.columns] |= not on
                total += self.prices[link.variable] * max(float(on), lower[link.variable])
            yield total, closed

    def _assignments(self, closed: BoolArray, pinned: tuple[int, int] | None) -> float:
        if closed.all() or (pinned is not None and closed[pinned[1]]):
            return np.inf
        least = self.reduced[:, ~closed].min(axis=1)
        if pinned is not None:
            least[pinned[0]] = self.reduced[pinned]
        return float((least * self.problem.sizes).sum())
