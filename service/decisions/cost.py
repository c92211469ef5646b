"""What one request takes of a placement, predicted in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from costmodel.one_request import Terms, interval
from service.calls.placement_row import PlacementRow


@dataclass(frozen=True)
class Cost:
    """What one request takes of a placement.

    Attributes
    ----------
    row
        The placement.
    energy_j, device_seconds
        Predictions, corrections included.
    energy_factor, runtime_factor
        Corrections by which the cost model's own predictions were multiplied; 1 for none.
    sequences
        Answers that the request wants.
    """

    row: PlacementRow
    energy_j: float
    device_seconds: float
    energy_factor: float = 1.0
    runtime_factor: float = 1.0
    sequences: int = 1

    @property
    def runtime_s(self) -> float:
        """Seconds from its start to its last token.

        Its answers run side by side, each in a slot of its own, by turns where slots are fewer.
        """
        turns = ceil(self.sequences / self.row.concurrency)
        return self.device_seconds * self.row.concurrency / self.sequences * turns

    def energy_bounds(self) -> tuple[float, float] | None:
        """Return the 90 % interval of the joules; None where the cost model has none."""
        return interval(self.energy_j, self.row.energy_quantile, self.runtime_s)

    def runtime_bounds(self) -> tuple[float, float] | None:
        """Return the 90 % interval of the runtime; None where the cost model has none."""
        return interval(self.runtime_s, self.row.seconds_quantile, self.runtime_s)


def cost_of(row: PlacementRow, terms: Terms, energy: float = 1.0, runtime: float = 1.0) -> Cost:
    """Return what a request takes of a placement, the predictions multiplied by these factors."""
    joules, seconds = terms.total(row.energy), terms.total(row.seconds)
    return Cost(row, energy * joules, runtime * seconds, energy, runtime, terms.sequences)
