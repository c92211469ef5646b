"""From the shadow prices of a plan to the prices of single decisions."""

from __future__ import annotations

from math import isfinite

from planner.problem import PlacementProblem
from planner.quantities import MeanQuality, PoolSeconds
from planner.result import Plan, PlanWarning
from planner.sensitivity.prices import POINT, joules_per_objective, priced_limits
from service.calls.messages import PublishedPrices
from service.calls.schemas.calls import PlanRequest
from service.problems import FieldError, Problem, ProblemError, invalid

UNPUBLISHED = PlanWarning(
    "prices_unknown",
    "No prices were found in time, so none are published: decisions rest on what they rested on.",
)


def check_publishable(call: PlanRequest) -> None:
    """Refuse with 422 to publish prices over a fleet of the call's own, or without joules."""
    if not call.publish:
        return
    errors, objective = [], call.objective
    if call.fleet is not None:
        message = "Expected no fleet of the call's own: decisions are over the service's."
        errors.append(FieldError("/publish", message))
    if objective.minimise != "energy":
        message = f"Expected energy, which published prices are of, got {objective.minimise}."
        errors.append(FieldError("/objective/minimise", message))
    if objective.zeta == 0.0:
        message = "Expected some weight of energy, which published prices are of, got 0."
        errors.append(FieldError("/objective/zeta", message))
    if errors:
        raise invalid(errors)


def check_may_publish(call: PlanRequest, *, may_publish: bool) -> None:
    """Refuse with 403 to publish for a key that may plan but not set the policy."""
    if call.publish and not may_publish:
        message = "Expected a key with the scope policy, to publish the prices of a plan."
        raise ProblemError(Problem("forbidden", message, [FieldError("/publish", message)]))


def published_prices(problem: PlacementProblem, plan: Plan, plan_id: str) -> PublishedPrices | None:
    """Return the prices of a plan whose objective has joules.

    The price of quality is that of a point (0.01) of the mean, over the tokens that a point of
    the mean is made of, and what the objective itself gives for quality. None where something
    limits the plan and its prices were not found: they are not zero.
    """
    if priced_limits(problem) and not plan.shadow_prices:
        return None
    prices = {one.limit: one.energy_j or 0.0 for one in plan.shadow_prices}
    found = PublishedPrices(
        plan_id=plan_id,
        joules_per_device_second={
            problem.pools[limit.pool].name: price
            for limit, price in prices.items()
            if isinstance(limit, PoolSeconds)
        },
        joules_per_quality_token=_floor_price(problem, prices.get(MeanQuality(), 0.0))
        + _weight_price(problem),
        min_mean_quality=problem.limits.min_mean_quality,
    )
    every = (found.joules_per_quality_token, *found.joules_per_device_second.values())
    return found if all(map(isfinite, every)) else None


def _floor_price(problem: PlacementProblem, price_of_point: float) -> float:
    """Return what the floor on quality is worth [J per token and unit of score]."""
    tokens = float(problem.tokens.sum())
    return price_of_point / (POINT * tokens) if tokens else 0.0


def _weight_price(problem: PlacementProblem) -> float:
    """Return what the objective weighs quality with [J per token and unit of score]."""
    zeta, scale = problem.objective.zeta, joules_per_objective(problem)
    if scale is None or zeta == 1.0:
        return 0.0
    return scale * (1.0 - zeta) / problem.quality_normaliser
