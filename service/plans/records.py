"""What is kept of a plan: its state, the progress, and the head of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.calls.schemas.shards import Shard

Status = Literal["queued", "running", "finished", "failed", "cancelled", "interrupted"]
ENDED: frozenset[Status] = frozenset({"finished", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True)
class PlanProgress:
    """How far a plan is, or was when it ended; what is not known is None."""

    phase: str | None = None
    incumbent: float | None = None
    lower_bound: float | None = None
    gap: float | None = None


@dataclass(frozen=True)
class ReplyHead:
    """All of an answer but its body.

    Attributes
    ----------
    status
        HTTP status that a synchronous call would have had.
    size
        Bytes of the body, with the shards of a batch file that stand before the answer in it.
    """

    status: int
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    shards: tuple[Shard, ...] = ()


@dataclass(frozen=True)
class PlanRecord:
    """One plan.

    Attributes
    ----------
    created_at
        Unix time of its acceptance [s].
    elapsed_s
        Seconds from its acceptance to its end, or until now; None where nobody knows.
    events
        Number of its last event.
    head
        Head of its answer; None where there is none.
    problem
        Problem details, as JSON, where it failed.
    number
        Number that rises from plan to plan; 0 where it was not stored.
    owner
        Owner; None where it is everybody's, made without keys or by a version without owners.
    """

    plan_id: str
    status: Status
    created_at: float
    elapsed_s: float | None = 0.0
    progress: PlanProgress = PlanProgress()
    events: int = 0
    head: ReplyHead | None = None
    problem: bytes | None = None
    number: int = 0
    owner: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the plan."""
        return self.status in ENDED

    def seen_by(self, viewer: str | None) -> bool:
        """Whether an owner of plans may use this one; None, without keys, may use all."""
        return viewer is None or self.owner is None or self.owner == viewer
