"""What calls may take of the workers."""

from __future__ import annotations

import os
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from service.environment import default_budget
from service.settings.texts import KIBIBYTE, MAX_BYTES, MEBIBYTE

MAX_PAIRS = 10**12
"""Beyond what any machine has memory for."""


def _default_workers() -> int:
    """Return two workers where there are two cores: one may then restart while one answers."""
    return max(1, min(2, os.cpu_count() or 1))


class WorkSettings(BaseModel):
    """What calls may take of the workers."""

    workers: Annotated[int, Field(ge=1, le=64, description="Processes that plan.")] = Field(
        default_factory=_default_workers
    )
    worker_niceness: Annotated[
        int,
        Field(
            ge=0, le=19, description="Added to the niceness of workers, so that HTTP goes first."
        ),
    ] = 10
    max_queue: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description="Calls that may wait for a worker, and as many asynchronous plans beside "
            "them; more get 429.",
        ),
    ] = 16
    max_body_bytes: Annotated[
        int,
        Field(
            ge=KIBIBYTE,
            le=MAX_BYTES,
            description="Largest request body [bytes]; larger ones get 413.",
        ),
    ] = 256 * MEBIBYTE
    max_held_bytes: Annotated[
        int,
        Field(
            ge=KIBIBYTE,
            le=MAX_BYTES,
            description="Bytes of all bodies together that arrive or wait for a worker; more get "
            "429.",
        ),
    ] = 512 * MEBIBYTE
    memory_bytes: Annotated[
        int,
        Field(
            ge=256 * MEBIBYTE,
            le=MAX_BYTES,
            description="Memory that the calls in all workers may take together by estimate "
            "[bytes]; a call waits for its turn. No worker may take more than this.",
        ),
    ] = Field(default_factory=default_budget)
    max_requests: Annotated[
        int, Field(ge=1, le=10_000_000, description="Most requests in one call.")
    ] = 1_000_000
    max_pairs: Annotated[
        int,
        Field(
            ge=1, le=MAX_PAIRS, description="Most (request, placement) pairs that are planned over."
        ),
    ] = 64_000_000
    max_predictions: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_PAIRS,
            description="Most (request, placement) pairs that /predict answers with.",
        ),
    ] = 2_000_000
    max_time_limit_seconds: Annotated[
        float,
        Field(gt=0, le=3600, description="Largest `solver.time_limit_seconds` of a call [s]."),
    ] = 120.0
    call_limit_seconds: Annotated[
        float,
        Field(
            gt=0, le=7200, description="A worker busy for longer with one call is killed [s]; 503."
        ),
    ] = 180.0

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.call_limit_seconds <= self.max_time_limit_seconds:
            msg = (
                "Expected JOULEPLAN_CALL_LIMIT_SECONDS above JOULEPLAN_MAX_TIME_LIMIT_SECONDS, got "
                f"{self.call_limit_seconds} <= {self.max_time_limit_seconds}."
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_body_can_wait(self) -> Self:
        if self.max_held_bytes < self.max_body_bytes:
            msg = (
                "Expected JOULEPLAN_MAX_HELD_BYTES of at least JOULEPLAN_MAX_BODY_BYTES, got "
                f"{self.max_held_bytes} < {self.max_body_bytes}."
            )
            raise ValueError(msg)
        return self
