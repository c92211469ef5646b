"""`POST /actuals` and `GET /actuals`: what came of decisions, and what is made of it."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response

from service.calls.messages import JSON
from service.calls.schemas.actuals import (
    MAX_ACTUALS_BYTES,
    ActualsAnswer,
    ActualsBody,
    EvidenceAnswer,
    PlanActualsAnswer,
    PlanSumAnswer,
)
from service.decisions.actuals.actuals_service import ActualsService
from service.decisions.records import Sum
from service.http.access.guard import caller_of
from service.http.openapi.document import information_operation, small_operation
from service.http.openapi.plans import actuals_operation
from service.http.routes.bodies import read_small
from service.problems import Problem, ProblemError


def router(actuals: ActualsService) -> APIRouter:
    """Return the routes of actuals."""
    routes = APIRouter(tags=["decisions"])

    @routes.post(
        "/actuals",
        operation_id="tell_actuals_post",
        summary="Tell what came of requests",
        **small_operation(ActualsBody, ActualsAnswer, {}),
    )
    async def report(request: Request) -> Response:
        body = await read_small(request, ActualsBody, MAX_ACTUALS_BYTES)
        fresh = await actuals.add(body.actuals, caller_of(request).owner)
        answer: ActualsAnswer = {"accepted": fresh, "duplicates": len(body.actuals) - fresh}
        return Response(orjson.dumps(answer), media_type=JSON)

    @routes.get(
        "/actuals",
        operation_id="evidence_actuals_get",
        summary="Measured against predicted, for each LLM and device",
        **information_operation(EvidenceAnswer),
    )
    async def calibration() -> Response:
        answer: EvidenceAnswer = {
            "ratios": [
                {
                    "llm": about.llm,
                    "device": about.device,
                    "quantity": about.quantity,
                    "observations": one.seen,
                    "ratio": one.mean,
                    "recent_ratio": one.recent,
                    "applied_factor": one.factor,
                    "drifted": one.drifted,
                }
                for about, one in actuals.calibration
            ],
            "output_lengths": [
                {
                    "llm": llm,
                    "route": route,
                    "answers": one.answers,
                    "mean": one.mean(),
                    "p50": one.quantile(0.5),
                    "p90": one.quantile(0.9),
                }
                for (llm, route), one in actuals.lengths
            ],
        }
        return Response(orjson.dumps(answer), media_type=JSON)

    @routes.get(
        "/plans/{plan_id}/actuals",
        summary="What came of a plan's requests",
        **actuals_operation(),
    )
    async def of_plan(request: Request) -> Response:
        plan_id = request.path_params["plan_id"]
        # The plan's owner does not matter: whoever knows its name may report of it.
        found = await actuals.of_plan(plan_id, caller_of(request).owner)
        if not found.requests:
            raise ProblemError(Problem("not-found", "No actuals of that plan are kept."))
        answer: PlanActualsAnswer = {
            "plan_id": plan_id,
            "requests": found.requests,
            "output_tokens": found.output_tokens,
            "energy_joules": _sum(found.energy),
            "runtime_seconds": _sum(found.runtime),
        }
        return Response(orjson.dumps(answer), media_type=JSON)

    return routes


def _sum(found: Sum) -> PlanSumAnswer:
    return {
        "requests": found.requests,
        "measured": found.measured,
        "predicted": found.predicted,
        "ratio": found.measured / found.predicted if found.predicted else None,
    }
