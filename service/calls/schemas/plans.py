"""Answers about asynchronous plans, as `service.http.routes.plans` writes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.calls.schemas.fields import Answer
from service.calls.schemas.information import ProblemAnswer


class PlanLinks(Answer):
    """Paths of one plan."""

    self: Annotated[str, Field(description="This document.")]
    events: Annotated[str, Field(description="Server-sent events.")]
    result: Annotated[
        str | None, Field(description="The answer of a synchronous call; null until it is there.")
    ]
    shards: Annotated[
        str | None, Field(description="The shards of a batch file; null where there are none.")
    ]


class PlanStatusAnswer(Answer):
    """State of an asynchronous plan."""

    plan_id: str
    status: Annotated[
        Literal["queued", "running", "finished", "failed", "cancelled", "interrupted"],
        Field(
            description="`interrupted`: the service stopped, or broke down, before the plan was "
            "there. Nothing follows the last four."
        ),
    ]
    phase: Annotated[str | None, Field(description="What a running plan does; else null.")]
    incumbent: Annotated[
        float | None, Field(description="Objective of the best plan so far; null without one.")
    ]
    lower_bound: Annotated[
        float | None, Field(description="No plan has a smaller objective; null until proven.")
    ]
    gap: Annotated[float | None, Field(description="Relative gap of the two, a ratio.")]
    elapsed_seconds: Annotated[
        float | None,
        Field(
            ge=0, description="From its acceptance until now or its end [s]; null if interrupted."
        ),
    ]
    created_at: Annotated[str, Field(description="When it was accepted, UTC, ISO 8601.")]
    links: PlanLinks
    problem: Annotated[
        ProblemAnswer | None, Field(description="Why it failed; null where it did not.")
    ]


class PlansAnswer(Answer):
    """Answer of `GET /plans`: the newest first."""

    plans: list[PlanStatusAnswer]
    next: Annotated[str | None, Field(description="Path of the next page; null on the last.")]
    survives_restart: Annotated[
        bool, Field(description="Whether plans are kept on a disk, or in memory only.")
    ]
