"""What the limits of a plan cost: by how much the objective would fall were one more generous.

The prices are those of the bound: multipliers of the relaxation's rows, put back together into the
limits of the request body. They hold for small moves, and for the plan as far as its gap is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from planner.bounds.bounding import Bounded
from planner.inputs import CAP_NAMES, Unit
from planner.problem import COUNT_TOLERANCE, PlacementProblem
from planner.quantities import (
    AvailableSeconds,
    Counted,
    DecodeSteps,
    DevicesOn,
    Limited,
    LlmLoads,
    MakespanSeconds,
    MeanQuality,
    MinRequests,
    OnSeconds,
    OwnDeadlines,
    PinnedSeconds,
    PlanCost,
    PlanDeadline,
    PoolSeconds,
    Priced,
    RequestCount,
    SecondsBefore,
)
from planner.result import Plan, PricedUnit, ShadowPrice
from planner.solvers.assignment_problem import AssignmentProblem

POINT = 0.01
"""A point of the mean quality."""
PERCENT = 0.01
"""Share by which the requests' own deadlines are stretched, all together."""
CAP_UNITS: Mapping[Unit, PricedUnit] = {"energy": "joule", "carbon": "gram", "money": "money"}
"""What the price of a cap is for."""


@dataclass
class LimitPrices:
    """Sorts the multipliers of rows by the limits that the rows are made of."""

    problem: PlacementProblem
    variables: Mapping[Counted, float]
    found: dict[Priced, float]

    def add(self, limits: Limited, price: float) -> None:
        """Count one row's multiplier [objective per unit of the row]."""
        match limits:
            case PoolSeconds(pool):
                self._charge(limits, price)
                self._end(pool, price * self.problem.pools[pool].count)
            case SecondsBefore(pool, due_s):
                self._charge(PoolSeconds(pool), price)
                self._due(pool, due_s, price)
            case MakespanSeconds(pool) | OnSeconds(pool):
                self._charge(PoolSeconds(pool), price)
            case LlmLoads(pool) | DevicesOn(pool):
                self._end(pool, price * self.variables[limits])
            case RequestCount():
                self._charge(count_limit(self.problem, limits), price)
            case MeanQuality():
                self._charge(limits, price * POINT * float(self.problem.tokens.sum()))
            case PlanCost():
                self._charge(limits, price)
            case PinnedSeconds() | DecodeSteps():
                """No limit of the caller's is made of these alone."""
            case _:
                assert_never(limits)

    def _charge(self, limit: Priced, price: float) -> None:
        self.found[limit] = self.found.get(limit, 0.0) + price

    def _due(self, index: int, due_s: float, price: float) -> None:
        """Price of a second of each device of a pool by a deadline, put to what ends it."""
        pool = self.problem.pools[index]
        if due_s >= pool.end_s:
            self._charge(AvailableSeconds(index), price * pool.count)
        else:
            self._charge(OwnDeadlines(), price * pool.count * due_s * PERCENT)

    def _end(self, index: int, price: float) -> None:
        """Price of a second by which a pool's work may end later, put to what ends it."""
        problem = self.problem
        last = float(problem.deadline_s.max(initial=0.0))
        if problem.pools[index].end_s <= last:
            self._charge(AvailableSeconds(index), price)
        elif problem.limits.deadline_s is not None and last == problem.limits.deadline_s:
            self._charge(PlanDeadline(), price)
        else:
            self._charge(OwnDeadlines(), price * last * PERCENT)


def count_limit(problem: PlacementProblem, count: RequestCount) -> RequestCount | MinRequests:
    """Return the limit that a row of counts is made of: a share, or a number of requests."""
    limits, n = problem.limits, problem.n
    share = limits.share(count.llm)
    minimum = limits.min_requests.get(count.llm, 0)
    if count.side == "min" and minimum > np.floor(share.min * n + COUNT_TOLERANCE):
        return MinRequests(count.llm)
    return count


def shadow_prices(
    problem: PlacementProblem, relaxation: AssignmentProblem, bounded: Bounded | None
) -> tuple[ShadowPrice, ...]:
    """Return the price of every limit that the problem sets, 0 for those that do not bind.

    They come from what was proven by the relaxation over the full data; there are none where
    nothing was.
    """
    if bounded is None:
        return ()
    prices = LimitPrices(problem, bounded.variables, dict.fromkeys(priced_limits(problem), 0.0))
    for row, price in zip(relaxation.rows, bounded.multipliers.tolist(), strict=True):
        if price > 0.0:
            prices.add(row.limits, price)
    scale = joules_per_objective(problem)
    return tuple(
        ShadowPrice(
            limit, *name_and_unit(problem, limit), price, None if scale is None else price * scale
        )
        for limit, price in prices.found.items()
    )


def with_prices(
    plan: Plan, problem: PlacementProblem, relaxation: AssignmentProblem, bounded: Bounded | None
) -> Plan:
    """Return the plan with the prices of its limits; see `shadow_prices`."""
    if bounded is None:
        return plan
    rows = zip(relaxation.rows, bounded.multipliers.tolist(), strict=True)
    priced = {row.limits: price for row, price in rows if price > 0.0}
    prices = shadow_prices(problem, relaxation, bounded)
    return replace(plan, shadow_prices=prices, row_prices=priced)


def priced_limits(problem: PlacementProblem) -> list[Priced]:
    """Return the limits that a problem sets, the seconds of pools with them."""
    limits = problem.limits
    own = bool(np.isfinite(problem.requests.deadline_s).any())
    ended = limits.deadline_s is not None or own
    found: list[Priced] = [PlanDeadline()] if limits.deadline_s is not None else []
    found += [OwnDeadlines()] if own else []
    found += [PlanCost(unit) for unit in limits.caps]
    found += [MeanQuality()] if limits.min_mean_quality is not None else []
    for llm, share in limits.shares.items():
        found += [RequestCount(llm, "min")] if share.min > 0.0 else []
        found += [RequestCount(llm, "max")] if share.max < 1.0 else []
    found += [MinRequests(llm) for llm, count in limits.min_requests.items() if count > 0]
    for index, pool in enumerate(problem.pools):
        if pool.available_s is not None:
            found.append(AvailableSeconds(index))
        if ended or pool.available_s is not None:
            found.append(PoolSeconds(index))
    return found


def name_and_unit(problem: PlacementProblem, limit: Priced) -> tuple[str, PricedUnit]:
    """Return the name of a limit in the request body, and what its price is for.

    The device-seconds of a pool have a name in answers alone.
    """
    found: tuple[str, PricedUnit]
    match limit:
        case PlanDeadline():
            found = "deadline_seconds", "second"
        case OwnDeadlines():
            found = "requests/deadline_seconds", "percent"
        case AvailableSeconds(pool):
            found = f"pools/{problem.pools[pool].name}/available_seconds", "second"
        case PoolSeconds(pool):
            found = f"pools/{problem.pools[pool].name}/device_seconds", "device_second"
        case RequestCount(llm, side):
            found = f"shares/{llm}/{side}", "request"
        case MinRequests(llm):
            found = f"min_requests/{llm}", "request"
        case MeanQuality():
            found = "min_mean_quality", "point"
        case PlanCost(unit):
            found = CAP_NAMES[unit], CAP_UNITS[unit]
        case _:
            assert_never(limit)
    return found


def joules_per_objective(problem: PlacementProblem) -> float | None:
    """Joules that are worth one unit of the objective; None where joules are not in it."""
    zeta = problem.objective.zeta
    if zeta == 0.0 or problem.objective.minimise != "energy":
        return None
    return problem.cost_normaliser / zeta
