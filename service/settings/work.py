"""What calls may take of the workers."""

from __future__ import annotations

import os
from typing import Self

from pydantic import BaseModel, Field, model_validator

from service.environment import default_budget
from service.settings.texts import KIBIBYTE, MAX_BYTES, MEBIBYTE

MAX_PAIRS = 10**12
"""Pairs of requests and placements beyond what any machine has memory for."""


def _default_workers() -> int:
    """Return two workers where there are two cores: one may then restart while one answers."""
    return max(1, min(2, os.cpu_count() or 1))


class WorkSettings(BaseModel):
    """What calls may take of the workers."""

    workers: int = Field(
        default_factory=_default_workers, ge=1, le=64, description="Processes that plan."
    )
    worker_niceness: int = Field(
        default=10,
        ge=0,
        le=19,
        description="Added to the niceness of workers, so that HTTP goes first.",
    )
    max_queue: int = Field(
        default=16,
        ge=0,
        le=10_000,
        description="Calls that may wait for a worker, and as many asynchronous plans beside "
        "them; more get 429.",
    )
    max_body_bytes: int = Field(
        default=256 * MEBIBYTE,
        ge=KIBIBYTE,
        le=MAX_BYTES,
        description="Largest request body [bytes]; larger ones get 413.",
    )
    max_held_bytes: int = Field(
        default=512 * MEBIBYTE,
        ge=KIBIBYTE,
        le=MAX_BYTES,
        description="Bytes of all bodies together that arrive or wait for a worker; more get 429.",
    )
    memory_bytes: int = Field(
        default_factory=default_budget,
        ge=256 * MEBIBYTE,
        le=MAX_BYTES,
        description="Memory that the calls in all workers may take together by estimate "
        "[bytes]; a call waits for its turn. No worker may take more than this.",
    )
    max_requests: int = Field(
        default=1_000_000, ge=1, le=10_000_000, description="Most requests in one call."
    )
    max_pairs: int = Field(
        default=64_000_000,
        ge=1,
        le=MAX_PAIRS,
        description="Most (request, placement) pairs that are planned over.",
    )
    max_predictions: int = Field(
        default=2_000_000,
        ge=1,
        le=MAX_PAIRS,
        description="Most (request, placement) pairs that /predict answers with.",
    )
    max_time_limit_seconds: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        description="Largest `solver.time_limit_seconds` of a call [s].",
    )
    call_limit_seconds: float = Field(
        default=180.0,
        gt=0,
        le=7200,
        description="A worker busy for longer with one call is killed [s]; 503.",
    )

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
