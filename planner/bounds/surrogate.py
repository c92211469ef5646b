"""Surrogate costs and capacities of the relaxation; the default ones give a valid bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from planner.bounds import pair_bounds
from planner.inputs import Unit
from planner.problem import PlacementProblem

LONGEST_JOB_REQUESTS = 20_000
"""Requests above which longest-job terms are left out: too small a part for their time."""


@dataclass(frozen=True)
class Surrogate:
    """Costs, capacities and pairs that the relaxation sees; the default gives a valid bound.

    `cost_in` gives the cost of each assignment in a unit, idle savings taken off, (n, k), in place
    of the lower bounds of `pair_bounds`. `capacity`, (pools,), is the share of each pool's
    device-seconds that may be used, `allowed`, (n, k), the pairs to consider of all that a schedule
    could hold. `reserve` is taken off a unit's cap, for underfill not seen in `cost_in`.
    `deadlines`, (D,), are the distinct ones before the last that get rows, rising; the first few
    where it is None.
    """

    cost_in: Callable[[Unit], FloatArray] | None = None
    capacity: FloatArray | None = None
    allowed: BoolArray | None = None
    reserve: Mapping[Unit, float] = field(default_factory=dict)
    deadlines: FloatArray | None = None


class RelaxationCosts:
    """Costs of pairs and of steps in any unit, each computed once.

    `steps` are the placements whose steps have a price of their own.
    """

    def __init__(self, problem: PlacementProblem, surrogate: Surrogate) -> None:
        self._problem = problem
        self._cost_in = surrogate.cost_in
        self._longest = surrogate.cost_in is None and problem.n <= LONGEST_JOB_REQUESTS
        self._pairs: dict[Unit, FloatArray] = {}
        self._steps: dict[Unit, FloatArray] = {}
        self.steps = np.flatnonzero(self.of_steps(problem.objective.minimise)).tolist()

    def of_pairs(self, unit: Unit) -> FloatArray:
        """Cost of each assignment, what its steps cost taken off, shape (n, k); not to be changed.

        A request that runs in full slots takes its tokens over the concurrency of steps.
        """
        if unit not in self._pairs:
            if self._cost_in is not None:
                self._pairs[unit] = self._cost_in(unit)
            else:
                self._pairs[unit] = self._less_steps(unit)
        return self._pairs[unit]

    def of_steps(self, unit: Unit) -> FloatArray:
        """Cost of a decode step of each placement, 0 where it has no price, shape (k,)."""
        if unit not in self._steps:
            own, k = self._problem.objective.minimise, self._problem.k
            price = pair_bounds.min_step_cost(self._problem, unit) if self._longest else np.zeros(k)
            if unit != own:
                price[self.of_steps(own) == 0.0] = 0.0
            self._steps[unit] = price
        return self._steps[unit]

    def of_idling(self, unit: Unit) -> FloatArray:
        """Cost of a second for which a device of each always-on pool idles, shape (pools,)."""
        return self._problem.rates_in(unit).of_idling(self._problem.pools)

    def _less_steps(self, unit: Unit) -> FloatArray:
        lower = pair_bounds.min_pair_cost(self._problem, unit)
        if not self.of_steps(unit).any():
            return lower
        output = self._problem.requests.workload.generated_tokens.astype(float)[:, None]
        return np.asarray(lower - self.of_steps(unit) / self._problem.concurrency * output)
