"""What is kept of requests that ran, and its sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ActualKey(NamedTuple):
    """The key of an actual: ids are their owners' own."""

    id: str
    owner: str | None = None


@dataclass(frozen=True)
class Actual:
    """What came of one request.

    Attributes
    ----------
    id
        Name; a second one of the same id and owner is not counted.
    at
        Unix time [s].
    llm, pool, device, route
        Where it ran, and its kind of traffic; an empty device where the fleet has no such pool.
    input_tokens, output_tokens
        Tokens as they came; None where not known.
    measured_j, measured_s
        Joules, where metered, and seconds from sending to the last token.
    predicted_j, predicted_s
        Predictions for those tokens; None without a cost model, or a known concurrency.
    cost_model
        Identity of what predicted them, see `service.calls.placement_row.PlacementRow`.
    plan_id
        Name of the plan that it was part of; None for none.
    choices
        Answers that it wanted, of which `output_tokens` are the sum.
    owner
        Owner; None without keys, or by a version without owners.
    """

    id: str
    at: float
    llm: str
    pool: str
    device: str
    route: str | None
    input_tokens: float | None
    output_tokens: float | None
    measured_j: float | None
    measured_s: float | None
    predicted_j: float | None
    predicted_s: float | None
    cost_model: str | None = None
    plan_id: str | None = None
    choices: int = 1
    owner: str | None = None

    @property
    def key(self) -> ActualKey:
        """The id and owner of the actual."""
        return ActualKey(self.id, self.owner)


@dataclass(frozen=True)
class Sum:
    """Sums over the requests of which both sides are known: joules, or seconds."""

    requests: int
    measured: float
    predicted: float


@dataclass(frozen=True)
class PlanSums:
    """What came of the requests of one plan of which actuals are kept: joules and seconds."""

    requests: int
    output_tokens: float
    energy: Sum
    runtime: Sum
