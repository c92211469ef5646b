"""From the shadow prices of a plan to the prices of single decisions."""

from __future__ import annotations

from service.planning.explanation.prices import POINT
from service.planning.problem import PlacementProblem
from service.planning.result import Plan
from service.problems import FieldError, invalid
from service.schemas.calls import PlanRequest
from service.workers.messages import PublishedPrices

_QUALITY = "min_mean_quality"
_PREFIX, _SUFFIX = "pools/", "/device_seconds"


def check_publishable(call: PlanRequest) -> None:
    """Refuse to publish what single decisions cannot use.

    Raises
    ------
    ProblemError
        422 for a fleet of the call's own, or an objective without joules.
    """
    if not call.publish:
        return
    if call.fleet is not None:
        message = "Expected no fleet of the call's own: decisions are over the service's."
        raise invalid([FieldError("/publish", message)])


def published_prices(problem: PlacementProblem, plan: Plan, plan_id: str) -> PublishedPrices:
    """Return the prices of a plan.

    Parameters
    ----------
    problem, plan
        What was planned, and how.
    plan_id
        Name of the plan.

    Returns
    -------
    PublishedPrices
        The price of quality is that of a point (0.01) of the mean, over the tokens that a point of
        the mean is made of. A limit without a price in joules counts nothing.
    """
    prices = {one.constraint: one.energy_j or 0.0 for one in plan.shadow_prices}
    tokens = float(problem.tokens.sum())
    return PublishedPrices(
        plan_id=plan_id,
        joules_per_device_second={
            name.removeprefix(_PREFIX).removesuffix(_SUFFIX): price
            for name, price in prices.items()
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX)
        },
        joules_per_quality_token=prices.get(_QUALITY, 0.0) / (POINT * tokens) if tokens else 0.0,
        min_mean_quality=problem.limits.min_mean_quality,
    )
