"""`/policy`: what single decisions rest on, and prices set by hand."""

from __future__ import annotations

import time

import orjson
from fastapi import APIRouter, Request, Response

from service.calls.messages import JSON
from service.calls.schemas.policy import PolicyBody, PolicyInForce
from service.database.stores import StoreError
from service.decisions.decision_service import DecisionService
from service.decisions.keeper import PolicyKeeper
from service.decisions.policy import WEIGHTS, Policy
from service.http.openapi.document import information_operation, small_operation
from service.http.routes.bodies import read_small
from service.http.routes.decisions import policy_answer
from service.problems import FieldError, Problem, ProblemError, invalid


def router(decisions: DecisionService, keeper: PolicyKeeper) -> APIRouter:
    """Return the routes of the policy."""
    routes = APIRouter(tags=["decisions"])

    @routes.get("/policy", summary="What decisions rest on", **information_operation(PolicyInForce))
    async def policy() -> Response:
        return _answer(decisions)

    @routes.put(
        "/policy",
        summary="Set prices by hand",
        **small_operation(PolicyBody, PolicyInForce, {}),
    )
    async def put(request: Request) -> Response:
        body = await read_small(request, PolicyBody)
        _check_pools(body, decisions)
        _check_floor(body, decisions)
        return await kept(_weights(body, time.time()))

    @routes.delete(
        "/policy",
        summary="Go back to the least joules that meet the deadline",
        **information_operation(PolicyInForce, may_be_unkept=True),
    )
    async def delete() -> Response:
        return await kept(None)

    async def kept(policy: Policy | None) -> Response:
        """Answer when it is kept: what is acknowledged is in force after a restart too."""
        try:
            await keeper.put(policy)
        except StoreError as error:
            raise StoreError(f"{error} The policy of before stays in force.") from error
        return _answer(decisions)

    return routes


def _check_pools(body: PolicyBody, decisions: DecisionService) -> None:
    if body.joules_per_device_second and not decisions.placements.pools:
        raise ProblemError(Problem("not-ready", "No fleet is loaded yet.", retry_after_s=2))
    errors = [
        FieldError(
            f"/joules_per_device_second/{name}", f"Expected a pool of the fleet, got {name}."
        )
        for name in body.joules_per_device_second
        if name not in decisions.placements.pools
    ]
    if errors:
        raise invalid(errors)


def _check_floor(body: PolicyBody, decisions: DecisionService) -> None:
    floor, highest = body.min_mean_quality, decisions.placements.highest_quality
    if floor is not None and highest is not None and floor > highest:
        message = f"Expected at most {highest:g}, the highest score of the fleet, got {floor:g}."
        raise invalid([FieldError("/min_mean_quality", message)])


def _weights(body: PolicyBody, now: float) -> Policy:
    lifetime_s = body.expires_in_seconds
    return Policy(
        source=WEIGHTS,
        joules_per_device_second=body.joules_per_device_second,
        joules_per_quality_token=body.joules_per_quality_token,
        min_mean_quality=body.min_mean_quality,
        made_at=now,
        expires_at=None if lifetime_s is None else now + lifetime_s,
    )


def _answer(decisions: DecisionService) -> Response:
    policy = decisions.policy
    answer: PolicyInForce = {
        **policy_answer(policy),
        "joules_per_device_second": dict(policy.joules_per_device_second),
        "joules_per_quality_token": policy.joules_per_quality_token,
        "min_mean_quality": policy.min_mean_quality,
        "quality_price_in_force": decisions.quality_price,
    }
    return Response(orjson.dumps(answer), media_type=JSON)
