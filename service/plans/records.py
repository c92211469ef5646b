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
    """How far a plan is, or was when it ended; None where nothing is known."""

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
        Of the body [bytes], with the shards that stand before the answer in it.
    shards
        Of the plan of a batch file, in their order.
    """

    status: int
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    shards: tuple[Shard, ...] = ()

    @property
    def answer_start(self) -> int:
        """Where in the body the answer begins."""
        return sum(shard.size for shard in self.shards)


@dataclass(frozen=True)
class PlanRecord:
    """One plan.

    Attributes
    ----------
    created_at
        Seconds since 1970, UTC.
    elapsed_s
        Seconds from its acceptance to its end, or until now; None where nobody knows.
    events
        Number of the last event that was told about it.
    head
        Of its answer; None where there is none.
    problem
        Problem details, as JSON, where it failed.
    number
        Rises from plan to plan; 0 where it was not stored.
    owner
        Whose it is; None for everybody's, made without keys or by a version that knew no owners.
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
        """Whether nothing more will happen to it."""
        return self.status in ENDED

    def seen_by(self, viewer: str | None) -> bool:
        """Whether `viewer` may see it and do with it what they like.

        Parameters
        ----------
        viewer
            An owner of plans; None where there are no keys: they see all.
        """
        return viewer is None or self.owner is None or self.owner == viewer
