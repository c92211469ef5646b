"""What the limits of a plan cost: by how much the objective would fall were one more generous.

The prices are those of the bound: multipliers of the relaxation's rows, put back together into the
limits of the request body. They hold for small moves, and for the plan as far as its gap is small.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from planner.bounds.bounding import Bounded
from planner.inputs import CAP_NAMES, Share
from planner.problem import ROUNDING, PlacementProblem
from planner.result import Plan, ShadowPrice
from planner.solvers.assignment_problem import AssignmentProblem, Row

POINT = 0.01
"""A point of the mean quality."""
PERCENT = 0.01
"""By how much the requests' own deadlines are stretched, all together."""
UNITS = {
    "device_seconds": "device_second",
    "deadline_seconds": "second",
    "available_seconds": "second",
    "requests/deadline_seconds": "percent",
    "min_mean_quality": "point",
    "max_energy_joules": "joule",
    "max_carbon_grams": "gram",
    "max_money": "money",
}
"""What a price is for, by the limit's name or its last part; a request for all others."""


@dataclass
class Pricing:
    """Sorts the multipliers of rows by the limits that the rows are made of."""

    problem: PlacementProblem
    variables: Mapping[str, float]
    found: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, row: Row, price: float) -> None:
        """Count one row's multiplier [objective per unit of the row]."""
        kind, _, rest = row.name.partition("/")
        if kind in ("pools", "makespan", "on"):
            self._seconds(rest, price)
            if kind == "pools":
                self._end(rest, price * self._count(rest))
        elif kind in ("loads", "devices"):
            pool = rest.rsplit("/", 1)[0] if kind == "loads" else rest
            self._end(pool, price * self.variables.get(row.name, 0.0))
        elif row.name.startswith("requests/deadline_seconds/"):
            self._due(row, price)
        elif kind == "shares":
            self.found[count_limit(self.problem, rest)] += price
        elif kind == "min_mean_quality":
            self.found[kind] += price * POINT * float(self.problem.tokens.sum())
        elif kind in CAP_NAMES.values():
            self.found[kind] += price

    def _seconds(self, pool: str, price: float) -> None:
        self.found[f"pools/{pool}/device_seconds"] += price

    def _count(self, pool: str) -> int:
        return next(p.count for p in self.problem.pools if p.name == pool)

    def _due(self, row: Row, price: float) -> None:
        """Work due by a deadline of requests' own: seconds of a pool before it."""
        if row.pool is None:
            return
        pool = self.problem.pools[row.pool]
        self._seconds(pool.name, price)
        deadline = float(row.name.split("/")[2])
        if deadline >= pool.end_s:
            self.found[f"pools/{pool.name}/available_seconds"] += price * pool.count
        else:
            self.found["requests/deadline_seconds"] += price * pool.count * deadline * PERCENT

    def _end(self, name: str, price: float) -> None:
        """Price of a second by which a pool's work may end later, put to what ends it."""
        problem = self.problem
        pool = next(p for p in problem.pools if p.name == name)
        last = float(problem.deadline_s.max(initial=0.0))
        if pool.end_s <= last:
            self.found[f"pools/{name}/available_seconds"] += price
        elif problem.limits.deadline_s is not None and last == problem.limits.deadline_s:
            self.found["deadline_seconds"] += price
        else:
            self.found["requests/deadline_seconds"] += price * last * PERCENT


def count_limit(problem: PlacementProblem, rest: str) -> str:
    """Return the name of the limit that the row of counts ``shares/<rest>`` is made of."""
    llm, _, side = rest.rpartition("/")
    limits, n = problem.limits, problem.n
    share = limits.shares.get(llm, Share())
    if side == "min" and limits.min_requests.get(llm, 0) > np.floor(share.min * n + ROUNDING):
        return f"min_requests/{llm}"
    return f"shares/{rest}"


def shadow_prices(
    problem: PlacementProblem, relaxation: AssignmentProblem, bounded: Bounded | None
) -> tuple[ShadowPrice, ...]:
    """Return the price of every limit that the problem sets, 0 for those that do not bind.

    Parameters
    ----------
    relaxation, bounded
        The relaxation over the full data and what was proven by it; None where nothing was, and
        then there are no prices.
    """
    if bounded is None:
        return ()
    pricing = Pricing(problem, bounded.variables)
    for name in limit_names(problem):
        pricing.found[name] = 0.0
    for row, price in zip(relaxation.rows, bounded.multipliers.tolist(), strict=True):
        if price > 0.0:
            pricing.add(row, price)
    scale = joules_per_objective(problem)
    return tuple(
        ShadowPrice(name, unit_of(name), price, None if scale is None else price * scale)
        for name, price in pricing.found.items()
    )


def with_prices(
    plan: Plan, problem: PlacementProblem, relaxation: AssignmentProblem, bounded: Bounded | None
) -> Plan:
    """Return the plan with the prices of its limits; see `shadow_prices`."""
    if bounded is None:
        return plan
    rows = zip(relaxation.rows, bounded.multipliers.tolist(), strict=True)
    priced = {row.name: price for row, price in rows if price > 0.0}
    prices = shadow_prices(problem, relaxation, bounded)
    return replace(plan, shadow_prices=prices, row_prices=priced)


def limit_names(problem: PlacementProblem) -> list[str]:
    """Names of the limits that a problem sets, as in the request body, pools' seconds with them."""
    limits = problem.limits
    own = bool(np.isfinite(problem.requests.deadline_s).any())
    ended = limits.deadline_s is not None or own
    names = ["deadline_seconds"] if limits.deadline_s is not None else []
    names += ["requests/deadline_seconds"] if own else []
    names += [CAP_NAMES[unit] for unit in limits.caps]
    names += ["min_mean_quality"] if limits.min_mean_quality is not None else []
    for llm, share in limits.shares.items():
        names += [f"shares/{llm}/min"] if share.min > 0.0 else []
        names += [f"shares/{llm}/max"] if share.max < 1.0 else []
    names += [f"min_requests/{llm}" for llm, count in limits.min_requests.items() if count > 0]
    for pool in problem.pools:
        if pool.available_s is not None:
            names.append(f"pools/{pool.name}/available_seconds")
        if ended or pool.available_s is not None:
            names.append(f"pools/{pool.name}/device_seconds")
    return names


def unit_of(name: str) -> str:
    """Return what the price of a limit is for.

    Examples
    --------
    >>> unit_of("deadline_seconds"), unit_of("pools/a/device_seconds"), unit_of("shares/x/max")
    ('second', 'device_second', 'request')
    """
    return UNITS.get(name) or UNITS.get(name.rpartition("/")[2], "request")


def joules_per_objective(problem: PlacementProblem) -> float | None:
    """Joules that are worth one unit of the objective; None where joules are not in it."""
    zeta = problem.objective.zeta
    if zeta == 0.0 or problem.objective.minimise != "energy":
        return None
    return problem.cost_normaliser / zeta
