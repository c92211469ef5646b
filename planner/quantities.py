"""What rows of the relaxation limit, what its variables count and what has a price, as values.

These values identify them, never a name: two deadlines may print alike, and a pool or
an LLM may be called anything. Pools and placements are indices into the problem's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from planner.inputs import Unit


@dataclass(frozen=True)
class _OfPool:
    """Something of one pool."""

    pool: int


class PoolSeconds(_OfPool):
    """Device-seconds of a pool until its last deadline."""


@dataclass(frozen=True)
class SecondsBefore(_OfPool):
    """Device-seconds of a pool before a deadline of requests' own [s from the plan's start]."""

    due_s: float


@dataclass(frozen=True)
class PinnedSeconds(_OfPool):
    """Seconds of one device of a pool, for the requests that are pinned to it."""

    device: int


class MakespanSeconds(_OfPool):
    """Device-seconds of a pool until the makespan."""


class OnSeconds(_OfPool):
    """Seconds for which the devices of an always-on pool are on: a variable, and its row."""


class DevicesOn(_OfPool):
    """Devices of a pool that are switched on: a variable, and the row of what they hold."""


@dataclass(frozen=True)
class LlmLoads(_OfPool):
    """Loads of an LLM on a pool: a variable, and the row of what the loaded devices hold."""

    llm: str


@dataclass(frozen=True)
class DecodeSteps:
    """Decode steps of a placement's blocks: a variable, and the row of the tokens they make."""

    placement: int


@dataclass(frozen=True)
class RequestCount:
    """Requests that an LLM serves, at least or at most."""

    llm: str
    side: Literal["min", "max"]


@dataclass(frozen=True)
class MinRequests:
    """Requests that an LLM serves at least, where a number of them says so and no share."""

    llm: str


@dataclass(frozen=True)
class MeanQuality:
    """Token-weighted mean score of the LLMs."""


@dataclass(frozen=True)
class PlanCost:
    """What the plan costs in one unit."""

    unit: Unit


@dataclass(frozen=True)
class PlanDeadline:
    """Seconds until everything must have ended."""


@dataclass(frozen=True)
class OwnDeadlines:
    """Seconds until requests with deadlines of their own must have ended, all stretched alike."""


class AvailableSeconds(_OfPool):
    """Seconds for which a pool can be had."""


@dataclass(frozen=True)
class Makespan:
    """Seconds until the last device finishes: a variable."""


@dataclass(frozen=True)
class Factor:
    """Factor of a limit of time that is minimised: a variable."""


@dataclass(frozen=True)
class CommonExcess:
    """Share of the rows' scales by which all may be exceeded: a variable."""


@dataclass(frozen=True)
class Excess:
    """What one row, by its position, is exceeded by: a variable."""

    row: int


PoolTime: TypeAlias = PoolSeconds | SecondsBefore | MakespanSeconds | OnSeconds | DevicesOn
"""What shares out the device-seconds of a whole pool."""
Limited: TypeAlias = (
    PoolTime | PinnedSeconds | LlmLoads | DecodeSteps | RequestCount | MeanQuality | PlanCost
)
"""What a row limits."""
Priced: TypeAlias = (
    PlanDeadline
    | OwnDeadlines
    | AvailableSeconds
    | PoolSeconds
    | RequestCount
    | MinRequests
    | MeanQuality
    | PlanCost
)
"""A limit of a problem, as a caller sets it, that has a price."""
Counted: TypeAlias = (
    LlmLoads | DevicesOn | DecodeSteps | OnSeconds | Makespan | Factor | CommonExcess | Excess
)
"""What a variable counts."""
